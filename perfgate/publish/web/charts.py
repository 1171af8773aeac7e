"""What is drawn on a page: each chart's line, what it is held against, where its level changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perfgate.model import Key, Noise, Scope, Unit
from perfgate.publish.history.reading import StoredSeries, Tier, WholeRun, Window
from perfgate.publish.history.review import Review
from perfgate.publish.web.points import Lines, Moment
from perfgate.trend.course import Course
from perfgate.trend.shifts import Shift
from perfgate.units import percent, show

DIGITS = 6
ROWS = 30
"""Of a chart's table; the page of a series has more."""
SHORT = 10

Reference = tuple[str, float]
References = Mapping[Key, Sequence[Reference]]


@dataclass(frozen=True, slots=True)
class Row:
    """A point in the table that says what a chart shows."""

    moment: Moment
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One series on a page. `course` is None where the review is not there yet; `rows` are its last points."""

    series: StoredSeries
    course: Course | None
    marks: tuple[Mark, ...]
    references: Sequence[Reference]
    rows: tuple[Row, ...]
    last: float | None

    @property
    def told(self) -> str:
        """What somebody hears who does not see the chart."""
        unit = self.series.unit
        level = f"last {show(self.last, unit)}" if self.last is not None else "no points in this window"
        return "; ".join(
            [level, *(f"{name} {show(value, unit)}" for name, value in self.references), *map(str, self.marks)]
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """A level shift: when the new level was first seen (epoch seconds), and in words."""

    shift: Shift

    @property
    def sign(self) -> str:
        return "▲" if self.shift.after > self.shift.before else "▼"

    @property
    def text(self) -> str:
        return f"{self.sign} {percent(self.shift.change)} {'worse' if self.shift.worse else 'better'}"

    def __str__(self) -> str:
        return f"{self.text} on {day(self.shift.ended)}"


def day(when: float) -> str:
    """A moment's day in UTC."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}"


def moment(when: float) -> str:
    """A moment in UTC, to the minute."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M}"


def references(run: WholeRun | None) -> References:
    """What the run's findings hold each metric against: its limits, and the base that was measured beside it."""
    found: dict[Key, list[Reference]] = {}
    for finding in run.findings if run else ():
        value = finding.get("reference")
        if value is not None and math.isfinite(value):
            key = Key(finding["metric"], Scope(**finding["scope"]))
            name = "budget" if finding["kind"] == "limit" else finding.get("against") or "base"
            known = found.setdefault(key, [])
            if (name, value) not in known:
                known.append((name, value))
    for sample in run.samples if run else ():
        known = found.setdefault(sample.key, [])
        if sample.base and not any(name == "base" for name, _ in known):
            known.append(("base", sample.level))
    return found


def charts(
    wanted: Sequence[StoredSeries],
    lines: Lines,
    held: References,
    review: Review | None,
    window: Window,
    rows: int = ROWS,
) -> tuple[Chart, ...]:
    """The series' charts, in their order."""
    courses = {(one.key, one.unit): one for one in review.courses} if review else {}
    return tuple(_chart(one, lines, held, courses.get((one.key, one.unit)), window, rows) for one in wanted)


def _chart(
    series: StoredSeries, lines: Lines, held: References, course: Course | None, window: Window, rows: int
) -> Chart:
    places, values = lines.values.get(series.number, ((), ()))
    last = zip(places[-rows:], values[-rows:], strict=True)
    return Chart(
        series,
        course,
        tuple(Mark(shift) for shift in course.shifts if within(shift, window)) if course else (),
        held.get(series.key, ()),
        tuple(Row(lines.moments[place], show(value, series.unit)) for place, value in last)[::-1],
        values[-1] if values else None,
    )


def within(shift: Shift, window: Window) -> bool:
    """Whether the level changed within the window."""
    return window.since.timestamp() <= shift.ended < window.until.timestamp()


def document(shown: Iterable[Chart], lines: Lines, review: Review | None, window: Window) -> dict[str, Any]:
    """All that the page's script draws from."""
    return {
        "tier": lines.tier.value,
        "when": [round(moment.when) for moment in lines.moments],
        "runs": [moment.run for moment in lines.moments] if lines.tier is Tier.RAW else [],
        "commits": [moment.commit[:SHORT] for moment in lines.moments] if lines.tier is Tier.RAW else [],
        "releases": [[round(one.made.timestamp()), one.name] for one in review.releases if one.made >= window.since]
        if review
        else [],
        "charts": [_drawn(chart, lines) for chart in shown],
    }


def _drawn(chart: Chart, lines: Lines) -> dict[str, Any]:
    series = chart.series
    places, values = lines.values.get(series.number, ((), ()))
    everywhere = len(places) == len(lines.moments)
    return {
        "id": series.number,
        "unit": series.unit.value,
        "exact": series.noise is Noise.EXACT,
        "at": None if everywhere else list(places),
        "values": [float(f"{value:.{DIGITS}g}") for value in values],
        "lines": [[name, value] for name, value in chart.references],
        "marks": [[round(mark.shift.ended), mark.text, mark.shift.worse] for mark in chart.marks],
    }


def shown(value: float | None, unit: Unit) -> str:
    """A value for people, "" where there is none."""
    return "" if value is None else show(value, unit)
