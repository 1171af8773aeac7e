"""What an endpoint asks of Postgres is counted to that endpoint, exactly, and to nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from perfgate.errors import NotMeasured
from perfgate.measure import database as databases
from perfgate.measure.collector import Reading, Target
from perfgate.measure.collectors.queries import COLLECTOR
from perfgate.measure.collectors.tables import Tables
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.fingerprint import fingerprint
from perfgate.measure.ownership import Owner
from perfgate.measure.statements import is_chatter, is_foreign_key_check
from perfgate.model import FlawKind, Noise, Scope, Side
from perfgate.plan import Database
from tests.measure.servers import VERSIONS, version

Service = psycopg.Connection
Request = Callable[[Service], object]

SHOP = """
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE reviews (id serial PRIMARY KEY, product int NOT NULL, words text NOT NULL);
INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 20) n;
INSERT INTO reviews (product, words) SELECT n % 20 + 1, repeat('good ', 20) FROM generate_series(1, 200) n;
CREATE INDEX ON reviews (product);
"""


@pytest.fixture(scope="module", params=VERSIONS)
def server(server: Server, owner: Owner, request: pytest.FixtureRequest) -> Iterator[Server]:
    with version(request.param, server, owner) as chosen:
        yield chosen


@pytest.fixture
def shop(database: ServiceDatabase) -> ServiceDatabase:
    """A database with products and their reviews, frozen."""
    with database.connect() as connection:
        connection.execute(SHOP)
    database.freeze()
    return database


@pytest.fixture
def service(shop: ServiceDatabase) -> Iterator[Service]:
    """The one connection of a service."""
    with psycopg.connect(shop.url, autocommit=True) as connection:
        yield connection


def one_by_one(service: Service) -> None:
    """A page of ten products as an N+1 query: one statement for the page, one for each product on it."""
    for (product,) in service.execute("SELECT id FROM products ORDER BY id LIMIT 10").fetchall():
        service.execute("SELECT words FROM reviews WHERE product = %s", [product])


def joined(service: Service) -> None:
    service.execute("SELECT p.id, r.words FROM products p JOIN reviews r ON r.product = p.id WHERE p.id <= 10")


def review(service: Service) -> None:
    with service.transaction():
        service.execute("INSERT INTO reviews (product, words) VALUES (%s, %s)", [1, "secret"])


def count(
    database: ServiceDatabase | None, requests: Sequence[tuple[str, Callable[[], object]]]
) -> tuple[Target, list[Reading]]:
    """A counting pass over the requests, as the load drives it."""
    target = Target(Path(), "browse", Side.BASE, database=database)
    COLLECTOR.begin(target)
    COLLECTOR.observe(target, "")
    for endpoint, request in requests:
        request()
        COLLECTOR.observe(target, endpoint)
    return target, list(COLLECTOR.finish(target))


def value(readings: list[Reading], metric: str, scope: Scope = Scope()) -> float | None:  # noqa: B008 - a frozen value
    (found,) = [reading.value for reading in readings if reading.metric.name == metric and reading.scope == scope]
    return found


def statements_of(target: Target, readings: list[Reading], endpoint: str) -> dict[str, float | None]:
    """Calls per request of each statement of an endpoint, by text."""
    return {
        target.statements[reading.scope.statement]: reading.value
        for reading in readings
        if reading.metric.name == "queries.calls" and reading.scope.endpoint == endpoint and reading.scope.statement
    }


def test_an_n_plus_one_query_shows_as_calls_per_request(shop: ServiceDatabase, service: Service) -> None:
    target, readings = count(
        shop, [("GET /slow", lambda: one_by_one(service)), ("GET /fast", lambda: joined(service))] * 2
    )
    assert value(readings, "queries.calls", Scope(endpoint="GET /slow")) == 11
    assert value(readings, "queries.calls", Scope(endpoint="GET /fast")) == 1
    assert value(readings, "queries.calls") == 6
    assert value(readings, "queries.rows", Scope(endpoint="GET /slow")) == 110
    assert value(readings, "queries.rows", Scope(endpoint="GET /fast")) == 100
    assert statements_of(target, readings, "GET /slow") == {
        "SELECT id FROM products ORDER BY id LIMIT ?": 1,
        "SELECT words FROM reviews WHERE product = ?": 10,
    }


def test_three_passes_over_the_same_data_agree_on_everything_exact(shop: ServiceDatabase) -> None:
    def exact() -> list[tuple[str, Scope, float | None]]:
        shop.restore()
        with psycopg.connect(shop.url, autocommit=True) as service:
            for request in (one_by_one, joined, review):
                request(service)
            kinds: list[tuple[str, Request]] = [
                ("GET /slow", one_by_one),
                ("GET /fast", joined),
                ("POST /review", review),
            ]
            requests = [(name, lambda request=request: request(service)) for name, request in kinds]
            _, readings = count(shop, requests * 3)
        return [(r.metric.name, r.scope, r.value) for r in readings if r.metric.noise is Noise.EXACT]

    first = exact()
    assert {name for name, _, _ in first} == {
        f"queries.{name}" for name in ("calls", "rows", "blocks", "temp_blocks", "wal_records")
    }
    assert exact() == first
    assert exact() == first


def test_work_and_time_are_counted_per_request(shop: ServiceDatabase, service: Service) -> None:
    service.execute("SET work_mem = '64kB'")
    sort = "SELECT count(*) FROM (SELECT DISTINCT n, repeat('x', 50) FROM generate_series(1, 20000) n) AS s"
    _, readings = count(
        shop, [("POST /review", lambda: review(service)), ("GET /sort", lambda: service.execute(sort))] * 2
    )
    post, get = Scope(endpoint="POST /review"), Scope(endpoint="GET /sort")
    assert (value(readings, "queries.wal_records", post) or 0) > 0
    assert value(readings, "queries.wal_records", get) == 0
    assert (value(readings, "queries.blocks", post) or 0) > 0
    assert value(readings, "queries.temp_blocks", post) == 0
    assert (value(readings, "queries.temp_blocks", get) or 0) > 10
    assert value(readings, "queries.mean_time", get) == pytest.approx(value(readings, "queries.time", get))
    assert 0 < (value(readings, "queries.time", post) or 0) < (value(readings, "queries.time", get) or 0) < 60


def test_times_are_in_seconds(shop: ServiceDatabase, service: Service) -> None:
    _, readings = count(shop, [("GET /", lambda: service.execute("SELECT pg_sleep(0.1) FROM generate_series(1, 2)"))])
    assert 0.2 <= (value(readings, "queries.time") or 0) < 50


def test_what_came_before_the_first_counted_request_is_left_out(shop: ServiceDatabase, service: Service) -> None:
    target = Target(Path(), database=shop)
    COLLECTOR.begin(target)
    one_by_one(service)
    COLLECTOR.observe(target, "")
    joined(service)
    COLLECTOR.observe(target, "GET /fast")
    readings = COLLECTOR.finish(target)
    assert value(readings, "queries.calls") == 1
    assert list(statements_of(target, readings, "GET /fast")) == [
        "SELECT p.id, r.words FROM products p JOIN reviews r ON r.product = p.id WHERE p.id <= ?"
    ]


def test_statements_that_come_after_the_answer_are_still_the_requests_own(shop: ServiceDatabase) -> None:
    def work(begun: threading.Event) -> None:
        """A background task: it goes to and fro between working and asking, and commits at last."""
        with psycopg.connect(shop.url) as connection:
            for _ in range(10):
                connection.execute("UPDATE products SET name = 'sold' WHERE id = 1")
                begun.set()
                time.sleep(0.01)

    def answer() -> None:
        begun = threading.Event()
        tasks.append(threading.Thread(target=work, args=[begun]))
        tasks[-1].start()
        assert begun.wait(30)

    tasks: list[threading.Thread] = []
    _, readings = count(shop, [("POST /buy", answer), ("GET /", lambda: None)] * 3)
    for task in tasks:
        task.join()
    assert value(readings, "queries.calls", Scope(endpoint="POST /buy")) == 10
    assert value(readings, "queries.calls", Scope(endpoint="GET /")) == 0


@pytest.mark.parametrize(("settle_ms", "found"), [(500, 1), (1, 0)])
def test_settle_ms_says_how_late_a_statement_may_begin(
    shop: ServiceDatabase, service: Service, settle_ms: int, found: int
) -> None:
    target = Target(Path(), database=shop, options={"settle_ms": settle_ms})
    COLLECTOR.begin(target)
    COLLECTOR.observe(target, "")
    late = threading.Timer(0.1, joined, [service])
    late.start()
    COLLECTOR.observe(target, "GET /")
    late.join()
    assert value(COLLECTOR.finish(target), "queries.calls") == found


def test_a_statement_keeps_its_name_when_its_tables_are_made_anew(shop: ServiceDatabase, service: Service) -> None:
    def ids() -> set[int]:
        rows = shop.server.monitor.execute(
            "SELECT queryid FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"
            " WHERE datname = %s AND query LIKE 'SELECT p.id%%'",
            [shop.name],
        )
        return {queryid for (queryid,) in rows}

    before = count(shop, [("GET /", lambda: joined(service))])[1]
    assert len(ids()) == 1
    service.execute("DROP TABLE products, reviews")
    service.execute(SHOP)
    after = count(shop, [("GET /", lambda: joined(service))])[1]
    assert len(ids()) == (2 if shop.server.major < 18 else 1), "to older versions it is another statement"
    assert [reading.scope for reading in before] == [reading.scope for reading in after]


def test_values_and_their_number_make_no_new_statement(shop: ServiceDatabase, service: Service) -> None:
    def several() -> None:
        for ids in ([1], [2, 3], [4, 5, 6, 7]):
            places = ", ".join(["%s"] * len(ids))
            service.execute(f"SELECT name FROM products WHERE id IN ({places})".encode(), ids)
            service.execute(f"select name from products where id in ({','.join(map(str, ids))}) -- {ids}".encode())

    target, readings = count(shop, [("GET /", several)])
    assert statements_of(target, readings, "GET /") == {"SELECT name FROM products WHERE id IN (?)": 6}


def test_no_value_is_kept_with_a_statement(shop: ServiceDatabase, service: Service) -> None:
    def change() -> None:
        review(service)
        service.execute("COMMENT ON TABLE products IS 'secret'")
        service.execute("SELECT name FROM products /* secret */ WHERE name = 'secret'")

    target, readings = count(shop, [("POST /", change)])
    assert len(statements_of(target, readings, "POST /")) == 3
    assert "secret" not in str(target.statements) + str(readings)


def test_transactions_sessions_and_pools_are_no_statements(shop: ServiceDatabase) -> None:
    def visit() -> None:
        with psycopg.connect(shop.url) as connection:
            connection.execute("SET statement_timeout = 1000")
            connection.execute("SELECT 1")
            connection.execute("SAVEPOINT here")
            connection.execute("SELECT name FROM products")
            connection.execute("RELEASE here")
            connection.execute("SHOW work_mem")
            connection.commit()
            psycopg.types.TypeInfo.fetch(connection, "hstore")

    target, readings = count(shop, [("GET /", visit)] * 2)
    assert statements_of(target, readings, "GET /") == {"SELECT name FROM products": 1}
    assert value(readings, "queries.calls", Scope(endpoint="GET /")) == 1


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_checks_of_foreign_keys_are_work_but_no_statements_of_the_service(
    shop: ServiceDatabase, service: Service, deferrable: str
) -> None:
    service.execute(f"ALTER TABLE reviews ADD FOREIGN KEY (product) REFERENCES products {deferrable}")
    service.execute("INSERT INTO products VALUES (77, 'spare')")

    def forget() -> None:
        service.execute("DELETE FROM products WHERE id = 77")

    target, readings = count(shop, [("POST /review", lambda: review(service)), ("POST /forget", forget)])
    for endpoint, text in (
        ("POST /review", "INSERT INTO reviews(product, words) VALUES (?, ?)"),
        ("POST /forget", "DELETE FROM products WHERE id = ?"),
    ):
        assert statements_of(target, readings, endpoint) == {text: 1}
        assert value(readings, "queries.calls", Scope(endpoint=endpoint)) == 1
        assert value(readings, "queries.rows", Scope(endpoint=endpoint)) == 1
    checks = {name for name, text in target.statements.items() if "FOR KEY SHARE OF x" in text}
    assert len(checks) == (2 if deferrable else 0)
    blocks = [r.value or 0 for r in readings if r.metric.name == "queries.blocks" and r.scope.statement in checks]
    assert all(blocks)
    assert bool(blocks) == bool(checks)


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ('SELECT ? FROM ONLY "public"."a" x WHERE "id" operator(pg_catalog.=) ? FOR KEY SHARE OF x', True),
        ('SELECT ? FROM "public"."parted" x WHERE ? operator(pg_catalog.=) "a" FOR KEY SHARE OF x', True),
        (
            'SELECT ? FROM (SELECT "p" AS r FROM ONLY "a" x WHERE "p" operator(pg_catalog.&&) ? FOR KEY SHARE OF x) x1',
            True,
        ),
        ("SELECT ? FROM a x WHERE x.id = ? FOR KEY SHARE OF x", False),
        ("SELECT * FROM a WHERE id = ? FOR UPDATE", False),
    ],
)
def test_only_what_postgres_writes_itself_is_a_check_of_a_foreign_key(text: str, check: bool) -> None:
    assert is_foreign_key_check(text) is check


@pytest.mark.parametrize(
    ("text", "chatter"),
    [
        ("BEGIN", True),
        ("START TRANSACTION ISOLATION LEVEL read committed", True),
        ("SET application_name TO ?", True),
        ("SELECT ?", True),
        ("SELECT pg_catalog.version()", True),
        ("SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typname = ?", True),
        ("SELECT ?, ?", False),
        ("SELECT set_config(?, ?, ?)", False),
        ("SELECT * FROM setting", False),
        ("SELECT reltuples FROM pg_class WHERE relname = ?", False),
        ("UPDATE t SET a = ?", False),
    ],
)
def test_only_what_no_endpoint_asks_for_is_chatter(text: str, chatter: bool) -> None:
    assert is_chatter(text) is chatter


def test_perfgates_own_statements_are_left_out(shop: ServiceDatabase, service: Service) -> None:
    def watched() -> None:
        joined(service)
        Tables().begin(Target(Path(), database=shop))
        shop.server.monitor.execute("SELECT name FROM pg_settings")

    target, readings = count(shop, [("GET /", watched)] * 2)
    assert value(readings, "queries.calls") == 1
    assert not [text for text in target.statements.values() if "pg_" in text]


def test_an_endpoint_without_statements_has_zeroes_and_no_mean_time(shop: ServiceDatabase, service: Service) -> None:
    _, readings = count(shop, [("GET /health", lambda: None)])
    assert {reading.metric.name: reading.value for reading in readings if reading.scope.endpoint} == {
        f"queries.{name}": 0 for name in ("calls", "rows", "time", "blocks", "temp_blocks", "wal_records")
    }


def test_a_database_that_nobody_uses_was_not_measured_as_nothing(shop: ServiceDatabase) -> None:
    _, readings = count(shop, [("GET /", lambda: None)])
    assert {reading.value for reading in readings} == {None}
    assert {reading.scope.endpoint for reading in readings} == {"", "GET /"}
    assert readings[0].note == f"nobody used the database {shop.name}: does the service connect to it?"


@pytest.mark.parametrize("which", ["", "0, oid, 0"])
def test_counters_that_are_lost_make_no_values_but_a_flaw(shop: ServiceDatabase, service: Service, which: str) -> None:
    def reset() -> None:
        joined(service)
        text = f"SELECT pg_stat_statements_reset({which}) FROM pg_database WHERE datname = %s"
        shop.server.monitor.execute(text.encode(), [shop.name])

    joined(service)
    _, readings = count(shop, [("GET /", reset)])
    assert {reading.value for reading in readings} == {None}
    (flaw,) = COLLECTOR.flaws
    assert (flaw.kind, flaw.metrics, flaw.scenario, flaw.side) == (
        FlawKind.STATEMENTS_EVICTED,
        ("queries.*",),
        "browse",
        Side.BASE,
    )
    count(shop, [("GET /", lambda: joined(service))])
    assert COLLECTOR.flaws == ()


def test_a_session_that_never_comes_to_rest_is_waited_for_once_and_noted(
    shop: ServiceDatabase, service: Service
) -> None:
    def begin() -> None:
        service.execute("BEGIN")
        service.execute("SELECT name FROM products")

    began = time.monotonic()
    _, readings = count(shop, [("GET /leak", begin), *[("GET /", lambda: None)] * 20])
    assert time.monotonic() - began < 15, "one second for the leak, and none for each request after it"
    notes = {reading.scope.endpoint: reading.note for reading in readings}
    assert notes["GET /leak"].startswith("after 1 of 1 requests the database was still busy 1 s later")
    assert notes[""].startswith("after 1 of 21 requests")
    assert notes["GET /"] == ""


def test_a_scenario_without_a_database_has_no_queries() -> None:
    assert count(None, [("GET /", lambda: None)])[1] == []


def test_a_pass_that_never_began_has_no_readings(shop: ServiceDatabase) -> None:
    target = Target(Path(), database=shop)
    COLLECTOR.begin(target)
    assert COLLECTOR.finish(target) == []


@pytest.fixture
def small_server() -> Iterator[Server]:
    """A server of this test's own, with room for no more than a hundred statements."""
    plan = Database(provider="embedded", settings={"pg_stat_statements.max": "100"})
    with Owner() as owner, databases.start(plan, owner, print) as server:
        yield server


