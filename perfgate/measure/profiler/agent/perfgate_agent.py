"""A thread within the service that sees where it spends CPU time, where it waits, where it ends and what it keeps.

Every process appends lines of JSON to a file of its own, `PID.jsonl`, each half second and when it ends. When a file
`mark-N` appears (N from 1), it writes all that it has, does what the mark asks for, and answers with `PID.mark-N`.

A sample is weighted with the CPU time that its thread used since the sample before: a thread that waits for a socket
weighs nothing, whatever its stack. That time is attributed to where the thread is found after it, which is right on
average over many. Functions that were captured when this was loaded are the real ones, also under gevent.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from perfgate_places import NOBODY, Places  # type: ignore[import-not-found,unused-ignore]  # beside this file

PERIOD_S = 0.0002
SWITCH_S = 0.00001
"""How long a thread may keep the interpreter from the sampler.

Threads let go of it by themselves whenever they wait for anything. Were they not made to in between, samples would fall
upon such moments alone, and a function that computes for 0.1 ms would never be seen.
"""
PR_SET_TIMERSLACK = 29
REPORT_S = 0.5
LOOK_EVERY = 40
"""Samples between two looks for a mark."""
MEMORY = "memory"

try:  # here and not in the thread: a fork in the middle of an import leaves its lock taken
    import ctypes

    _LIBC: Any = ctypes.CDLL(None)
except (ImportError, OSError):
    _LIBC = None

_sleep, _time, _cpu_clock, _ident = time.sleep, time.time, time.clock_gettime, _thread.get_ident
_spawn, _frames = _thread.start_new_thread, sys._current_frames


def thread_clock(native: int) -> int:
    """The clock of the CPU time of a thread of this process, by its number in the kernel (see CPUCLOCK in Linux).

    That of `time.pthread_getcpuclockid` crashes the process for a thread that has just ended; this one is an OSError.
    """
    return (~native << 3) | 6


def _be_punctual() -> None:
    """Have the kernel wake this thread when it asked for it, and not up to 50 us later (prctl(2))."""
    if _LIBC is not None:  # without it samples are a little less even
        _LIBC.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


class Agent:
    """Looks at one process; a fork of it has its own."""

    def __init__(self, folder: str, root: str, mode: str) -> None:
        self.folder, self.mode, self.places = folder, mode, Places(root)
        self.mark = 1
        self._memory = _memory(self.places) if mode == MEMORY else None
        self._begin()

    def _begin(self) -> None:
        self.pid, self.main = os.getpid(), _ident()
        self._samples: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._new: list[Any] = []
        self._callers: set[Any] = set()
        self._used: dict[int, float] = {}
        self._report({"pid": self.pid})
        _spawn(self._run, ())

    def begin_again(self) -> None:
        """In the child of a fork, where only the thread that forked lives on."""
        with contextlib.suppress(OSError):  # whoever forks may close, or leave, anything
            self._begin()

    def _run(self) -> None:
        _be_punctual()
        me, pid, rounds, reported = _ident(), self.pid, 0, _time()
        while os.getpid() == pid:
            _sleep(PERIOD_S)
            now = _time()
            if self._memory is None:
                self._sample(me, now)
            rounds += 1
            if now - reported > REPORT_S:
                reported = now
                self.flush(waiting=True)
            if rounds % LOOK_EVERY == 0:
                self._obey()

    def _sample(self, me: int, now: float) -> None:
        used = {}
        for ident, frame in _frames().items():
            total = self._cpu(ident) if ident != me else None
            if total is None:
                continue
            used[ident] = total
            spent = total - self._used.get(ident, total)
            if spent > 0:
                self._samples.append((round(now, 6), round(spent, 9), self._number(frame)))
        self._used = used

    def _cpu(self, ident: int) -> float | None:
        native = self.pid if ident == self.main else getattr(threading._active.get(ident), "native_id", None)  # type: ignore[attr-defined]
        if native is None:
            return None
        try:
            return _cpu_clock(thread_clock(native))
        except OSError:
            return None

    def _number(self, frame: Any) -> int:
        """A stack as a number; what the number means is written once. 0 is a stack without any frame of the project."""
        found, callers = self.places.of(frame)
        for caller in callers:
            if caller not in self._callers:
                self._callers.add(caller)
                self._new.append({"caller": caller})
        if found == NOBODY:
            return 0
        number = self._numbers.get(found)
        if number is None:
            number = self._numbers[found] = len(self._numbers) + 1
            self._new.append({"place": found, "number": number})
        return number

    def flush(self, waiting: bool = False, **more: Any) -> None:
        """Write what there is; swapping lists keeps two threads from writing one thing twice."""
        lines, self._new = self._new, []
        samples, self._samples = self._samples, []
        if samples:
            lines.append({"samples": samples})
        if waiting:
            lines.append({"waiting": self.places.waiting(_frames()), "time": _time()})
        if more:
            lines.append(more)
        self._report(*lines)

    def _report(self, *lines: Any) -> None:
        if not lines:
            return
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with contextlib.suppress(OSError):  # the folder may be gone before the service is
            file = os.open(self._file(f"{os.getpid()}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, data)
            finally:
                os.close(file)

    def _obey(self) -> None:
        if not os.path.exists(self._file(f"mark-{self.mark}")):  # noqa: PTH110 - pathlib is slow
            return
        held = self._memory(self.mark) if self._memory is not None else None
        self.flush(waiting=True, **({"mark": self.mark, "held": held} if held is not None else {}))
        with contextlib.suppress(OSError):
            os.close(os.open(self._file(f"{self.pid}.mark-{self.mark}"), os.O_WRONLY | os.O_CREAT, 0o600))
        self.mark += 1

    def _file(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def ended(self, frame: Any) -> None:
        """Note the place at which this process is ended."""
        (place, _) = self.places.of(frame)
        self.flush(ended=place if place != NOBODY else None)


def _memory(places: Places) -> Callable[[int], list[Any] | None]:
    from perfgate_growth import Growth  # type: ignore[import-not-found,unused-ignore]

    at_mark: Callable[[int], list[Any] | None] = Growth(places).at_mark
    return at_mark


def _watch_ends(agent: Agent) -> None:
    """Have those who end the process say where: `os._exit`, exceptions that nobody caught, and fatal signals."""
    import faulthandler

    leave, hook = os._exit, sys.excepthook

    def _exit(status: int) -> None:
        agent.ended(sys._getframe(1))
        leave(status)

    def excepthook(kind: Any, error: Any, trace: Any) -> None:
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            agent.ended(trace.tb_frame)
        hook(kind, error, trace)

    os._exit = _exit  # type: ignore[assignment]
    sys.excepthook = excepthook
    faulthandler.enable(open(f"{agent.folder}/{agent.pid}.fatal", "w"))  # noqa: SIM115, PTH123 - for the process's life


def start(folder: str, root: str, mode: str) -> None:
    """Look at this process and all its forks from now on."""
    sys.setswitchinterval(SWITCH_S)
    agent = Agent(folder, root, mode)
    os.register_at_fork(after_in_child=agent.begin_again)
    atexit.register(agent.flush)
    if mode != MEMORY:
        _watch_ends(agent)
