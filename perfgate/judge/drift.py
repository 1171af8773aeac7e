"""Drift as findings: what the history of the trunk says, and no single change showed.

Such a finding warns and never fails: the runs of a history are days apart, on machines that differ. What is red since a
release is what was measured beside it, by the rules that hold for any base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perfgate.judge.evidence import level
from perfgate.model import Finding, Scope, Status, Unit
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction
from perfgate.trend.shifts import Shift
from perfgate.units import percent

KIND = "drift"
FEWEST = 10
"""Runs of a history without which nothing shows."""
CHANCE_OF_FALSE_DRIFT = 0.01
"""Of calling slow drift what is none, over all metrics of a history together."""


def drift(courses: Sequence[Course], begin: float) -> list[Finding]:
    """What became worse of each metric: by level shifts since `begin` that nobody was told of, else by slow drift.

    A shift that was mended meanwhile is none. `begin` is in epoch seconds. Where no metric has a history of FEWEST
    runs, that is the one finding.
    """
    longest = max((len(one.series.points) for one in courses), default=0)
    if longest < FEWEST:
        runs = "1 run" if longest == 1 else f"{longest} runs"
        return [undecided(f"the history has {runs} of the trunk: drift shows from {FEWEST} on", Status.NEW)]
    certain = CHANCE_OF_FALSE_DRIFT / len(courses)
    return [finding for one in courses if not one.gone for finding in _of(one, begin, certain)]


def _of(one: Course, begin: float, certain: float) -> list[Finding]:
    fresh = [shift for shift in one.fresh if shift.worse and shift.ended >= begin and one.stands(shift)]
    if fresh:
        return [_shifted(one, shift) for shift in fresh]
    return list(_crept(one, certain))


def undecided(because: str, status: Status = Status.UNSURE) -> Finding:
    """That drift was asked for, and cannot be told of."""
    return Finding(KIND, Scope(), Unit.COUNT, status, level(status), because, KIND)


def _shifted(one: Course, shift: Shift) -> Finding:
    return _warning(one, _blame(shift), shift.after, shift.before, shift.change, None)


def _blame(shift: Shift) -> str:
    good, bad, since = (commit[:10] for commit in (shift.good, shift.bad, shift.since))
    if shift.outside:
        return f"the trunk's level shifted while {since} was measured again and again: no commit did it"
    which = f"with {since}" if since == bad else f"with {since}, or by {bad}"
    return f"the trunk's level shifted after {good}, {which}"


def _crept(one: Course, certain: float) -> Iterator[Finding]:
    creep = one.creep
    if creep is None or one.creeping is not Direction.DEGRADING or creep.p > certain:
        return
    before = one.level / (1.0 + creep.change) if creep.change > -1.0 else None
    because = f"the trunk drifts: {percent(creep.change)} in {creep.days:.0f} days, and no single change shows it"
    yield _warning(one, because, one.level, before, creep.change, (creep.low, creep.high))


def _warning(
    one: Course,
    because: str,
    observed: float,
    reference: float | None,
    change: float,
    interval: tuple[float, float] | None,
) -> Finding:
    return Finding(
        metric=one.key.metric,
        scope=one.key.scope,
        unit=one.unit,
        status=Status.WARN,
        level=level(Status.WARN),
        because=because,
        kind=KIND,
        observed=observed,
        reference=reference,
        change=change,
        interval=interval,
        against="history" if reference is not None else "",
    )
