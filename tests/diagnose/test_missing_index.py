from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.missing_index import ADVISOR
from perfgate.diagnose.plans import parts
from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from perfgate.model import Finding, Side
from tests.diagnose.laboratory import Bench, Sent, failed, opened, subject_of
from tests.measure import servers

SCHEMA = """
CREATE TABLE customers (id integer PRIMARY KEY, email varchar(80) NOT NULL, kind integer NOT NULL);
INSERT INTO customers SELECT i, 'Customer' || i || '@Example.com', i % 2 FROM generate_series(1, 4000) i;
CREATE TABLE regions (id integer PRIMARY KEY, name text);
INSERT INTO regions SELECT i, repeat('region', 50) || i FROM generate_series(1, 900) i;
CREATE TABLE "Order" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer integer NOT NULL,
    placed timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'done')),
    channel text NOT NULL,
    note text NOT NULL,
    data jsonb NOT NULL,
    closed timestamptz,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', note)) STORED
);
INSERT INTO "Order" (customer, placed, status, channel, note, data, closed)
SELECT i * 7919 % 1000, timestamptz '2025-01-01 00:00:00+00' + i * 7919 % 10000 * interval '1 minute',
       CASE WHEN i % 200 = 0 THEN 'open' ELSE 'done' END, CASE WHEN i % 200 = 0 THEN 'fax' ELSE 'web' END,
       'word' || i % 1500 || repeat(' x', 40), jsonb_build_object('k', i % 700),
       CASE WHEN i % 50 <> 0 THEN timestamptz '2025-06-01 00:00:00+00' END
FROM generate_series(1, 10000) i;
"""

ENDPOINT = "GET /orders"
WORDS = "SELECT id FROM \"Order\" WHERE words @@ plainto_tsquery('english', %s)"
JOINED = 'SELECT c.email, o.note FROM customers c JOIN "Order" o ON o.customer = c.id WHERE c.id = %s'
INNER = 'SELECT c.email, (SELECT count(*) FROM "Order" o WHERE o.customer = c.id) FROM customers c WHERE c.id = %s'
SHARED = "SELECT id, note FROM \"Order\" WHERE status = 'open' AND placed > %s ORDER BY placed LIMIT 20"

PART = 'SELECT (SELECT count(note) FROM "Order"), (SELECT count(*) FROM customers WHERE email = %s)'

PAYING: list[tuple[str, Callable[[int], list[object]], str]] = [
    ('SELECT id, placed FROM "Order" WHERE customer = %s', lambda n: [n], '("customer")'),
    ('SELECT id FROM "Order" WHERE customer = ANY (%s)', lambda n: [[n, n + 1]], '("customer")'),
    ("SELECT id, ';' FROM \"Order\" WHERE customer = %s;", lambda n: [n], '("customer")'),
    ('UPDATE "Order" SET note = note WHERE customer = %s', lambda n: [n], '("customer")'),
    ('SELECT id FROM "Order" WHERE customer = %s OR customer = %s', lambda n: [n, n + 500], '("customer")'),
    (JOINED, lambda n: [n + 1], '("customer")'),
    (INNER, lambda n: [n + 1], '("customer")'),
    ('SELECT * FROM "Order" ORDER BY placed DESC, id DESC LIMIT 10', lambda n: [], '("placed", "id")'),
    ('SELECT max(placed) FROM "Order" WHERE customer < %s', lambda n: [500 + n], '("placed")'),
    ('SELECT note FROM "Order" WHERE placed > %s LIMIT 30', lambda n: [f"2025-01-07 20:2{n}+00"], '("placed")'),
    ("SELECT * FROM customers WHERE lower(email) = %s", lambda n: [f"customer{n}@example.com"], "((LOWER("),
    ("SELECT id FROM customers WHERE email LIKE %s", lambda n: [f"Customer{n}0%"], '("email" text_pattern_ops)'),
    (WORDS, lambda n: [f"word{n}"], ' USING gin ("words")'),
    ('SELECT id FROM "Order" WHERE data @> %s::jsonb', lambda n: [f'{{"k": {n}}}'], ' USING gin ("data")'),
    ("SELECT id FROM \"Order\" WHERE data ->> 'k' = %s", lambda n: [str(n)], '(("data" ->> CAST('),
    (SHARED, lambda n: [f"2025-01-0{n + 1}"], '("placed") WHERE "status" = CAST(\'open\' AS TEXT)'),
    (
        'SELECT id, note FROM "Order" WHERE closed IS NULL AND customer < %s',
        lambda n: [100 + n],
        '("customer") WHERE "closed" IS NULL',
    ),
    ('SELECT sum(id) FROM "Order" WHERE customer < %s', lambda n: [150 + n], '("customer") INCLUDE ("id")'),
]

