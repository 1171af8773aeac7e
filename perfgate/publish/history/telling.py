"""The review of a history as people read it where they typed `perfgate trends`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor

from perfgate.model import Better, Key
from perfgate.publish import words
from perfgate.publish.history.overviews import HEADLINES
from perfgate.publish.history.review import Review
from perfgate.publish.history.sentences import commits, day, period, placed
from perfgate.publish.report import inert, one_line
from perfgate.publish.sheet import Sheet
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction, Move
from perfgate.trend.health import Part
from perfgate.trend.shifts import Shift
from perfgate.trend.sparkline import sparkline
from perfgate.trend.together import Pair
from perfgate.units import beside, percent, show

NARROWEST = 40
WIDE = 120
"""Cells of a page from which on courses are drawn with more bars, and releases named by more letters."""
WIDE_BARS, NARROW_BARS = 24, 12
LONG_NAME, SHORT_NAME = 20, 10
COURSE = 1
"""How spare the course is: the last column to go, where figures alone fit."""
LABEL = 9
MOST = 5
"""Of each kind of remark."""
MOST_SHIFTS = 10
MOST_STABLE = 10
NAME = 34
"""Cells that a name gets at least before columns are left out, the least telling first."""
WITHOUT_SCENARIO = "project"

_STYLES = {
    Direction.DEGRADING: "bold red",
    Direction.IMPROVING: "green",
    Direction.STABLE: "dim",
    Direction.UNKNOWN: "dim",
}
_LABELS = {Direction.DEGRADING: "worse", Direction.IMPROVING: "better", Direction.STABLE: "", Direction.UNKNOWN: ""}
_WORST_FIRST = tuple(_LABELS)


def told(review: Review, project: str, *, width: int, colour: bool = False, whole: bool = False) -> str:
    """The page in lines of `width` cells; every line ends with a line break.

    Of what is stable, MOST_STABLE of each scenario are in it, or the `whole` of it.
    """
    sheet = Sheet(max(width, NARROWEST))
    page = _Page(review, sheet, MOST_STABLE if not whole else len(review.courses))
    page.head(project)
    if review.courses:
        page.metrics()
        page.shifts()
        page.remarks()
    return inert(sheet.text(colour=colour))


@dataclass(frozen=True)
class _Column:
    """A column: its head, what it holds of a course, and how soon a narrow page goes without it; 0 is never."""

    head: str
    cell: Callable[[Course], str]
    spare: int = 0


class _Page:
    """One review on its way onto a sheet."""

    def __init__(self, review: Review, sheet: Sheet, stable: int) -> None:
        self.review, self.sheet, self._stable = review, sheet, stable
        scenarios = {one.key.scope.scenario for one in review.courses}
        self._several = len(scenarios) > 1

    def head(self, project: str) -> None:
        """What there is, in a sentence; where it comes from; how healthy it is."""
        review, sheet = self.review, self.sheet
        count = {way: sum(one.direction is way for one in review.present) for way in _WORST_FIRST}
        ways = ", ".join(f"{number} {way}" for way, number in count.items() if number) or "nothing measured"
        looked = f"{words.many(len(review.present), 'metric')} over {words.many(review.measured, 'run')}"
        sheet.prose(f"{looked}: {ways}", _STYLES[max(count, key=lambda way: bool(count[way]))])
        sheet.packed(self._subject(project), indent=0)
        if review.health is not None:
            parts = "; ".join(map(_part, review.health.parts))
            sheet.prose(f"health {_whole(review.health.score)} of 100: {parts}", indent=0)

    def _subject(self, project: str) -> list[str]:
        review = self.review
        begin = day(review.window.since.timestamp()) if review.window.since.year > 1970 else ""
        release = review.release
        return [
            one_line(project),
            one_line(review.window.branch) or "trunk",
            f"since {begin}" if begin else "all of it",
            f"{words.many(review.red, 'run')} red" if review.red else "",
            f"last release {one_line(release.name)} of {day(release.made.timestamp())}"
            if release
            else "no release known",
        ]

    def metrics(self) -> None:
        """A table for each scenario: what degrades first."""
        ordered = sorted(
            self.review.present,
            key=lambda one: (one.key.scope.scenario, _WORST_FIRST.index(one.direction), _loss(one), *_asked(one)),
        )
        columns, room = self._columns(ordered)
        for scenario, courses in groupby(ordered, key=lambda one: one.key.scope.scenario):
            self.sheet.space()
            self._table(one_line(scenario) or WITHOUT_SCENARIO, list(courses), columns, room)
        if ordered:
            self.sheet.prose("(changes in brackets are within 2 % or may be chance)", "dim", indent=LABEL)

    def _columns(self, courses: Sequence[Course]) -> tuple[list[tuple[_Column, int]], int]:
        """The columns that leave room for names, each with its width; and that room."""
        columns = self._all_columns(courses)
        longest = max((self.sheet.cells(_name(one.key)) for one in courses), default=0)
        while True:
            widths = [max(map(self.sheet.cells, [c.head, *map(c.cell, courses)])) for c in columns]
            room = self.sheet.width - LABEL - sum(width + 2 for width in widths)
            next_to_go = max(columns, key=lambda column: column.spare)
            wanted = min(NAME, longest) if next_to_go.spare > COURSE else 0
            if room >= wanted or not next_to_go.spare:
                return list(zip(columns, widths, strict=True)), max(min(room, longest), 0)
            columns.remove(next_to_go)

    def _all_columns(self, courses: Sequence[Course]) -> list[_Column]:
        release, wide = self.review.release, self.sheet.width >= WIDE
        columns = [_Column("now", lambda one: show(one.level, one.unit))]
        if release is not None and any(one.release for one in courses):
            name = one_line(release.name, LONG_NAME if wide else SHORT_NAME)
            columns.append(_Column(f"since {name}", lambda one: _moved(one, one.release)))
        days = sorted({days for one in courses for days in one.periods})
        # the longest period stays where there is no release to look back to
        spares = [COURSE + len(days) - place for place in range(len(days))]
        if days and len(columns) == 1:
            spares[-1] = 0
        columns += [_Column(f"{span} d", _over(span), spare) for span, spare in zip(days, spares, strict=True)]
        bars = WIDE_BARS if wide else NARROW_BARS
        columns.append(_Column("course", lambda one: self.sheet.left(_drawing(one, bars), bars), COURSE))
        return columns

    def _table(
        self, scenario: str, courses: Sequence[Course], columns: Sequence[tuple[_Column, int]], room: int
    ) -> None:
        sheet = self.sheet
        heads = "".join(f"  {sheet.right(column.head, width)}" for column, width in columns)
        title = scenario if sheet.cells(scenario) <= LABEL + room else ""
        if not title:
            sheet.prose(scenario, "bold")
        sheet.line((sheet.left(title, LABEL + room), "bold"), (heads.rstrip(), "dim"))
        moving = sum(one.direction in (Direction.DEGRADING, Direction.IMPROVING) for one in courses)
        for one in courses[: moving + self._stable]:
            name = _name(one.key)
            cells = "".join(f"  {sheet.right(column.cell(one), width)}" for column, width in columns).rstrip()
            sheet.begin(_LABELS[one.direction], _STYLES[one.direction])
            if sheet.cells(name) > room:
                sheet.rest(name)
                sheet.begin("", "")
                name = ""
            sheet.line((f"{sheet.left(name, room)}{cells}", ""))
        if len(courses) > moving + self._stable:
            rest = len(courses) - moving - self._stable
            sheet.prose(f"and {rest} others: `perfgate trends '*'` shows all", "dim", indent=LABEL)

    def shifts(self) -> None:
        """Where levels changed for good, the newest first: news have a label of their own."""
        fresh, found = set(self.review.fresh), self.review.shifts
        courses = {one.key: one for one in self.review.courses}
        self._title("Level shifts", found)
        for one in found[:MOST_SHIFTS]:
            unit = courses[one.key].unit
            before, after = beside(one.before, one.after, unit), beside(one.after, one.before, unit)
            label, style = _LABELS[_way(one)], _STYLES[_way(one)]
            new = "new" if one in fresh else ""
            self.sheet.labelled(label, self._full(one.key), style, title="")
            self.sheet.packed((percent(one.change), f"{before} → {after}", period(one), new), indent=LABEL)
            self.sheet.prose(commits(one), "dim", indent=LABEL)
        self._more(found, MOST_SHIFTS)

    def remarks(self) -> None:
        """Everything else, the most telling first."""
        for title, sentences in (
            ("Slow drift that no single change showed", self._drifts()),
            ("Odd runs, without a change of level", self._odd()),
            ("Moving together, by correlation", self._pairs()),
            ("Effects of labels", self._influences()),
            ("Not measured any more", self._gone()),
            ("What to do first, by impact × ease", self._opportunities()),
        ):
            self._title(title, sentences)
            for sentence in sentences[:MOST]:
                self.sheet.prose(sentence, indent=LABEL)
            self._more(sentences, MOST)

    def _drifts(self) -> list[str]:
        creeping = [one for one in self.review.present if one.creeping is not Direction.STABLE]
        return [
            f"{self._full(one.key)}: {percent(one.creep.change)} in {one.creep.days:.0f} days, {_LABELS[one.creeping]}"
            for one in sorted(creeping, key=_loss)
            if one.creep
        ]

    def _odd(self) -> list[str]:
        begin = self.review.window.since.timestamp()
        found = [
            (one.series.points[odd.index], f"{self._full(one.key)}: {percent(odd.change)}")
            for one in self.review.present
            for odd in one.anomalies
            if one.series.points[odd.index].when >= begin
        ]
        newest = sorted(found, key=lambda item: -item[0].when)
        return [f"{text} at {words.commit(point.commit)} of {day(point.when)}" for point, text in newest]

    def _pairs(self) -> list[str]:
        return [f"{pair.correlation:+.2f}: {self._both(pair)}" for pair in self.review.pairs]

    def _both(self, pair: Pair) -> str:
        """Two names; the scenario once where it is the same."""
        alike = pair.one.scope.scenario == pair.other.scope.scenario
        return f"{_name(pair.one) if alike else self._full(pair.one)} and {self._full(pair.other)}"

    def _influences(self) -> list[str]:
        return [
            f"{self._full(one.key)}: {percent(one.effect.change)} ({percent(one.effect.low)} to"
            f" {percent(one.effect.high)}) with {one_line(f'{one.effect.name} {one.effect.old} → {one.effect.new}')}"
            + (f"; unsure, {one_line(one.effect.unsure)}" if one.effect.unsure else "")
            for one in self.review.influences
        ]

    def _gone(self) -> list[str]:
        return [
            f"{self._full(one.key)}: last on {day(one.series.points[-1].when)},"
            f" {words.many(one.missed, 'run')} without it since"
            for one in self.review.gone
        ]

    def _opportunities(self) -> list[str]:
        return [one_line(f"{one.title}: {one.because}") for one in self.review.opportunities]

    def _full(self, key: Key) -> str:
        """The key's name, with its scenario where there are several."""
        return placed(key) if self._several else _name(key)

    def _title(self, title: str, found: Sequence[object]) -> None:
        if found:
            self.sheet.space()
            self.sheet.prose(title, "bold")

    def _more(self, found: Sequence[object], shown: int) -> None:
        if len(found) > shown:
            self.sheet.prose(f"and {len(found) - shown} more", "dim", indent=LABEL)


