"""Parquet: one row a value with types, for DuckDB, Spark and data frames. Needs pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from itertools import islice
from typing import Any, BinaryIO, ClassVar

from perfgate.errors import BadRequest
from perfgate.model import Run
from perfgate.publish.history.exporter import Row, rows
from perfgate.publish.history.importer import moment

BATCH = 50_000
"""Rows of a row group: so many are in memory at a time."""


class Parquet:
    """The columns of the CSV; `started` is a time stamp in UTC, `round` a number, a value that is lacking null."""

    name: ClassVar[str] = "parquet"
    suffix: ClassVar[str] = ".parquet"

    def write(self, runs: Iterable[Run], out: BinaryIO) -> None:
        pyarrow, parquet = _pyarrow()
        schema = _schema(pyarrow)
        left = rows(runs)
        with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
            while batch := list(islice(left, BATCH)):
                columns = dict(zip(Row._fields, zip(*batch, strict=True), strict=True))
                times = [moment(one) for one in columns["started"]]
                writer.write_table(pyarrow.table({**columns, "started": times}, schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise BadRequest("Parquet needs pyarrow", hint="pip install 'perfgate[parquet]'") from error


def _schema(pyarrow: Any) -> Any:
    own = {
        "dirty": pyarrow.bool_(),
        "started": pyarrow.timestamp("s", tz="UTC"),
        "round": pyarrow.int32(),
        "value": pyarrow.float64(),
    }
    repeated = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    return pyarrow.schema([(name, own.get(name, repeated)) for name in Row._fields])


EXPORTER = Parquet()
