"""A report in words: titles, sentences and tables, whatever format writes them down.

What stands between back-ticks in a sentence is code: a name or a commit, from outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perfgate.model import Key
from perfgate.publish import words
from perfgate.publish.periodic import wording
from perfgate.publish.periodic.account import Account, Line, Tight
from perfgate.publish.periodic.changes import Change, Episode
from perfgate.publish.periodic.wording import Names
from perfgate.publish.report import one_line
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction, Move
from perfgate.trend.health import Opportunity
from perfgate.units import beside, percent, show

MOST_CHANGES = 12
MOST_ROWS = 8
"""Of one change: the largest shifts speak for the others."""
MOST_SLOW = 10
LEAST_SAVED = 0.01
"""Saving less of a metric than this share is nothing to do first."""


@dataclass(frozen=True, slots=True)
class Table:
    """`head` names the columns, `figures` those that hold figures; `more` says what was left out, "" if nothing was."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: frozenset[int] = frozenset()
    more: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A history to be drawn beside what is said of it."""

    title: str
    course: Course


@dataclass(frozen=True, slots=True)
class Item:
    """One change: what it did, by which commits, and how its largest shift looks. `mark` is "worse" or "better"."""

    title: str
    sentence: str
    table: Table | None
    drawn: Drawn
    mark: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; without sentences, items and table it is left out. `folded` ones come last."""

    title: str
    sentences: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    table: Table | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """The whole report. `score` is the health in points, None where there is none."""

    title: str
    lead: tuple[str, ...]
    score: float | None
    vitals: tuple[Drawn, ...]
    sections: tuple[Section, ...]
    since: float
    foot: str


def sheet(account: Account) -> Sheet:
    """The account in words, the most important first."""
    names = Names.of(account)
    parts = (
        _changes("What got worse", "worse", account.changes.worse, account, names),
        _changes("What got better", "better", account.changes.better, account, names),
        _changes("Better for a while", "better", account.changes.lost, account, names),
        _slow(account, names),
        _unclear(account, names),
        _health(account),
        _limits(account, names),
        _opportunities(account),
        Section("What is not known", wording.unknown(account, names)),
        _appendix(account, names),
    )
    return Sheet(
        title=f"{one_line(account.project)}: {one_line(account.span.title)}",
        lead=wording.summary(account, names),
        score=account.health.score if account.health else None,
        vitals=tuple(_vital(one.course, names) for one in account.vitals),
        sections=tuple(one for one in parts if one.sentences or one.items or one.table),
        since=account.span.since.timestamp(),
        foot=wording.foot(account),
    )


def _vital(course: Course, names: Names) -> Drawn:
    return Drawn(f"{names.of_key(course.key)}: now {show(course.level, course.unit)}", course)


def _changes(title: str, mark: str, found: Sequence[Change], account: Account, names: Names) -> Section:
    items = tuple(_item(one, mark, account, names) for one in found[:MOST_CHANGES])
    left = len(found) - len(items)
    more = (f"{words.many(left, 'smaller change')} more: the table of all metrics has them.",) if left else ()
    return Section(title, more, items)


def _item(change: Change, mark: str, account: Account, names: Names) -> Item:
    lead = change.lead
    several = len(change.episodes) > 1
    alone = "" if several else f"{wording.moved(lead)} "
    return Item(
        title=wording.change(change, names),
        sentence=f"{alone}{wording.origin(change, account.span)}",
        table=_shifted(change.episodes, names) if several else None,
        drawn=Drawn(names.of_key(lead.shift.key), lead.course),
        mark=mark if change.standing else "undone",
    )


def _shifted(episodes: Sequence[Episode], names: Names) -> Table:
    rows = tuple(_shift(one, names) for one in episodes[:MOST_ROWS])
    left = len(episodes) - len(rows)
    more = f"and {words.many(left, 'metric')} more" if left else ""
    return Table(("metric", "before", "after", "change", "now"), rows, frozenset((1, 2, 3)), more)


def _shift(one: Episode, names: Names) -> tuple[str, ...]:
    return names.of_key(one.shift.key), *wording.levels(one), percent(one.shift.change), wording.standing(one)


def _slow(account: Account, names: Names) -> Section:
    ordered = sorted(account.creeping, key=lambda one: (one.creeping is not Direction.DEGRADING, -_crept(one), one.key))
    rows = [(names.of_key(one.key), *_creep(one), one.spark) for one in ordered]
    told = ("Many small changes, none of which can be told from noise on its own.",)
    return _listed("Slow drift", told, ("metric", "change", "over", "", "course"), rows, {1, 2})


