"""One request as it was recorded, and its binary form: 23 bytes, written by the generator and read by perfgate.

Times are epoch seconds of the generating process. `due` and `seconds` are what percentiles are taken from: `due` is a
double (0.2 µs at today's epoch) and durations are single floats (a relative error below 1e-7), so a percentile is
exact far below what can be measured.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LAYOUT = struct.Struct("<dffIHB")
"""due, started - due, seconds, size in bytes, index of the endpoint, 1 when the request succeeded."""

LARGEST_SIZE = 2**32 - 1


class Record(NamedTuple):
    """One answered request. `started` and `due` are epoch seconds, `seconds` lasts from sending to the last byte.

    In an open model `due` is when the schedule wanted the request; in a closed model it equals `started`.
    """

    endpoint: str
    due: float
    started: float
    seconds: float
    size: int
    ok: bool

    @property
    def latency(self) -> float:
        """Seconds from when the request was due to the last byte of its answer."""
        return self.started - self.due + self.seconds


def pack(due: float, started: float, seconds: float, size: int, endpoint: int, ok: bool) -> bytes:
    """The binary form of one record; `endpoint` is an index into the table that travels beside the records."""
    return LAYOUT.pack(due, started - due, seconds, min(max(int(size), 0), LARGEST_SIZE), endpoint, ok)


def unpack(data: bytes, endpoints: Sequence[str]) -> list[Record]:
    """The records in `data`, in the order in which they were answered."""
    return [
        Record(endpoints[endpoint], due, due + waited, seconds, size, bool(ok))
        for due, waited, seconds, size, endpoint, ok in LAYOUT.iter_unpack(data)
    ]


def read(path: Path, endpoints: Sequence[str]) -> list[Record]:
    """The records in the file at `path`. A torn last record, which only a killed writer leaves, is left out."""
    data = path.read_bytes()
    return unpack(data[: len(data) - len(data) % LAYOUT.size], endpoints)
