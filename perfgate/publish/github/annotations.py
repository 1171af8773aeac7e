"""What a result says of places in files: budgets at their lines of the budgets file, causes and advice in the code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from perfgate.advice import Advice, Cause, Severity
from perfgate.model import Level
from perfgate.publish.counsel import counsel
from perfgate.publish.digest import Digest
from perfgate.publish.report import one_line
from perfgate.publish.rows import Group
from perfgate.result import Result

LONGEST_TITLE = 200
MOST_NAMES = 5

_PLACE = re.compile(r"(?:sent by |at )?([^:\s]+\.\w+):([1-9]\d{0,6})")
_HEAVY = (Severity.HIGH, Severity.MEDIUM)
_WORST_FIRST = (Level.FAIL, Level.WARN, Level.INFO)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark at a line of a file. `path` is relative to the repository; it is "" for what has no place in a file."""

    path: str
    line: int
    level: Level
    title: str
    message: str


def annotate(result: Result, folder: str = "") -> tuple[Annotation, ...]:
    """The remarks about a result, worst first; `folder` is the project's within the repository, "" for its top.

    What failed or needs attention stands at its rule, and advice in the code that it is about.
    """
    digest = Digest(result)
    in_code = _together(chain(_of_advice(result.advice, folder), _of_causes(result.causes, folder)))
    failures, attention = ([_of_group(group, folder) for group in part] for part in (digest.failures, digest.attention))
    return tuple(sorted([*failures, *in_code, *attention], key=lambda one: _WORST_FIRST.index(one.level)))


def _of_group(group: Group, folder: str) -> Annotation:
    row = group.rows[0]
    path, line = _place(row.finding.rule, folder)
    where = f" in {row.scenario}" if row.scenario else ""
    if len(group.rows) == 1:
        title, message = f"{group.status}: {row.name}{where}", row.because or row.compared
    else:
        names = ", ".join(one.name for one in group.rows[:MOST_NAMES])
        more = f" and {len(group.rows) - MOST_NAMES} more" if len(group.rows) > MOST_NAMES else ""
        title, message = f"{group.status}: {group.title}", f"{group.because}: {names}{more}"
    return Annotation(path, line, row.level, one_line(title, LONGEST_TITLE), message)


def _of_advice(advice: Iterable[Advice], folder: str) -> Iterator[Annotation]:
    for one in advice:
        path, line = _place(one.code, folder)
        if path and one.severity in _HEAVY:
            told = counsel(one)
            message = "\n".join((*told.evidence, told.remedy, *told.sql, *told.tried))
            yield Annotation(path, line, Level.WARN, one_line(told.title, LONGEST_TITLE), message)


def _of_causes(causes: Iterable[Cause], folder: str) -> Iterator[Annotation]:
    for cause in causes:
        seen, *steps = map(one_line, cause.steps or ("",))
        for step in steps:
            path, line = _place(step, folder)
            if path:
                others = "; ".join(other for other in steps if other != step)
                yield Annotation(path, line, Level.WARN, one_line(f"why {seen}", LONGEST_TITLE), others or seen)


def _together(found: Iterable[Annotation]) -> list[Annotation]:
    """One remark a line: advice comes first, and tells what a cause would."""
    kept: dict[tuple[str, int], Annotation] = {}
    for one in found:
        kept.setdefault((one.path, one.line), one)
    return list(kept.values())


def _place(text: str, folder: str) -> tuple[str, int]:
    """The file and line that `budgets.yaml:31` names; "" where it names none within the repository."""
    named = _PLACE.fullmatch(one_line(text))
    path = PurePosixPath(folder, named[1]) if named else PurePosixPath("/")
    if named is None or path.is_absolute() or ".." in path.parts:
        return "", 0
    return path.as_posix(), int(named[2])