def test_statements_that_the_server_has_no_room_for_are_a_flaw(small_server: Server) -> None:
    database = small_server.create("small")
    with psycopg.connect(database.url, autocommit=True) as service:

        def many() -> None:
            for number in range(1, 130):
                service.execute(f"SELECT {', '.join(['0'] * number)}, count(*) FROM pg_class".encode())

        _, readings = count(database, [("GET /", many)])
    assert {reading.value for reading in readings} == {None}
    assert [flaw.kind for flaw in COLLECTOR.flaws] == [FlawKind.STATEMENTS_EVICTED]


def test_a_server_that_is_lost_in_the_middle_is_not_measured(small_server: Server) -> None:
    target = Target(Path(), database=small_server.create("small"))
    COLLECTOR.begin(target)
    COLLECTOR.observe(target, "")
    small_server.monitor.close()
    with pytest.raises(NotMeasured, match="counting statements"):
        COLLECTOR.observe(target, "GET /")


def test_names_in_reports_are_the_fingerprints_of_their_texts(shop: ServiceDatabase, service: Service) -> None:
    target, readings = count(shop, [("GET /", lambda: joined(service))])
    assert all(name == fingerprint(text) for name, text in target.statements.items())
    assert {reading.scope.statement for reading in readings} - {""} <= set(target.statements)
