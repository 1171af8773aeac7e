"""Quantities with units: read from text at the door, formatted for people at the end, base units in between."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfgate.model import Unit

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

SCALES: dict[Unit, dict[str, float]] = {
    Unit.SECONDS: {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    Unit.BYTES: {
        **{"B": 1.0, "KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9},
        **{"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    },
    Unit.COUNT: {"": 1.0},
    Unit.RATIO: {"%": 0.01, "": 1.0},
    Unit.PER_SECOND: {"/s": 1.0, "/min": 1 / 60},
}
EXAMPLES: dict[Unit, str] = {
    Unit.SECONDS: "150 ms",
    Unit.BYTES: "500 KB",
    Unit.COUNT: "3",
    Unit.RATIO: "10 %",
    Unit.PER_SECOND: "100/s",
}
_SHOWN: dict[Unit, tuple[tuple[str, float], ...]] = {
    Unit.SECONDS: ((" µs", 1e-6), (" ms", 1e-3), (" s", 1.0)),
    Unit.BYTES: ((" B", 1.0), (" KB", 1e3), (" MB", 1e6), (" GB", 1e9)),
    Unit.COUNT: (("", 1.0),),
    Unit.RATIO: ((" %", 0.01),),
    Unit.PER_SECOND: (("/s", 1.0),),
}
_NUMBER = re.compile(r"\s*([+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*\Z")


def parse(text: object, unit: Unit) -> float:
    """Read `text` ("150 ms", "500 KiB", "10 %", "100/s", 3) into base units.

    Raises ValueError with what to type instead when the number, the unit or its kind is wrong. A bare number is taken
    only where the unit is a count, and for 0.
    """
    example = f"write it like {EXAMPLES[unit]!r}"
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{text!r} is not a quantity; {example}")
    match = _NUMBER.match(str(text))
    if not match:
        raise ValueError(f"{str(text)!r} is not a quantity; {example}")
    number, suffix = float(match[1]), match[2]
    if not math.isfinite(number):
        raise ValueError(f"{str(text)!r} is not a finite number; {example}")
    if suffix == "" and number != 0 and unit is not Unit.COUNT:
        raise ValueError(f"{str(text)!r} has no unit; {example}")
    scale = SCALES[unit].get(suffix, 1.0 if suffix == "" else None)
    if scale is None:
        known = ", ".join(repr(name) for name in SCALES[unit] if name) or "none, it is a plain number"
        raise ValueError(f"{str(text)!r}: unknown unit {suffix!r}; units that fit: {known}")
    return number * scale


@dataclass(frozen=True)
class Quantity:
    """Marks a field of a settings type as a quantity: `Annotated[float, Quantity("s")]` takes "150 ms"."""

    unit: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        unit = Unit(self.unit)
        return core_schema.no_info_before_validator_function(
            lambda value: parse(value, unit), core_schema.float_schema(ge=0)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": ["string", "number"], "examples": [EXAMPLES[Unit(self.unit)]]}


def _scale(value: float, unit: Unit) -> tuple[str, float]:
    chosen = _SHOWN[unit][0]
    for suffix, size in _SHOWN[unit]:
        if abs(value) >= size * 0.9995:
            chosen = (suffix, size)
    return chosen


def _digits(number: float) -> int:
    """Decimals that leave about three significant digits, and none for whole numbers."""
    if number == int(number) and abs(number) < 1e6:
        return 0
    return max(0, 2 - math.floor(math.log10(abs(number)))) if abs(number) < 100 else 0


def show(value: float, unit: Unit) -> str:
    """Format for people: 0.0123 s as "12.3 ms", 0.1 as "10 %"."""
    if not math.isfinite(value):
        return str(value)
    suffix, size = _scale(value, unit)
    number = value / size
    return f"{number:.{_digits(number)}f}{suffix}"


def beside(value: float, limit: float, unit: Unit) -> str:
    """Format `value` with enough digits to show on which side of `limit` it fell."""
    if not (math.isfinite(value) and math.isfinite(limit)):
        return show(value, unit)
    suffix, size = _scale(value, unit)
    number, line = value / size, limit / size
    for digits in range(_digits(number), 18):
        text = f"{number:.{digits}f}"
        if value == limit or (float(text) - line) * (number - line) > 0:
            return f"{text}{suffix}"
    return f"{number!r}{suffix}"


def percent(change: float) -> str:
    """A relative change for people: 0.382 as "+38 %", -0.004 as "−0.4 %"."""
    number = change * 100
    digits = 0 if abs(number) >= 9.95 or number == 0 else 1
    return f"{number:+.{digits}f} %".replace("-", "−") if math.isfinite(change) else "from zero"
