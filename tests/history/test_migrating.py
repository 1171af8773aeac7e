"""A store is brought up to date whole or not at all, and one that is newer is left alone."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg
import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.publish.history.migrating import migrate, migrations
from perfgate.publish.history.store import connect, open_store
from perfgate.publish.history.writing import write
from tests.history.runs import count, entry
from tests.killing import killed

FIRST = {1: migrations()[1]}


def version(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT max(number) FROM perfgate.version").fetchone()
    assert row is not None
    return int(row[0])


def test_migrations_are_numbered_without_a_gap() -> None:
    assert list(migrations()) == list(range(1, len(migrations()) + 1))
    assert len(migrations()) > 1


def test_an_older_store_keeps_its_runs(connection: psycopg.Connection) -> None:
    migrate(connection, FIRST)
    assert version(connection) == 1
    connection.execute("SET ROLE perfgate_history")
    connection.execute("INSERT INTO perfgate.project (name) VALUES ('shop')")
    connection.execute("RESET ROLE")
    store = open_store(connection, "shop")
    assert version(connection) == max(migrations())
    assert store.project == 1
    assert write(store, [entry(1)]) == 1


def test_a_newer_store_is_left_alone(connection: psycopg.Connection) -> None:
    migrate(connection)
    connection.execute("INSERT INTO perfgate.version VALUES (999, now(), 'tomorrow')")
    with pytest.raises(BadRequest, match="version 999, made by a newer perfgate") as caught:
        open_store(connection, "shop")
    assert "upgrade" in caught.value.hint
    assert connection.execute("SELECT count(*) FROM perfgate.project").fetchone() == (0,)


def test_a_migration_that_fails_leaves_nothing(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, {**FIRST, 2: "CREATE TABLE half (); SELECT 1 / 0"})
    assert connection.execute("SELECT to_regnamespace('perfgate')").fetchone() == (None,)
    migrate(connection)
    assert version(connection) == max(migrations())


MIGRATING = """
import sys
from perfgate.publish.history import migrating, store
slow = {1: migrating.migrations()[1] + ";DO $$ BEGIN RAISE NOTICE 'half'; PERFORM pg_sleep(1000); END $$"}
connection = store.connect(sys.argv[1])
connection.add_notice_handler(lambda notice: print(notice.message_primary, flush=True))
migrating.migrate(connection, slow)
"""


def test_a_migration_that_is_killed_leaves_nothing(url: str, connection: psycopg.Connection) -> None:
    assert killed(MIGRATING, url) == "half"
    connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert connection.execute("SELECT to_regnamespace('perfgate')").fetchone() == (None,)
    assert count(open_store(connection, "shop"), "run") == 0


def test_several_that_come_at_once_migrate_once(url: str) -> None:
    problems: list[BaseException] = []

    def come() -> None:
        try:
            with closing(connect(url)) as own:
                open_store(own, "shop")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    with closing(connect(url)) as connection:
        assert connection.execute("SELECT count(*) FROM perfgate.version").fetchone() == (len(migrations()),)
        assert connection.execute("SELECT count(*) FROM perfgate.project").fetchone() == (1,)


def test_who_may_not_migrate_is_told_who_may(connection: psycopg.Connection) -> None:
    migrate(connection, FIRST)
    connection.execute("DROP ROLE IF EXISTS history_guest")
    connection.execute("CREATE ROLE history_guest")
    connection.execute("SET SESSION AUTHORIZATION history_guest")
    try:
        with pytest.raises(NotMeasured, match="has to be migrated from 1 to 2"):
            open_store(connection, "shop")
    finally:
        connection.execute("RESET SESSION AUTHORIZATION")
        connection.execute("DROP ROLE history_guest")
