"""Odd runs: away from their neighbours, and no change."""

from __future__ import annotations

import random

import pytest

from perfgate.trend.anomalies import anomalies
from perfgate.trend.changepoints import change_points
from tests.trend.noises import normal, steady


def places(values: list[float]) -> list[int]:
    return [odd.index for odd in anomalies(values, change_points(values))]


@pytest.mark.parametrize("place", [0, 30, 59])
def test_a_single_slow_run_is_found_with_what_was_to_be_expected(place: int) -> None:
    values = steady(random.Random(1), 60)
    values[place] *= 1.5
    (odd,) = anomalies(values)
    assert odd.index == place
    assert odd.expected == pytest.approx(100.0, rel=0.02)
    assert odd.change == pytest.approx(0.5, abs=0.03)
    assert odd.score > 20


def test_a_run_that_is_too_fast_is_odd_as_well() -> None:
    values = steady(random.Random(2), 60)
    values[20] *= 0.5
    (odd,) = anomalies(values)
    assert odd.score < -20


def test_a_level_shift_is_no_odd_run_and_hides_none() -> None:
    values = [value * 1.3 if at >= 40 else value for at, value in enumerate(steady(random.Random(3), 80))]
    assert places(values) == []
    values[50] *= 1.5
    assert places(values) == [50]


def test_among_counts_that_never_vary_any_other_is_odd() -> None:
    (odd,) = anomalies([7.0] * 10 + [8.0] + [7.0] * 20)
    assert (odd.index, odd.expected, odd.score) == (10, 7.0, float("inf"))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 9.0, 1.0], [1.0] * 30])
def test_too_few_or_equal_values_have_no_odd_one(values: list[float]) -> None:
    assert anomalies(values) == ()


def test_normal_noise_has_hardly_an_odd_run() -> None:
    assert sum(len(anomalies(normal(random.Random(seed), 200))) for seed in range(10)) <= 2


def test_a_deviation_smaller_than_asked_for_is_none() -> None:
    values = steady(random.Random(5), 60)
    values[30] = 105.0
    assert [len(anomalies(values, least=least)) for least in (0.02, 0.1)] == [1, 0]
