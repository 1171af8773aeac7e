"""Undoes what a run started when perfgate itself cannot: after kill -9, or by the next start.

`python -P -S -m perfgate.measure.reaper LEDGER TOKEN PARENT` runs beside perfgate in a session of its own, waiting on
a pipe, deaf to the signals that end a terminal session. When the pipe ends without a goodbye, everything that stands
in the ledger is undone: processes, then containers, databases and folders. Standard library only, so that it is small
and starts with nothing around it; psycopg is imported when a database has to be dropped.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from perfgate.measure import procfs

OWNER_MARK = "PERFGATE_OWNER"
SPAWN_MARK = "PERFGATE_SPAWN"
GOODBYE = b"goodbye"
SEALS = 1 << 15
"""Programs of one owner whose seals differ. With a token of 48 bits that fills a limit: 63 bits."""
GRACE = 5.0
TRIES = 5


class NotUndone(Exception):
    """Something that was started is there yet; the message says what and why."""


def owner_mark(token: str) -> procfs.Mark:
    """What all processes of an owner carry."""
    first = seal(token, 0)
    return procfs.Mark(f"{OWNER_MARK}={token}".encode(), range(first, first + SEALS) if first else range(0))


def spawn_mark(mark: str) -> procfs.Mark:
    """What a program and its descendants carry; `mark` is "token.number"."""
    token, _, number = mark.partition(".")
    own = seal(token, int(number))
    return procfs.Mark(f"{SPAWN_MARK}={mark}".encode(), range(own, own + 1) if own else range(0))


def seal(token: str, number: int) -> int:
    """The seal on the `number`th program of an owner; 0 for a token that is not 48 bits in hexadecimal digits."""
    try:
        bits = int(token, 16)
    except ValueError:
        return 0
    return bits * SEALS + number % SEALS if bits < 1 << 48 else 0


def patiently(step: Callable[[], bool], *, tries: int = TRIES, pause: float = 0.2) -> bool:
    """Call `step` until it is True, at most `tries` times, with a pause that doubles up to two seconds."""
    for attempt in range(tries):
        if step():
            return True
        if attempt < tries - 1:
            time.sleep(min(pause * 2**attempt, 2.0))
    return False


def await_end(processes: Iterable[procfs.Stat], timeout: float) -> list[procfs.Stat]:
    """Wait until all of `processes` ended, at most `timeout` seconds; those that did not."""
    end = time.monotonic() + timeout
    left = procfs.still(processes)
    pause = 0.005
    while left and time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
        left = procfs.still(left)
    return left


def send(processes: Iterable[procfs.Stat], number: int) -> None:
    """Send a signal to those that are alive yet; a number that another process has by now is left alone."""
    for process in procfs.still(processes):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def stop(family: procfs.Family, number: int, timeout: float) -> None:
    """End a family: the signal to the leader's group, SIGKILL to whoever is left of the family after `timeout`.

    Only the group is asked kindly: Postgres and gunicorn stop their other processes themselves, in their own order.
    Raises NotUndone when somebody survives, which takes a process stuck in the kernel or of another user.
    """
    known = family.members()
    group = [member for member in known if member.group == family.pid]
    send(group, number)
    await_end(group, timeout)
    kill_all(lambda: [*procfs.still(known), *family.members()])


def kill_all(members: Callable[[], list[procfs.Stat]]) -> None:
    """SIGKILL until nobody is left: who forks faster than one look is met by the next. Raises NotUndone."""

    def killed() -> bool:
        left = members()
        send(left, signal.SIGKILL)
        return not await_end(left, 1.0) and not members()

    if not patiently(killed, tries=10, pause=0.01):
        names = ", ".join(sorted({f"{member.name} ({member.pid})" for member in members()}))
        raise NotUndone(f"SIGKILL did not end {names}")


@dataclass(frozen=True)
class Process:
    """A process and its family. `signal` is how it is asked to end; `mark` ("token.number") is on its descendants."""

    kind: ClassVar[str] = "process"
    pid: int
    start: float
    mark: str
    signal: int

    def family(self, *, by_session: bool = True) -> procfs.Family:
        """All that descends from it."""
        return procfs.Family(self.pid, self.start, spawn_mark(self.mark), by_session=by_session)

    def undo(self, *, fresh: bool) -> None:
        # Long after, a dead leader's number may have led another session in between: then only marks are evidence.
        stop(self.family(by_session=fresh), self.signal, GRACE)

    def __str__(self) -> str:
        return f"process {self.pid}"


@dataclass(frozen=True)
class Container:
    """A container of a Docker API on a unix socket, with its anonymous volumes."""

    kind: ClassVar[str] = "container"
    id: str
    socket: str

    def undo(self, *, fresh: bool) -> None:  # noqa: ARG002
        if not patiently(lambda: self._removed() == 404, tries=10):
            raise NotUndone(f"the engine at {self.socket} answered {self._removed()}")

    def _removed(self) -> int:
        """Ask for removal; the status of the answer, 404 once it is gone."""
        import http.client
        import socket

        connection = http.client.HTTPConnection("localhost")
        with contextlib.closing(connection), socket.socket(socket.AF_UNIX) as transport:
            transport.settimeout(30)
            transport.connect(self.socket)
            connection.sock = transport
            connection.request("DELETE", f"/containers/{self.id}?force=1&v=1")
            return connection.getresponse().status

    def __str__(self) -> str:
        return f"container {self.id[:12]}"


@dataclass(frozen=True)
class Database:
    """A database on a server that is not ours. `admin_url` may hold a password: ledgers are for the owner's eyes."""

    kind: ClassVar[str] = "database"
    name: str
    admin_url: str

    def undo(self, *, fresh: bool) -> None:  # noqa: ARG002
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.admin_url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))

    def __str__(self) -> str:
        return f"database {self.name}"


