"""Owning what a run starts: everything is undone on every path, newest first, even after kill -9.

Four nets, each for what the former misses. `Owner.__exit__` undoes it all. The kernel ends every child when its
parent dies (PR_SET_PDEATHSIG). The reaper, a small process beside perfgate, undoes what is left then. What a killed
reaper could not undo stands in a ledger on disk, and the next start sweeps it. A run's ledger is locked while the run
lives, so two runs at once leave each other alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from perfgate.errors import NotMeasured
from perfgate.measure import procfs, reaper
from perfgate.measure.reaper import OWNER_MARK, SPAWN_MARK, Container, Database, Folder, Process, Thing

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
SWEEPS = 3
TERMS = {int(signal.SIGKILL): int(signal.SIGTERM)}  # how to ask first, where the kernel would not ask
_at_work: list[subprocess.Popen[bytes]] = []  # reapers that outlive their owner, so that they do not count as forgotten


def home() -> Path:
    """The folder of this user's ledgers. NotMeasured when others may write there: a ledger says what to kill."""
    folder = Path(tempfile.gettempdir()) / f"perfgate-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        hint = f"remove it (rm -r {folder}), or set TMPDIR to another place"
        raise NotMeasured(f"{folder} is not a folder of yours alone", hint=hint)
    return folder


