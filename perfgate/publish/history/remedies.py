"""What could be done for a project: advice that a run got, what became worse and still is, limits almost used up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perfgate.model import Better
from perfgate.publish.history.reading import Window
from perfgate.publish.history.sentences import commits, placed
from perfgate.trend.course import Course
from perfgate.trend.health import EASE, ROOM, Opportunity
from perfgate.trend.shifts import Shift
from perfgate.units import percent

EXPECTED = {"high": 0.2, "medium": 0.1, "low": 0.03}
"""What an advice saves that was not tried, by how much it matters."""
NARROW = 0.5
"""How easy it is to find what did it among several commits; a single one is as easy as anything of minutes."""


def candidates(
    courses: Sequence[Course], window: Window, advised: Sequence[Mapping[str, Any]]
) -> Iterator[Opportunity]:
    """All opportunities there are. Impact is a share: of what the metric is now, or of what a remedy's trial showed."""
    yield from map(_advice, advised)
    yield from _steps(courses, window)
    for one in courses:
        yield from _creeping(one)
        yield from _tight(one)


def _advice(one: Mapping[str, Any]) -> Opportunity:
    saved = [1.0 - trial["after"] / trial["before"] for trial in one["verified"] if trial["before"] > 0.0]
    impact = max(saved, default=EXPECTED[one["severity"]])
    tried = f"measured when tried: {percent(-impact)}" if saved else one["effect"]
    return Opportunity(one["title"], max(impact, 0.0), EASE[one["effort"]], tried)


@dataclass(frozen=True)
class _Step:
    """A step for the worse that still stands, and the share of its metric that undoing it would gain."""

    course: Course
    shift: Shift
    lost: float


def _steps(courses: Sequence[Course], window: Window) -> Iterator[Opportunity]:
    """One for all metrics that became worse in the same commits: these are undone together."""
    together: dict[tuple[str, str], list[_Step]] = {}
    for step in filter(None, (_standing_step(one, window) for one in courses)):
        together.setdefault((step.shift.good, step.shift.since), []).append(step)
    for steps in together.values():
        worst = max(steps, key=lambda step: step.lost)
        others = len(steps) - 1
        more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
        ease = EASE["minutes"] if worst.shift.since == worst.shift.bad else NARROW
        because = f"{percent(worst.shift.change)} {commits(worst.shift)}"
        yield Opportunity(f"Undo the step of {placed(worst.course.key)}{more}", worst.lost, ease, because)


def _standing_step(one: Course, window: Window) -> _Step | None:
    """The worst step of the window for the worse that the present level has not made up for."""
    begin = window.since.timestamp()
    steps = [step for step in one.shifts if step.worse and step.ended >= begin and one.stands(step)]
    found = [_Step(one, step, _lost(step.before, one.level, one)) for step in steps]
    worst = max(found, key=lambda step: step.lost, default=None)
    return worst if worst is not None and worst.lost > 0.0 else None


def _lost(before: float, now: float, one: Course) -> float:
    """What going back to the level before would gain, as a share of the larger of the two."""
    low, high = (before, now) if one.better is Better.LOWER else (now, before)
    return (high - low) / abs(high) if high > low and high else 0.0


def _creeping(one: Course) -> Iterator[Opportunity]:
    crept = one.standing.crept
    if crept > 0.0 and one.creep is not None:
        because = f"{percent(one.creep.change)} in {one.creep.days:.0f} days, by no single change"
        yield Opportunity(f"Stop the drift of {placed(one.key)}", crept / (1.0 + crept), EASE["days"], because)


def _tight(one: Course) -> Iterator[Opportunity]:
    if one.used is not None and one.used > ROOM:
        share = min(one.used, 2.0 - ROOM) if math.isfinite(one.used) else 2.0 - ROOM
        because = f"takes {100 * one.used:.0f} % of its limit" if math.isfinite(one.used) else "its limit is zero"
        yield Opportunity(f"Make room below the limit of {placed(one.key)}", 1.0 - ROOM / share, EASE["days"], because)
