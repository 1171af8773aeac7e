"""What tests share that kill perfgate, or wait for what becomes of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from perfgate.measure import procfs


def eventually(condition: Callable[[], object], timeout: float = 60.0) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    found = procfs.stat(pid)
    return found is not None and found.alive


class Run:
    """Python code in a process of its own, which says one line, here `said`, and goes on until it is killed."""

    def __init__(self, code: str, *arguments: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    def kill(self) -> None:
        """SIGKILL; killing twice does no harm."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def killed(code: str, *arguments: str, **env: str) -> str:
    """What a run said before it was killed."""
    run = Run(code, *arguments, **env)
    run.kill()
    return run.said
