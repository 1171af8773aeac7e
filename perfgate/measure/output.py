"""What a program says, kept within bounds: the first and the last of it, in a file, after what former starts said."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

from perfgate.errors import NotMeasured

KEPT = 256 * 1024
"""Bytes kept from the beginning, from the end, and from former starts."""
PIPE_SIZE = 1024 * 1024
LINE_LENGTH = 300


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Make NotMeasured, with what to do, of an OSError in the block: `path` cannot be written."""
    try:
        yield
    except OSError as error:
        hint = f"remove it (rm -r {shlex.quote(str(path))}), or have its owner let you write to it"
        raise NotMeasured(f"{path}: cannot be written: {error.strerror}", hint=hint) from error


class Output:
    """Takes a program's output through a pipe, so that it is never blocked, and never fills the disk.

    The file holds the first KEPT bytes and at least the last KEPT ones; a line between them says how many are left out.
    Before them stand the last KEPT bytes of what the file held already, and a line with the time: a start that failed
    can be looked into after the next one. Raises NotMeasured when there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._begin = self._end = self._gap = self._left_out = 0
        self._failure = ""

    def __enter__(self) -> Self:
        with writing_to(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            past = self._past()
            self._file = self.path.open("w+b", buffering=0)
        if past:
            self._keep(past)
        self._begin = self._end
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
            begin = max(self._begin, self._end - KEPT)
            file.seek(begin)
            data = file.read(self._end - begin)
        text = data.decode(errors="replace").rstrip().splitlines()[-lines:]
        return "\n".join([*(line[:LINE_LENGTH] for line in text), *filter(None, [self._failure])])

    def last_words(self, lines: int = 15) -> str:
        """The last lines for a hint, and where all of them are."""
        tail = self.tail(lines).replace("\n", "\n    ")
        return f"its last lines (from {self.path}):\n    {tail}" if tail else f"it said nothing ({self.path} is empty)"

    def _past(self) -> bytes:
        """The end of what former starts wrote, closed with a line that says when this one begins."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return b""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - KEPT))
            kept = file.read(KEPT)
        whole = kept if size <= KEPT else kept.partition(b"\n")[2]
        newline = b"" if whole.endswith(b"\n") else b"\n"
        return whole + newline + f"==== started {datetime.now():%Y-%m-%d %H:%M:%S} ====\n".encode()

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
            if self._end - self._begin > 3 * KEPT:
                self._shorten()
        except OSError as error:
            self._failure = f"[the rest could not be written: {error.strerror}]"

    def _shorten(self) -> None:
        """Throw away what is neither among the first nor among the last KEPT bytes."""
        self._file.seek(self._end - KEPT)
        last = self._file.read(KEPT)
        first_end = self._begin + KEPT
        self._left_out += self._end - self._gap - first_end - KEPT
        note = f"\n[... {self._left_out} bytes left out ...]\n".encode()
        self._file.seek(first_end)
        self._file.write(note + last)
        self._file.truncate()
        self._gap, self._end = len(note), first_end + len(note) + len(last)
