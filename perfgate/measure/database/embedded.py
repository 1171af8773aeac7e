"""A throwaway Postgres from installed binaries, as root (it then runs as another user) and as an ordinary user."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from perfgate.errors import NotMeasured
from perfgate.measure.database import installation as installations
from perfgate.measure.database import settings, template
from perfgate.measure.database.access import Access, await_connection
from perfgate.measure.database.memory import has_room
from perfgate.measure.database.server import Server
from perfgate.measure.database.template import SUPERUSER, Account
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

MAINTENANCE = "postgres"
SERVER_USERS = ("postgres", "nobody")
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
PORT_TRIES = 5
LOG_LINES = 15
MEMORY = Path("/dev/shm")
# Quick, and unlike SIGKILL it leaves no shared memory behind. There is nothing to save.
STOP_SIGNAL = signal.SIGQUIT
# Segments of dynamic shared memory become files of the data directory, and go with it even after SIGKILL.
OWN_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "log_destination": "stderr",
}


@contextmanager
def start(plan: Database, owner: Owner, say: Callable[[str], None]) -> Iterator[Server]:
    """A server on a free port of 127.0.0.1, stopped at the end.

    BadRequest for a setting that is refused; NotMeasured when nothing is installed or it does not start.
    """
    found = installations.find()
    account = server_account()
    folder = server_folder("postgres", owner, account)
    if account.ids is not None and not installations.open_to_others(found.programs):
        found = installations.copied(found, server_folder("programs", owner, account))
    password = template.fill(folder / "data", found, account, owner, say)
    chosen = settings.chosen(plan.settings, found.libraries)
    embedded = _Embedded(folder, found.program("postgres"), account, owner, {**chosen, **OWN_SETTINGS}, plan.settings)
    where = "memory" if folder.is_relative_to(MEMORY) else folder.parent
    say(f"database: {found.version} from {found.origin}, its data in {where}")
    access, monitor = embedded.launch(password)
    try:
        settings.check_known(monitor, plan.settings)
        with closing(monitor):
            yield Server(
                "embedded", access, monitor, owner, embedded.last_words, embedded.pid, read_log=embedded.read_log
            )
    finally:
        embedded.stop()


class _PortTaken(Exception):
    """Somebody else got the port between choosing it and starting."""


@dataclass
class _Embedded:
    """A data directory in `folder`, and the server that runs on it."""

    folder: Path
    program: str
    account: Account
    owner: Owner
    settings: Mapping[str, str]
    overrides: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def launch(self, password: str) -> tuple[Access, psycopg.Connection]:
        """Start it and connect, with a password of this run's own."""
        for _ in range(PORT_TRIES):
            access = Access.loopback(free_port(), SUPERUSER, password)
            self._spawn(access.port)
            try:
                connection = await_connection(access, MAINTENANCE, self._check, READY_TIMEOUT_S)
            except _PortTaken:
                continue
            except psycopg.OperationalError as error:
                self.stop()
                raise NotMeasured(f"Postgres did not get ready: {error}", hint=self.last_words()) from error
            except BaseException:
                self.stop()
                raise
            return _with_new_password(access, connection), connection
        raise NotMeasured(f"no free port on 127.0.0.1: each of {PORT_TRIES} was taken at once", hint="try again")

    def stop(self) -> None:
        if self.process is not None:
            self.owner.stop(self.process, signal=STOP_SIGNAL, timeout=STOP_TIMEOUT_S)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def last_words(self) -> str:
        lines = self.read_log().splitlines()[-LOG_LINES:]
        return "\n  ".join(["the last lines of its log:", *lines])

    def _spawn(self, port: int) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = self.owner.spawn(
                [self.program, "-D", str(self.folder / "data"), "-p", str(port), *settings.arguments(self.settings)],
                env=template.environment(),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.account.ids,
                death_signal=STOP_SIGNAL,
            )

    def _check(self) -> None:
        """Raise when it has ended: by whose fault, its log says."""
        assert self.process is not None
        if self.process.poll() is None:
            return
        log = self.read_log()
        if "could not create any TCP/IP sockets" in log:
            raise _PortTaken
        problem = settings.rejected(log, self.overrides, lambda: installations.known_settings(self.program))
        raise problem or NotMeasured("Postgres did not start", hint=self.last_words())

    def read_log(self) -> str:
        """All that the server has written so far."""
        return (self.folder / "log").read_bytes().decode(errors="replace")  # a carriage return stays what it is


def server_account() -> Account:
    """Postgres refuses to run as root, so root hands it to the user made for it, or to nobody."""
    if os.geteuid() != 0:
        return Account(None)
    for name in SERVER_USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account((found.pw_uid, found.pw_gid))
    raise NotMeasured(
        f"Postgres does not run as root, and there is no user {' or '.join(SERVER_USERS)}",
        hint="run perfgate as an ordinary user",
    )


def server_folder(name: str, owner: Owner, account: Account) -> Path:
    """A temporary folder that the server may work in. Raises NotMeasured where it cannot be given away."""
    folder = owner.folder(name, base=_base(account))
    try:
        account.give(folder)
    except PermissionError as error:
        raise NotMeasured(
            f"root may not give files away here: {error}", hint="run perfgate as an ordinary user"
        ) from error
    return folder


def _base(account: Account) -> Path:
    """Memory if there is plenty, unless TMPDIR says where; else where temporary files go and the server may go, too."""
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and has_room(MEMORY):
        places.insert(0, MEMORY)
    return next((place for place in places if account.ids is None or installations.open_to_others(place)), places[0])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _with_new_password(access: Access, connection: psycopg.Connection) -> Access:
    """The cached password opens every server made from that cache; this run's opens only this one."""
    password = secrets.token_urlsafe(24)
    verifier = connection.pgconn.encrypt_password(password.encode(), access.user.encode(), b"scram-sha-256").decode()
    change = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(change.format(sql.Identifier(access.user), sql.Literal(verifier)))
    return Access.loopback(access.port, access.user, password)
