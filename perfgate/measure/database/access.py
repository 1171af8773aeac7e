"""How a Postgres server is reached: as a URL, as variables for commands, and as a connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import psycopg
from psycopg.errors import InsufficientPrivilege

from perfgate.errors import NotMeasured

# Said in full, so that no PG* variable of the caller's (PGHOSTADDR, PGSSLMODE, PGOPTIONS, ...) leads elsewhere.
LOOPBACK: Mapping[str, str] = {"hostaddr": "127.0.0.1", "sslmode": "disable", "gssencmode": "disable", "options": ""}
CONNECT_TIMEOUT_S = 10
POLL_S = 0.02
DISK_FULL = "53100"


@dataclass(frozen=True)
class Access:
    """A server and the role that perfgate has there.

    `parameters` are libpq parameters that everybody needs to connect, such as `sslmode`, and stand in the URL; `pinned`
    are those that only perfgate's own connections carry.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def loopback(cls, port: int, user: str, password: str) -> Access:
        """A server of perfgate's own, on this machine."""
        return cls("127.0.0.1", port, user, password, pinned=LOOPBACK)

    def url(self, database: str) -> str:
        """A URL that libpq and the usual drivers take."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        address = f"postgresql://{quote(self.user, safe='')}{secret}@{host}:{self.port}/{quote(database, safe='')}"
        return f"{address}?{urlencode(self.parameters, quote_via=quote)}" if self.parameters else address

    def variables(self, database: str) -> dict[str, str]:
        """What libpq programs (psql, pg_restore) and drivers read from the environment."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
            **{f"PG{name.upper()}": value for name, value in self.parameters.items() if name.startswith("ssl")},
            "DATABASE_URL": self.url(database),
        }

    def connect(self, database: str) -> psycopg.Connection:
        """A connection in autocommit, named perfgate. Raises psycopg.OperationalError."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            client_encoding="UTF8",
            **{"connect_timeout": str(CONNECT_TIMEOUT_S), **self.parameters, **self.pinned},  # type: ignore[arg-type]
            application_name="perfgate",
            autocommit=True,
            prepare_threshold=None,  # statements run as they are written, and leave nothing in the server
        )


def await_connection(access: Access, database: str, check: Callable[[], None], timeout: float) -> psycopg.Connection:
    """Connect as soon as the server answers; `check` is called in between and raises when it never will.

    Raises psycopg.OperationalError, the last one, after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            return access.connect(database)
        except psycopg.OperationalError:
            check()
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


@contextmanager
def reporting(doing: str, last_words: Callable[[], str], *, allow: str = "") -> Iterator[None]:
    """Turn a server that is gone, full or forbids something while `doing` into NotMeasured.

    The hint is its last words, or for what is forbidden `allow`: how to have it allowed. Statements that are wrong stay
    what they are: bugs, with a traceback.
    """
    try:
        yield
    except InsufficientPrivilege as error:
        raise NotMeasured(f"{doing}: {said(error)}", hint=allow or "use a role that may do this") from error
    except psycopg.OperationalError as error:
        room = "give it more room: set TMPDIR to a folder on a larger disk\n  " if error.sqlstate == DISK_FULL else ""
        raise NotMeasured(f"{doing}: {said(error)}", hint=room + last_words()) from error


def may_create(role: str) -> str:
    """How a role gets to make databases."""
    return f'type in psql as a superuser: ALTER ROLE "{role}" CREATEDB'


def said(error: psycopg.Error) -> str:
    """What the server (or libpq) said, in one line."""
    text = error.diag.message_primary or str(error).strip() or type(error).__name__
    return " ".join(text.split())
