"""The pages: what each reads of the store, and puts before its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from perfgate.model import Key, Scope
from perfgate.publish.history import overviews, reading
from perfgate.publish.history.overviews import HEADLINES, Aggregate
from perfgate.publish.history.reading import StoredRun, StoredSeries, Window
from perfgate.publish.history.review import Review, review
from perfgate.publish.history.store import Store
from perfgate.publish.web.charts import ROWS, SHORT, References, charts, document, references, within
from perfgate.publish.web.points import MOST_POINTS, lines
from perfgate.publish.web.rendering import Page, place_name
from perfgate.trend.course import Course
from perfgate.trend.drift import TOLERANCE, Direction
from perfgate.trend.shifts import Shift

CHARTS = 30
"""On one page; tables have all of them."""
CHANGES = 4
SHIFTS = 4
ROWS_ALONE = 500
"""Of the table on the page of one series."""
SEARCHED = 40
"""Runs among which the last judged one is looked for."""
ORDER = {Direction.DEGRADING: 0, Direction.IMPROVING: 1, Direction.STABLE: 2, Direction.UNKNOWN: 3}


@dataclass(frozen=True)
class View:
    """What a page is made from: the store, the window, the review of it where there is one already; how many points."""

    store: Store
    window: Window
    review: Review | None = None
    most: int = MOST_POINTS

    def held(self) -> References:
        """What the last judged run was held against; without a review its findings are found anew."""
        candidates = reading.runs(self.store, self.window, limit=SEARCHED)
        wanted = (one for one in candidates if one.status and (one.trunk or self.window.branch))
        last = next(wanted, None)
        return references(reading.run(self.store, last.number) if last else None)

    def looked_at(self, wanted: Sequence[StoredSeries]) -> View:
        """With a review that has the series of statements, too, which the usual one leaves out."""
        if not any(one.key.scope.statement for one in wanted):
            return self
        metrics = sorted({str(one.key) for one in wanted})
        return replace(self, review=review(self.store, self.window, metrics=metrics, statements=True))

    def charted(self, wanted: Sequence[StoredSeries], rows: int = ROWS) -> tuple[dict[str, Any], dict[str, Any]]:
        """Charts of the series for the template, and the document that they are drawn from."""
        drawn = lines(self.store, [one.number for one in wanted], self.window, most=self.most)
        shown = charts(wanted, drawn, self.held(), self.review, self.window, rows)
        values = {"charts": shown, "tier": drawn.tier, "left_out": 0, "points": drawn.points}
        return values, document(shown, drawn, self.review, self.window)


def overview(view: View) -> Page:
    """How it all is: health, what changed, what to do first, the metrics that moved and those that count."""
    stored = [one for one in reading.series(view.store, scenario=view.window.scenario) if _whole(one.key)]
    found = overviews.overview(view.store, view.window)
    measured = {(level.key, level.unit) for level in found.levels}
    current = [one for one in stored if (one.key, one.unit) in measured or view.window.branch]
    courses = {(one.key, one.unit): one for one in view.review.courses} if view.review else {}
    ranked = sorted(current, key=lambda one: _rank(one, courses.get((one.key, one.unit))))
    values, drawn = view.charted(ranked[:CHARTS])
    levels = {(level.key, level.unit): level.value for level in found.levels}
    changes, smaller = _changes(view, stored)
    rows = [(one, courses.get((one.key, one.unit)), levels.get((one.key, one.unit))) for one in current]
    return Page(
        "overview",
        "overview",
        "Overview",
        "overview.html.j2",
        {
            **values,
            "found": found,
            "review": view.review,
            "changes": changes,
            "smaller": smaller,
            "rows": rows,
            "left_out": len(current) - len(ranked[:CHARTS]),
            "tally": _tally(courses.values()),
        },
        drawn,
        pending=view.review is None,
    )


def _whole(key: Key) -> bool:
    return not (key.scope.statement or key.scope.table)


def _rank(series: StoredSeries, course: Course | None) -> tuple[object, ...]:
    """What got worse first, then what got better, then what people ask for."""
    moved = course.direction if course else Direction.STABLE
    size = abs(course.move.change) if course and course.move and ORDER[moved] < ORDER[Direction.STABLE] else 0.0
    metric = series.key.metric
    headline = HEADLINES.index(metric) if metric in HEADLINES else len(HEADLINES)
    return ORDER[moved], -min(size, 1e9), headline, series.key


@dataclass(frozen=True, slots=True)
class Change:
    """What came with one commit: its largest shifts, and how many others there are."""

    first: Shift
    shifts: tuple[tuple[Shift, StoredSeries], ...]
    others: int


def _changes(view: View, stored: Iterable[StoredSeries]) -> tuple[list[Change], int]:
    """The last commits that shifted levels by what is worth a word; and how many shifts are not told with them."""
    by_key = {one.key: one for one in stored}
    shifts = (
        [one for one in view.review.shifts if one.key in by_key and within(one, view.window)] if view.review else []
    )
    groups: dict[str, list[Shift]] = {}
    for one in shifts:
        if abs(one.change) >= TOLERANCE:
            groups.setdefault(one.since, []).append(one)
    told = [_change(group, by_key) for group in list(groups.values())[:CHANGES]]
    return told, len(shifts) - sum(len(change.shifts) + change.others for change in told)


def _change(group: list[Shift], by_key: Mapping[Key, StoredSeries]) -> Change:
    largest = sorted(group, key=lambda one: (-min(abs(one.change), 1e9), one.key))[:SHIFTS]
    return Change(group[0], tuple((one, by_key[one.key]) for one in largest), len(group) - len(largest))


def _tally(courses: Iterable[Course]) -> dict[Direction, int]:
    counts = dict.fromkeys(ORDER, 0)
    for course in courses:
        counts[course.direction] += 1
    return counts


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """An endpoint in a table: what its metrics came to, by metric."""

    scope: Scope
    figures: dict[str, Aggregate]

    @property
    def name(self) -> str:
        return f"endpoint-{place_name(self.scope)}"


def endpoints(view: View) -> Page:
    """Every endpoint of every scenario, and what each metric came to over the window."""
    found = overviews.endpoints(view.store, view.window)
    places = dict.fromkeys(one.key.scope for one in found)
    figures: dict[Scope, dict[str, Aggregate]] = {scope: {} for scope in places}
    for one in found:
        figures[one.key.scope][one.key.metric] = one
    metrics = sorted({one.key.metric for one in found}, key=_columns)
    rows = [PlaceRow(scope, figures[scope]) for scope in places]
    return Page("endpoints", "endpoints", "Endpoints", "endpoints.html.j2", {"rows": rows, "metrics": metrics})


def _columns(metric: str) -> tuple[bool, bool, str]:
    return metric not in HEADLINES, not metric.startswith("response."), metric


def statements(view: View) -> Page:
    """The statements that cost requests most, as they were measured last."""
    found = overviews.slow_statements(view.store, view.window)
    most = max((one.blocks or 0.0 for one in found), default=0.0)
    rows = [(one, f"statement-{place_name(Scope(one.scenario, one.endpoint, one.fingerprint))}") for one in found]
    return Page("statements", "statements", "Statements", "statements.html.j2", {"rows": rows, "most": most})


def _aggregated(name: str, title: str, read: Callable[[Store, Window], Sequence[Aggregate]]) -> Callable[[View], Page]:
    def page(view: View) -> Page:
        found = [one for one in read(view.store, view.window) if _whole(one.key)]
        series = {(one.key, one.unit): one for one in reading.series(view.store, scenario=view.window.scenario)}
        rows = [(one, series[one.key, one.unit]) for one in found if (one.key, one.unit) in series]
        values, drawn = view.charted([one for _, one in rows][:CHARTS])
        values = {**values, "rows": rows, "left_out": len(rows) - len(rows[:CHARTS])}
        return Page(name, name, title, "aggregates.html.j2", values, drawn)

    return page


resources = _aggregated("resources", "Resources", overviews.resources)
connections = _aggregated("connections", "Connections", overviews.connections)


def place(view: View, kind: str, name: str) -> Page | None:
    """All metrics of one endpoint, or of one statement; None where there is none of this name."""
    stored = reading.series(view.store)
    whole = kind == "endpoint"
    fitting = (one for one in stored if (_whole(one.key) if whole else one.key.scope.statement))
    wanted = [one for one in fitting if place_name(one.key.scope) == name]
    if not wanted:
        return None
    scope = wanted[0].key.scope
    wanted.sort(key=lambda one: _columns(one.key.metric))
    view = view.looked_at(wanted)
    values, drawn = view.charted(wanted[:CHARTS])
    text = reading.statements(view.store, [scope.statement]).get(scope.statement, "") if scope.statement else ""
    title = f"Statement {scope.statement[:SHORT]}" if scope.statement else scope.endpoint or scope.scenario
    section = "statements" if kind == "statement" else "endpoints"
    values = {**values, "scope": scope, "text": text, "left_out": len(wanted) - len(wanted[:CHARTS])}
    return Page(f"{kind}-{name}", section, title, "place.html.j2", values, drawn)


def series(view: View, number: int) -> Page | None:
    """One series with all that is known of how it went; None where there is none."""
    wanted = [one for one in reading.series(view.store) if one.number == number]
    if not wanted:
        return None
    view = view.looked_at(wanted)
    values, drawn = view.charted(wanted, ROWS_ALONE)
    name = f"series-{number}"
    return Page(name, "overview", str(wanted[0].key), "series.html.j2", values, drawn, pending=view.review is None)


def runs(view: View) -> Page:
    """The newest runs of the window."""
    found = reading.runs(view.store, view.window)
    return Page("runs", "runs", "Runs", "runs.html.j2", {"rows": found, "most": reading.MOST_RUNS})


SEVERITY = {"fail": 0, "missing": 1, "invalid": 2, "warn": 3, "unsure": 4, "new": 5, "improved": 6, "pass": 7}


def run(view: View, number: int) -> Page | None:
    """One run: what it found and what it measured, beside its base."""
    whole = reading.run(view.store, number)
    if whole is None:
        return None
    numbers = {(one.key, one.unit): one.number for one in reading.series(view.store)}
    bases = {sample.key: sample for sample in whole.samples if sample.base}
    samples = [(one, bases.get(one.key), numbers.get((one.key, one.unit), 0)) for one in whole.samples if not one.base]
    findings = sorted(whole.findings, key=lambda one: SEVERITY.get(str(one["status"]), len(SEVERITY)))
    values = {
        "whole": whole,
        "samples": samples,
        "findings": [(one, Key(one["metric"], Scope(**one["scope"]))) for one in findings],
        "texts": reading.statements(view.store, {one.key.scope.statement for one in whole.samples} - {""}),
    }
    return Page(f"run-{number}", "runs", f"Run {number}", "run.html.j2", values)


@dataclass(frozen=True)
class Choices:
    """What the filters offer: the scenarios and branches of the last runs."""

    scenarios: tuple[str, ...]
    branches: tuple[str, ...]


def choices(store: Store) -> Choices:
    """What there is to choose from."""
    last = reading.runs(store, Window())
    scenarios = {name for one in last for name in one.scenarios}
    return Choices(tuple(sorted(scenarios)), tuple(dict.fromkeys(one.branch for one in last if one.branch)))


def newest(store: Store) -> StoredRun | None:
    """The run that began last."""
    return next(iter(reading.runs(store, Window(), limit=1)), None)


def named(view: View, name: str) -> Page | None:
    """The page of a link; None where there is none of this name."""
    plain = {
        "overview": overview,
        "endpoints": endpoints,
        "statements": statements,
        "resources": resources,
        "connections": connections,
        "runs": runs,
    }
    if name in plain:
        return plain[name](view)
    kind, _, rest = name.partition("-")
    if kind in ("endpoint", "statement"):
        return place(view, kind, rest)
    if kind in ("run", "series") and rest.isdecimal() and rest.isascii() and len(rest) < 10:
        return (run if kind == "run" else series)(view, int(rest))
    return None
