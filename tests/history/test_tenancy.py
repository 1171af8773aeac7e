"""Projects are kept apart by the server, whatever is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure.database import Server
from perfgate.publish.history import admission, notices, reading, retention, rollups
from perfgate.publish.history.reading import Window
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.history.writing import write
from tests.history.runs import DAY, count, entry, rows

GUEST = "history_shop_guest"
GUARDED = ("run", "label", "release", "statement", "series", "sample", "finding", "stale", "hourly", "daily", "alert")


@pytest.fixture
def other(url: str) -> Iterator[Store]:
    """Another project in the same store, with a run, an alert and roll-ups."""
    with closing(connect(url)) as connection:
        other = open_store(connection, "other")
        write(other, [entry(7, labels={"secret": "flag"}), entry(8)])
        rollups.refresh(other)
        write(other, [entry(9)])
        notices.raise_alerts(other, [notices.Alert("a", "red", DAY, "text")])
        notices.add_releases(other, [notices.Release("v1", "c", DAY)])
        yield other


@pytest.fixture
def guest(url: str, store: Store, history_server: Server) -> Iterator[Store]:
    """The project `shop`, entered by a role that was admitted to it alone."""
    store.connection.execute(f"DROP ROLE IF EXISTS {GUEST}".encode())
    store.connection.execute(f"CREATE ROLE {GUEST} LOGIN PASSWORD 'guest'".encode())
    admission.admit(store, GUEST, write=True)
    with closing(connect(make_conninfo(url, user=GUEST, password="guest"))) as connection:
        yield open_store(connection, "shop")
    store.connection.execute(f"DROP OWNED BY {GUEST}".encode())
    store.connection.execute(f"DROP ROLE {GUEST}".encode())


def everything(store: Store) -> dict[str, int]:
    return {table: count(store, table) for table in GUARDED}


def test_the_owner_itself_sees_one_project_at_a_time(store: Store, other: Store) -> None:
    assert set(everything(store).values()) == {0}
    assert min(everything(other).values()) > 0
    assert reading.projects(store.connection, store.role) == ("other", "shop")
    (number, *_) = [run.number for run in reading.runs(other, Window())]
    assert reading.run(store, number) is None


def test_the_owner_itself_sees_one_project_in_a_partition_that_it_names(store: Store, other: Store) -> None:
    write(store, [entry(1)])
    assert rows(store, "SELECT DISTINCT project FROM sample_2026_10") == [(store.project,)]
    assert rows(store, "SELECT DISTINCT project FROM finding_2026_10") == [(store.project,)]


def test_an_admitted_role_does_all_that_perfgate_does(guest: Store, store: Store, other: Store) -> None:
    assert write(guest, [entry(1, moment=DAY.replace(year=2024)), entry(2)]) == 2
    assert rollups.refresh(guest) == 2
    assert len(reading.runs(guest, Window())) == 2
    assert retention.prune(guest, retention.Retention(raw=30), now=DAY).months == 1
    assert everything(store) == everything(guest)
    assert reading.projects(guest.connection) == ("shop",)


@pytest.mark.parametrize(
    "attack",
    [
        "SELECT set_config('perfgate.project', '{other}', true); SELECT * FROM {table}",
        "SET perfgate.project = {other}; SELECT * FROM {table}",
        "SELECT * FROM {table} WHERE project = {other} OR true",
        "SELECT * FROM {table} WHERE project = {other} AND 1 / (project - {other}) > 0",
        "SELECT * FROM project WHERE name = 'other'",
    ],
)
@pytest.mark.parametrize("table", GUARDED)
def test_a_hostile_query_reads_nothing_of_another_project(guest: Store, other: Store, attack: str, table: str) -> None:
    text = attack.format(other=other.project, table=table)
    with guest.transaction() as cursor:
        for statement in text.split("; "):
            cursor.execute(statement.encode())
        assert cursor.fetchall() == []


@pytest.mark.parametrize(
    "attack",
    [
        "SET row_security = off; SELECT * FROM sample",
        "SELECT * FROM sample_2026_10",
        "SET ROLE perfgate_history",
        "SET SESSION AUTHORIZATION perfgate_history",
        "ALTER TABLE sample NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE run DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own ON run",
        "CREATE POLICY mine ON run USING (true)",
        "INSERT INTO access VALUES (current_user, {other})",
        "SELECT * FROM access",
        "SELECT * FROM occupied",
        "DELETE FROM occupied",
        "CREATE OR REPLACE FUNCTION perfgate.may_enter(wanted integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE FUNCTION perfgate.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        "CREATE TABLE perfgate.access2 ()",
        "INSERT INTO project (name) VALUES ('mine')",
        "TRUNCATE run CASCADE",
        "INSERT INTO statement VALUES ({other}, 'f', 'planted')",
        "INSERT INTO alert VALUES ({other}, 'n', 'red', now(), 'planted', '{{}}')",
        "INSERT INTO label VALUES ({other}, 1, 'planted', 'x')",
        "UPDATE run SET project = {other}",
        "COPY run FROM STDIN",
        "SELECT make_month('1969-01-01')",
        "SELECT make_month('2999-01-01')",
    ],
)
def test_a_hostile_statement_is_refused(guest: Store, other: Store, attack: str) -> None:
    write(guest, [entry(1)])
    before = everything(other)
    with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.DatetimeFieldOverflow)):
        with guest.transaction() as cursor:
            for statement in attack.format(other=other.project).split("; "):
                cursor.execute(statement.encode())
    assert everything(other) == before


@pytest.mark.parametrize("attack", ["DELETE FROM run", "UPDATE run SET commit = 'planted'", "DELETE FROM sample"])
def test_what_is_changed_is_of_ones_own_project(guest: Store, other: Store, attack: str) -> None:
    write(guest, [entry(1)])
    before = rows(other, "SELECT commit FROM run ORDER BY 1"), everything(other)
    with guest.transaction() as cursor:
        cursor.execute(attack.encode())
        assert cursor.rowcount in (1, 4)
    assert (rows(other, "SELECT commit FROM run ORDER BY 1"), everything(other)) == before


def test_a_sample_cannot_be_tied_to_a_run_of_another_project(guest: Store, other: Store) -> None:
    write(guest, [entry(7)])
    (theirs,) = rows(other, "SELECT max(id) FROM run")
    with pytest.raises(errors.ForeignKeyViolation):
        with guest.transaction() as cursor:
            cursor.execute("UPDATE sample SET run = %s", theirs)


def test_leaving_a_month_takes_nothing_of_others(guest: Store, other: Store) -> None:
    write(guest, [entry(1)])
    before = everything(other)
    with guest.transaction() as cursor:
        assert cursor.execute("SELECT leave_month('2026-10-01')").fetchone() == (False,)
    assert everything(other) == before


def test_functions_of_the_callers_own_are_not_called_in_the_owners_name(guest: Store, other: Store) -> None:
    """A function in pg_temp that hides one of the server's would be run by the functions that run as the owner."""
    guest.connection.execute("SET search_path = pg_temp, perfgate, pg_catalog")
    guest.connection.execute("CREATE TEMP TABLE access (role name, project integer)")
    guest.connection.execute("INSERT INTO pg_temp.access VALUES (current_user, %s)", [other.project])
    guest.connection.execute("SELECT set_config('perfgate.project', %s, false)", [str(other.project)])
    assert guest.connection.execute("SELECT count(*) FROM perfgate.run").fetchone() == (0,)


