"""The statistics of paired rounds against scipy and against simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from perfgate.stats import adjusted, estimate, pairs_needed, sign_tail, slopes, spending, t_quantile, without

VALUES = st.lists(st.floats(-10, 10).map(lambda value: round(value, 6)), min_size=5, max_size=40)


@given(VALUES, st.sampled_from([0.0, 0.1, 0.2]))
def test_the_trimmed_mean_is_scipys(values: list[float], trim: float) -> None:
    assert estimate(values, trim).centre == pytest.approx(scipy.stats.trim_mean(values, trim), rel=1e-9, abs=1e-9)


@given(VALUES.filter(lambda values: np.ptp(np.sort(values)[len(values) // 5 : -len(values) // 5 or None]) > 1e-3))
def test_its_error_and_its_t_are_yuens(values: list[float]) -> None:
    found = estimate(values, 0.2)
    # Yuen's test against a sample without any spread leaves the error of the first alone
    other = np.zeros(len(values))
    expected = scipy.stats.ttest_ind(values, other, equal_var=False, trim=0.2)
    assert found.centre / found.error == pytest.approx(expected.statistic, rel=1e-6, abs=1e-9)
    assert found.df == pytest.approx(expected.df)


@given(VALUES.filter(lambda values: np.std(values) > 1e-3), st.sampled_from([0.001, 0.025]))
def test_untrimmed_bounds_are_those_of_students_t(values: list[float], alpha: float) -> None:
    found = estimate(values)
    interval = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(1.0 - 2.0 * alpha)
    assert found.low(alpha) == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
    assert found.high(alpha) == pytest.approx(interval.high, rel=1e-6, abs=1e-9)


@given(st.floats(-1e3, 1e3), st.integers(2, 40))
def test_equal_values_have_no_error(value: float, count: int) -> None:
    assert estimate([value] * count, 0.2).error == 0.0


@given(pairs=st.integers(0, 60), data=st.data())
def test_the_sign_test_is_scipys(pairs: int, data: st.DataObject) -> None:
    worse = data.draw(st.integers(0, pairs))
    assert sign_tail(worse, pairs) == pytest.approx(scipy.stats.binom.sf(worse - 1, pairs, 0.5), rel=1e-9)


@given(first=st.integers(2, 30), extra=st.integers(0, 60), alpha=st.floats(1e-6, 0.2))
def test_all_looks_together_spend_what_was_given(first: int, extra: int, alpha: float) -> None:
    looks = spending(first, first + extra, alpha)
    assert sum(part for _, part in looks) == pytest.approx(alpha)
    assert [looks[0][0], looks[-1][0]] == [first, first + extra]
    assert all(a < b for (a, _), (b, _) in itertools.pairwise(looks))


def test_either_side_went_first_equally_often_at_every_look_but_the_last() -> None:
    assert [n for n, _ in spending(6, 31, 0.1)] == [6, 8, 10, 14, 18, 24, 31]


def test_looking_at_every_look_alarms_no_more_often_than_was_given() -> None:
    source, alpha, jobs = np.random.default_rng(5), 0.05, 3000
    noise = source.normal(0.0, 0.1, (jobs, 20)).tolist()
    alarms = sum(any(estimate(job[:n]).low(part) > 0 for n, part in spending(6, 20, alpha)) for job in noise)
    assert alarms / jobs < alpha + 3 * math.sqrt(alpha * (1 - alpha) / jobs)


@pytest.mark.parametrize(("spread", "gap"), [(0.04, 0.03), (0.08, 0.03), (0.1, 0.1), (0.01, 0.002)])
def test_as_many_pairs_as_needed_bring_the_bound_within_the_gap(spread: float, gap: float) -> None:
    def reach(n: int) -> float:
        return t_quantile(0.05, n - 1) * spread / math.sqrt(n)

    n = pairs_needed(spread, gap, 0.05)
    assert reach(n + 1) <= gap < reach(n - 2)


@pytest.mark.parametrize("gap", [0.0, -1.0, 5e-324])
def test_no_gap_needs_more_pairs_than_anybody_takes(gap: float) -> None:
    assert pairs_needed(1.0, gap, 0.05) >= 10**9


def test_what_a_covariate_explains_is_taken_out_as_by_least_squares() -> None:
    source = np.random.default_rng(3)
    company = source.normal(0.2, 0.5, 12)
    values = 0.05 + 0.4 * company + source.normal(0.0, 0.02, 12)
    (found,) = slopes(values.tolist(), [company.tolist()])
    residuals = without(values.tolist(), [company.tolist()], [found])
    ours = adjusted(estimate(residuals), residuals, [company.tolist()])
    theirs = scipy.stats.linregress(company, values)
    assert found == pytest.approx(theirs.slope)
    assert ours.centre == pytest.approx(theirs.intercept)
    assert ours.error == pytest.approx(theirs.intercept_stderr)
    assert ours.df == 10


def test_taking_a_covariate_out_alarms_no_more_often_than_was_given() -> None:
    source, alpha, jobs = np.random.default_rng(8), 0.05, 2000
    alarms = 0
    for _ in range(jobs):
        company = source.normal(0.0, 0.4, 10)
        values = 0.3 * company + source.normal(0.0, 0.05, 10)
        covariates = [company.tolist()]
        residuals = without(values.tolist(), covariates, slopes(values.tolist(), covariates))
        alarms += adjusted(estimate(residuals), residuals, covariates).low(alpha) > 0
    assert alarms / jobs < alpha + 3 * math.sqrt(alpha * (1 - alpha) / jobs)


def test_two_covariates_are_taken_out_as_by_least_squares() -> None:
    source = np.random.default_rng(4)
    one, other = source.normal(0.2, 0.5, 15), source.normal(-0.1, 0.1, 15)
    values = 0.05 + 0.4 * one - 0.7 * other + source.normal(0.0, 0.02, 15)
    covariates = [one.tolist(), other.tolist()]
    found = slopes(values.tolist(), covariates)
    residuals = without(values.tolist(), covariates, found)
    ours = adjusted(estimate(residuals), residuals, covariates)
    design = np.column_stack([np.ones(15), one, other])
    theirs, squares, *_ = np.linalg.lstsq(design, values, rcond=None)
    error = math.sqrt(squares[0] / 12 * np.linalg.inv(design.T @ design)[0, 0])
    assert (ours.centre, *found) == pytest.approx(theirs)
    assert ours.error == pytest.approx(error)
    assert ours.df == 12


@pytest.mark.parametrize("covariates", [[[1.0] * 5], [[1.0, 2.0, 3.0, 5.0, 4.0], [2.0, 4.0, 6.0, 10.0, 8.0]]])
def test_covariates_that_say_nothing_of_their_own_have_no_slopes(covariates: list[list[float]]) -> None:
    with pytest.raises(ZeroDivisionError):
        slopes([1.0, 2.0, 3.0, 4.0, 6.0], covariates)
