"""Where the time goes: seconds by phase, so that the report can say what a run was spent on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the wall time of named phases. A phase inside another one is taken out of the outer one."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.monotonic() - began
            inside = self._inner.pop()
            self._inner[-1] += whole
            self.phases[phase] = self.phases.get(phase, 0.0) + whole - inside