def test_who_was_not_admitted_is_told_how_to_be(url: str, guest: Store, other: Store) -> None:
    with pytest.raises(NotMeasured, match="may not enter project 'other'") as caught:
        open_store(guest.connection, "other")
    assert f"history admit {GUEST} --project other" in caught.value.hint


def test_a_reader_cannot_write(url: str, store: Store) -> None:
    store.connection.execute("DROP ROLE IF EXISTS history_reader")
    store.connection.execute("CREATE ROLE history_reader LOGIN PASSWORD 'reader'")
    try:
        write(store, [entry(1)])
        admission.admit(store, "history_reader", write=False)
        with closing(connect(make_conninfo(url, user="history_reader", password="reader"))) as connection:
            reader = open_store(connection, "shop")
            assert len(reading.runs(reader, Window())) == 1
            with pytest.raises(errors.InsufficientPrivilege):
                write(reader, [entry(2)])
    finally:
        store.connection.execute("DROP OWNED BY history_reader")
        store.connection.execute("DROP ROLE history_reader")


@pytest.mark.parametrize(
    ("role", "why"),
    [("nobody_there", "has no role"), ("perfgate", "sees every project"), ("perfgate_history", "sees every")],
)
def test_nobody_is_admitted_whom_nothing_binds(store: Store, role: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        admission.admit(store, role, write=False)


def test_a_store_made_by_an_ordinary_role_binds_it_too(url: str, connection: psycopg.Connection) -> None:
    connection.execute("DROP ROLE IF EXISTS history_team")
    connection.execute("CREATE ROLE history_team LOGIN PASSWORD 'team'")
    connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO history_team".encode())
    try:
        with closing(connect(make_conninfo(url, user="history_team", password="team"))) as own:
            shop = open_store(own, "shop")
            write(shop, [entry(1)])
            assert count(open_store(own, "other"), "run") == 0
            assert count(shop, "run") == 1
    finally:
        connection.execute("DROP OWNED BY history_team CASCADE")
        connection.execute("DROP ROLE history_team")
