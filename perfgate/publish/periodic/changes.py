"""Which level shifts a report tells: those that are news since the one before, by the commits they came with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from perfgate.model import Key
from perfgate.trend.course import Course
from perfgate.trend.shifts import Shift, news

SLIGHT = 0.01
"""Shifts of a smaller share than this, one call more in a thousand, are counted and not told."""

LEFT = 0.2
"""A shift of which no more than this share is left at the end has been undone."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A level shift of one metric, and what became of it by the end of the span.

    `when` is the time of the run that it most likely came with. `undone` says that the level is back where it was; `by`
    is the shift that took it there, None where it went slowly.
    """

    course: Course
    shift: Shift
    when: float
    undone: bool
    by: Shift | None

    @property
    def size(self) -> float:
        """How far the level went, on the scale of logarithms, so that twice and half are alike."""
        before, after = self.shift.before, self.shift.after
        return abs(math.log(after / before)) if before > 0.0 < after else math.inf


@dataclass(frozen=True, slots=True)
class Change:
    """Shifts for the worse, or for the better, that one range of commits explains, the largest first.

    It came after commit `good`, with `bad` at the latest and most likely with `since`. `late` says that it took place
    before the span and could not be told from noise then.
    """

    episodes: tuple[Episode, ...]
    good: str
    bad: str
    since: str
    began: float
    ended: float
    late: bool

    @property
    def lead(self) -> Episode:
        """The largest of its shifts, of those that still stand where there are any."""
        return self.standing[0] if self.standing else self.episodes[0]

    @property
    def standing(self) -> tuple[Episode, ...]:
        return tuple(one for one in self.episodes if not one.undone)

    @property
    def outside(self) -> bool:
        """Whether one commit was measured on both sides, so that something other than a commit did it."""
        return self.good == self.bad


@dataclass(frozen=True, slots=True)
class Changes:
    """What got worse and what got better, what still stands first; `lost` got better and is not any more.

    `slight` counts the shifts that are too small to be told.
    """

    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    lost: tuple[Change, ...]
    slight: int = 0

    @property
    def keys(self) -> frozenset[Key]:
        """The metrics that shifted."""
        every = chain(self.worse, self.better, self.lost)
        return frozenset(one.shift.key for change in every for one in change.episodes)


def changes(courses: Sequence[Course], before: Mapping[Key, Course], since: float, earliest: float) -> Changes:
    """The shifts that are in `courses` (to the span's end) and not in `before` (to its begin), by range of commits.

    Those before `earliest` (epoch seconds) are left out: a longer history is seen in a new light now and then. What
    only took back a shift for the worse that is told here is told with that.
    """
    found = [one for course in courses for one in _episodes(course, before.get(course.key))]
    recent = [one for one in found if one.shift.ended >= earliest]
    told = [one for one in recent if abs(one.shift.change) >= SLIGHT]
    worse = [one for one in told if one.shift.worse]
    mending = {(one.shift.key, one.by.ended) for one in worse if one.undone and one.by}
    better = [one for one in told if not one.shift.worse and (one.shift.key, one.shift.ended) not in mending]
    return Changes(
        worse=_grouped(worse, since),
        better=_grouped([one for one in better if not one.undone], since),
        lost=_grouped([one for one in better if one.undone], since),
        slight=len(recent) - len(told),
    )


def _episodes(course: Course, before: Course | None) -> list[Episode]:
    fresh = news(course.series, course.changes, before.shifts if before else ())
    return [_episode(course, one) for one in fresh]


def _episode(course: Course, shift: Shift) -> Episode:
    moved = shift.after - shift.before
    undone = moved != 0.0 and (course.level - shift.before) / moved <= LEFT
    back = [one for one in course.shifts if one.ended > shift.ended and one.worse is not shift.worse]
    when = course.series.points[course.changes[course.shifts.index(shift)].index].when
    return Episode(course, shift, when, undone, back[-1] if undone and back else None)


def _grouped(episodes: Iterable[Episode], since: float) -> tuple[Change, ...]:
    """Those whose ranges of commits have one in common are told together."""
    groups: list[list[Episode]] = []
    for one in sorted(episodes, key=lambda one: (one.shift.ended, one.shift.began, one.shift.key)):
        home = next((group for group in groups if _meets(group, one)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    found = [_change(group, since) for group in groups]
    return tuple(sorted(found, key=lambda one: (not one.standing, -one.lead.size, one.ended, one.lead.shift.key)))


def _meets(group: Sequence[Episode], one: Episode) -> bool:
    """Whether some commit lies in the range of all of them."""
    began = max(one.shift.began, *(other.shift.began for other in group))
    return began < min(one.shift.ended, *(other.shift.ended for other in group))


def _change(group: Sequence[Episode], since: float) -> Change:
    first = max(group, key=lambda one: one.shift.began).shift
    last = min(group, key=lambda one: one.shift.ended).shift
    ordered = sorted(group, key=lambda one: (one.undone, -one.size, one.shift.key))
    likely = [one.shift.since for one in ordered if first.began < one.when <= last.ended] or [last.bad]
    return Change(
        episodes=tuple(ordered),
        good=first.good,
        bad=last.bad,
        since=max(likely, key=likely.count),
        began=first.began,
        ended=last.ended,
        late=last.ended < since,
    )
