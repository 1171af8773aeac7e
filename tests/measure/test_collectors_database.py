"""What happens between a service's sessions, and to its tables, is seen; what perfgate does itself is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from perfgate.errors import NotMeasured
from perfgate.measure.collector import Reading, Target
from perfgate.measure.collectors.connections import Connections
from perfgate.measure.collectors.tables import Tables
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.ownership import Owner
from perfgate.model import Scope
from tests.measure.servers import VERSIONS, version

Work = Callable[[psycopg.Connection], object]


@pytest.fixture(scope="module", params=VERSIONS)
def server(server: Server, owner: Owner, request: pytest.FixtureRequest) -> Iterator[Server]:
    with version(request.param, server, owner) as chosen:
        yield chosen


@pytest.fixture
def stock(database: ServiceDatabase) -> ServiceDatabase:
    """A database with a table of a thousand rows, an index that is used and two that are not, frozen."""
    with database.connect() as connection:
        connection.execute(
            """
            CREATE TABLE stock (id int PRIMARY KEY, kind int NOT NULL, words text NOT NULL, code int UNIQUE);
            INSERT INTO stock SELECT n, n % 10, repeat('word ', 20), n FROM generate_series(1, 1000) n;
            CREATE INDEX stock_kind ON stock (kind);
            CREATE INDEX stock_words ON stock (words);
            CREATE SCHEMA archive;
            CREATE TABLE archive.old (id int);
            CREATE INDEX old_id ON archive.old (id);
            """
        )
    database.freeze()
    return database


@contextmanager
def session(database: ServiceDatabase) -> Iterator[psycopg.Connection]:
    """A session of the service."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def await_session(database: ServiceDatabase, pid: int, state: str) -> None:
    """Come back when what is said of the session, in SQL, is so."""
    asked = f"SELECT coalesce(bool_or({state}), false) FROM pg_stat_activity WHERE pid = %s".encode()
    until = time.monotonic() + 60
    while database.server.monitor.execute(asked, [pid]).fetchone() != (True,):
        assert time.monotonic() < until, f"session {pid} never came to be {state}"
        time.sleep(0.01)


def await_end(database: ServiceDatabase, pid: int) -> None:
    """Come back when the session is gone: it lives on for a moment after its client left."""
    until = time.monotonic() + 60
    while database.server.monitor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
        assert time.monotonic() < until, f"session {pid} never ended"
        time.sleep(0.01)


def by_name(readings: Iterator[Reading]) -> dict[str, Reading]:
    return {reading.metric.name: reading for reading in readings}


def watched(database: ServiceDatabase, work: Callable[[], object]) -> dict[str, Reading]:
    """The readings of a round in which `work` happens."""
    collector, target = Connections(), Target(Path(), database=database)
    collector.begin(target)
    work()
    return by_name(collector.finish(target))


def test_a_lock_wait_names_who_blocks_whom(stock: ServiceDatabase) -> None:
    with session(stock) as holder, session(stock) as waiter:
        pids = holder.info.backend_pid, waiter.info.backend_pid
        holder.execute("BEGIN")
        holder.execute("UPDATE stock SET kind = 0 WHERE id = 7")
        update = threading.Thread(target=waiter.execute, args=["UPDATE stock SET words = 'secret' WHERE id = 7"])

        def wait() -> None:
            update.start()
            await_session(stock, pids[1], "wait_event_type = 'Lock'")

        readings = watched(stock, wait)
        holder.execute("COMMIT")
        update.join()
    assert readings["locks.waiting"].value == 1
    longest = readings["locks.longest_wait"]
    assert 0 < (longest.value or 0) < 60
    assert longest.note.startswith(
        f"pid {pids[1]} (UPDATE stock SET words = ? WHERE id = ?) waited for "
        f"pid {pids[0]} (idle in transaction: UPDATE stock SET kind = ? WHERE id = ?) for "
    )


def test_a_round_without_waits_says_so(stock: ServiceDatabase) -> None:
    readings = watched(stock, lambda: None)
    assert (readings["locks.waiting"].value, readings["locks.longest_wait"].value) == (0, 0)
    assert readings["locks.longest_wait"].note == ""