# Statements that an index cannot help, or not enough.
HARMLESS: list[tuple[str, Callable[[int], list[object]]]] = [
    ('SELECT count(note) FROM "Order"', lambda n: []),
    ('SELECT sum(length(note)) FROM "Order" WHERE status = %s', lambda n: ["done"]),
    (PART, lambda n: [f"Customer{n}@Example.com"]),
    ("SELECT count(email) FROM customers WHERE kind = %s", lambda n: [1]),
    ("SELECT id FROM regions WHERE name = %s", lambda n: [f"region{n}"]),
    ('SELECT note FROM "Order" WHERE id = %s', lambda n: [n + 1]),
    ("INSERT INTO customers VALUES (%s, 'a', 1)", lambda n: [n + 90_000]),
]


def requests(sql: str, parameters: Callable[[int], Sequence[object]], count: int = 3) -> list[Sent]:
    return [Sent(ENDPOINT, sql, parameters(number)) for number in range(count)]


def asked(bench: Bench, red: Sequence[Finding] = ()) -> list[Advice]:
    return list(ADVISOR.advise(subject_of(bench.examine(), laboratory=bench, red=red)))


BY_CUSTOMER = requests('SELECT id, placed FROM "Order" WHERE customer = %s', lambda n: [n])


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Bench]:
    with opened(server, SCHEMA, []) as bench:
        yield bench


@pytest.fixture(scope="module")
def other_shop(server: Server, owner: Owner) -> Iterator[Bench]:
    with servers.version("another", server, owner) as another, opened(another, SCHEMA, []) as bench:
        yield bench


def sending(bench: Bench, sent: Sequence[Sent]) -> Bench:
    """The same database for other requests."""
    return replace(bench, sent=sent, examined=[])


def check(bench: Bench, sql: str, parameters: Callable[[int], list[object]], index: str) -> None:
    advice = asked(sending(bench, requests(sql, parameters)))
    assert len(advice) == 1, [one.sql for one in advice]
    made = re.sub(r'CREATE INDEX "\w+" ON "\w+" ?', "", advice[0].sql[0])
    assert made.startswith(index.lstrip()), made
    blocks = advice[0].verified[0]
    assert blocks.what == f"blocks of {ENDPOINT} a request"
    assert blocks.before - blocks.after >= max(10, blocks.before / 5)


@pytest.mark.parametrize(("sql", "parameters", "index"), PAYING)
def test_an_index_that_spares_blocks_is_found_and_its_gain_is_measured(
    shop: Bench, sql: str, parameters: Callable[[int], list[object]], index: str
) -> None:
    check(shop, sql, parameters, index)


@pytest.mark.parametrize(("sql", "parameters", "index"), PAYING[4:9:2] + PAYING[13:15])
def test_plans_of_another_version_are_read_as_well(
    other_shop: Bench, sql: str, parameters: Callable[[int], list[object]], index: str
) -> None:
    check(other_shop, sql, parameters, index)


@pytest.mark.parametrize(("sql", "parameters"), HARMLESS)
def test_what_no_index_helps_enough_is_left_alone(
    shop: Bench, sql: str, parameters: Callable[[int], list[object]]
) -> None:
    assert not asked(sending(shop, requests(sql, parameters)))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(failed("queries.blocks", ENDPOINT), Severity.HIGH, id="its blocks are red"),
        pytest.param(failed("queries.blocks", "GET /else"), Severity.MEDIUM, id="another endpoint is red"),
        pytest.param(failed("queries.calls", ENDPOINT), Severity.MEDIUM, id="what it cannot explain is red"),
        pytest.param(None, Severity.MEDIUM, id="nothing is red"),
    ],
)
def test_the_gain_matters_most_where_it_explains_something_red(
    shop: Bench, change: Finding | None, expected: Severity
) -> None:
    bench = sending(shop, BY_CUSTOMER)
    (advice,) = asked(bench, [change] if change else [])
    assert advice.severity is expected


