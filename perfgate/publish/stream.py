"""Output that never stops the work: whatever becomes of the stream, whoever writes to it goes on."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


class Steady:
    """A text stream on top of another one.

    A reader that left, a disk that is full and a stream that was closed are the end of the output and nothing else;
    a character that the stream cannot encode becomes a question mark.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = False

    @property
    def encoding(self) -> str:
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        return not self.lost and not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write and flush, or lose, all of the text."""
        if not self.lost:
            try:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: every write flushes."""

    def _lose(self) -> None:
        """Give up the stream. Python flushes the standard streams when it ends, and would exit with 120 over it."""
        self.lost = True
        if self._stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                number, nowhere = self._stream.fileno(), os.open(os.devnull, os.O_WRONLY)
                if nowhere != number:  # it is the same where the number was free because the stream had none
                    os.dup2(nowhere, number)
                    os.close(nowhere)