def test_connections_that_are_opened_are_counted_and_perfgates_own_are_not(stock: ServiceDatabase) -> None:
    def come_and_go() -> None:
        for _ in range(3):
            with session(stock) as connection:
                pid = connection.info.backend_pid
            while stock.server.monitor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
                pass  # a session hands over what it counted as it ends

    assert watched(stock, come_and_go)["connections.opened"].value == 3
    assert watched(stock, lambda: None)["connections.opened"].value == 0


def test_a_deadlock_is_counted_at_once(stock: ServiceDatabase) -> None:
    def transfer(first: int, second: int) -> None:
        with session(stock) as connection:
            try:
                with connection.transaction():
                    connection.execute("UPDATE stock SET kind = 1 WHERE id = %s", [first])
                    both.wait(60)
                    connection.execute("UPDATE stock SET kind = 1 WHERE id = %s", [second])
            except psycopg.errors.DeadlockDetected:
                broken.set()
            over.wait(60)  # a session that ends hands over what it counted, and this one is not to end before the round

    both, broken, over = threading.Barrier(2), threading.Event(), threading.Event()
    threads = [threading.Thread(target=transfer, args=ids) for ids in ((1, 2), (2, 1))]

    def deadlock() -> None:
        for thread in threads:
            thread.start()
        assert broken.wait(60)

    readings = watched(stock, deadlock)
    over.set()
    for thread in threads:
        thread.join()
    assert readings["database.deadlocks"].value == 1


def test_sessions_are_counted_by_state_without_perfgates_own(stock: ServiceDatabase) -> None:
    def sleep() -> None:
        with suppress(psycopg.errors.QueryCanceled):
            busy.execute("SELECT count(pg_sleep(60))")

    def run() -> None:
        running.start()
        await_session(stock, pid, "state = 'active'")

    with ExitStack() as stack:
        _, holding, busy = [stack.enter_context(session(stock)) for _ in range(3)]
        stack.enter_context(stock.connect())
        pid = busy.info.backend_pid
        holding.execute("BEGIN")
        holding.execute("SELECT 1")
        running = threading.Thread(target=sleep)
        readings = watched(stock, run)
        stock.server.monitor.execute("SELECT pg_cancel_backend(%s)", [pid])
        running.join()
    assert readings["connections.used"].value == 3
    assert readings["connections.share"].value == 0.03
    assert readings["connections.idle_in_transaction"].value == 1
    assert 0 < (readings["connections.active"].value or 0) <= 1
    assert 0 < (readings["connections.longest_query"].value or 0) < 60


def test_a_round_sees_a_session_however_short_it_is(stock: ServiceDatabase) -> None:
    with session(stock):
        assert watched(stock, lambda: None)["connections.used"].value == 1


def test_temporary_files_and_cache_hits_are_those_of_the_round(stock: ServiceDatabase) -> None:
    def sort(times: int) -> None:
        with session(stock) as connection:
            connection.execute("SET work_mem = '64kB'")
            for _ in range(times):
                connection.execute("SELECT DISTINCT n, repeat('x', 50) FROM generate_series(1, 20000) n")
                connection.execute("SELECT * FROM stock")
            pid = connection.info.backend_pid
        await_end(stock, pid)

    def files(readings: dict[str, Reading]) -> float:
        return readings["database.temp_files"].value or 0

    sort(5)
    once, thrice = (watched(stock, lambda times=times: sort(times)) for times in (1, 3))  # type: ignore[misc]
    assert files(thrice) == 3 * files(once) > 0
    assert (once["database.temp_bytes"].value or 0) > 100_000
    assert 0.9 < (once["database.cache_hits"].value or 0) <= 1


def test_a_round_that_looked_at_no_block_has_no_cache_hits(stock: ServiceDatabase) -> None:
    reading = watched(stock, lambda: None)["database.cache_hits"]
    assert reading.value is None
    assert reading.note


def sampler_pids(server: Server) -> list[int]:
    """The sessions of samplers: perfgate's beside the monitor."""
    asked = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'perfgate' AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    return [pid for (pid,) in server.monitor.execute(asked)]


