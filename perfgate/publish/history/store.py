"""One project's place in the store: every look and every change is a transaction that says whose it is.

Nothing of that outlives the transaction, so that a pooler between perfgate and the server may hand the connection on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfgate.errors import NotMeasured
from perfgate.publish.history.migrating import migrate

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_S = 10
IDLE_TIMEOUT_S = 60
"""A client that has gone without a word holds its locks no longer."""


@dataclass(frozen=True)
class Store:
    """`project` is the project's number, `role` the role to take on, "" for one's own."""

    connection: psycopg.Connection
    project: int
    role: str

    @contextmanager
    def transaction(self, *, patience: float = STATEMENT_TIMEOUT_S) -> Iterator[psycopg.Cursor]:
        """A cursor within a transaction that sees this project alone; a statement may take `patience` seconds."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            enter(cursor, self.role, self.project, patience)
            yield cursor


def connect(url: str, timeout: int = CONNECT_TIMEOUT_S) -> psycopg.Connection:
    """A connection in autocommit that never waits for ever for a server which has gone. psycopg.OperationalError."""
    import psycopg

    return psycopg.connect(
        url,
        connect_timeout=timeout,
        application_name="perfgate",
        client_encoding="UTF8",
        tcp_user_timeout=STATEMENT_TIMEOUT_S * 1000,
        autocommit=True,
        prepare_threshold=None,  # a pooler's next client would meet statements that it did not prepare
    )


def open_store(connection: psycopg.Connection, project: str) -> Store:
    """The project's place, made if there is none, in a store that is migrated first. See `migrate` for errors."""
    from psycopg.errors import InsufficientPrivilege

    role = migrate(connection)
    with connection.transaction(), connection.cursor() as cursor:
        enter(cursor, role, None)
        try:
            return Store(connection, _number(cursor, project), role)
        except InsufficientPrivilege as error:
            raise NotMeasured(
                f"role {connection.info.user} may not enter project {project!r} of the history",
                hint=f"its owner lets it in: `perfgate history admit {connection.info.user} --project {project}`",
            ) from error


def enter(cursor: psycopg.Cursor, role: str, project: int | None, patience: float = STATEMENT_TIMEOUT_S) -> None:
    """Say in this transaction who acts, for which project, and how long a statement may take."""
    cursor.execute(
        """
        SELECT set_config('role', CASE WHEN %(role)s = '' THEN current_setting('role') ELSE %(role)s END, true),
               set_config('search_path', 'perfgate, pg_temp', true),
               set_config('timezone', 'UTC', true),
               set_config('perfgate.project', %(project)s, true),
               set_config('statement_timeout', %(patience)s, true),
               set_config('idle_in_transaction_session_timeout', %(idle)s, true)
        """,
        {
            "role": role,
            "project": "" if project is None else str(project),
            "patience": f"{int(patience * 1000)}",
            "idle": f"{IDLE_TIMEOUT_S * 1000}",
        },
    )


def _number(cursor: psycopg.Cursor, project: str) -> int:
    find = "SELECT id FROM project WHERE name = %s"
    row = cursor.execute(find, [project]).fetchone()
    if row is None:
        cursor.execute("INSERT INTO project (name) VALUES (%s) ON CONFLICT DO NOTHING", [project])
        row = cursor.execute(find, [project]).fetchone()
    assert row is not None, "a project that was just made can be seen"
    number: int = row[0]
    return number
