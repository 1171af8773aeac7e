"""Who may enter a project: roles of their own, which row-level security binds to it whatever they send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfgate.errors import BadRequest
from perfgate.publish.history.store import Store

if TYPE_CHECKING:
    import psycopg

_READ = ("project", "run", "label", "release", "statement", "series", "sample", "finding")
_READ_TOO = ("stale", "hourly", "daily", "horizon", "alert", "report")
_FUNCTIONS = (
    *("may_enter(integer)", "current_project()", "month_of(timestamptz)", "months()"),
    *("hold_month(timestamptz)", "make_month(timestamptz)", "leave_month(date)"),
)


def admit(store: Store, role: str, *, write: bool) -> None:
    """Let a role of the server into the store's project, to read, or to write as well.

    BadRequest where there is no such role, or it is one that row-level security does not bind.
    """
    from psycopg import sql

    with store.transaction() as cursor:
        _check(cursor, role)
        name = sql.Identifier(role)
        changes = sql.SQL(", INSERT, UPDATE, DELETE" if write else "")
        for table in (*_READ, *_READ_TOO):
            rights = sql.SQL("") if table == "project" else changes
            grant = sql.SQL("GRANT SELECT{} ON {} TO {}")
            cursor.execute(grant.format(rights, sql.Identifier(table), name))
        for function in _FUNCTIONS if write else _FUNCTIONS[:4]:
            cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(function), name))
        cursor.execute("INSERT INTO access VALUES (%s, %s) ON CONFLICT DO NOTHING", [role, store.project])


def _check(cursor: psycopg.Cursor, role: str) -> None:
    found = cursor.execute(
        "SELECT rolsuper OR rolbypassrls OR pg_has_role(oid, current_user, 'MEMBER') FROM pg_roles WHERE rolname = %s",
        [role],
    ).fetchone()
    if found is None:
        raise BadRequest(
            f"the server has no role {role!r}", hint=f"type in psql: CREATE ROLE \"{role}\" LOGIN PASSWORD '…'"
        )
    if found[0]:
        raise BadRequest(f"role {role!r} sees every project anyway", hint="make a role that owns nothing")
