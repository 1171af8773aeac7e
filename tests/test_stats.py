"""The statistics against scipy and against simulation."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from perfgate.stats import alpha_spent, looks, mean_bounds, percentile, ratio_bounds, t_quantile, t_tail


@pytest.mark.parametrize("df", [1, 2, 3, 5, 8.5, 11, 30, 200])
@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 1e-3, 1e-4, 1e-6])
def test_the_t_quantile_is_scipys(df: float, alpha: float) -> None:
    assert t_quantile(alpha, df) == pytest.approx(scipy.stats.t.isf(alpha, df), rel=1e-8)


@given(t=st.floats(-50, 50), df=st.floats(1, 300))
def test_the_t_tail_is_scipys(t: float, df: float) -> None:
    assert t_tail(t, df) == pytest.approx(scipy.stats.t.sf(t, df), rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0, 1))
def test_percentiles_are_numpys(values: list[float], share: float) -> None:
    assert percentile(sorted(values), share) == pytest.approx(float(np.percentile(values, share * 100)), rel=1e-9)


@given(st.lists(st.floats(0.001, 1000), min_size=3, max_size=40))
def test_bounds_surround_their_centre(values: list[float]) -> None:
    bounds = mean_bounds(values, 0.001, 0.05)
    assert bounds.low <= bounds.centre * (1 + 1e-9)
    assert bounds.centre <= bounds.high * (1 + 1e-9)


def test_equal_values_leave_no_doubt() -> None:
    bounds = mean_bounds([3.0] * 6, 0.001, 0.05)
    assert [bounds.low, bounds.high] == pytest.approx([3.0, 3.0])


def test_values_around_zero_are_averaged_as_they_are() -> None:
    bounds = mean_bounds([-1.0, 0.0, 1.0], 0.05, 0.05)
    assert bounds.centre == 0.0
    assert bounds.low == pytest.approx(-bounds.high)


def test_the_lower_bound_is_missed_no_more_often_than_promised() -> None:
    source = random.Random(7)
    trials, alpha = 4000, 0.05
    missed = 0
    for _ in range(trials):
        values = [math.exp(source.gauss(0.0, 0.2)) for _ in range(6)]
        missed += mean_bounds(values, alpha, 0.05).low > 1.0
    assert missed / trials < alpha + 4 * math.sqrt(alpha * (1 - alpha) / trials)


def test_the_ratio_is_welchs() -> None:
    source = random.Random(3)
    head = [math.exp(source.gauss(0.1, 0.1)) for _ in range(8)]
    base = [math.exp(source.gauss(0.0, 0.2)) for _ in range(5)]
    found = ratio_bounds(head, base, 0.0, 0.025, 0.025)
    expected = scipy.stats.ttest_ind(np.log(head), np.log(base), equal_var=False).confidence_interval(0.95)
    assert math.log1p(found.low) == pytest.approx(expected.low, rel=1e-6)
    assert math.log1p(found.high) == pytest.approx(expected.high, rel=1e-6)


def test_drift_between_runs_widens_what_rounds_cannot_show() -> None:
    values, before = [1.0, 1.01, 0.99, 1.0], [1.0, 1.01, 1.0, 0.99]
    plain, drifting = (ratio_bounds(values, before, drift, 0.01, 0.05) for drift in (0.0, 0.25))
    assert plain.high < 0.1 < drifting.high


@given(first=st.integers(3, 20), extra=st.integers(0, 30), alpha=st.floats(1e-6, 0.1))
def test_all_looks_together_spend_what_was_given_and_no_more(first: int, extra: int, alpha: float) -> None:
    plan = looks(first, first + extra)
    assert sum(alpha_spent(n, first, first + extra, alpha) for n in plan) == pytest.approx(alpha)
    assert plan[0] == first
    assert plan[-1] == first + extra
