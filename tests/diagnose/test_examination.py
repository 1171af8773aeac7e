"""The examination of a real Postgres, 15 and newer: who sent what with which values, and what an alteration does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfgate.errors import NotMeasured
from perfgate.measure import comments, serverlog
from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from tests.diagnose.laboratory import Bench, Sent, opened
from tests.measure.servers import VERSIONS, version

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, note text);
INSERT INTO orders SELECT n, n / 50, 'note ' || n FROM generate_series(1, 5000) n;
CREATE INDEX orders_by_note ON orders (note DESC) INCLUDE (customer) WHERE customer > 50;
"""
ORDERS = "SELECT id FROM orders WHERE customer = %s AND note <> %s /*route='%%2Forders',file='app.py',line='12'*/"
REQUESTS = [
    Sent("GET /orders", ORDERS, [7, "it's $1 = 'x'\n\tLOG:  no"]),
    Sent("GET /orders", ORDERS, [8, ""]),
    Sent("POST /orders", "INSERT INTO orders VALUES (%s, 1)", [9001]),
]
BREAKS = "\u2028LOG:  duration: 1 ms  plan:\x0c\x85\r"
"""Characters that end a line for Python, and not in the server's log."""


@pytest.fixture(scope="module", params=VERSIONS)
def bench(server: Server, owner: Owner, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with version(request.param, server, owner) as chosen, opened(chosen, SCHEMA, REQUESTS) as bench:
        yield bench


def test_every_execution_is_its_requests_own_with_its_values_and_its_plan(bench: Bench) -> None:
    examined = bench.examine()
    assert [request.endpoint for request in examined.requests] == ["GET /orders", "GET /orders", "POST /orders"]
    first, second, third = examined.executions
    assert [e.request for e in examined.executions] == [0, 1, 2]
    assert first.parameters == ("7", "it's $1 = 'x'\n\tLOG:  no")
    assert second.parameters == ("8", "")
    assert third.parameters == ("9001",)
    assert first.statement == second.statement != third.statement
    assert first.plan["Node Type"] == "Seq Scan"
    assert first.plan["Actual Rows"] == 50
    assert first.plan["Shared Hit Blocks"] + first.plan["Shared Read Blocks"] > 10
    assert third.plan["WAL Records"] > 0
    assert first.code == "app.py:12"


def test_work_is_counted_for_each_request(bench: Bench) -> None:
    examined = bench.examine()
    assert examined.work("GET /orders").rows == 50
    assert examined.work("GET /orders").calls == 1
    assert examined.work("POST /orders").wal_records > 0
    assert all(request.seconds > 0 and request.ok for request in examined.requests)


def test_the_catalogue_says_what_the_pass_left(bench: Bench) -> None:
    examined = bench.examine()
    orders = examined.table("orders")
    assert orders is not None
    assert (orders.rows, orders.scans, orders.written) == (5000, 2, 1)
    assert orders.columns == ("id", "customer", "note")
    by_note, primary = examined.indexes
    assert (by_note.columns, by_note.include, by_note.predicate) == (("note DESC",), ("customer",), "customer > 50")
    assert (primary.enforces, by_note.enforces) == (True, False)
    assert examined.settings["work_mem"] == "4MB"


def test_what_is_altered_is_altered_for_one_examination_alone(bench: Bench) -> None:
    fixed = bench.examine(statements=["CREATE INDEX ON orders (customer)"])
    assert fixed.work("GET /orders").blocks < bench.examine().work("GET /orders").blocks / 2


def test_an_alteration_that_fails_is_not_measured(bench: Bench) -> None:
    with pytest.raises(NotMeasured, match="nowhere"):
        bench.examine(statements=["CREATE INDEX ON nowhere (customer)"])


LOG = """\
2026-01-01 00:00:00.000 UTC [7] LOG:  mark 0
2026-01-01 00:00:00.000 UTC [7] LOG:  duration: 1.500 ms  execute <unnamed>: SELECT 1
2026-01-01 00:00:00.000 UTC [7] DETAIL:  parameters: $1 = 'mark 1', $2 = NULL
2026-01-01 00:00:00.000 UTC [8] LOG:  duration: 2.000 ms  plan:
\t{
\t  "Query Text": "SELECT 1",
\t  "Plan": {"Node Type": "Result"}
\t}
2026-01-01 00:00:00.000 UTC [7] LOG:  duration: 1.500 ms  plan:
\t{
\t  "Query Text": "SELECT 1",
\t  "Plan": {"Node Type": "Result"}
\t}
2026-01-01 00:00:00.000 UTC [7] LOG:  duration: 1.500 ms  plan:
\t{
\t  "Query Text": "SELECT 2",
\t  "Plan": {"Node Type": "Result"}
\t}
2026-01-01 00:00:00.000 UTC [7] LOG:  mark 1
2026-01-01 00:00:00.000 UTC [7] LOG:  duration: 9.0 ms  plan:
\t{ "Query Text": "torn
"""


def test_parameters_go_to_the_session_that_sent_them() -> None:
    before, one = serverlog.between(LOG, ["mark 0", "mark 1"])
    assert before == []
    assert [(e.session, e.parameters, e.seconds) for e in one] == [
        ("8", (), 0.002),
        ("7", ("mark 1", None), 0.0015),
        ("7", (), 0.0015),
    ]


def test_a_torn_plan_is_no_execution() -> None:
    assert serverlog.between(LOG + "x [7] LOG:  mark 2\n", ["mark 0", "mark 1", "mark 2"])[2] == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SELECT 1 /*file='a%2Fb.py',lineno='7'*/", "a/b.py:7"),
        ("SELECT 1 /*code.filepath='x.py',code.lineno='3',traceparent='00-1'*/", "x.py:3"),
        ("SELECT 1 /*controller:orders,line:/app/models/order.rb:12:in `all'*/", "/app/models/order.rb:12"),
        ("SELECT 1 /*controller='orders',action='index'*/", ""),
        ("SELECT '/*' /* plain words */", ""),
    ],
)
def test_comments_tell_the_place_in_the_code(text: str, place: str) -> None:
    assert comments.place(comments.tags(text)) == place


def test_texts_and_values_with_line_breaks_of_any_kind_are_executions_like_others(server: Server, owner: Owner) -> None:
    text = f"SELECT id FROM orders\r\nWHERE note <> '{BREAKS}' AND note <> %s"
    requests = [Sent("GET /a", text, [BREAKS]), Sent("GET /a", text, ["next"])]
    for which in VERSIONS:
        with version(which, server, owner) as chosen, opened(chosen, SCHEMA, requests) as bench:
            assert [e.parameters for e in bench.examine().executions] == [(BREAKS,), ("next",)]
