"""What could be done for a project: advice that a run got, what became worse and still is, limits almost used up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from perfgate.model import Better
from perfgate.publish.history.reading import Window
from perfgate.publish.history.sentences import commits, placed
from perfgate.trend.course import Course
from perfgate.trend.health import EASE, ROOM, Opportunity
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
    for one in courses:
        yield from _standing_shift(one, window)
        yield from _creeping(one)
        yield from _tight(one)


def _advice(one: Mapping[str, Any]) -> Opportunity:
    saved = [1.0 - trial["after"] / trial["before"] for trial in one["verified"] if trial["before"] > 0.0]
    impact = max(saved, default=EXPECTED[one["severity"]])
    tried = f"measured when tried: {percent(-impact)}" if saved else one["effect"]
    return Opportunity(one["title"], max(impact, 0.0), EASE[one["effort"]], tried)


def _standing_shift(one: Course, window: Window) -> Iterator[Opportunity]:
    """The worst step of the window for the worse that the present level has not made up for."""
    begin = window.since.timestamp()
    steps = [step for step in one.shifts if step.worse and step.ended >= begin and one.stands(step)]
    lost = {step: _lost(step.before, one.level, one) for step in steps}
    if lost and max(lost.values()) > 0.0:
        worst = max(steps, key=lambda step: lost[step])
        ease = EASE["minutes"] if worst.since == worst.bad else NARROW
        yield Opportunity(
            f"Undo the step of {placed(one.key)}", lost[worst], ease, f"{percent(worst.change)} {commits(worst)}"
        )


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
        because = f"takes {one.used:.0%} of its limit" if math.isfinite(one.used) else "its limit is zero"
        yield Opportunity(f"Make room below the limit of {placed(one.key)}", 1.0 - ROOM / share, EASE["days"], because)
