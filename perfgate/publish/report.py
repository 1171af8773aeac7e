"""What a report is, and how text from outside is made harmless before any report shows it."""

from __future__ import annotations

import re
from typing import ClassVar, Protocol

from perfgate.result import Result

LONGEST_LINE = 500
LONGEST_BLOCK = 40


class Report(Protocol):
    """A way to write a result down: one file in `perfgate/publish/reports/` with a `REPORT`.

    `name` is what it is asked for by, `suffix` what its files end with. `render` returns the whole text for any result,
    judged or not; names, statements and logs in a result come from outside and must not become markup in it.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]

    def render(self, result: Result) -> str:
        """The whole report."""
        ...


_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles and links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # strings for devices
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours and movements
    r"|\x1b[ -/]*[0-~]"
)
# Controls, marks that turn the direction of writing, characters without width, fillers that look like nothing,
# halves of surrogate pairs and what XML forbids.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def clean(text: str) -> str:
    """`text` without terminal escapes, and with U+FFFD for every character that hides or moves others."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("\ufffd", _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\t", "    "))


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """`text`, clean, on one line of at most `longest` characters."""
    return _shortened(" ".join(clean(text).split()), longest)


def last_lines(text: str) -> tuple[str, ...]:
    """The end of a log, clean, line by line; no line where the log is empty."""
    kept = clean(text).rstrip().split("\n")[-LONGEST_BLOCK:]
    return tuple(_shortened(line) for line in kept) if any(kept) else ()


def _shortened(line: str, longest: int = LONGEST_LINE) -> str:
    return line if len(line) <= longest else line[: longest - 1] + "…"


def quoted(sentence: str) -> list[str]:
    """The sentence in parts: every second one stood between back-ticks, which are left out."""
    return re.split(r"`([^`]+)`", sentence)


def inert(text: str) -> str:
    """`text` as a CI log may hold it: GitHub's runner obeys `::command::` at the start of a line, `##[` anywhere."""
    return re.sub(r"(?m)^(\s*)::", r"\1: :", text).replace("##[", "## [")
