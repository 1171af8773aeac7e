"""The store's schema, brought to what this perfgate writes: numbered files of SQL, each applied once, all or none."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from perfgate import __version__
from perfgate.errors import BadRequest, NotMeasured

if TYPE_CHECKING:
    import psycopg

OWNER = "perfgate_history"
"""Who owns the store where a superuser makes it: no policy hides a row from a superuser."""

OLDEST_SERVER = 140_000


@cache
def migrations() -> Mapping[int, str]:
    """The SQL of each step, by its number: `0002_rollups.sql` is what leads from 1 to 2."""
    files = (resources.files("perfgate.publish.history") / "migrations").iterdir()
    texts = {int(file.name.partition("_")[0]): file.read_text("utf-8") for file in files if file.name.endswith(".sql")}
    return dict(sorted(texts.items()))


def migrate(connection: psycopg.Connection, steps: Mapping[int, str] | None = None) -> str:
    """Bring the store to the last step, and give the role to take on in it: its owner's, or "" for one's own.

    `connection` is in autocommit. Processes that come at once wait for each other, and one that dies leaves nothing.
    Raises BadRequest for a store that a newer perfgate made, for a schema of somebody else's and for a database that
    cannot hold every name, and touches nothing then; NotMeasured for a server that is too old, or may not be changed.
    """
    from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

    steps = migrations() if steps is None else steps
    last = max(steps)
    if connection.info.server_version < OLDEST_SERVER:
        raise NotMeasured("the history's PostgreSQL is too old", hint=f"it takes {OLDEST_SERVER // 10_000} or newer")
    _check_encoding(connection)
    found = _version(connection)
    try:
        if found != last:
            _check(found, last)
            _apply(connection, steps)
    except (InsufficientPrivilege, ReadOnlySqlTransaction) as error:
        raise NotMeasured(
            f"the history's store has to be migrated from {found} to {last}: {error.diag.message_primary}",
            hint="open it once with the URL of the role that owns it: `perfgate history migrate --store URL`",
        ) from error
    return _role(connection)


def _check_encoding(connection: psycopg.Connection) -> None:
    """In any other encoding a server refuses to read the names that it took, inside of JSON."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise BadRequest(
            f"the history's database is in {encoding}, which cannot hold every name",
            hint=f"name another: CREATE DATABASE {connection.info.dbname}_utf8 ENCODING 'UTF8' TEMPLATE template0",
        )


def _apply(connection: psycopg.Connection, steps: Mapping[int, str]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('perfgate.migration'))")
        found = _version(connection)  # somebody else may have done it meanwhile
        _check(found, max(steps))
        if not found:
            _create(connection)
        _take_on(connection, _role(connection))
        for number, text in steps.items():
            if number > found:
                connection.execute(text.encode())
                connection.execute("INSERT INTO version VALUES (%s, now(), %s)", [number, __version__])


def _version(connection: psycopg.Connection) -> int:
    """The last step that was applied; 0 where there is no store.

    to_regclass would answer from what the session remembers, which is not what others did while it waited for a lock.
    """
    from psycopg.errors import UndefinedColumn

    there = connection.execute(
        "SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname = 'perfgate' AND relname = 'version'"
    ).fetchone()
    if there is None:
        return 0
    try:
        row = connection.execute("SELECT max(number) FROM perfgate.version").fetchone()
    except UndefinedColumn as error:
        raise _alien() from error
    return row[0] if row else 0


def _alien() -> BadRequest:
    return BadRequest(
        "the database has a schema called perfgate that is not perfgate's", hint="name another database for the history"
    )


def _check(found: int, last: int) -> None:
    if found > last:
        raise BadRequest(
            f"the history's store is of version {found}, made by a newer perfgate; this one knows {last}",
            hint="pip install --upgrade perfgate",
        )


def _create(connection: psycopg.Connection) -> None:
    """The schema, owned by a role that row-level security binds, and the table of what was applied to it."""
    from psycopg import errors

    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
        "  FROM pg_roles WHERE rolname = current_user",
        [OWNER],
    ).fetchone()
    unbound, made = row or (False, False)
    if unbound and not made:
        try:
            with connection.transaction():  # roles belong to the whole server, and another database's store has it, too
                connection.execute(f"CREATE ROLE {OWNER} NOLOGIN")
        except (errors.DuplicateObject, errors.UniqueViolation):
            pass
    try:
        connection.execute("CREATE SCHEMA perfgate" + (f" AUTHORIZATION {OWNER}" if unbound else ""))
    except errors.DuplicateSchema as error:
        raise _alien() from error
    _take_on(connection, _role(connection))
    connection.execute(
        "CREATE TABLE version (number integer PRIMARY KEY, applied timestamptz NOT NULL, by text NOT NULL)"
    )
    connection.execute("GRANT USAGE ON SCHEMA perfgate TO PUBLIC")
    connection.execute("GRANT SELECT ON version TO PUBLIC")


def _role(connection: psycopg.Connection) -> str:
    """The owner of the store, where this role may act as it and is another; else ""."""
    row = connection.execute(
        """
        SELECT pg_get_userbyid(nspowner)
          FROM pg_namespace
         WHERE nspname = 'perfgate' AND pg_get_userbyid(nspowner) <> current_user AND pg_has_role(nspowner, 'MEMBER')
        """
    ).fetchone()
    return row[0] if row else ""


def _take_on(connection: psycopg.Connection, role: str) -> None:
    """Act as the role, in the store's schema, until the transaction ends."""
    if role:
        connection.execute("SELECT set_config('role', %s, true)", [role])
    connection.execute("SET LOCAL search_path = perfgate, pg_temp")
