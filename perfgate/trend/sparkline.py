"""A history in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

BARS = "▁▂▃▄▅▆▇█"
FLAT = "▄"
GAP = " "


def sparkline(values: Sequence[float | None], width: int | None = None, *, least: float = 0.0) -> str:
    """One bar a value, the lowest at the bottom and the highest at the top; a blank for None, one height if all equal.

    With more values than `width`, a bar stands for the median of its share of them. The ends lie `least` of the median
    apart, or more, so that what hardly moves looks as if it did not.
    """
    shown = _squeezed(values, width) if width is not None and len(values) > width else list(values)
    present = [value for value in shown if value is not None]
    if not present:
        return GAP * len(shown)
    low, high = min(present), max(present)
    missing = least * abs(median(present)) - (high - low)
    if missing > 0.0 and high > low:
        low, high = low - missing / 2.0, high + missing / 2.0
    return "".join(_bar(value, low, high) for value in shown)


def _bar(value: float | None, low: float, high: float) -> str:
    if value is None:
        return GAP
    # Halved, so that the range of the largest floats is still one.
    room = high / 2.0 - low / 2.0
    return BARS[min(int((value / 2.0 - low / 2.0) / room * len(BARS)), len(BARS) - 1)] if room > 0.0 else FLAT


def _squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    edges = [place * len(values) // width for place in range(width + 1)]
    parts = [[value for value in values[a:b] if value is not None] for a, b in pairwise(edges)]
    return [median(part) if part else None for part in parts]
