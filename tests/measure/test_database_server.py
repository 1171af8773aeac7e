"""A database as every provider gives it: made, frozen, restored, and lost."""

from __future__ import annotations

import psycopg
import pytest

from perfgate.errors import NotMeasured
from perfgate.measure.database import Server, ServiceDatabase


def execute(database: ServiceDatabase, *statements: str) -> list[tuple[object, ...]]:
    """Run statements; the rows of the last one."""
    with database.connect() as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def count(database: ServiceDatabase) -> object:
    return execute(database, "SELECT count(*) FROM t")[0][0]


@pytest.fixture
def frozen(database: ServiceDatabase) -> ServiceDatabase:
    execute(database, "CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) AS i", "CREATE INDEX ON t (i)")
    database.freeze()
    return database


def test_a_new_database_is_empty_and_reached_by_its_url(database: ServiceDatabase) -> None:
    with psycopg.connect(database.url) as connection:
        found = connection.execute("SELECT current_database(), count(*) FROM pg_class WHERE relnamespace = 2200")
        assert found.fetchone() == (database.name, 0)


def test_placeholders_say_all_that_a_client_needs(database: ServiceDatabase) -> None:
    parts = database.placeholders()
    with psycopg.connect(
        host=parts["database_host"],
        port=parts["database_port"],
        dbname=parts["database_name"],
        user=parts["database_user"],
        password=parts["database_password"],
    ) as connection:
        assert connection.info.dbname == database.name
    assert parts["database_url"] == database.url


def test_restore_brings_back_what_was_frozen_under_the_same_url(frozen: ServiceDatabase) -> None:
    before = frozen.url
    for _ in range(2):
        execute(frozen, "DELETE FROM t WHERE i > 10", "CREATE TABLE more (i int)")
        frozen.restore()
        assert count(frozen) == 1000
        assert execute(frozen, "SELECT to_regclass('more')") == [(None,)]
    assert frozen.url == before


def test_freezing_leaves_the_content_in_place(frozen: ServiceDatabase) -> None:
    assert count(frozen) == 1000


def test_freezing_again_replaces_what_was_frozen(frozen: ServiceDatabase) -> None:
    execute(frozen, "DELETE FROM t WHERE i > 7")
    frozen.freeze()
    execute(frozen, "DELETE FROM t")
    frozen.restore()
    assert count(frozen) == 7


def test_what_is_frozen_is_vacuumed_and_analysed(frozen: ServiceDatabase) -> None:
    facts = execute(frozen, "SELECT reltuples, relallvisible = relpages FROM pg_class WHERE relname = 't'")
    assert facts == [(1000.0, True)]


@pytest.mark.parametrize("step", ["freeze", "restore"])
def test_whoever_is_connected_is_disconnected(frozen: ServiceDatabase, step: str) -> None:
    with psycopg.connect(frozen.url) as service:
        service.execute("SELECT count(*) FROM t")  # and leaves its transaction open
        getattr(frozen, step)()
        with pytest.raises(psycopg.OperationalError):
            service.execute("SELECT 1")
        service.close()
    assert count(frozen) == 1000


def test_nobody_gets_into_the_template(frozen: ServiceDatabase) -> None:
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(frozen.server.access.url(frozen.template))


def test_restoring_needs_a_freeze_before_it(database: ServiceDatabase) -> None:
    with pytest.raises(RuntimeError):
        database.restore()


def test_owner_privileges_and_settings_of_the_database_outlive_a_restore(database: ServiceDatabase) -> None:
    """Postgres copies none of them from a template."""
    reader, owner = f"{database.name}_reader", f"{database.name}_owner"
    name = database.name
    execute(
        database,
        f'CREATE ROLE "{reader}"',
        f'CREATE ROLE "{owner}"',
        f"ALTER DATABASE {name} OWNER TO {owner}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO {reader} WITH GRANT OPTION",
        f"""ALTER DATABASE {name} SET search_path TO "$user", 'odd, name', public""",
        f"ALTER DATABASE {name} SET work_mem TO '7MB'",
        f"ALTER ROLE {reader} IN DATABASE {name} SET application_name TO 'it''s'",
    )
    look = """
        SELECT datdba::regrole::text, datacl::text, setrole::regrole::text, setconfig
        FROM pg_database JOIN pg_db_role_setting ON setdatabase = pg_database.oid
        WHERE datname = current_database() ORDER BY setrole
    """
    before = execute(database, look)
    assert len(before) == 2
    database.freeze()
    database.restore()
    assert execute(database, look) == before
    assert execute(database, "SHOW work_mem") == [("7MB",)]
    for made in (name, database.template):
        database.server.execute("DROP DATABASE {}", made)
    for role in (reader, owner):
        database.server.monitor.execute(f'DROP ROLE "{role}"'.encode())


def test_counts_of_a_database_that_went_are_forgotten(frozen: ServiceDatabase) -> None:
    execute(frozen, "SELECT i FROM t WHERE i = 1")
    monitor = frozen.server.monitor
    (oid,) = execute(frozen, "SELECT oid FROM pg_database WHERE datname = current_database()")[0]
    entries = "SELECT count(*) FROM pg_stat_statements WHERE dbid = %s"
    assert monitor.execute(entries, [oid]).fetchone() != (0,)
    frozen.restore()
    assert monitor.execute(entries, [oid]).fetchone() == (0,)


def test_what_the_monitor_runs_is_not_counted_to_the_service(frozen: ServiceDatabase) -> None:
    monitor = frozen.server.monitor
    counted = """
        SELECT query FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid WHERE datname = %s
    """
    monitor.execute("SELECT 'only seen by the monitor'")
    execute(frozen, "SELECT i FROM t LIMIT 3")
    assert monitor.execute(counted, [frozen.name]).fetchall() == [("SELECT i FROM t LIMIT $1",)]


def test_databases_of_different_labels_are_apart(server: Server) -> None:
    head, base = server.create("Head of it!"), server.create("base")
    execute(head, "CREATE TABLE t AS SELECT 1")
    assert execute(base, "SELECT to_regclass('t')") == [(None,)]
    for database in (head, base):
        server.execute("DROP DATABASE {} WITH (FORCE)", database.name)


def test_an_old_server_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfgate.measure.database.server.OLDEST", 99)
    with server.access.connect("postgres") as monitor, pytest.raises(NotMeasured, match="is too old"):
        Server("embedded", server.access, monitor, server.owner, server.last_words)
