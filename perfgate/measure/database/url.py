"""An existing server: perfgate makes databases of its own there, drops them, and touches no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from perfgate.errors import BadRequest, suggestion
from perfgate.measure.database import settings
from perfgate.measure.database.access import Access, may_create, reporting, said
from perfgate.measure.database.server import Server
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

EXAMPLE = "write it like postgresql://user:password@127.0.0.1:5432/postgres"
# What Access says by fields of its own, or says for perfgate's connections alone.
_NOT_PASSED_ON = ("host", "port", "user", "password", "dbname", "application_name", "client_encoding")


@contextmanager
def start(plan: Database, owner: Owner, say: Callable[[str], None]) -> Iterator[Server]:
    """The server at `plan.url`.

    BadRequest for a URL that is none, and for a setting that cannot be made for single databases. NotMeasured when the
    server does not answer, does not count statements, or its role may not make databases.
    """
    with ExitStack() as stack:
        administrator = stack.enter_context(closing(_connected(plan.url)))
        access, admin_url = _access(administrator, plan.url)
        monitor = administrator
        if not _counts_statements(administrator):
            monitor = stack.enter_context(closing(_own_monitor(administrator, access, admin_url, owner)))
        chosen = settings.chosen(plan.settings)
        applied = _applied(monitor, chosen, plan.settings)
        say(f"database: the server at {access.host}:{access.port}{_kept(monitor, chosen)}")
        yield Server("url", access, monitor, owner, _no_words, per_database=applied, dropped_through=admin_url)


def _connected(url: str) -> psycopg.Connection:
    if not url:
        raise BadRequest("database.url is missing, and database.provider is url", hint=EXAMPLE)
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise BadRequest(f"database.url cannot be read: {said(error)}", hint=EXAMPLE) from error
    with reporting("connecting to database.url", _no_words):
        return psycopg.connect(url, autocommit=True, application_name="perfgate", prepare_threshold=None)


def _access(connection: psycopg.Connection, url: str) -> tuple[Access, str]:
    """Whom the URL has led to, whatever defaults and files helped; and the URL of the database to administer from."""
    info, given = connection.info, conninfo_to_dict(url)
    parameters = {name: str(value) for name, value in given.items() if name not in _NOT_PASSED_ON and value is not None}
    access = Access(info.host, info.port, info.user, info.password, parameters)
    return access, access.url(info.dbname)


def _counts_statements(connection: psycopg.Connection) -> bool:
    """Whether the database has the extension already; perfgate makes none in a database that is not its own."""
    found = connection.execute("SELECT FROM pg_extension WHERE extname = %s", [settings.STATEMENTS])
    return found.fetchone() is not None


def _own_monitor(administrator: psycopg.Connection, access: Access, admin_url: str, owner: Owner) -> psycopg.Connection:
    """A connection to a database of perfgate's own that has the extension."""
    name = f"perfgate_{owner.token}_monitor"
    owner.database(admin_url, name)
    with reporting(f"creating a database as role {access.user}", _no_words, allow=may_create(access.user)):
        administrator.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return access.connect(name)


def _applied(connection: psycopg.Connection, chosen: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """Those of the `chosen` settings that can be made for single databases here; made for this session, too.

    BadRequest for one that is `asked` for and cannot: the rest of the server is not perfgate's to change.
    """
    known = {name.lower() for (name,) in connection.execute("SELECT name FROM pg_settings")}
    wanted = {name.lower() for name in asked}
    applied = {}
    for name in chosen.keys() & (known | wanted):
        try:
            connection.execute("SELECT set_config(%s, %s, false)", [name, chosen[name]])
        except psycopg.Error as error:
            if name in wanted:
                raise _refused(name, error, known) from error
        else:
            applied[name] = chosen[name]
    return applied


def _refused(name: str, error: psycopg.Error, known: Iterable[str]) -> BadRequest:
    hint = ""
    if isinstance(error, psycopg.errors.UndefinedObject):
        hint = suggestion(name, known)
    elif isinstance(error, psycopg.errors.CantChangeRuntimeParam):
        hint = "on a server that is there already, only settings that hold for a single database can be made"
    return settings.bad(name, f"is refused by the server: {said(error)}", hint=hint)


def _kept(connection: psycopg.Connection, chosen: Mapping[str, str]) -> str:
    """The server's own settings that make numbers repeat less well than those chosen."""
    rows = connection.execute("SELECT lower(name), current_setting(name) FROM pg_settings").fetchall()
    kept = [f"{name}={value}" for name, value in sorted(rows) if name in settings.CHOSEN and chosen[name] != value]
    return f", which keeps its {', '.join(kept)}" if kept else ""


def _no_words() -> str:
    return "see the server's own log"