def test_a_small_gain_that_nobody_missed_is_a_hint(shop: Bench) -> None:
    bench = sending(shop, requests("SELECT * FROM customers WHERE email = %s", lambda n: [f"c{n}"]))
    (advice,) = asked(bench)
    assert advice.severity is Severity.LOW


@pytest.mark.parametrize(("kind", "expected"), [("tolerance", Severity.MEDIUM), ("limit", Severity.HIGH)])
def test_what_base_does_without_too_explains_no_change_but_a_limit(shop: Bench, kind: str, expected: Severity) -> None:
    red = [replace(failed("queries.blocks", ENDPOINT), kind=kind)]
    bench = sending(shop, BY_CUSTOMER)
    head = bench.examine()
    (advice,) = ADVISOR.advise(subject_of(head, replace(head, side=Side.BASE), laboratory=bench, red=red))
    assert advice.severity is expected


def test_an_index_that_the_service_drops_is_recommended_under_a_name_that_it_does_not_drop(server: Server) -> None:
    indexed = f'{SCHEMA} CREATE INDEX "Order_customer_idx" ON "Order" (customer);'
    dropping = ['DROP INDEX IF EXISTS "Order_customer_idx"']
    red = [failed("queries.blocks", ENDPOINT)]
    with opened(server, indexed, BY_CUSTOMER) as bench:
        base = replace(bench, side=Side.BASE).examine()
        head = replace(bench, greeting=dropping)
        (advice,) = ADVISOR.advise(subject_of(head.examine(), base, laboratory=head, red=red))
    assert advice.severity is Severity.HIGH
    assert advice.sql == ('CREATE INDEX "Order_customer_idx1" ON "Order" ("customer")',)
    assert any("base has such an index" in sentence for sentence in advice.evidence)


def test_every_index_is_measured_with_those_before_it_in_place(shop: Bench) -> None:
    sql = 'SELECT c.id, o.note FROM customers c JOIN "Order" o ON o.customer = c.id WHERE c.email = %s'
    bench = sending(shop, requests(sql, lambda n: [f"Customer{n + 1}@Example.com"]))
    first, second = asked(bench)
    assert (first.scope.table, second.scope.table) == ('"Order"', "customers")
    assert second.verified[0].before == first.verified[0].after
    assert bench.examined[-1] == (*first.sql, *second.sql)


def test_the_price_of_an_index_is_told_with_its_gain(shop: Bench) -> None:
    bench = sending(shop, BY_CUSTOMER)
    (advice,) = asked(bench)
    price = {trial.what: trial for trial in advice.verified}
    wal = price['WAL records a row inserted into "Order"']
    assert wal.after - wal.before == pytest.approx(1.0, abs=0.1)
    assert price["size of the index"].after > 8192


def test_its_sql_can_be_run_as_it_stands(shop: Bench) -> None:
    bench = sending(shop, BY_CUSTOMER)
    (advice,) = asked(bench)
    assert advice.safe
    with bench.altered("shop", advice.sql) as connection:
        row = connection.execute("SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'Order_cust%'").fetchone()
    assert row == (1,)


def test_no_value_of_a_user_or_of_a_row_is_shown(shop: Bench) -> None:
    sql = "SELECT id, note FROM \"Order\" WHERE channel = 'fax' AND placed > %s ORDER BY placed LIMIT 20"
    bench = sending(shop, requests(sql, lambda n: [f"2025-01-0{n + 1}"]))
    advice = asked(bench)
    assert advice
    assert not re.search("fax|2025-01", repr(advice))


def test_a_value_that_a_driver_writes_into_the_text_is_not_taken_for_the_programs(shop: Bench) -> None:
    sent = [Sent(ENDPOINT, "SELECT id FROM \"Order\" WHERE data ->> 'secret' = 'x'") for _ in range(5)]
    bench = sending(shop, sent)
    assert not asked(bench)


def test_nothing_is_said_where_nothing_can_be_tried(shop: Bench) -> None:
    bench = sending(shop, BY_CUSTOMER)
    examined = bench.examine()
    assert not list(ADVISOR.advise(subject_of(examined)))
    bench.allowance = 1.0
    assert not list(ADVISOR.advise(subject_of(examined, laboratory=bench)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("orders", ("public", "orders")), ('"Or.der"', ("public", "Or.der")), ('sales."a""b"', ("sales", 'a"b'))],
)
def test_a_name_in_sql_has_a_schema_and_no_quotes_of_its_own(name: str, expected: tuple[str, str]) -> None:
    assert parts(name) == expected