@dataclass(frozen=True)
class Folder:
    """A temporary folder. Its name holds the owner's token, so that no ledger can have another folder removed."""

    kind: ClassVar[str] = "folder"
    path: str
    token: str

    def undo(self, *, fresh: bool) -> None:  # noqa: ARG002
        path = Path(self.path)
        if self.token not in path.name or path.is_symlink():
            raise NotUndone("left alone, it does not look like a folder of perfgate's")
        if not patiently(lambda: self._removed(path)):
            raise NotUndone("could not be removed")

    def _removed(self, path: Path) -> bool:
        """Try once. Somebody may be writing into it yet, and folders in it may forbid writing."""
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return True
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        return False

    def __str__(self) -> str:
        return f"folder {self.path}"


Thing = Process | Container | Database | Folder
KINDS: dict[str, type[Thing]] = {kind.kind: kind for kind in (Process, Container, Database, Folder)}


def undo(things: Iterable[Thing], token: str, *, fresh: bool) -> dict[Thing | None, str]:
    """Undo `things`, given oldest first, and every process with the owner's mark: what could not be undone, and why.

    Processes go first and newest first, folders last, whatever the order in which they came: nobody may be writing to a
    folder, or be connected to a database, when it goes. `fresh` says that the owner ended just now.
    """
    problems: dict[Thing | None, str] = {}

    def attempt(step: Callable[[], None], thing: Thing | None) -> None:
        try:
            step()
        except Exception as error:  # every step is tried, even when the former failed
            problems[thing] = f"{thing or 'a process'}: {error}"

    newest_first = list(things)[::-1]
    for kind in KINDS.values():
        for thing in newest_first:
            if isinstance(thing, kind):
                attempt(functools.partial(thing.undo, fresh=fresh), thing)
        if kind is Process:
            mark = owner_mark(token)
            attempt(lambda: kill_all(lambda: procfs.all_marked(mark)), None)  # noqa: B023
    return problems


@dataclass
class Ledger:
    """What an owner has started and not undone yet, and who it is; `tries` counts sweeps that could not undo it all."""

    token: str = ""
    pid: int = 0
    boot: str = ""
    things: dict[int, Thing] = field(default_factory=dict)
    tries: int = 0


def read_ledger(text: str) -> Ledger:
    """Replay a ledger's lines. The last one may be cut short where its writer was killed: it says nothing then."""
    ledger = Ledger()
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "owner" in entry:
            ledger.token, ledger.pid, ledger.boot = entry["owner"], entry["pid"], entry["boot"]
        elif "own" in entry:
            ledger.things[entry["own"]] = KINDS[entry["kind"]](**entry["thing"])
        elif "release" in entry:
            ledger.things.pop(entry["release"], None)
        elif "tried" in entry:
            ledger.tries += 1
    return ledger


def _ended_well(parent: int) -> bool:
    """Block until the parent says goodbye or ends; whether it said goodbye.

    The pipe stays open where the parent has forked and the fork lives on, hence the pidfd beside it.
    """
    watched = [sys.stdin.fileno()]
    with contextlib.suppress(OSError):
        watched.append(os.pidfd_open(parent))
    ready, _, _ = select.select(watched, [], [])
    return watched[0] in ready and os.read(watched[0], len(GOODBYE)) == GOODBYE


def _take_off_seal() -> None:
    """That of an outer perfgate, which would stop this reaper before it is done."""
    most = resource.getrlimit(procfs.RLIMIT_LOCKS)[1]
    resource.setrlimit(procfs.RLIMIT_LOCKS, (most, most))


def main() -> None:
    """Wait beside the owner, and undo what it leaves behind."""
    path, token, parent = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    _take_off_seal()
    with path.open(encoding="utf-8") as file:  # opened now: it may be deleted from under a long run
        if _ended_well(parent):
            return
        ledger = read_ledger(file.read())
    if not undo(ledger.things.values(), token, fresh=True):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
