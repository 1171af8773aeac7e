"""What a program says, kept within bounds: the first and the last of it, in a file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

KEPT = 256 * 1024
"""Bytes kept from the beginning, and from the end."""
PIPE_SIZE = 1024 * 1024
LINE_LENGTH = 300


class Output:
    """Takes a program's output through a pipe, so that it is never blocked, and never fills the disk.

    The file holds the first KEPT bytes and at least the last KEPT ones; a line between them says how many are left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._end = self._gap = self._left_out = 0
        self._failure = ""

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("w+b", buffering=0)
        self._reading, self._writing = os.pipe()
        with contextlib.suppress(OSError):  # room for what comes while we are busy; there is a limit for each user
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self._pump = threading.Thread(target=self._run, name=f"output of {self.path.name}", daemon=True)
        self._pump.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._close_writing()
        self.settle()
        with self._lock:
            self._file.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[int]:
        """The end that the program writes to, for the moment in which it is started."""
        try:
            yield self._writing
        finally:
            self._close_writing()

    def settle(self, timeout: float = 1.0) -> None:
        """Wait until all was read from a program that ended; a descendant that lives on holds the pipe open."""
        self._pump.join(timeout)

    def tail(self, lines: int) -> str:
        """The last lines, shortened where they are very long."""
        with self._lock, self.path.open("rb") as file:
            file.seek(max(0, self._end - KEPT))
            data = file.read(min(KEPT, self._end))
        text = data.decode(errors="replace").rstrip().splitlines()[-lines:]
        return "\n".join([*(line[:LINE_LENGTH] for line in text), *filter(None, [self._failure])])

    def last_words(self, lines: int = 15) -> str:
        """The last lines for a hint, and where all of them are."""
        tail = self.tail(lines).replace("\n", "\n    ")
        return f"its last lines (from {self.path}):\n    {tail}" if tail else f"it said nothing ({self.path} is empty)"

    def _close_writing(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def _run(self) -> None:
        with contextlib.closing(os.fdopen(self._reading, "rb", buffering=0)) as pipe:
            while data := pipe.read(1 << 16):
                with self._lock:
                    self._keep(data)

    def _keep(self, data: bytes) -> None:
        """Write it down. A full disk must not block the program: what follows is read and dropped."""
        if self._failure or self._file.closed:
            return
        try:
            self._end += self._file.write(data)
            if self._end > 3 * KEPT:
                self._shorten()
        except OSError as error:
            self._failure = f"[the rest could not be written: {error.strerror}]"

    def _shorten(self) -> None:
        """Throw away what is neither among the first nor among the last KEPT bytes."""
        self._file.seek(self._end - KEPT)
        last = self._file.read(KEPT)
        self._left_out += self._end - self._gap - 2 * KEPT
        note = f"\n[... {self._left_out} bytes left out ...]\n".encode()
        self._file.seek(KEPT)
        self._file.write(note + last)
        self._file.truncate()
        self._gap, self._end = len(note), KEPT + len(note) + len(last)
