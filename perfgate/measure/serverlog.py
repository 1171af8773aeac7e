"""What a server that explains everything wrote into its log: executions with plans and parameters, between marks.

The log is text, an entry a `LEVEL:  message` with a prefix, its further lines begin with a tab, whatever the prefix
(src/backend/utils/error/elog.c). auto_explain writes a plan when a statement ends, as JSON. Parameters are in it from
Postgres 16 on; before that, they stand in the session's entry about the execution.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ENTRY = re.compile(
    r"(?P<prefix>.*?)"
    r"(?P<level>LOG|DETAIL|STATEMENT|CONTEXT|HINT|ERROR|WARNING|NOTICE|FATAL|PANIC|DEBUG\d):  (?P<text>.*)"
)
_PROCESS = re.compile(r"\[(\d+)")
_PLAN = re.compile(r"duration: (?P<ms>[\d.]+) ms  plan:\n", re.DOTALL)
_EXECUTED = re.compile(r"duration: [\d.]+ ms  execute [^:]*: (?P<text>.*)", re.DOTALL)
_PARAMETERS = re.compile(r"[Pp]arameters: (?P<list>.*)", re.DOTALL)
_PARAMETER = re.compile(r"\$\d+ = (?:'(?P<text>(?:[^']|'')*)'|(?P<null>NULL))")


@dataclass
class Explained:
    """One execution: the statement as it was sent, its plan, its parameters as text, and its duration in seconds."""

    text: str
    plan: Mapping[str, Any]
    parameters: tuple[str | None, ...]
    seconds: float
    session: str


@dataclass(frozen=True)
class Entry:
    """A message of the log, all its lines; `session` is the process that wrote it, "" where the prefix has none."""

    level: str
    text: str
    session: str


def entries(log: str) -> Iterator[Entry]:
    """All messages in order."""
    level, session, lines = "", "", list[str]()
    for line in log.removesuffix("\n").split("\n"):  # only lines after these begin with a tab
        found = None if line.startswith("\t") else _ENTRY.fullmatch(line)
        if found is None:
            lines.append(line.removeprefix("\t"))
            continue
        if level:
            yield Entry(level, "\n".join(lines), session)
        process = _PROCESS.search(found["prefix"])
        level, session, lines = found["level"], process[1] if process else "", [found["text"]]
    if level:
        yield Entry(level, "\n".join(lines), session)


def between(log: str, marks: Iterable[str]) -> list[list[Explained]]:
    """The executions before each of the marks and after the one before it, of a log that has them all in order."""
    waiting, found = list(marks), list[list[Explained]]()
    collected: list[Explained] = []
    told = _Told()
    for entry in entries(log):
        if len(found) == len(waiting):
            break
        if entry.level == "LOG" and entry.text == waiting[len(found)]:
            found.append(collected)
            collected = []
        elif (explained := _explained(entry)) is not None:
            told.plan(explained)
            collected.append(explained)
        else:
            told.hear(entry)
    return found


class _Told:
    """Brings plans and parameters of a session together: a plan is written when its portal goes, which is before the
    entry about the execution where nothing was returned, and after it where something was.
    """

    def __init__(self) -> None:
        self._last: dict[str, Explained] = {}
        self._executed: dict[str, tuple[str, tuple[str | None, ...]]] = {}
        self._listening = ""

    def plan(self, explained: Explained) -> None:
        text, given = self._executed.pop(explained.session, ("", ()))
        if not explained.parameters and text == explained.text:
            explained.parameters = given
        self._last[explained.session] = explained

    def hear(self, entry: Entry) -> None:
        executed = _EXECUTED.fullmatch(entry.text) if entry.level == "LOG" else None
        given = _PARAMETERS.match(entry.text) if entry.level == "DETAIL" else None
        if executed:
            self._listening = executed["text"]
        elif given and self._listening:
            self._heard(entry.session, parameters(given["list"]))
        if not executed:
            self._listening = ""

    def _heard(self, session: str, given: tuple[str | None, ...]) -> None:
        last = self._last.get(session)
        if last is not None and last.text == self._listening and not last.parameters:
            last.parameters = given
        else:
            self._executed[session] = self._listening, given


def _explained(entry: Entry) -> Explained | None:
    head = _PLAN.match(entry.text) if entry.level == "LOG" else None
    if head is None:
        return None
    try:
        document = json.loads(entry.text[head.end() :])
    except ValueError:  # a message longer than the log's channel takes may be torn
        return None
    given = parameters(document.get("Query Parameters", ""))
    return Explained(document["Query Text"], document["Plan"], given, float(head["ms"]) / 1000, entry.session)


def parameters(listed: str) -> tuple[str | None, ...]:
    """The values in `$1 = 'it''s', $2 = NULL`."""
    return tuple(None if match["null"] else match["text"].replace("''", "'") for match in _PARAMETER.finditer(listed))
