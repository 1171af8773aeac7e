"""A history as plain values: the points of one metric in one scope, in order of time."""

from __future__ import annotations

from dataclasses import dataclass

from perfgate.model import Better, Key, Unit


@dataclass(frozen=True, slots=True)
class Point:
    """What one run measured: `when` in epoch seconds, `value` in the metric's base unit.

    `run` is the run's number in its store, 0 where it is in none; `release` the tag that names the commit, or "".
    """

    when: float
    commit: str
    value: float
    run: int = 0
    release: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one metric in one scope, in order of time; one commit may have several."""

    key: Key
    unit: Unit
    better: Better
    points: tuple[Point, ...]

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(point.value for point in self.points)