def test_a_sampler_that_lost_its_server_makes_the_round_not_measured(stock: ServiceDatabase) -> None:
    collector, target = Connections(), Target(Path(), database=stock)
    collector.begin(target)
    (pid,) = sampler_pids(stock.server)
    stock.server.monitor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(NotMeasured, match="watching the service's sessions"):
        list(collector.finish(target))


def test_a_round_that_broke_off_leaves_no_sampler_behind(stock: ServiceDatabase) -> None:
    collector, target = Connections(), Target(Path(), database=stock)
    collector.begin(target)
    (broken_off,) = sampler_pids(stock.server)
    collector.begin(target)
    await_end(stock, broken_off)
    (pid,) = sampler_pids(stock.server)
    list(collector.finish(target))
    await_end(stock, pid)
    assert [thread for thread in threading.enumerate() if thread.name == "perfgate-sessions"] == []


@pytest.mark.parametrize("collector", [Connections(), Tables()])
def test_without_a_database_there_is_nothing_to_read(collector: Connections | Tables) -> None:
    collector.begin(Target(Path()))
    assert list(collector.finish(Target(Path()))) == []


def passed(database: ServiceDatabase, work: Work) -> dict[tuple[str, str], Reading]:
    """The tables' readings of a counting pass on the fresh database, by metric and table."""
    database.restore()
    collector, target = Tables(), Target(Path(), database=database)
    collector.begin(target)
    with psycopg.connect(database.url, autocommit=True) as connection:
        work(connection)
        found = list(collector.finish(target))
    return {(reading.metric.name, reading.scope.table): reading for reading in found}


def shopping(connection: psycopg.Connection) -> None:
    """Three sequential scans, an index scan, ten updates, two deletions, and a table made on the way."""
    for _ in range(3):
        connection.execute("SELECT count(words), count(kind) FROM stock")
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET enable_bitmapscan = off")
    connection.execute("SELECT words FROM stock WHERE kind = 3")
    connection.execute("UPDATE stock SET words = words || '.' WHERE id <= 10")
    connection.execute("DELETE FROM stock WHERE id > 998")
    connection.execute("CREATE TABLE notes AS SELECT n, repeat('note', 50) FROM generate_series(1, 500) n")
    connection.execute("CREATE TEMP TABLE draft (id int)")


def test_what_a_pass_does_to_each_table_is_counted_completely_and_equally(stock: ServiceDatabase) -> None:
    first = passed(stock, shopping)
    values = {key: reading.value for key, reading in first.items()}
    assert values["tables.sequential_scans", "stock"] == 3
    assert values["tables.sequential_rows", "stock"] == 3000
    assert values["tables.dead_rows", "stock"] == 12
    assert values["tables.growth", "stock"] >= 0  # type: ignore[operator]
    assert values["tables.growth", "notes"] == pytest.approx(500 * 240, rel=0.3)
    assert values["tables.growth", "archive.old"] == 0
    assert {table for _, table in values} == {"", "stock", "notes", "archive.old"}
    assert {key: reading.value for key, reading in passed(stock, shopping).items()} == values


def test_unused_indexes_are_named_unless_they_enforce_something(stock: ServiceDatabase) -> None:
    reading = passed(stock, shopping)["indexes.unused", ""]
    assert (reading.value, reading.note) == (2, "archive.old_id, stock_words")
    assert reading.scope == Scope()


def test_perfgates_own_sessions_outlive_a_pass_and_their_tables_are_none_of_the_services(
    stock: ServiceDatabase,
) -> None:
    stock.restore()
    with stock.connect() as own:
        own.execute("CREATE TEMP TABLE draft AS SELECT 1 AS id")
        tables = {reading.scope.table for reading in Tables().finish(Target(Path(), database=stock))}
        assert own.execute("SELECT id FROM draft").fetchall() == [(1,)]
    assert tables == {"", "stock", "archive.old"}


def test_looking_at_tables_changes_nothing_about_them(stock: ServiceDatabase) -> None:
    values = {key: reading.value for key, reading in passed(stock, lambda connection: None).items()}
    assert values.pop(("indexes.unused", "")) == 3
    assert set(values.values()) == {0}
