"""What belongs to a database and not to its content: owner, privileges, settings. A copy from a template lacks it."""

from __future__ import annotations

import psycopg
from psycopg import sql

# Settings that are lists of names. Postgres keeps them as SQL ("$user", public): one literal would be one name.
LISTS = frozenset(("search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"))


def read(connection: psycopg.Connection, database: str) -> list[sql.Composed]:
    """The statements that give a database of this name again what it has now."""
    return [
        *_owner(connection, database),
        *_privileges(connection, database),
        *_settings(connection, database),
    ]


def setting(database: str, role: str, name: str, value: str) -> sql.Composed:
    """Set `name` for every session in a database, or only for those of `role`."""
    whom = sql.SQL("ROLE {} IN DATABASE {}") if role else sql.SQL("DATABASE {}{}")
    names = (sql.Identifier(role), sql.Identifier(database)) if role else (sql.Identifier(database), sql.SQL(""))
    what = sql.SQL(value) if name in LISTS and value else sql.Literal(value)
    return sql.SQL("ALTER {} SET {} TO {}").format(whom.format(*names), sql.Identifier(*name.split(".")), what)


def _owner(connection: psycopg.Connection, database: str) -> list[sql.Composed]:
    rows = connection.execute(
        """
        SELECT pg_get_userbyid(datdba)
        FROM pg_database
        WHERE datname = %s AND pg_get_userbyid(datdba) <> current_user
        """,
        [database],
    )
    owned = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    return [owned.format(sql.Identifier(database), sql.Identifier(role)) for (role,) in rows]


def _privileges(connection: psycopg.Connection, database: str) -> list[sql.Composed]:
    """All privileges, where any were ever granted or revoked; without that the defaults hold for the copy, too."""
    rows = connection.execute(
        """
        SELECT granted.privilege_type, granted.is_grantable,
               CASE WHEN granted.grantee <> 0 THEN pg_get_userbyid(granted.grantee) END
        FROM pg_database, aclexplode(datacl) AS granted
        WHERE datname = %s
        """,
        [database],
    ).fetchall()
    if not rows:
        return []
    statements = [sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))]
    for privilege, grantable, role in rows:
        whom = sql.Identifier(role) if role is not None else sql.SQL("PUBLIC")
        option = sql.SQL(" WITH GRANT OPTION" if grantable else "")
        grant = sql.SQL("GRANT {} ON DATABASE {} TO {}{}")
        statements.append(grant.format(sql.SQL(privilege), sql.Identifier(database), whom, option))
    return statements


def _settings(connection: psycopg.Connection, database: str) -> list[sql.Composed]:
    rows = connection.execute(
        """
        SELECT CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole) ELSE '' END, unnest(setconfig)
        FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase
        WHERE datname = %s
        """,
        [database],
    )
    return [setting(database, role, *assignment.split("=", 1)) for role, assignment in rows]
