"""A running Postgres and the databases that perfgate makes in it, the same for every provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import errors, sql
from psycopg.errors import InsufficientPrivilege

from perfgate.errors import NotMeasured
from perfgate.measure.database import properties
from perfgate.measure.database.access import Access, may_create, reporting, said
from perfgate.measure.database.settings import EXPLAINING, OLDEST, differing
from perfgate.measure.database.setup import Setup
from perfgate.measure.ownership import Owner

TRIES = 5
TERMINATE_TIMEOUT_MS = 5_000
LABEL_LENGTH = 20
FILE_COPY_SINCE = 15
COUNTING_HINT = "type in psql as a superuser, in the database of database.url: CREATE EXTENSION pg_stat_statements"


@dataclass
class Server:
    """A Postgres that perfgate may make databases in.

    `monitor` is a connection in autocommit to a database that is no service's and has pg_stat_statements: statements
    sent there are not counted to a service. `version` is like "18.6"; `settings` are those in force in the databases
    made here that differ from what Postgres was built with; `pid` is the postmaster where it can be seen from here.

    `per_database` are settings that each database gets, where the server's own cannot be changed; `dropped_through` is
    the URL through which databases are dropped one by one, where the server stays; `last_words` reads the end of its
    log, `read_log` all of it, and is None where the log is somebody else's.
    """

    provider: str
    access: Access
    monitor: psycopg.Connection
    owner: Owner
    last_words: Callable[[], str]
    pid: int | None = None
    _created: bool = field(default=False, init=False)
    per_database: Mapping[str, str] = field(default_factory=dict)
    dropped_through: str = ""
    read_log: Callable[[], str] | None = None
    version: str = field(init=False)
    settings: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Make the monitor able to count statements. NotMeasured when the server is too old or cannot."""
        self.version = "{}.{}".format(*divmod(self.monitor.info.server_version, 10_000))
        if self.major < OLDEST:
            raise NotMeasured(f"PostgreSQL {self.version} is too old", hint=f"perfgate measures {OLDEST} and newer")
        with self.reporting("looking at the server", allow=COUNTING_HINT):
            _count_statements(self.monitor)
            self.settings = self.present_settings()

    @property
    def major(self) -> int:
        return self.monitor.info.server_version // 10_000

    def present_settings(self) -> dict[str, str]:
        """The settings as they are now; compared with `settings` they tell whether somebody changed any."""
        return differing(self.monitor)

    def create(self, label: str) -> ServiceDatabase:
        """An empty database of its own, named after the run and `label`; gone at the end of the run."""
        name = f"perfgate_{self.owner.token}_{re.sub(r'[^a-z0-9_]', '_', label.lower())[:LABEL_LENGTH]}"
        database = ServiceDatabase(self, name, after_another=self._created)
        self._created = True
        if self.dropped_through:  # noted before they are there, so that none is left behind whenever perfgate dies
            self.owner.database(self.dropped_through, database.name)
            self.owner.database(self.dropped_through, database.template)
        with self.reporting(f"creating a database as role {self.access.user}", allow=may_create(self.access.user)):
            self.execute("CREATE DATABASE {} TEMPLATE template0", name)
            for setting, value in self.per_database.items():
                self.monitor.execute(properties.setting(name, "", setting, value))
        return database

    def execute(self, statement: str, *databases: str) -> None:
        """Run a statement on `monitor` with names of databases for its {}; again while one of them is in use."""
        text = statement.format(*(sql.Identifier(name).as_string(self.monitor) for name in databases)).encode()
        for _ in range(TRIES - 1):
            with suppress(errors.ObjectInUse):  # the server itself waited for five seconds
                self.monitor.execute(text)
                return
        self.monitor.execute(text)

    def disconnect(self, database: str) -> None:
        """End every session in a database, and let no other in."""
        self.execute("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", database)
        self.monitor.execute(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [TERMINATE_TIMEOUT_MS, database],
        )

    def checkpoint(self) -> None:
        """Write everything out now and not during a round; left out where the role may not."""
        with suppress(InsufficientPrivilege):
            self.monitor.execute("CHECKPOINT")

    def mark(self, word: str) -> None:
        """Write a line that ends in `word` into the server's log: what stands before it happened before."""
        self.monitor.execute(sql.SQL("DO {}").format(sql.Literal(f"BEGIN RAISE LOG '{word}'; END")))

    def forget(self, database: str) -> None:
        """Drop the counts of a database that goes: nobody can ask for them, and their room is needed."""
        with suppress(InsufficientPrivilege):
            self.monitor.execute(
                "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = %s", [database]
            )

    def reporting(self, doing: str, *, allow: str = "") -> AbstractContextManager[None]:
        """Turn a server that is gone, full or forbids something while `doing` into NotMeasured."""
        return reporting(doing, self.last_words, allow=allow)


