"""Where a metric stands, how far it moved, and whether it creeps."""

from __future__ import annotations

import math
import random

import pytest

from perfgate.model import Better, Key, Scope, Unit
from perfgate.trend.changepoints import change_points
from perfgate.trend.drift import DAY, Creep, Direction, Move, creep, level, over, since, since_commit
from perfgate.trend.series import Point, Series
from tests.trend.noises import NOISES, steady

START = 1.7e9


def daily(values: list[float], better: Better = Better.LOWER) -> Series:
    """One run a day; the commit of day 10 is v1."""
    points = (
        Point(START + DAY * day, "v1" if day == 10 else f"c{day}", value, day + 1) for day, value in enumerate(values)
    )
    return Series(Key("response.p95", Scope("browse")), Unit.SECONDS, better, tuple(points))


def stepped(place: int, count: int, size: float) -> list[float]:
    return [value * (1.0 + size) if at >= place else value for at, value in enumerate(steady(random.Random(1), count))]


def test_the_level_is_that_of_the_last_runs_and_no_spike_moves_it() -> None:
    assert level(daily([1.0] * 20 + [2.0] * 6 + [90.0])) == 2.0


def test_after_a_shift_its_own_runs_alone_tell_the_level() -> None:
    values = stepped(57, 60, 0.5)
    assert level(daily(values)) == pytest.approx(100.0, rel=0.02)
    assert level(daily(values), change_points(values)) == pytest.approx(150.0, rel=0.02)


@pytest.mark.parametrize(("days", "change"), [(7, 0.0), (30, 0.2), (90, 0.2)])
def test_the_change_over_a_period_is_against_the_level_then(days: int, change: float) -> None:
    move = over(daily(stepped(100, 120, 0.2)), days)
    assert move is not None
    assert move.change == pytest.approx(change, abs=0.01)
    assert move.low <= move.change <= move.high


def test_a_history_shorter_than_the_period_says_nothing_of_it() -> None:
    assert over(daily([1.0] * 20), 30) is None
    assert over(daily([]), 7) is None


def test_the_change_since_a_release_is_against_its_own_runs() -> None:
    move = since_commit(daily(stepped(11, 60, 0.1)), "v1")
    assert move is not None
    assert move.change == pytest.approx(0.1, abs=0.01)
    assert since_commit(daily([1.0] * 60), "v2") is None


def test_nothing_is_said_of_a_moment_with_no_run_after_it() -> None:
    assert since(daily([1.0] * 5), START + 4 * DAY) is None


@pytest.mark.parametrize(
    ("better", "size", "direction"),
    [
        (Better.LOWER, 0.2, Direction.DEGRADING),
        (Better.LOWER, -0.2, Direction.IMPROVING),
        (Better.HIGHER, 0.2, Direction.IMPROVING),
        (Better.HIGHER, -0.2, Direction.DEGRADING),
        (Better.LOWER, 0.01, Direction.STABLE),
    ],
)
def test_the_direction_depends_on_which_way_is_better(better: Better, size: float, direction: Direction) -> None:
    move = over(daily(stepped(40, 60, size), better), 30)
    assert move is not None
    assert move.direction(better) is direction


def test_a_change_that_may_be_chance_is_no_direction() -> None:
    assert Move(1.0, 1.1, 0.1, -0.01, 0.2).direction(Better.LOWER) is Direction.STABLE
    assert Move(1.0, 1.1, 0.1, 0.01, 0.2).direction(Better.LOWER) is Direction.DEGRADING


def test_counts_that_never_vary_leave_no_doubt() -> None:
    move = over(daily([7.0] * 20 + [8.0] * 20), 30)
    assert move is not None
    assert (move.reference, move.now) == (7.0, 8.0)
    assert (move.low, move.change, move.high) == pytest.approx((1 / 7, 1 / 7, 1 / 7))
    assert over(daily([0.0] * 40), 30) == Move(0.0, 0.0, 0.0, 0.0, 0.0)


def test_from_a_steady_zero_to_a_steady_level_is_sure_and_from_a_noisy_one_there_is_no_interval() -> None:
    steady, noisy = over(daily([0.0] * 20 + [8.0] * 20), 30), over(daily([0.0] * 20 + [8.0, 9.0] * 10), 30)
    assert steady is not None
    assert noisy is not None
    assert (steady.change, steady.low, steady.direction(Better.LOWER)) == (math.inf, math.inf, Direction.DEGRADING)
    assert (noisy.change, noisy.low, noisy.direction(Better.LOWER)) == (math.inf, -math.inf, Direction.STABLE)


@pytest.mark.parametrize("kind", ["normal", "dependent 0.6", "heavy tails"])
def test_the_interval_of_unchanged_code_holds_zero(kind: str) -> None:
    wrong = 0
    for number in range(60):
        move = over(daily(NOISES[kind](random.Random(f"{kind} {number}"), 100)), 30)
        assert move is not None
        wrong += not move.low <= 0.0 <= move.high
    assert wrong / 60 <= 0.15


def creeping(values: list[float], better: Better = Better.LOWER) -> Creep:
    found = creep(daily(values, better), change_points(values))
    assert found is not None
    return found


def test_a_slow_rise_that_no_run_shows_is_found_with_its_size() -> None:
    noise = random.Random(2)
    values = [100.0 * (1.0 + 0.001 * day) * math.exp(noise.gauss(0.0, 0.02)) for day in range(200)]
    found = creeping(values)
    assert found.direction(Better.LOWER) is Direction.DEGRADING
    assert found.direction(Better.HIGHER) is Direction.IMPROVING
    assert found.low <= 0.2 <= found.high
    assert found.days == 199.0


def test_a_single_step_is_no_slow_drift() -> None:
    assert creeping(stepped(60, 120, 0.3)).direction(Better.LOWER) is Direction.STABLE


def test_drift_is_seen_on_both_sides_of_a_step() -> None:
    values = [value * (1.0 + 0.001 * day) for day, value in enumerate(stepped(100, 200, -0.3))]
    found = creeping(values)
    assert found.direction(Better.LOWER) is Direction.DEGRADING
    assert found.change == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_does_not_creep(kind: str) -> None:
    values = (NOISES[kind](random.Random(f"{kind} {number}"), 150) for number in range(20))
    assert sum(creeping(one).direction(Better.LOWER) is not Direction.STABLE for one in values) <= 1


def test_a_trend_within_the_tolerance_is_stable() -> None:
    values = [value * (1.0 + 0.0001 * day) for day, value in enumerate(steady(random.Random(3), 200))]
    found = creeping(values)
    assert found.direction(Better.LOWER, 0.03) is Direction.STABLE
    assert found.direction(Better.LOWER, 0.01) is Direction.DEGRADING


@pytest.mark.parametrize("values", [[], [1.0] * 9])
def test_a_few_runs_do_not_tell_a_trend(values: list[float]) -> None:
    assert creep(daily(values), ()) is None


def test_what_never_varies_does_not_creep() -> None:
    assert creeping([5.0] * 50).direction(Better.LOWER, 0.0) is Direction.STABLE
