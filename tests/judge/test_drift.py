"""What a history says becomes findings that warn, and nothing that is only noise does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from perfgate.judge.drift import drift, undecided
from perfgate.model import Better, Key, Level, Scope, Status, Unit
from perfgate.trend.course import Course, course
from perfgate.trend.series import Point, Series
from perfgate.trend.shifts import Shift

DAY = 86_400.0
KEY = Key("response.p95", Scope("browse", "GET /products"))


def gone_like(
    values: Sequence[float],
    *,
    better: Better = Better.LOWER,
    told: Sequence[Shift] = (),
    missed: int = 0,
) -> Course:
    """A metric with one value a day; commits are named by the day."""
    points = tuple(Point(day * DAY, f"{day:040d}", value, day + 1) for day, value in enumerate(values))
    return course(Series(KEY, Unit.SECONDS, better, points), told=told, missed=missed)


def noisy(*levels: float) -> list[float]:
    chance = random.Random(len(levels))
    return [level * chance.lognormvariate(0.0, 0.02) for level in levels]


STEP = noisy(*[0.1] * 25, *[0.12] * 25)
SLOPE = noisy(*[0.1 * (1.0 + day / 250.0) for day in range(100)])


def test_a_shift_for_the_worse_that_nobody_was_told_of_warns() -> None:
    (found,) = drift([gone_like(STEP)], 0.0)
    assert (found.status, found.level, found.kind, found.key) == (Status.WARN, Level.WARN, "drift", KEY)
    assert found.because.startswith("the trunk's level shifted after 0000000000, with 0000000000")
    assert found.change == pytest.approx(0.2, abs=0.03)
    assert found.observed == pytest.approx(0.12, rel=0.02)
    assert found.reference == pytest.approx(0.1, rel=0.02)


def test_a_shift_that_was_told_or_is_older_or_for_the_better_is_none() -> None:
    told = gone_like(STEP).shifts
    assert drift([gone_like(STEP, told=told)], 0.0) == []
    assert drift([gone_like(STEP)], 30 * DAY) == []
    assert drift([gone_like(STEP, better=Better.HIGHER)], 0.0) == []


def test_a_shift_that_was_mended_is_none() -> None:
    assert len(gone_like([*STEP, *STEP[:25]]).fresh) == 2
    assert drift([gone_like([*STEP, *STEP[:25]])], 0.0) == []


def test_a_shift_within_one_commit_is_nobodys() -> None:
    one = gone_like(STEP)
    shifts = tuple(replace(shift, good="a" * 40, bad="a" * 40, since="a" * 40) for shift in one.fresh)
    (found,) = drift([replace(one, fresh=shifts)], 0.0)
    assert found.because == "the trunk's level shifted while aaaaaaaaaa was measured again and again: no commit did it"


def test_a_slope_without_any_step_is_drift_one_way_only() -> None:
    (found,) = drift([gone_like(SLOPE)], 0.0)
    assert "no single change shows it" in found.because
    assert found.change == pytest.approx(0.39, abs=0.03)
    assert drift([gone_like(SLOPE, better=Better.HIGHER)], 0.0) == []


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_drift(seed: int) -> None:
    chance = random.Random(seed)
    courses = [gone_like([0.1 * chance.lognormvariate(0.0, 0.05) for _ in range(120)]) for _ in range(5)]
    assert drift(courses, 0.0) == []


def test_what_is_not_measured_any_more_does_not_drift() -> None:
    assert drift([gone_like(STEP, missed=3), gone_like(noisy(*[0.1] * 50))], 0.0) == []


def test_a_slope_among_many_metrics_has_to_be_surer() -> None:
    one = gone_like(SLOPE[:40])
    assert one.creep is not None
    slight = replace(one, creep=replace(one.creep, p=0.0005))
    others = [replace(one, creep=None)] * 99
    assert len(drift([slight], 0.0)) == 1
    assert drift([slight, *others], 0.0) == []


@pytest.mark.parametrize(("runs", "words"), [(0, "0 runs"), (1, "1 run of"), (9, "9 runs"), (10, "")])
def test_too_short_a_history_says_so(runs: int, words: str) -> None:
    found = drift([gone_like([0.1] * runs)] if runs else [], 0.0)
    assert [one.status for one in found] == ([Status.NEW] if words else [])
    assert all(words in one.because for one in found)


def test_what_could_not_be_looked_at_is_unsure_and_no_pass() -> None:
    found = undecided("the history could not be looked at: gone")
    assert (found.status, found.level, found.metric) == (Status.UNSURE, Level.WARN, "drift")
