"""Statements of the service sent again in a copy of its database, with the parameters that it used."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from perfgate.examination import Execution

if TYPE_CHECKING:
    import psycopg

# Quoted text is passed over, in each way that Postgres has of quoting.
_PARAMETER = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | \$([A-Za-z_]\w*)?\$.*?\$\1\$ | \$(?P<number>\d+)""",
    re.VERBOSE | re.DOTALL,
)
_TIMES = 7


def literal(value: str | None) -> str:
    """A value as text in SQL, of the type that its place in the statement gives it."""
    if value is None:
        return "NULL"
    escaped = value.replace("'", "''")
    return f"E'{escaped}'".replace("\\", "\\\\") if "\\" in value else f"'{escaped}'"


def bound(execution: Execution, replaced: dict[int, str | None] | None = None) -> str:
    """The statement with its parameters written into it, `replaced` instead of its own by number (from 1)."""
    values = dict(enumerate(execution.parameters, 1)) | (replaced or {})

    def write(match: re.Match[str]) -> str:
        number = int(match["number"] or 0)
        return literal(values[number]) if number in values else match[0]

    return _PARAMETER.sub(write, execution.text)


def rows(connection: psycopg.Connection, statements: Sequence[str]) -> int:
    """How many rows all statements find together."""
    return sum(len(connection.execute(statement.encode()).fetchall()) for statement in statements)


def alternated(connection: psycopg.Connection, first: Sequence[str], second: Sequence[str]) -> tuple[float, float]:
    """Median seconds that the statements of either list take one after the other, taken in turn, from here to here."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(_TIMES):
        for statements, times in zip((first, second), taken, strict=True):
            began = time.perf_counter()
            for statement in statements:
                connection.execute(statement.encode()).fetchall()
            times.append(time.perf_counter() - began)
    return statistics.median(taken[0]), statistics.median(taken[1])
