"""The report to keep and to send on: one HTML page that needs no network, no server and no JavaScript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from perfgate.model import Unit
from perfgate.publish import words
from perfgate.publish.conduct import Trouble
from perfgate.publish.digest import Digest
from perfgate.publish.markup import environment
from perfgate.publish.rows import Row, Unruled, Values
from perfgate.result import Result

if TYPE_CHECKING:
    from jinja2 import Template

DOT = 4
"""Room that a dot takes on every side, in the units of the drawing."""


class Html:
    """A page for people with and without a mouse, by day and by night, on screen and on paper."""

    name: ClassVar[str] = "html"
    suffix: ClassVar[str] = ".html"

    def render(self, result: Result) -> str:
        """The whole page."""
        digest = Digest(result)
        alone = (group.rows[0] for group in (*digest.failures, *digest.attention) if len(group.rows) == 1)
        figures = (figure.row for panel in digest.panels for figure in panel.figures)
        lined = any(strip(row, 1, 1) for row in alone)
        return _template().render(digest=digest, lined=lined, drawn=lined or any(strip(row, 1, 1) for row in figures))


REPORT = Html()


@cache
def _template() -> Template:
    made = environment(Path(__file__).parent)
    made.tests.update(trouble=lambda block: isinstance(block, Trouble))
    made.globals.update(strip=strip, tally=_tally, many=words.many)
    return made.get_template("page.html.j2")


def _tally(rows: Iterable[Row]) -> str:
    return words.tally(Counter(row.status for row in rows))


@dataclass(frozen=True, slots=True)
class Strip:
    """A drawing of rounds from left to right, the base's before the head's: paths, and `told` in words."""

    width: int
    height: int
    base: str
    head: str
    gaps: str
    line: float | None
    border: float | None
    told: str


def strip(row: Row | Unruled, width: int, height: int, lined: bool = True) -> Strip | None:
    """The rounds of a row and, if `lined`, what they are held against; None where all values are the same."""
    line = row.line if isinstance(row, Row) and lined else None
    present = [value for value in (*row.base, *row.head) if value is not None]
    if len(set(present)) < 2:
        return None
    marks = present if line is None else [*present, line]
    low, high = words.spread_out(marks)
    canvas = _Canvas(low, high, width, height, len(row.base) + len(row.head) + bool(row.base))
    after = len(row.base) + 1 if row.base else 0
    return Strip(
        width=width,
        height=height,
        base=canvas.dots(row.base, 0),
        head=canvas.dots(row.head, after),
        gaps=canvas.gaps(row.base, 0) + canvas.gaps(row.head, after),
        line=None if line is None else canvas.down(line),
        border=canvas.across(len(row.base)) if row.base else None,
        told=_told(row, row.unit),
    )


def _told(row: Row | Unruled, unit: Unit) -> str:
    sides = (("base", row.base), ("head", row.head))
    spans = [f"{name} {_span(values, unit)}" for name, values in sides if any(value is not None for value in values)]
    return f"rounds: {', '.join(spans)}"


def _span(values: Values, unit: Unit) -> str:
    return words.span([value for value in values if value is not None], unit)


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Where values go: `places` from left to right, `low` at the bottom, `high` at the top."""

    low: float
    high: float
    width: int
    height: int
    places: int

    def across(self, place: int) -> float:
        step = (self.width - 2 * DOT) / max(self.places - 1, 1)
        return round(DOT + place * step, 1)

    def down(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.height - DOT - share * (self.height - 2 * DOT), 1)

    def dots(self, values: Sequence[float | None], first: int) -> str:
        """Lines without length: their round ends are the dots."""
        places = enumerate(values, first)
        return "".join(f"M{self.across(i):g} {self.down(v):g}h0" for i, v in places if v is not None)

    def gaps(self, values: Sequence[float | None], first: int) -> str:
        """A line from top to bottom for each round that gave no value."""
        return "".join(f"M{self.across(i):g} 0v{self.height}" for i, v in enumerate(values, first) if v is None)
