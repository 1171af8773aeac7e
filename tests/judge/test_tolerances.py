"""Tolerances against a stored baseline."""

from __future__ import annotations

from typing import Any

import pytest

from perfgate.judge.verdict import judge
from perfgate.model import Noise, Status
from tests.judge.literals import (
    BLOCKS,
    CALLS,
    P95,
    around,
    baseline,
    elsewhere,
    only,
    run,
    sample,
    tolerance,
)


@pytest.mark.parametrize(
    ("now", "status"), [(1.0, Status.IMPROVED), (2.0, Status.PASS), (2.2, Status.PASS), (2.3, Status.FAIL)]
)
def test_an_exact_metric_may_move_by_its_tolerance_and_no_more(now: float, status: Status) -> None:
    accepted = {"browse": baseline(sample(CALLS, 2.0))}
    found = only(judge(run(sample(CALLS, now, now)), [tolerance("queries.calls", fail=0.1)], accepted))
    assert found.status is status


def test_a_move_below_the_floor_is_no_regression() -> None:
    accepted = {"browse": baseline(sample(CALLS, 2.0))}
    rules = [tolerance("queries.calls", fail=0.0, floor=5.0)]
    assert only(judge(run(sample(CALLS, 6.0)), rules, accepted)).status is Status.PASS
    assert only(judge(run(sample(CALLS, 7.5)), rules, accepted)).status is Status.FAIL


def test_something_from_nothing_is_a_regression() -> None:
    accepted = {"browse": baseline(sample(CALLS, 0.0))}
    found = only(judge(run(sample(CALLS, 1.0)), [tolerance("queries.calls", fail=0.5)], accepted))
    assert (found.status, found.change) == (Status.FAIL, None)


@pytest.mark.parametrize(
    ("factor", "status"), [(1.0, Status.UNSURE), (1.5, Status.UNSURE), (20.0, Status.FAIL), (0.02, Status.IMPROVED)]
)
def test_a_stored_baseline_decides_sampled_metrics_only_where_drift_cannot(factor: float, status: Status) -> None:
    accepted = {"browse": baseline(around(P95, 0.1))}
    found = only(judge(run(around(P95, 0.1 * factor)), [tolerance("response.p95", fail=0.1)], accepted))
    assert found.status is status


def test_sampled_metrics_abstain_on_another_kind_of_machine() -> None:
    accepted = {"browse": elsewhere(baseline(around(P95, 0.1)))}
    found = only(judge(run(around(P95, 5.0)), [tolerance("response.p95", fail=0.1)], accepted))
    assert found.status is Status.UNSURE
    assert "another kind of machine" in found.because


def test_exact_metrics_bind_everywhere_but_plans_only_on_their_postgres() -> None:
    accepted = {"browse": elsewhere(baseline(sample(CALLS, 1.0), sample(BLOCKS, 10.0)))}
    verdict = judge(run(sample(CALLS, 2.0), sample(BLOCKS, 99.0)), [tolerance("queries.*", fail=0.0)], accepted)
    assert [(f.metric, f.status) for f in verdict.findings] == [
        ("queries.calls", Status.FAIL),
        ("queries.blocks", Status.UNSURE),
    ]


@pytest.mark.parametrize(
    ("values", "status"), [((10.0, 12.0), Status.UNSURE), ((30.0, 31.0), Status.FAIL), ((9.0, 8.0), Status.PASS)]
)
def test_a_count_that_proved_not_to_be_exact_is_given_its_spread(values: tuple[float, ...], status: Status) -> None:
    accepted = {"browse": baseline(sample(BLOCKS, 9.0, 10.0, noise=Noise.SAMPLED))}
    now = sample(BLOCKS, *values, noise=Noise.SAMPLED, note="not exact here")
    found = only(judge(run(now), [tolerance("queries.blocks", fail=0.0)], accepted))
    assert found.status is status


def test_what_the_baseline_does_not_know_is_new() -> None:
    accepted = {"browse": baseline(sample(CALLS, 1.0))}
    now = run(sample(CALLS, 1.0), sample(CALLS, 1.0, endpoint="GET /fresh"))
    verdict = judge(now, [tolerance("queries.calls", fail=0.0)], accepted)
    assert [f.status for f in verdict.findings] == [Status.NEW, Status.PASS]


def test_an_endpoint_that_got_chattier_names_the_statement() -> None:
    endpoint: dict[str, Any] = {"endpoint": "GET /orders"}
    statement = "a1b2c3d4e5f6"
    texts = {statement: "SELECT * FROM order_items WHERE order_id = ?"}
    before = baseline(sample(CALLS, 1.0, **endpoint), sample(CALLS, 1.0, statement=statement, **endpoint))
    now = run(sample(CALLS, 41.0, **endpoint), sample(CALLS, 41.0, statement=statement, **endpoint), statements=texts)
    found = only(judge(now, [tolerance("queries.calls", fail=0.0)], {"browse": before}))
    assert found.status is Status.FAIL
    assert "41 a request, was 1, of SELECT * FROM order_items" in found.because


def test_new_and_vanished_statements_are_named_by_a_rule_about_statements() -> None:
    endpoint: dict[str, Any] = {"endpoint": "GET /orders"}
    before = baseline(sample(CALLS, 1.0, **endpoint), sample(CALLS, 1.0, statement="old", **endpoint))
    now = run(sample(CALLS, 1.0, **endpoint), sample(CALLS, 1.0, statement="new", **endpoint))
    verdict = judge(now, [tolerance("queries.calls", fail=0.0, statement="*")], {"browse": before})
    assert [(f.scope.statement, f.status) for f in verdict.findings] == [
        ("new", Status.FAIL),
        ("old", Status.IMPROVED),
    ]


def test_statements_that_come_and_go_are_named_without_any_rule_about_them() -> None:
    endpoint: dict[str, Any] = {"endpoint": "GET /orders"}
    texts = {"new": "SELECT fresh", "old": "SELECT stale"}
    before = baseline(sample(CALLS, 1.0, **endpoint), sample(CALLS, 1.0, statement="old", **endpoint), statements=texts)
    now = run(sample(CALLS, 1.0, **endpoint), sample(CALLS, 1.0, statement="new", **endpoint), statements=texts)
    verdict = judge(now, [tolerance("queries.calls", fail=0.0)], {"browse": before})
    assert verdict.exit_code == 0
    assert [f.because for f in verdict.findings if f.kind == "statement"] == [
        "a statement that the baseline does not have: SELECT fresh",
        "no longer sent: SELECT stale",
    ]


def test_a_baseline_that_was_not_exact_is_not_taken_at_its_word() -> None:
    accepted = {"browse": baseline(sample(CALLS, 7.0, 7.4, noise=Noise.SAMPLED))}
    found = only(judge(run(sample(CALLS, 7.2, 7.2)), [tolerance("queries.calls", fail=0.0)], accepted))
    assert found.status is not Status.FAIL