def _count_statements(connection: psycopg.Connection) -> None:
    """Make the counts readable from this connection. NotMeasured when the server does not count."""
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute(
            """
            SELECT set_config('search_path', quote_ident(nspname), false)
            FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
            WHERE extname = 'pg_stat_statements'
            """
        )
        connection.execute("SELECT count(*) FROM pg_stat_statements")
    except (errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported, errors.UndefinedFile) as error:
        raise NotMeasured(
            f"the server does not count statements: {said(error)}",
            hint="put shared_preload_libraries = 'pg_stat_statements' into its postgresql.conf and restart it",
        ) from error


@dataclass
class ServiceDatabase:
    """A database made for a service. Its name, and so its URL, is the same before and after `restore`.

    `after_another` says that the run made one on this server before, so that its roles are there already.
    """

    server: Server
    name: str
    after_another: bool = False
    _frozen: bool = field(default=False, init=False)
    _properties: list[sql.Composed] = field(default_factory=list, init=False)

    @property
    def template(self) -> str:
        return f"{self.name}_template"

    @property
    def url(self) -> str:
        return self.server.access.url(self.name)

    @property
    def host(self) -> str:
        return self.server.access.host

    @property
    def port(self) -> int:
        return self.server.access.port

    @property
    def user(self) -> str:
        return self.server.access.user

    @property
    def password(self) -> str:
        return self.server.access.password

    def placeholders(self) -> dict[str, str]:
        """What stands for this database in commands and environments."""
        return {
            "database_url": self.url,
            "database_host": self.host,
            "database_port": str(self.port),
            "database_name": self.name,
            "database_user": self.user,
            "database_password": self.password,
        }

    def connect(self) -> psycopg.Connection:
        """A connection in autocommit, named perfgate. Its statements are counted to the service."""
        with self.server.reporting(f"connecting to database {self.name}"):
            return self.server.access.connect(self.name)

    def setup(self, entries: Sequence[str], root: Path, env: Mapping[str, str], log: Path) -> None:
        """Run SQL files and commands, in order, with paths relative to `root`; see `Setup`."""
        Setup(self, root, env, log).run(entries)

    def explain_all(self) -> None:
        """Have every statement of coming sessions explained in the server's log, until the next `restore`."""
        with self.server.reporting(f"setting up database {self.name}"):
            for name, value in EXPLAINING.items():
                self.server.monitor.execute(properties.setting(self.name, "", name, value))

    def freeze(self) -> None:
        """Make the present content what every `restore` brings back, vacuumed and analysed. Ends all connections."""
        with self.connect() as connection, self.server.reporting(f"vacuuming database {self.name}"):
            connection.execute("VACUUM (ANALYZE)")
        with self.server.reporting(f"freezing database {self.name}"):
            self._properties = properties.read(self.server.monitor, self.name)
            self.server.checkpoint()
            self.server.disconnect(self.name)
            self.server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.template)
            self.server.execute("ALTER DATABASE {} RENAME TO {}", self.name, self.template)
            self._frozen = True
        self.restore()

    def restore(self) -> None:
        """Throw the present content away and start again from what was frozen. Ends all connections."""
        if not self._frozen:
            raise RuntimeError("restore() needs a freeze() before it")
        with self.server.reporting(f"restoring database {self.name}"):
            self.server.forget(self.name)
            self.server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)
            self.server.execute(f"CREATE DATABASE {{}} TEMPLATE {{}}{self._strategy()}", self.name, self.template)
            for statement in self._properties:
                self.server.monitor.execute(statement)
            self.server.checkpoint()

    def _strategy(self) -> str:
        """Copying files took 0.2 s for 470 MB where writing every block as WAL, the default since 15, took 0.6 s."""
        return " STRATEGY file_copy" if self.server.major >= FILE_COPY_SINCE else ""
