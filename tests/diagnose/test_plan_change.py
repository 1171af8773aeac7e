from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.plan_change import ADVISOR
from perfgate.examination import Counters, Examination, Execution, Index, Request
from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from perfgate.model import Finding, Side
from tests.diagnose.laboratory import Bench, Sent, failed, opened, subject_of
from tests.measure import servers

SCHEMA = """
CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL, note text NOT NULL);
INSERT INTO orders SELECT i, i * 7919 % 1000, repeat('note ', 20) || i FROM generate_series(1, 10000) i;
CREATE INDEX orders_by_customer ON orders (customer);
"""
ENDPOINT = "GET /orders"
BY_CUSTOMER = [Sent(ENDPOINT, "SELECT id FROM orders WHERE customer = %s", [number]) for number in range(4)]
SORTING = [Sent(ENDPOINT, "SELECT id FROM orders ORDER BY note DESC")]


@pytest.fixture(scope="module", params=servers.VERSIONS)
def bench(request: pytest.FixtureRequest, server: Server, owner: Owner) -> Iterator[Bench]:
    with servers.version(request.param, server, owner) as chosen, opened(chosen, SCHEMA, []) as bench:
        yield bench


def sides(bench: Bench, sent: Sequence[Sent], head: str, base: str = "") -> tuple[Examination, Examination]:
    """Both sides of the same database, after what their service does to it when it connects."""
    return (
        replace(bench, sent=sent, greeting=[head] if head else []).examine(),
        replace(bench, sent=sent, greeting=[base] if base else [], side=Side.BASE).examine(),
    )


def asked(*examinations: Examination, red: Sequence[Finding] = ()) -> list[Advice]:
    return list(ADVISOR.advise(subject_of(*examinations, red=red)))


def test_an_index_that_is_gone_is_named_with_what_its_want_costs(bench: Bench) -> None:
    both = sides(bench, BY_CUSTOMER, "DROP INDEX orders_by_customer")
    (advice,) = asked(*both, red=[failed("queries.blocks", ENDPOINT)])
    assert advice.severity is Severity.HIGH
    assert advice.title == f"{ENDPOINT}: a statement no longer uses the index orders_by_customer"
    assert "which is gone from head's database" in advice.evidence[1]
    assert advice.evidence[2] == "head does a sequential scan of orders"
    (blocks,) = advice.verified
    assert blocks.after > 5 * blocks.before


def test_an_index_that_is_there_and_not_used_is_not_called_gone(bench: Bench) -> None:
    both = sides(bench, BY_CUSTOMER, "SET enable_bitmapscan = off; SET enable_indexscan = off")
    (advice,) = asked(*both)
    assert "which is still there" in advice.evidence[1]
    assert advice.severity is Severity.MEDIUM


def test_a_sort_that_goes_to_disk_is_told(bench: Bench) -> None:
    both = sides(bench, SORTING, "SET work_mem = '64kB'")
    (advice,) = asked(*both, red=[failed("queries.temp_blocks", ENDPOINT)])
    assert advice.severity is Severity.HIGH
    assert any("a sort goes to disk on head" in sentence for sentence in advice.evidence)
    spilled = advice.verified[1]
    assert spilled.before == 0
    assert spilled.after > 50


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param("", id="nothing"),
        pytest.param("ALTER INDEX orders_by_customer RENAME TO orders_for_customers", id="another name of the index"),
        pytest.param("SET enable_bitmapscan = off", id="another scan of the same index, as much work"),
    ],
)
def test_as_much_work_by_another_plan_is_no_change(bench: Bench, greeting: str) -> None:
    assert not asked(*sides(bench, BY_CUSTOMER, greeting), red=[failed("queries.blocks", ENDPOINT)])


def test_nothing_is_said_without_a_base(bench: Bench) -> None:
    head, _ = sides(bench, BY_CUSTOMER, "DROP INDEX orders_by_customer")
    assert not asked(head)


INDEX = Index("by_customer", "orders", "btree", ("customer",), (), "", "", False, True, 8192, 1)


def scan(kind: str, blocks: int, **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Relation Name": "orders", "Schema": "public", "Shared Hit Blocks": blocks, **more}


def examination(side: Side, *executed: dict[str, Any]) -> Examination:
    """One execution a request, whose counters are those of its plan."""
    requests = tuple(
        Request(ENDPOINT, 0.01, {"s": Counters(calls=1, seconds=0.005, blocks=plan["Shared Hit Blocks"])})
        for plan in executed
    )
    executions = tuple(Execution(ENDPOINT, n, "s", "SELECT 1", (), plan, 0.005) for n, plan in enumerate(executed))
    return Examination("shop", side, 18, requests, executions, {"s": "SELECT ?"}, (), (INDEX,))


THROUGH = {"Index Name": "by_customer"}


@pytest.mark.parametrize(
    ("head", "base", "said"),
    [
        pytest.param([scan("Seq Scan", 100)], [scan("Index Scan", 50, **THROUGH)], True, id="more work"),
        pytest.param([scan("Seq Scan", 60)], [scan("Index Scan", 51, **THROUGH)], False, id="hardly more blocks"),
        pytest.param([scan("Seq Scan", 1100)], [scan("Index Scan", 1000, **THROUGH)], False, id="hardly a tenth more"),
        pytest.param([scan("Seq Scan", 100)], [scan("Seq Scan", 50)], False, id="more rows, the same plan"),
        pytest.param(
            [scan("Seq Scan", 100), scan("Seq Scan", 100)],
            [scan("Index Scan", 5, **THROUGH), scan("Seq Scan", 100)],
            False,
            id="base does both",
        ),
    ],
)
def test_a_plan_has_changed_that_base_never_used_and_that_does_more(
    head: list[dict[str, Any]], base: list[dict[str, Any]], said: bool
) -> None:
    assert bool(asked(examination(Side.HEAD, *head), examination(Side.BASE, *base))) is said


@pytest.mark.parametrize(
    ("red", "expected"),
    [
        (failed("queries.blocks", ENDPOINT), Severity.HIGH),
        (failed("queries.blocks", ENDPOINT, statement="s"), Severity.HIGH),
        (failed("queries.blocks", ENDPOINT, statement="other"), Severity.LOW),
        (failed("queries.calls", ENDPOINT), Severity.LOW),
        (failed("queries.blocks", "GET /else"), Severity.LOW),
    ],
)
def test_a_change_is_grave_where_it_explains_something_red(red: Finding, expected: Severity) -> None:
    head, base = examination(Side.HEAD, scan("Seq Scan", 90)), examination(Side.BASE, scan("Index Scan", 40, **THROUGH))
    (advice,) = asked(head, base, red=[red])
    assert advice.severity is expected
