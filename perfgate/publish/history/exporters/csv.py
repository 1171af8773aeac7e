"""CSV: one row a value, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO, ClassVar

from perfgate.model import Run
from perfgate.publish.history.exporter import Row, rows

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Csv:
    """UTF-8 with a header; values are in base units and written so that they read back as the same number.

    A spreadsheet takes a cell that begins like a formula for one (OWASP: CSV injection), and names of branches,
    endpoints and benchmarks come from outside: such texts get an apostrophe in front. A round without a value has an
    empty cell.
    """

    name: ClassVar[str] = "csv"
    suffix: ClassVar[str] = ".csv"

    def write(self, runs: Iterable[Run], out: BinaryIO) -> None:
        text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="")
        writer = csv.writer(text)
        writer.writerow(Row._fields)
        writer.writerows([_cell(value) for value in row] for row in rows(runs))
        text.detach()


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else repr(value)


EXPORTER = Csv()