def _boot() -> str:
    """Within which process numbers mean something: this boot of this machine, this PID namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


class _Ledger:
    """The writing end of a ledger. It is locked from the moment on in which others can find it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        hidden = path.with_suffix(".being-made")
        self._file = hidden.open("x", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        hidden.rename(path)

    def write(self, **entry: object) -> None:
        with self._mutex:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def close(self, *, done: bool) -> None:
        """Unlock it; when everything is done, it goes."""
        if done:
            self.path.unlink(missing_ok=True)
        self._file.close()


class Owner:
    """Owns what one run starts, and undoes it newest first when the `with` block ends.

    `token` is unique to the run and marks all its processes. After the block `problems` says
    what could not be undone (the reaper goes on trying); `swept` says what former runs had left behind.
    """

    def __init__(self) -> None:
        self.token = secrets.token_hex(6)
        self.problems: list[str] = []
        self.swept: list[str] = []
        self._numbers = itertools.count(1)
        self._things: dict[int, Thing] = {}
        self._spawned: dict[subprocess.Popen[bytes], tuple[int, procfs.Family]] = {}
        self._ledger: _Ledger | None = None
        self._reaper: subprocess.Popen[bytes] | None = None
        # PR_SET_PDEATHSIG follows the thread that forks. This one lives as long as the owner, so that spawn() may be
        # called from any thread, and be interrupted, without killing or losing a child.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="perfgate-spawn")

    def __enter__(self) -> Self:
        folder = home()
        self.swept = sweep(folder)
        self._ledger = _Ledger(folder / f"{self.token}.jsonl")
        self._ledger.write(owner=self.token, pid=os.getpid(), boot=_boot())
        try:
            self._reaper = self._start_reaper(self._ledger.path)
        except OSError as error:
            self._part()
            hint = f"grant this user the right to run {sys.executable}, or install perfgate under another Python"
            raise NotMeasured(f"Python itself cannot be run: {error.strerror}", hint=hint) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._spawner.submit(int).result()  # a start that was interrupted comes to its end first
            self._undo_everything()
        finally:  # also when a second Ctrl-C ends the undoing: the reaper hears no goodbye then, and goes on with it
            self._part()

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
        user: tuple[int, int] | None = None,
        death_signal: int = signal.SIGKILL,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, as `user` (uid, gid) if given; it is running when this returns.

        `env` replaces the environment, as in Popen. The kernel sends `death_signal` when perfgate dies; unless that is
        SIGKILL, it is also how the program is asked to end (else SIGTERM). Raises OSError when it cannot be started.
        """
        self._entered()
        number = next(self._numbers)
        mark = f"{self.token}.{number}"
        environment = {**(os.environ if env is None else env), OWNER_MARK: self.token, SPAWN_MARK: mark}

        def start() -> subprocess.Popen[bytes]:
            with _ErrorPipe() as errors:
                process = subprocess.Popen(
                    [*_launch(errors.far, death_signal, user, environment, reaper.seal(self.token, number)), *argv],
                    env=environment,
                    cwd=cwd,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(*pass_fds, errors.far),
                    start_new_session=True,
                )
                self._adopt(process, number, mark, death_signal)
                said = errors.read()
            if said:
                self.stop(process)
                code, _, text = said.partition(" ")
                raise OSError(int(code), text, argv[0])
            return process

        return self._spawner.submit(start).result()

    def stop(
        self, process: subprocess.Popen[bytes], *, signal: int = signal.SIGTERM, timeout: float = reaper.GRACE
    ) -> None:
        """End what `spawn` started: the signal to its group, SIGKILL to it and all its descendants after `timeout`.

        Stopping twice does no harm. Raises NotMeasured when somebody survives SIGKILL.
        """
        number, family = self._spawned[process]
        try:
            reaper.stop(family, signal, timeout)
        except reaper.NotUndone as error:
            hint = "it hangs in the kernel or belongs to another user; end it by hand"
            raise NotMeasured(f"process {process.pid}: {error}", hint=hint) from error
        process.wait()
        self._release(number)

    def family(self, process: subprocess.Popen[bytes]) -> procfs.Family:
        """All that descends from a process which `spawn` started."""
        return self._spawned[process][1]

    def folder(self, name: str, *, base: Path | None = None, mode: int = 0o700) -> Path:
        """Make a temporary folder, in `base` or where the system keeps such; removed at the end."""
        number = next(self._numbers)
        path = Path(base or tempfile.gettempdir()).resolve() / f"perfgate-{self.token}-{number}-{name}"
        self._own(number, Folder(str(path), self.token))
        path.mkdir()
        path.chmod(mode)  # mkdir would take the umask away from it
        return path

    def container(self, container_id: str, socket: str) -> None:
        """Have a container force-removed at the end, through the Docker API on the unix socket at this path."""
        self._own(next(self._numbers), Container(container_id, socket.removeprefix("unix://")))

    def database(self, admin_url: str, name: str) -> None:
        """Have a database dropped at the end, whoever is connected to it."""
        self._own(next(self._numbers), Database(name, admin_url))

    def _adopt(self, process: subprocess.Popen[bytes], number: int, mark: str, death_signal: int) -> None:
        found = procfs.stat(process.pid)
        if found is None:  # a child that nobody waited for is there at least as a zombie
            raise RuntimeError(f"process {process.pid} is gone, but nobody waited for it")
        thing = Process(process.pid, found.start, mark, TERMS.get(death_signal, death_signal))
        self._spawned[process] = (number, thing.family())
        self._own(number, thing)

    def _own(self, number: int, thing: Thing) -> None:
        self._entered().write(own=number, kind=thing.kind, thing=asdict(thing))
        self._things[number] = thing

    def _release(self, number: int) -> None:
        if self._things.pop(number, None) is not None:
            self._entered().write(release=number)

    def _entered(self) -> _Ledger:
        if self._ledger is None:
            raise RuntimeError("an Owner owns things only inside its `with` block")
        return self._ledger

    def _start_reaper(self, ledger: Path) -> subprocess.Popen[bytes]:
        # No mark of an outer perfgate may stand in its environment, or its reaper would stop ours before it is done.
        environment = {name: value for name, value in os.environ.items() if name not in (OWNER_MARK, SPAWN_MARK)}
        ours = str(Path(__file__).parents[2])
        paths = sys.path if ours in sys.path else [ours, *sys.path]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        command = [sys.executable, "-P", "-S", "-m", reaper.__name__, str(ledger), self.token, str(os.getpid())]
        with _blocked(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # for good in the reaper, which inherits that
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                start_new_session=True,
            )

    def _undo_everything(self) -> None:
        for process, (number, _) in reversed(self._spawned.items()):
            thing = self._things.get(number)
            if isinstance(thing, Process):
                with contextlib.suppress(NotMeasured):  # tried again, and told, below
                    self.stop(process, signal=thing.signal)
        problems = reaper.undo(self._things.values(), self.token, fresh=True)
        self.problems = list(problems.values())
        for number, thing in list(self._things.items()):
            if thing not in problems:
                self._release(number)

    def _part(self) -> None:
        """Let the reaper go: with a goodbye if there is nothing left to do."""
        done = not self._things and not self.problems
        self._spawner.shutdown()
        if self._ledger is not None:
            self._ledger.close(done=done)
            self._ledger = None
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._reaper.stdin as pipe:
                pipe.write(reaper.GOODBYE if done else b"")
            if done:
                self._reaper.wait()
            else:
                _at_work.append(self._reaper)


@contextlib.contextmanager
def _blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Have signals wait, in this thread and in what it starts, while the block lasts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _ErrorPipe:
    """What a child says before it becomes its program; exec closes it, so reading ends when the program runs."""

    def __enter__(self) -> Self:
        self._ours, self.far = os.pipe()
        return self

    def read(self) -> str:
        os.close(self.far)
        self.far = -1
        return procfs.read_all(self._ours).decode()

    def __exit__(self, *error: object) -> None:
        os.close(self._ours)
        if self.far >= 0:
            os.close(self.far)


def _launch(
    errors: int, death_signal: int, user: tuple[int, int] | None, env: Mapping[str, str], seal: int
) -> list[str]:
    """The command line of the launcher, up to the program."""
    uid, gid = user or (-1, -1)
    numbers = (errors, death_signal, os.getpid(), uid, gid, int("LC_CTYPE" in env), seal)
    return [sys.executable, "-I", "-S", LAUNCHER, *map(str, map(int, numbers))]


@contextlib.contextmanager
def _unlocked(path: Path) -> Iterator[IO[str] | None]:
    """The ledger, locked for us; None when its owner lives, somebody else sweeps it, or it is gone."""
    with contextlib.ExitStack() as stack:
        file = None
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            opened = stack.enter_context(path.open("r+", encoding="utf-8"))
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file = opened
        yield file


def sweep(folder: Path) -> list[str]:
    """Undo what stands in ledgers whose owner is dead: a sentence for each.

    What cannot be undone is tried again by the next sweeps, and given up after SWEEPS of them.
    """
    said = []
    for path in sorted(folder.glob("*.jsonl")):
        with _unlocked(path) as file:
            if file is not None:
                said += _sweep(path, file)
    return said


def _sweep(path: Path, file: IO[str]) -> list[str]:
    ledger = reaper.read_ledger(file.read())
    things = list(ledger.things.values())
    if ledger.boot != _boot():  # numbers of processes mean nothing here
        things = [thing for thing in things if not isinstance(thing, Process)]
    problems = reaper.undo(things, ledger.token, fresh=False) if ledger.token else {}
    if problems and ledger.tries + 1 < SWEEPS:
        file.write(json.dumps({"tried": list(problems.values())}) + "\n")
    else:
        path.unlink(missing_ok=True)
    undone = [str(thing) for thing in things if thing not in problems]
    said = [f"undid what perfgate (process {ledger.pid}) had left behind: {', '.join(undone)}"] if undone else []
    return said + [f"perfgate (process {ledger.pid}) left something behind: {problem}" for problem in problems.values()]
