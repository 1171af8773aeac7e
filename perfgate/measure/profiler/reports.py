"""What the agents in a service wrote, and the marks by which they are asked for it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from perfgate.measure import procfs

PATIENCE_S = 5.0
"""How long an agent may take to answer a mark: one in a process that computes in C answers when that is over."""
POLL_S = 0.003

_FATAL = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)$', re.MULTILINE)


class Spot(NamedTuple):
    """The innermost code of the project on a stack; `sends` below which a database driver was at work.

    `itself` says that no library's frame was below it.
    """

    path: str
    line: int
    function: str
    sends: bool = False
    itself: bool = True


class Sample(NamedTuple):
    """At `time` (epoch) a thread had used `cpu` seconds more than before; it was at `spot`, None for others' code."""

    time: float
    cpu: float
    spot: Spot | None


@dataclass
class Written:
    """All that one process wrote.

    `callers` are the (path, line) that were seen calling other code of the project. `waiting` are the looks at where
    its threads and tasks stood, in their order. `held` maps marks to bytes by (path, line). `ended` is where the
    process was ended.
    """

    pid: int
    samples: list[Sample] = field(default_factory=list)
    callers: set[tuple[str, int]] = field(default_factory=set)
    waiting: list[tuple[float, set[Spot]]] = field(default_factory=list)
    held: dict[int, Mapping[tuple[str, int], int]] = field(default_factory=dict)
    ended: Spot | None = None


class Reports:
    """The folder that agents write to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marks = 0

    def any(self) -> bool:
        """Whether any process of the service has an agent."""
        return any(self.folder.glob("*.jsonl"))

    def mark(self) -> None:
        """Have all agents write what they have, or begin to; comes back when they did, or do not answer."""
        self._marks += 1
        (self.folder / f"mark-{self._marks}").touch()
        end = time.monotonic() + PATIENCE_S
        while self._silent() and time.monotonic() < end:
            time.sleep(POLL_S)

    def _silent(self) -> list[int]:
        pids = [int(path.stem) for path in self.folder.glob("*.jsonl")]
        return [pid for pid in pids if self._answers(pid) and not (self.folder / f"{pid}.mark-{self._marks}").exists()]

    def _answers(self, pid: int) -> bool:
        stat = procfs.stat(pid)
        return stat is not None and stat.alive

    def read(self, root: Path) -> list[Written]:
        """What each process wrote so far; `root` is the project's folder."""
        found = [_written(int(path.stem), _lines(path)) for path in sorted(self.folder.glob("*.jsonl"))]
        for written in found:
            fatal = self.folder / f"{written.pid}.fatal"
            written.ended = written.ended or (
                _fatal(fatal.read_text(errors="replace"), root) if fatal.exists() else None
            )
        return found


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines that are whole: a process may have been killed in the middle of one."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _written(pid: int, lines: Iterator[Mapping[str, Any]]) -> Written:
    written, spots = Written(pid), dict[int, Spot]()
    for line in lines:
        if "place" in line:
            spots[line["number"]] = Spot(*line["place"])
        elif "caller" in line:
            path, number = line["caller"]
            written.callers.add((path, number))
        elif "samples" in line:
            written.samples += [Sample(when, cpu, spots.get(number)) for when, cpu, number in line["samples"]]
        elif "waiting" in line:
            written.waiting.append((line["time"], {Spot(*place) for place in line["waiting"]}))
        elif "held" in line:
            written.held[line["mark"]] = {(path, number): size for path, number, size in line["held"]}
        elif line.get("ended"):
            written.ended = Spot(*line["ended"])
    return written


def _fatal(text: str, root: Path) -> Spot | None:
    """The innermost place of the project in what faulthandler wrote: most recent call first."""
    for match in _FATAL.finditer(text):
        file = Path(match["file"])
        if file.is_relative_to(root) and "site-packages" not in file.parts:
            return Spot(str(file.relative_to(root)), int(match["line"]), match["function"])
    return None
