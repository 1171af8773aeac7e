"""Single runs that are away from their neighbours while the level stays: worth a look, and no change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from perfgate.trend.changepoints import ChangePoint, relative
from perfgate.trend.noise import scaled, spread

FAR = 5.0
"""How many standard deviations of the noise a run has to be away."""
_SIDE = 8
"""Values on either side that a value is compared with."""
_ENOUGH = 5
"""Fewer neighbours than this say nothing."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """The run at `index` gave `value` where its neighbours gave `expected`: `score` standard deviations away.

    `score` has the sign of the deviation and is infinite where the neighbours do not vary; `change` is relative.
    """

    index: int
    value: float
    expected: float
    change: float
    score: float


def anomalies(
    values: Sequence[float], changes: Sequence[ChangePoint] = (), *, least: float = 0.02
) -> tuple[Anomaly, ...]:
    """The odd runs of a series whose level shifts are `changes`, in order; none closer to expectation than `least`.

    A value is compared with those of its own level only. The last two of a series may be the first of a new level, as
    later runs will show.
    """
    if len(values) <= _ENOUGH:
        return ()
    inner = scaled(values)
    noise = spread(inner)
    edges = [0, *(change.index for change in changes), len(values)]
    found = []
    for begin, end in pairwise(edges):
        for index in range(begin, end):
            near = [*range(max(begin, index - _SIDE), index), *range(index + 1, min(end, index + 1 + _SIDE))]
            if len(near) >= _ENOUGH:
                found.append(_compared(values, inner, noise, index, near))
    return tuple(odd for odd in found if abs(odd.score) >= FAR and abs(odd.change) >= least)


def _compared(values: Sequence[float], inner: Sequence[float], noise: float, index: int, near: list[int]) -> Anomaly:
    expected = median(values[place] for place in near)
    off = inner[index] - median(inner[place] for place in near)
    score = off / noise if noise > 0.0 else (float("inf") if off > 0.0 else -float("inf")) if off else 0.0
    return Anomaly(index, values[index], expected, relative(expected, values[index]), score)
