"""Absolute budgets: touched, crossed, and certain."""

from __future__ import annotations

import pytest

from perfgate.judge.verdict import judge
from perfgate.model import Status
from tests.judge.literals import CALLS, NOISY, P95, QUIET, RATE, around, limit, only, run, sample


@pytest.mark.parametrize(("calls", "status"), [(2.9, Status.PASS), (3.0, Status.PASS), (3.1, Status.FAIL)])
def test_a_limit_may_be_touched_but_not_crossed(calls: float, status: Status) -> None:
    found = only(judge(run(sample(CALLS, calls)), [limit("queries.calls", fail=3)], {}))
    assert found.status is status


@pytest.mark.parametrize(
    ("centre", "shape", "status"),
    [
        (0.2, QUIET, Status.PASS),
        (0.4, QUIET, Status.FAIL),
        (0.31, NOISY, Status.UNSURE),
        (0.29, NOISY, Status.UNSURE),
        (0.05, NOISY, Status.PASS),
        (3.0, NOISY, Status.FAIL),
    ],
)
def test_a_sampled_value_fails_only_when_noise_cannot_explain_it(
    centre: float, shape: tuple[float, ...], status: Status
) -> None:
    found = only(judge(run(around(P95, centre, shape)), [limit("response.p95", fail=0.3)], {}))
    assert found.status is status


def test_one_wild_round_of_six_does_not_fail_a_budget() -> None:
    values = (0.1, 0.1, 0.11, 0.1, 0.1, 9.0)
    found = only(judge(run(sample(P95, *values)), [limit("response.p95", fail=0.3)], {}))
    assert found.status is not Status.FAIL


@pytest.mark.parametrize(("rate", "status"), [(150.0, Status.PASS), (50.0, Status.FAIL)])
def test_a_floor_is_missed_from_below(rate: float, status: Status) -> None:
    found = only(judge(run(around(RATE, rate)), [limit("response.rate", fail=100)], {}))
    assert found.status is status


def test_a_warning_needs_only_the_centre() -> None:
    found = only(judge(run(around(P95, 0.2)), [limit("response.p95", fail=9.0, warn=0.15)], {}))
    assert found.status is Status.WARN
    assert "200 ms is over the limit of 150 ms" in found.because


@pytest.mark.parametrize("values", [(0.1,), (0.1, 0.2), (0.1, None, 0.2, None)])
def test_too_few_rounds_are_no_pass(values: tuple[float | None, ...]) -> None:
    found = only(judge(run(sample(P95, *values)), [limit("response.p95", fail=0.3)], {}))
    assert found.status is Status.UNSURE


def test_a_sampled_metric_without_a_value_is_missing_and_says_why() -> None:
    nothing = sample(P95, None, None, None, note="no request succeeded")
    found = only(judge(run(nothing), [limit("response.p95", fail=0.3)], {}))
    assert (found.status, found.because) == (Status.MISSING, "no request succeeded")


@pytest.mark.parametrize("values", [(9.0,), (9.0, 8.0), (None, 9.0, None)])
def test_too_few_rounds_that_are_all_over_the_limit_fail(values: tuple[float | None, ...]) -> None:
    found = only(judge(run(sample(P95, *values)), [limit("response.p95", fail=0.3)], {}))
    assert found.status is Status.FAIL


def test_an_exact_metric_without_a_value_is_missing() -> None:
    found = only(judge(run(sample(CALLS, None)), [limit("queries.calls", fail=3)], {}))
    assert found.status is Status.MISSING


def test_the_text_never_contradicts_the_status() -> None:
    found = only(judge(run(sample(CALLS, 3.0000001)), [limit("queries.calls", fail=3)], {}))
    assert found.status is Status.FAIL
    assert found.because == "3.0000001 is over the limit of 3"
