"""Level shifts as people are told of them: between which commits, for better or worse, and each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.model import Better, Key
from perfgate.trend.changepoints import ChangePoint
from perfgate.trend.series import Series

_NEAR = 3
"""How many runs a place may move as more values come in, beyond what it was said to be sure of."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A level shift of `key` between two runs: `good` is the last commit surely before it, `bad` the first after it.

    `since` is the commit it most likely came with. `began` and `ended` are the times of `good` and `bad` in epoch
    seconds, by which the shift is known again however many values come or go; `change` is relative (0.1 is +10 %).
    """

    key: Key
    good: str
    bad: str
    since: str
    began: float
    ended: float
    before: float
    after: float
    change: float
    worse: bool

    @property
    def outside(self) -> bool:
        """Whether one commit was measured on both sides, so that something other than a commit did it."""
        return self.good == self.bad


def worse(change: float, better: Better) -> bool:
    """Whether a change in this direction is one for the worse."""
    return change > 0.0 if better is Better.LOWER else change < 0.0


def shift(series: Series, found: ChangePoint) -> Shift:
    """What a change point of the series' values means for its commits."""
    good, bad, since = (series.points[place] for place in (found.first - 1, found.last, found.index))
    return Shift(
        key=series.key,
        good=good.commit,
        bad=bad.commit,
        since=since.commit,
        began=good.when,
        ended=bad.when,
        before=found.before,
        after=found.after,
        change=found.magnitude,
        worse=worse(found.magnitude, series.better),
    )


def news(series: Series, found: Sequence[ChangePoint], told: Sequence[Shift]) -> tuple[Shift, ...]:
    """The shifts among `found` that are none of those already `told`, so that each is reported once.

    A shift is known by its metric, its direction and its place: the place may move by a few runs as values come in.
    Each shift already told stands for one of `found` only, the nearest: a second step up soon after the first is news.
    """
    known = [past for past in told if past.key == series.key]
    fresh: list[Shift] = []
    for change in found:
        present = shift(series, change)
        same = [past for past in known if past.worse == present.worse and _meets(series, change, past)]
        if same:
            known.remove(min(same, key=lambda past: abs(past.ended - present.ended)))
        else:
            fresh.append(present)
    return tuple(fresh)


def _meets(series: Series, change: ChangePoint, past: Shift) -> bool:
    """Whether the change may have taken place where the past one did, give or take a few runs."""
    earliest = series.points[max(change.first - 1 - _NEAR, 0)].when
    latest = series.points[min(change.last + _NEAR, len(series.points) - 1)].when
    return past.began <= latest and past.ended >= earliest
