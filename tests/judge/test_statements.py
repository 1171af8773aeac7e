"""Which statement is named for what an endpoint, or a whole scenario, asks of the database more than before."""

from __future__ import annotations

import pytest

from perfgate.judge.verdict import judge
from perfgate.model import Baseline, Metric, Run, Sample, Status
from tests.judge.literals import BLOCKS, CALLS, baseline, limit, run, sample, tolerance

TEXTS = {
    "items": "SELECT * FROM order_items WHERE order_id = ?",
    "old": "SELECT id, name FROM products WHERE id = ? ORDER BY name",
    "rewritten": "SELECT id, name, price FROM products WHERE id = ? ORDER BY name",
    "user": "SELECT * FROM users WHERE id = ?",
}
ORDERS, HOME = "GET /orders", "GET /"


def counts(endpoint: str, metric: Metric = CALLS, **statements: float) -> list[Sample]:
    """What an endpoint asked for: of each statement, and of all together."""
    whole = sample(metric, sum(statements.values()), endpoint=endpoint)
    return [whole, *(sample(metric, n, endpoint=endpoint, statement=name) for name, n in statements.items())]


def before(*samples: Sample) -> dict[str, Baseline]:
    return {"browse": baseline(*samples, statements=TEXTS)}


def now(*samples: Sample) -> Run:
    return run(*samples, statements=TEXTS)


def said(run: Run, baselines: dict[str, Baseline], endpoint: str = "", metric: Metric = CALLS) -> str:
    verdict = judge(run, [tolerance(metric.name, fail=0.0)], baselines)
    (because,) = (
        f.because for f in verdict.findings if f.status is Status.FAIL and f.scope.endpoint == endpoint and f.reference
    )
    return because


def test_the_statement_that_grew_most_is_named_and_not_the_one_sent_most() -> None:
    accepted = before(*counts(ORDERS, items=1, user=50))
    because = said(now(*counts(ORDERS, items=9, user=51)), accepted, ORDERS)
    assert because.endswith("; most of it: 9 a request, was 1, of SELECT * FROM order_items WHERE order_id = ?")


def test_a_statement_that_was_only_rewritten_is_not_blamed_for_all_its_calls() -> None:
    accepted = before(*counts(ORDERS, old=40, items=1))
    because = said(now(*counts(ORDERS, rewritten=40, items=9)), accepted, ORDERS)
    assert "9 a request, was 1, of SELECT * FROM order_items" in because


def test_a_rewritten_statement_that_is_sent_more_often_is_compared_with_its_old_text() -> None:
    accepted = before(*counts(ORDERS, old=4, user=1))
    because = said(now(*counts(ORDERS, rewritten=40, user=1)), accepted, ORDERS)
    assert "40 a request, was 4, of SELECT id, name, price FROM products" in because


def test_a_statement_unlike_any_that_vanished_is_compared_with_none() -> None:
    accepted = before(*counts(ORDERS, user=4))
    because = said(now(*counts(ORDERS, rewritten=6)), accepted, ORDERS)
    assert "6 a request, was 0, of SELECT id, name, price FROM products" in because


def test_blocks_have_a_culprit_of_their_own() -> None:
    calls = (counts(ORDERS, items=1, user=1), counts(ORDERS, items=9, user=1))
    blocks = (counts(ORDERS, BLOCKS, items=9, user=3), counts(ORDERS, BLOCKS, items=10, user=90))
    because = said(now(*calls[1], *blocks[1]), before(*calls[0], *blocks[0]), ORDERS, BLOCKS)
    assert "90 a request, was 3, of SELECT * FROM users" in because


def test_a_whole_scenario_names_the_endpoint_that_grew_most_and_its_statement() -> None:
    accepted = before(sample(CALLS, 26.0), *counts(HOME, user=50), *counts(ORDERS, items=1, user=1))
    run = now(sample(CALLS, 31.0), *counts(HOME, user=51), *counts(ORDERS, items=10, user=1))
    assert said(run, accepted).endswith(
        "; most of it: GET /orders, 10 a request, was 1, of SELECT * FROM order_items WHERE order_id = ?"
    )


def test_an_endpoint_that_was_not_there_before_can_be_what_made_the_scenario_grow() -> None:
    accepted = before(sample(CALLS, 1.0), *counts(HOME, user=1))
    run = now(sample(CALLS, 4.0), *counts(HOME, user=1), *counts(ORDERS, items=7))
    assert "GET /orders, 7 a request, was 0, of SELECT * FROM order_items" in said(run, accepted)


@pytest.mark.parametrize("endpoint", ["", ORDERS])
def test_nothing_is_named_where_nothing_grew(endpoint: str) -> None:
    accepted = before(sample(CALLS, 1.0), *counts(ORDERS, items=2, user=1))
    run = now(sample(CALLS, 2.0), sample(CALLS, 4.0, endpoint=ORDERS), *counts(ORDERS, items=2, user=1)[1:])
    assert "most of it" not in said(run, accepted, endpoint).replace("GET /orders, 4 a request, was 3", "")


def test_over_a_budget_without_a_baseline_the_statement_sent_most_is_named_without_a_past() -> None:
    verdict = judge(now(*counts(ORDERS, items=9, user=1)), [limit("queries.calls", fail=5)], {})
    (found,) = verdict.findings
    assert found.because.endswith("; most of it: 9 a request of SELECT * FROM order_items WHERE order_id = ?")