def _crept(one: Course) -> float:
    return abs(one.creep.change) if one.creep else 0.0


def _creep(one: Course) -> tuple[str, str, str]:
    assert one.creep is not None, "what creeps has a slope"
    return percent(one.creep.change), words.many(round(one.creep.days), "day"), _way(one.creeping)


def _way(way: Direction) -> str:
    return {Direction.DEGRADING: "worse", Direction.IMPROVING: "better", Direction.STABLE: ""}[way]


def _unclear(account: Account, names: Names) -> Section:
    rows = [(names.of_key(one.course.key), *_moved(one), one.course.spark) for one in account.unclear]
    chance = len(account.lines) * wording.DOUBT
    told = (
        f"By more than their runs differ, without a level shift that is sure. Of {len(account.lines)} metrics about"
        f" {max(round(chance), 1)} would look like this by chance: later runs will tell."
    )
    return _listed("Perhaps worse", (told,), ("metric", "before", "now", "change", "course"), rows, {1, 2, 3})


def _moved(line: Line) -> tuple[str, str, str]:
    """The level before and now, and the change with its interval."""
    move, unit = line.move, line.course.unit
    if move is None:
        return "", show(line.course.level, unit), ""
    return beside(move.reference, move.now, unit), beside(move.now, move.reference, unit), _change(move)


def _change(move: Move) -> str:
    """The change where it is sure to be one, and from where to where it may be; "" where too few runs tell nothing."""
    if move.low == move.high:
        return percent(move.change) if move.change else "same"
    if not math.isfinite(move.low):
        return ""
    between = f"{percent(move.low)} to {percent(move.high)}"
    return f"{percent(move.change)} ({between})" if move.low > 0.0 or move.high < 0.0 else between


def _listed(
    title: str,
    sentences: tuple[str, ...],
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    figures: Iterable[int],
) -> Section:
    left = len(rows) - MOST_SLOW
    more = f"and {words.many(left, 'metric')} more" if left > 0 else ""
    table = Table(head, tuple(rows[:MOST_SLOW]), frozenset(figures), more) if rows else None
    return Section(title, sentences if rows else (), table=table)


def _health(account: Account) -> Section:
    if account.health is None:
        return Section("Health")
    title = f"Health: {wording.points(account.health.score)} of 100"
    before = {part.name: wording.earned(part)[0] for part in account.former.parts} if account.former else {}
    rows = [
        (wording.part(part, account), *wording.earned(part), before.get(part.name, ""), part.because)
        for part in account.health.parts
    ]
    table = Table(("part", "points", "of", "before", "why not all"), tuple(rows), frozenset((1, 2, 3)))
    return Section(title, table=table)


def _limits(account: Account, names: Names) -> Section:
    rows = [_limit(one, names) for one in account.tight]
    told = ("The share of each limit of `budgets.yaml` that the last judged run used, from one half on.",)
    return _listed("Limits", told, ("metric", "level", "used", "before"), rows, {1, 2, 3})


def _limit(one: Tight, names: Names) -> tuple[str, ...]:
    before = "" if one.before is None else wording.share(one.before)
    return names.of_key(one.course.key), show(one.course.level, one.course.unit), wording.share(one.used), before


def _worthwhile(account: Account) -> list[Opportunity]:
    return [one for one in account.opportunities if one.impact >= LEAST_SAVED]


def _opportunities(account: Account) -> Section:
    rows = [
        (str(place), wording.plain(one.title), wording.ease(one), wording.share(one.impact), wording.plain(one.because))
        for place, one in enumerate(_worthwhile(account), 1)
    ]
    table = Table(("", "what", "takes", "saves", "why"), tuple(rows), frozenset((0, 3))) if rows else None
    told = ("What would help most for the least work: impact times ease.",) if rows else ()
    return Section("What to do first", told, table=table)


def _state(line: Line, stopped: frozenset[Key]) -> str:
    return "stopped" if line.course.key in stopped else _way(line.way)


def _appendix(account: Account, names: Names) -> Section:
    stopped = frozenset(key for gap in account.gaps for key in gap.keys)
    rows = [
        (names.of_key(one.course.key), str(one.runs), *_moved(one), _state(one, stopped), one.course.spark)
        for one in sorted(account.lines, key=lambda one: one.course.key)
    ]
    table = Table(("metric", "runs", "before", "now", "change", "", "course"), tuple(rows), frozenset((1, 2, 3, 4)))
    return Section(f"All {words.many(len(rows), 'metric')}", table=table if rows else None, folded=True)
