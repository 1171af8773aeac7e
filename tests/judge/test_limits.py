"""Absolute budgets: touched, crossed, and certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.judge.budgets import judge_limit
from perfgate.judge.evidence import Answer, Case
from perfgate.judge.references import Reference
from perfgate.judge.verdict import judge
from perfgate.model import Metric, Sample, Status
from perfgate.plan import Limit, Multiple, Selector
from tests.judge.literals import (
    CALLS,
    NOISY,
    P95,
    QUIET,
    RATE,
    around,
    baseline,
    elsewhere,
    limit,
    only,
    run,
    sample,
)


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
    assert found.because == "200 ms is over the warn limit of 150 ms"


@pytest.mark.parametrize(("value", "said"), [(5.0, "5 is over the warn limit of 4"), (7.0, "7 is over the limit of 6")])
def test_a_count_says_which_of_its_limits_it_is_over(value: float, said: str) -> None:
    found = only(judge(run(sample(CALLS, value)), [limit("queries.calls", fail=6.0, warn=4.0)], {}))
    assert found.because == said


def test_a_floor_that_warns_says_so() -> None:
    found = only(judge(run(around(RATE, 50.0)), [limit("response.rate", fail=10, warn=100)], {}))
    assert found.because == "50.0/s is under the warn floor of 100/s"


def test_a_pass_is_told_by_the_limit_that_fails() -> None:
    found = only(judge(run(sample(CALLS, 3.0)), [limit("queries.calls", fail=6.0, warn=4.0)], {}))
    assert found.because == "3 is under the limit of 6"


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


def against(
    metric: Metric,
    values: Sample,
    fail: float | Multiple | None,
    before: Sample | None,
    warn: float | Multiple | None = None,
    *,
    far_away: bool = False,
    beside: bool = False,
) -> Answer:
    accepted = elsewhere(baseline()) if far_away else baseline()
    reference = Reference.of(accepted, before) if before else None
    if beside and before:
        reference = Reference.base(before, replace(run(), base="b45e"))
    rule = Limit(Selector(metric.name), warn, fail, "budgets.yaml:1")
    return judge_limit(Case(values, metric, 0.01), rule, reference, run(values))


@pytest.mark.parametrize(
    ("before", "after", "status", "reference"),
    [
        (1.0, 1.49, Status.PASS, 1.5),
        (1.0, 1.6, Status.FAIL, 1.5),
        (0.1, 0.28, Status.PASS, 0.3),
        (0.1, 0.33, Status.FAIL, 0.3),
        (9.0, 1.9, Status.PASS, 2.0),
        (9.0, 2.2, Status.FAIL, 2.0),
    ],
)
def test_a_multiple_is_a_ceiling_between_its_bounds(
    before: float, after: float, status: Status, reference: float
) -> None:
    multiple = Multiple(1.5, at_least=0.3, at_most=2.0)
    answer = against(P95, sample(P95, *[after] * 4), multiple, sample(P95, *[before] * 4), beside=True)
    assert answer.status is status
    assert answer.reference == pytest.approx(reference)


@pytest.mark.parametrize(("after", "status"), [(1.4, Status.PASS), (1.6, Status.UNSURE), (9.0, Status.FAIL)])
def test_a_multiple_of_stored_times_is_red_only_beyond_what_two_runs_differ_by(after: float, status: Status) -> None:
    answer = against(P95, around(P95, after), Multiple(1.5), around(P95, 1.0))
    assert answer.status is status
    assert ("would be sure, or `--base`" in answer.because) == (status is Status.UNSURE)


@pytest.mark.parametrize(("rate", "status"), [(81.0, Status.PASS), (79.0, Status.FAIL)])
def test_a_multiple_is_a_floor_where_more_is_better(rate: float, status: Status) -> None:
    answer = against(RATE, sample(RATE, *[rate] * 4), Multiple(0.8), sample(RATE, *[100.0] * 4), beside=True)
    assert answer.status is status
    assert answer.reference == pytest.approx(80)
    assert "(0.8 x 100/s in base b45e)" in answer.because


@pytest.mark.parametrize(("calls", "status"), [(4.0, Status.PASS), (5.0, Status.FAIL)])
def test_a_multiple_of_a_count_is_exact(calls: float, status: Status) -> None:
    assert against(CALLS, sample(CALLS, calls), Multiple(2.0), sample(CALLS, 2.0)).status is status


def test_a_multiple_is_taken_of_the_typical_round_and_not_of_a_wild_one() -> None:
    answer = against(P95, around(P95, 0.1), Multiple(1.5), sample(P95, 0.1, 0.1, 0.1, 0.1, 0.1, 9.0))
    assert answer.reference is not None
    assert answer.reference < 0.4


def test_a_multiple_is_as_sure_as_any_limit_before_it_fails() -> None:
    multiple, before = Multiple(1.5), sample(P95, *[0.2] * 6)
    assert against(P95, around(P95, 0.31, NOISY), multiple, before).status is Status.UNSURE
    assert against(P95, around(P95, 0.31, QUIET), Multiple(9.0), before, warn=multiple).status is Status.WARN


@pytest.mark.parametrize("before", [None, sample(P95, None, None)])
def test_a_multiple_of_nothing_is_new_and_no_pass(before: Sample | None) -> None:
    answer = against(P95, around(P95, 0.1), Multiple(1.5), before)
    assert answer.status is Status.NEW
    assert "not in the baseline yet" in answer.because


@pytest.mark.parametrize(("seconds", "status"), [(0.2, Status.PASS), (0.4, Status.FAIL)])
def test_without_a_baseline_the_least_of_a_multiple_is_the_limit_and_it_says_so(seconds: float, status: Status) -> None:
    answer = against(P95, around(P95, seconds), Multiple(1.5, at_least=0.3), None)
    assert (answer.status, answer.reference) == (status, 0.3)
    assert "as long as there is no baseline" in answer.because


@pytest.mark.parametrize(("seconds", "status"), [(0.1, Status.NEW), (3.0, Status.FAIL)])
def test_a_line_that_is_open_hides_no_other_and_is_no_pass(seconds: float, status: Status) -> None:
    assert against(P95, around(P95, seconds), 2.0, None, warn=Multiple(1.5)).status is status


def test_a_multiple_of_times_from_another_machine_is_unsure() -> None:
    before = sample(P95, *[0.1] * 6)
    answer = against(P95, around(P95, 0.1), Multiple(1.5), before, far_away=True)
    assert answer.status is Status.UNSURE
    assert "another kind of machine" in answer.because
    assert against(P95, around(P95, 0.1), Multiple(1.5, at_least=0.3), before, far_away=True).status is Status.PASS
    assert against(CALLS, sample(CALLS, 9.0), Multiple(2.0), sample(CALLS, 2.0), far_away=True).status is Status.FAIL
