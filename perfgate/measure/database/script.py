"""Reading an SQL file as psql does: into statements, each with its line, and the data that follows COPY FROM stdin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* )
    | (?P<block>   /\* )
    | (?P<quoted>  [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) | '[^']*(?:'|\Z) | "[^"]*(?:"|\Z) )
    | (?P<dollar>  \$(?:[^\W\d]\w*)?\$ )
    | (?P<word>    [^\W\d][\w$]* )
    | (?P<paren>   [()] )
    | (?P<end>     ; )
    | (?P<meta>    \\[^\n]* )
    | (?P<space>   \s+ )
    | (?P<other>   [\d.]+\w* | [^\w\s'"$/\-;()\\]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_COPY = re.compile(r"COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_COPY_END = re.compile(r"^\\\.[ \t]*\r?$\n?", re.MULTILINE)
# A definition whose body is SQL and not a string: its semicolons end nothing until END.
_ROUTINE = re.compile(r"create (or replace )?(function|procedure)\b")
_HEAD = 4
# What pg_dump writes around its output for psql's safety; nothing has to be done for it here.
_IGNORED = re.compile(r"\\(un)?restrict\b")


class NotSql(Exception):
    """A command of psql stands on line `line`."""

    def __init__(self, command: str, line: int) -> None:
        super().__init__(command)
        self.line = line


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon. `line` is where it begins; `data` is what COPY FROM stdin reads."""

    text: str
    line: int
    data: str | None = None

    def line_of(self, position: int) -> int:
        """The line of a character of the statement, counted from 1 as Postgres does."""
        return self.line + self.text.count("\n", 0, position - 1)


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file, in order. Raises NotSql."""
    position, counted, line = 0, 0, 1
    while position < len(text):
        scan = _Scan(text, position)
        line, counted = line + text.count("\n", counted, scan.begin), scan.begin
        if scan.command:
            raise NotSql(scan.command, line)
        position, data = scan.after, None
        found = text[scan.begin : scan.end]
        if _COPY.match(found):
            data, position = _copied(text, position)
        if found:
            yield Statement(found, line, data)


class _Scan:
    """The next statement from a position on: `text[begin:end]`, and `after` its semicolon.

    Where a command of psql comes first it is `command`, and `begin` its place.
    """

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.begin = self.end = self.after = len(text)
        self.command = ""
        self._started = False
        self._head: list[str] = []
        self._routine = False
        self._parens = self._depth = 0
        while match := _TOKEN.match(text, position):
            position = self._past(match)
            if self.after < len(text) or self.command:
                break

    def _past(self, match: re.Match[str]) -> int:
        """Take one token in; where it ends."""
        kind, position = match.lastgroup, match.end()
        if kind in ("space", "comment"):
            return position
        if kind == "block":
            return self._block_end(position)
        if kind == "meta":
            if not _IGNORED.match(match.group()):
                self.begin, self.command = match.start(), match.group().split()[0]
            return position
        if kind == "end" and self._parens == self._depth == 0:
            self.begin = self.begin if self._started else match.start()
            self.end, self.after = match.start(), position
            return position
        if not self._started:
            self._started, self.begin = True, match.start()
        if kind == "dollar":
            found = self.text.find(match.group(), position)
            return found + len(match.group()) if found >= 0 else len(self.text)
        if kind == "paren":
            self._parens += 1 if match.group() == "(" else -1
        elif kind == "word":
            self._word(match.group().lower())
        return position

    def _word(self, word: str) -> None:
        """Know the definition of a routine by its head, and how deep BEGIN ATOMIC and CASE are nested in its body."""
        if len(self._head) < _HEAD:
            self._head.append(word)
            self._routine = bool(_ROUTINE.match(" ".join(self._head)))
        if self._routine and self._parens == 0:
            if word == "begin" or (word == "case" and self._depth):
                self._depth += 1
            elif word == "end" and self._depth:
                self._depth -= 1

    def _block_end(self, position: int) -> int:
        """Where a comment ends that was opened before `position`. Such comments nest."""
        depth = 1
        for edge in _BLOCK_EDGE.finditer(self.text, position):
            depth += 1 if edge.group() == "/*" else -1
            if depth == 0:
                return edge.end()
        return len(self.text)


def _copied(text: str, position: int) -> tuple[str, int]:
    """The lines after COPY's, up to the one that is `\\.`, and where to read on."""
    newline = text.find("\n", position)
    begin = newline + 1 if newline >= 0 else len(text)
    end = _COPY_END.search(text, begin)
    return (text[begin : end.start()], end.end()) if end else (text[begin:], len(text))