def _way(one: Shift) -> Direction:
    return Direction.DEGRADING if one.worse else Direction.IMPROVING


def _part(part: Part) -> str:
    points = f"{part.name} {_whole(part.points)}/{round(part.worth)}"
    return f"{points} ({part.because})" if part.because else points


def _whole(points: float) -> int:
    """Points rounded down, so that what costs any shows; what is lost in adding them up does not."""
    return floor(round(points, 6))


def _name(key: Key) -> str:
    return one_line(str(key))


def _asked(one: Course) -> tuple[bool, int, Key]:
    """What has a limit first, then what people ask for, then the rest."""
    metric = one.key.metric
    return one.used is None, HEADLINES.index(metric) if metric in HEADLINES else len(HEADLINES), one.key


def _loss(one: Course) -> float:
    """For sorting: the further for the worse, the less."""
    if one.direction in (Direction.STABLE, Direction.UNKNOWN):
        return 0.0
    moved = one.move.change if one.move else 0.0
    return -moved if one.better is Better.LOWER else moved


def _over(days: int) -> Callable[[Course], str]:
    return lambda one: _moved(one, one.periods.get(days))


def _moved(one: Course, move: Move | None) -> str:
    """The change, in brackets where it may be chance."""
    if move is None:
        return ""
    sure = move.direction(one.better) is not Direction.STABLE
    if move.change == 0.0:
        return "0 %"
    return percent(move.change) if sure else f"({percent(move.change)})"


def _drawing(one: Course, bars: int) -> str:
    drawn = one.drawn(bars)
    return words.trend(drawn) or sparkline(drawn)
