"""What the user can fix: errors that carry a remedy and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says when it ends; CI systems read nothing else."""

    PASSED = 0
    FAILED = 1
    BAD_REQUEST = 2
    NOT_MEASURED = 3
    INTERRUPTED = 130
    TERMINATED = 143


class PerfgateError(Exception):
    """Something the user can fix: what happened, and in `hint` what to do or type next."""

    exit_code = ExitCode.NOT_MEASURED

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  {self.hint}" if self.hint else message


class BadRequest(PerfgateError):
    """The configuration, a file or the command line is wrong: exit code 2."""

    exit_code = ExitCode.BAD_REQUEST


class NotMeasured(PerfgateError):
    """The service, the database or the load could not be measured: exit code 3."""

    exit_code = ExitCode.NOT_MEASURED


def suggestion(word: str, known: Iterable[str]) -> str:
    """What to type instead of `word`: the closest known word, or all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"
