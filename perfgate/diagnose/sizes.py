"""Settings of Postgres that are amounts of memory or time, as SHOW prints them."""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]+)")
_BYTES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def memory(shown: str) -> float | None:
    """Bytes: "64MB" is 67108864; None for what is no amount of memory with a unit."""
    match = _AMOUNT.fullmatch(shown)
    unit = _BYTES.get(match["unit"]) if match else None
    return float(match["number"]) * unit if match and unit else None


def duration(shown: str) -> float | None:
    """Seconds: "5min" is 300; None for what is no time with a unit."""
    match = _AMOUNT.fullmatch(shown)
    unit = _SECONDS.get(match["unit"]) if match else None
    return float(match["number"]) * unit if match and unit else None
