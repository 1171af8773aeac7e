"""The driver as perfgate sees it: a process that is started, spoken to in lines of JSON, and ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.measure.ownership import Owner

STOP_TIMEOUT_S = 3.0
TAIL_LINES = 15


class ChildLost(Exception):
    """The process ended, or does not answer any more; the message says which."""


def spawn(module: str, arguments: Sequence[str], owner: Owner, root: Path, log: Path, fds: Sequence[int] = ()) -> Any:
    """Start a generating process below the user's folder, with its output in `log`."""
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # a set in a locustfile has one order in every run
    environment.pop("LOCUST_SKIP_MONKEY_PATCH", None)
    with log.open("ab") as file:
        return owner.spawn(
            [sys.executable, "-P", "-m", module, *arguments],
            env=environment,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            pass_fds=fds,
        )


class Child:
    """A running driver."""

    def __init__(self, module: str, owner: Owner, root: Path, log: Path) -> None:
        self.log = log
        self._owner = owner
        self._began = log.stat().st_size if log.exists() else 0
        commands, self._commands = os.pipe()
        self._replies, replies = os.pipe()
        try:
            self.process: subprocess.Popen[bytes] = spawn(
                module, [str(commands), str(replies)], owner, root, log, (commands, replies)
            )
        except BaseException:
            self._close()
            raise
        finally:
            os.close(commands)
            os.close(replies)
        self._buffer = b""

    def send(self, **message: object) -> None:
        """Say something. A child that is gone is noticed when it does not answer."""
        with suppress(BrokenPipeError):
            os.write(self._commands, json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict[str, Any]:
        """Its next reply; ChildLost when it ends or says nothing for so long."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise ChildLost(f"did not answer for {seconds:.0f} s")
            data = os.read(self._replies, 2**16)
            if not data:
                raise ChildLost(f"ended ({self._outcome()})")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def tail(self) -> str:
        """The last lines that it, and what it shares the log with, has written since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._began)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-TAIL_LINES:])

    def say_goodbye(self) -> None:
        """Let it end by itself: it lets its workers go, and the locustfile clean up."""
        self.send(do="stop")
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it at once."""
        self._owner.stop(self.process, timeout=0.5)
        self._close()

    def _close(self) -> None:
        os.close(self._commands)
        os.close(self._replies)

    def _outcome(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(STOP_TIMEOUT_S)
            return f"signal {-code}" if code < 0 else f"exit code {code}"
        return "closed its pipes"
