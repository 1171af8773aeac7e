"""N+1 is told by calls that grow with rows, whether requests differ by themselves or data is taken away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.n_plus_one import ADVISOR
from perfgate.diagnose.batching import batched
from perfgate.diagnose.replay import bound
from perfgate.examination import Execution
from perfgate.measure.database import Server
from tests.diagnose.laboratory import Bench, Sent, failed, opened, subject_of

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL);
CREATE TABLE items (id serial PRIMARY KEY, "order" int NOT NULL, name text NOT NULL);
INSERT INTO orders SELECT n, n % 20 FROM generate_series(1, 200) n;
INSERT INTO items ("order", name) SELECT n % 200 + 1, 'secret' FROM generate_series(1, 600) n;
CREATE INDEX ON items ("order");
"""
PAGE = "SELECT id FROM orders WHERE id <= {}"
ITEM = 'SELECT name FROM items WHERE "order" = {}'


def asked(*sizes: int, calls: str) -> list[Sent]:
    """Requests that find so many orders; `calls` says what they send after that."""
    return [Sent("GET /orders", [PAGE.format(size), *after(size, calls)]) for size in sizes]


def after(size: int, calls: str) -> list[str]:
    if calls == "one by one":
        return [ITEM.format(order) for order in range(1, size + 1)]
    if calls == "at once":
        return [f'SELECT name FROM items WHERE "order" = ANY (ARRAY{list(range(1, size + 1))})']
    return [ITEM.format(order) for order in range(1, 7)]


def advice(bench: Bench, *red: str) -> list[Advice]:
    findings = [failed(metric, "GET /orders") for metric in red]
    return list(ADVISOR.advise(subject_of(bench.examine(), laboratory=bench, red=findings)))


@pytest.fixture
def bench(server: Server, request: pytest.FixtureRequest) -> Iterator[Bench]:
    sizes, calls = request.param
    with opened(server, SCHEMA, asked(*sizes, calls=calls)) as bench:
        yield bench


@pytest.mark.parametrize("bench", [((5, 10, 20), "one by one")], indirect=True)
def test_calls_that_grow_with_the_rows_are_n_plus_one(bench: Bench) -> None:
    (found,) = advice(bench, "queries.calls")
    assert found.severity is Severity.HIGH
    assert "for each row" in found.title
    assert "5 times for 5 rows and 20 times for 20 rows" in found.evidence[0]
    assert found.scope.endpoint == "GET /orders"
    time, statements = found.verified
    assert time.after < time.before
    assert (statements.before, statements.after) == (20, 1)
    assert "secret" not in str(found)


@pytest.mark.parametrize("bench", [((5, 10, 20), "one by one")], indirect=True)
def test_what_nothing_is_red_for_weighs_less(bench: Bench) -> None:
    (found,) = advice(bench)
    assert found.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    "bench",
    [
        ((5, 10, 20), "at once"),
        ((5, 10, 20), "six look-ups"),
        ((10, 10, 10), "at once"),
        ((10, 10, 10), "six look-ups"),
    ],
    indirect=True,
)
def test_look_ups_and_batches_are_not(bench: Bench) -> None:
    assert advice(bench) == []


@pytest.mark.parametrize("bench", [((10, 10, 10), "six look-ups")], indirect=True)
def test_where_requests_are_alike_rows_are_taken_away_to_see(bench: Bench) -> None:
    advice(bench)
    deleted = [statement for altered in bench.examined for statement in altered if "DELETE" in statement]
    assert deleted == ['DELETE FROM "public"."orders" WHERE abs(hashtext(ctid::text)::bigint) % 3 <> 0']


@pytest.mark.parametrize("bench", [((10, 10, 10), "six look-ups")], indirect=True)
def test_nothing_is_tried_when_the_time_is_over(bench: Bench) -> None:
    bench.allowance = 0.0
    assert advice(bench) == []
    assert bench.examined == [()]


@dataclass
class Thinning(Bench):
    """A service that sends a statement for each row it finds, of which there are as many as the data has."""

    def examine(self, scenario: str = "shop", statements: Sequence[str] = (), env: object = None):  # type: ignore[no-untyped-def]
        with self.altered(scenario, statements) as connection:
            found = connection.execute("SELECT id FROM orders WHERE id <= 10").fetchall()
        self.sent = [Sent("GET /orders", [PAGE.format(10), *(ITEM.format(order) for (order,) in found)])] * 3
        return super().examine(scenario, statements)


def test_an_n_plus_one_of_equal_pages_shows_when_rows_are_taken_away(server: Server) -> None:
    with opened(server, SCHEMA, []) as bench:
        thinning = Thinning(bench.database, [])
        (found,) = advice(thinning)
    assert "and 10 times for 10 rows" in found.evidence[0]
    assert "1.00 calls a row" in found.evidence[1]


def execution(text: str, *parameters: str | None) -> Execution:
    return Execution("GET /", 0, "f", text, parameters, {}, 0.0)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("SELECT a FROM t WHERE id = $1 AND b = $2", [("1", "x"), ("2", "x")], """= ANY('{"1","2"}') AND b = 'x'"""),
        ("SELECT a FROM t WHERE id = ANY ($1::int[])", [("{1}",), ("{2,3}",)], "ANY ('{1,2,3}'::int[])"),
        ("SELECT a FROM t WHERE id = $1::uuid", [("1",), ("2",)], """id = ANY('{"1","2"}')"""),
        ("SELECT a FROM t WHERE id > $1", [("1",), ("2",)], None),
        ("SELECT a FROM t WHERE id = $1 LIMIT 1", [("1",), ("2",)], None),
        ("SELECT a FROM t WHERE id = $1 AND b = $2", [("1", "x"), ("2", "y")], None),
        ("SELECT a FROM t WHERE id = $1", [("1",), (None,)], None),
        ("SELECT a FROM WHERE", [("1",), ("2",)], None),
    ],
)
def test_one_statement_for_many(text: str, values: list[tuple[str | None, ...]], expected: str | None) -> None:
    made = batched([execution(text, *row) for row in values])
    assert (made is None) if expected is None else (made is not None and expected in made)


def test_literals_in_the_text_make_one_statement_too() -> None:
    made = batched([execution(f"SELECT a FROM \"T\" WHERE \"Id\" = '{n}' AND b = 'k'") for n in ("a", "b")])
    assert made == """SELECT a FROM "T" WHERE "Id" = ANY('{"a","b"}') AND b = 'k'"""


def test_what_cannot_be_sent_at_once_is_said_without_a_trial(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfgate.diagnose.advisors.n_plus_one.batched", lambda executions: "SELECT broken FROM items")
    with opened(server, SCHEMA, asked(5, 10, 20, calls="one by one")) as bench:
        (found,) = advice(bench)
    assert found.verified == ()


def test_only_parameters_are_replaced_and_values_stay_values() -> None:
    text = """SELECT '$1', E'\\'$1', "$1", $x$ $1 $x$, $1, $2, $3 FROM t"""
    assert bound(execution(text, "it's", None)) == (
        """SELECT '$1', E'\\'$1', "$1", $x$ $1 $x$, 'it''s', NULL, $3 FROM t"""
    )
    assert bound(execution("SELECT $1", "a\\'; DROP TABLE t; --")) == "SELECT E'a\\\\''; DROP TABLE t; --'"
