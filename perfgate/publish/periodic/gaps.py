"""What a report cannot tell: metrics that are not measured any more, runs without a result, too short histories."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from perfgate.model import Key
from perfgate.publish.history.reading import StoredRun
from perfgate.stats import percentile
from perfgate.trend.changepoints import LASTING
from perfgate.trend.course import Course

FEWEST = 2 * LASTING
"""Runs of a metric below which no level shift can be told."""

_SILENT = 3.0
"""A metric is missed after as many of the long pauses that there usually are between its runs."""
_PAUSES = 50
_LONG = 0.9
"""The share of its pauses that are no longer than a long one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Metrics that were measured together for the last time: by the run of `commit` at `last`.

    `lately` says that they still were when the span began.
    """

    keys: tuple[Key, ...]
    last: datetime
    commit: str
    lately: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """How runs ended, by number. `unjudged` ones were only measured, as imported ones were."""

    runs: int = 0
    green: int = 0
    warned: int = 0
    unsure: int = 0
    red: int = 0
    unmeasured: int = 0
    unjudged: int = 0


def ends(runs: Iterable[StoredRun]) -> Ends:
    """How the runs ended; each counts once."""
    told = [_end(one) for one in runs]
    return Ends(len(told), **{name: told.count(name) for name in set(told)})


def _end(run: StoredRun) -> str:
    if run.exit_code is None:
        return "unjudged"
    if run.exit_code == 1:
        return "red"
    if run.exit_code != 0:
        return "unmeasured"
    return {"warn": "warned", "unsure": "unsure"}.get(run.status, "green")


def stopped(course: Course, latest: float) -> bool:
    """Whether a metric is not measured any more, though others were until `latest` (epoch seconds).

    That is so where runs of its scenario went without it, and where nobody runs its scenario for longer than ever.
    """
    when = [point.when for point in course.series.points[-_PAUSES:]]
    pauses = [later - sooner for sooner, later in pairwise(when)]
    return course.gone or (bool(pauses) and latest - when[-1] > _SILENT * percentile(sorted(pauses), _LONG))


def latest(courses: Iterable[Course]) -> float:
    """When something was measured last; 0 where nothing ever was."""
    return max((one.series.points[-1].when for one in courses), default=0.0)


def gaps(gone: Iterable[Course], already: Collection[Key]) -> tuple[Gap, ...]:
    """The metrics that stopped being measured; `already` had when the span began. The last measured first."""
    together: dict[tuple[float, str, bool], list[Key]] = {}
    for one in gone:
        last = one.series.points[-1]
        together.setdefault((last.when, last.commit, one.key not in already), []).append(one.key)
    return tuple(
        Gap(tuple(sorted(keys)), datetime.fromtimestamp(when, UTC), commit, lately)
        for (when, commit, lately), keys in sorted(together.items(), key=lambda pair: pair[0], reverse=True)
    )


def brief(courses: Iterable[Course]) -> tuple[Key, ...]:
    """The metrics that were not measured often enough yet to tell a level shift."""
    return tuple(sorted(one.key for one in courses if len(one.series.points) < FEWEST))
