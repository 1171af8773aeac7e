"""The sentences of a report. What stands between back-ticks in them is a name or a commit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from perfgate.model import Key
from perfgate.publish import words
from perfgate.publish.periodic.account import Account
from perfgate.publish.periodic.changes import SLIGHT, Change, Episode
from perfgate.publish.periodic.gaps import FEWEST, Ends, Gap
from perfgate.publish.periodic.spans import Span
from perfgate.publish.report import one_line
from perfgate.trend.drift import RUNS, Direction
from perfgate.trend.health import EASE, Health, Opportunity, Part
from perfgate.units import beside, percent

DOUBT = 0.025
"""How often a metric that did not move seems to have become worse: one side of an interval of 95 %."""
LONGEST_NAME = 120
MOST_NAMES = 6
_FEW_DAYS = 7


def plain(text: str) -> str:
    """Words from outside that are no name, on one line."""
    return one_line(text).replace("`", "'")


def name(text: str) -> str:
    """A name from outside, as code."""
    return f"`{one_line(text, LONGEST_NAME).replace('`', chr(39))}`" if text else ""


@dataclass(frozen=True, slots=True)
class Names:
    """How metrics are called: with their scenario, unless the project has but one."""

    scenarios: int

    @classmethod
    def of(cls, account: Account) -> Names:
        """The names of what the account tells."""
        keys = [one.course.key for one in account.lines] + [key for gap in account.gaps for key in gap.keys]
        return cls(len({key.scope.scenario for key in keys} - {""}))

    def of_key(self, key: Key) -> str:
        """The metric and where it was measured."""
        scenario = key.scope.scenario if self.scenarios > 1 else ""
        return f"{name(str(key))} in {name(scenario)}" if scenario else name(str(key))

    def of_keys(self, keys: Sequence[Key]) -> str:
        """Some of them, and how many more there are."""
        told = ", ".join(self.of_key(key) for key in keys[:MOST_NAMES])
        return f"{told} and {len(keys) - MOST_NAMES} more" if len(keys) > MOST_NAMES else told


def summary(account: Account, names: Names) -> tuple[str, ...]:
    """What there is to know if one reads no further."""
    if not account.trunk.runs:
        return (_nothing(account),)
    parts = (_runs(account), _worse(account, names), _better(account, names), _slow(account, names))
    return tuple(filter(None, (*parts, health(account), _lost(account, names))))


def _nothing(account: Account) -> str:
    what = "between these two" if account.span.end else "since then" if account.span.begin else "in this time"
    branches = f", only branches were ({words.many(account.branches.runs, 'run')})" if account.branches.runs else ""
    how = "" if account.known else _HOW
    return f"The trunk was not measured {what}{branches}: there is nothing to tell of it, good or bad.{how}"


_HOW = " Nor was it before: `perfgate run` keeps its runs in the history, `perfgate history add RESULT` adds others."


def _runs(account: Account) -> str:
    trunk, branches = account.trunk, account.branches
    times = "once" if trunk.runs == 1 else f"{trunk.runs} times"
    beside = f" Branches: {words.many(branches.runs, 'run')}, {_ended(branches)}." if branches.runs else ""
    so_far = "" if account.span.over else " so far"
    return f"The trunk was measured {times}{so_far}: {_ended(trunk)}.{beside}"


def _ended(told: Ends) -> str:
    counts = (
        (told.green, "green"),
        (told.warned, "with warnings"),
        (told.unsure, "unsure"),
        (told.red, "red"),
        (told.unmeasured, "without a measurement"),
        (told.unjudged, "not judged"),
    )
    present = [(count, word) for count, word in counts if count]
    if told.unjudged == told.runs:
        return "none was judged" if told.runs > 1 else "not judged"
    if len(present) == 1:
        return f"all {present[0][1]}" if told.runs > 1 else present[0][1]
    return ", ".join(f"{count} {word}" for count, word in present)


def _worse(account: Account, names: Names) -> str:
    found = account.changes.worse
    if not found:
        return "Nothing got worse that is sure." if account.lines else _EMPTY
    metrics = sum(len(one.episodes) for one in found)
    standing = sum(bool(one.standing) for one in found)
    state = "" if standing == len(found) else f"; {standing or 'none'} of them still {_does(standing)}"
    return (
        f"{words.many(len(found), 'change')} made {words.many(metrics, 'metric')} worse{state}: {_most(found, names)}."
    )


_EMPTY = "No sample of these runs is kept: there is nothing to tell of them, good or bad."


def _does(count: int) -> str:
    return "does" if count <= 1 else "do"


def _better(account: Account, names: Names) -> str:
    found = account.changes.better
    if not found:
        return ""
    metrics = sum(len(one.episodes) for one in found)
    return f"{words.many(len(found), 'change')} made {words.many(metrics, 'metric')} better: {_most(found, names)}."


def _most(found: Sequence[Change], names: Names) -> str:
    lead = found[0].lead.shift
    most = "most of all " if len(found) > 1 or len(found[0].episodes) > 1 else ""
    return f"{most}{names.of_key(lead.key)} ({percent(lead.change)})"


def _slow(account: Account, names: Names) -> str:
    slow = [one for one in account.creeping if one.creeping is Direction.DEGRADING]
    if not slow:
        return ""
    most = max(slow, key=lambda one: abs(one.creep.change) if one.creep else 0.0)
    assert most.creep is not None, "what creeps has a slope"
    lead = f"{names.of_key(most.key)} ({percent(most.creep.change)} in {words.many(round(most.creep.days), 'day')})"
    if len(slow) == 1:
        return f"Slowly getting worse, by no single change: {lead}."
    return f"{len(slow)} metrics slowly get worse, by no single change: most of all {lead}."


def _lost(account: Account, names: Names) -> str:
    keys = [key for gap in account.gaps if gap.lately for key in gap.keys]
    verb = "is" if len(keys) == 1 else "are"
    return f"{names.of_keys(keys)} {verb} not measured any more." if keys else ""


def health(account: Account) -> str:
    """The score, and how it moved."""
    if account.health is None:
        return ""
    now = account.health.score
    before = f", and was {points(account.former.score)} before" if account.former else ""
    fell = account.former is not None and account.former.score > now
    drop = _dropped(account.health, account.former) if account.former and fell else None
    why = f", mostly since {_fault(drop, account)}" if drop else ""
    return f"Health is {points(now)} of 100{before}{why}."


def _fault(told: Part, account: Account) -> str:
    release = name(account.span.begin.name) if account.span.begin else "at the last release"
    return {
        "limits": "values are closer to their limits or over them",
        "release": f"metrics are worse than {release}",
        "drift": "metrics creep",
        "steadiness": "more runs failed or were odd",
    }.get(told.name, plain(told.because))


def _begin(span: Span) -> str:
    return name(span.begin.name) if span.begin else "its begin"


def _dropped(now: Health, before: Health) -> Part | None:
    """The part that lost most, where one lost a point at least."""
    former = {part.name: part.points for part in before.parts}  # limits, say, may have come since
    lost = [(former[part.name] - part.points, part) for part in now.parts if part.name in former]
    most = max(lost, key=lambda pair: pair[0], default=None)
    return most[1] if most and most[0] >= 1.0 else None


def part(told: Part, account: Account) -> str:
    """A part of the score in words."""
    release = name(account.span.begin.name) if account.span.begin else "the last release"
    return {
        "limits": "limits are kept",
        "release": f"nothing is worse than at {release}",
        "drift": "nothing creeps",
        "steadiness": "runs are steady",
    }.get(told.name, plain(told.name))


def points(value: float) -> str:
    """Points of the score; whole ones, and none that were not earned."""
    return f"{math.floor(value + 1e-9)}"


def earned(told: Part) -> tuple[str, str]:
    """Points of a part and what it is worth, to a tenth; all of them only where all were earned."""
    worth = f"{told.worth:.3g}"
    return (worth if told.points >= told.worth - 1e-9 else f"{math.floor(told.points * 10) / 10:.3g}"), worth


def share(value: float) -> str:
    """A share in whole percents, rounded away from all of it: 99.6 % is 99 %, and 100.4 % is 101 %."""
    if not math.isfinite(value):
        return "over it"
    percents = value * 100
    return f"{math.ceil(percents - 1e-9) if percents > 100 else math.floor(percents + 1e-9)} %"


def ease(told: Opportunity) -> str:
    """How long it takes, as far as the ease tells."""
    return min(EASE, key=lambda word: abs(EASE[word] - told.ease))


def change(told: Change, names: Names) -> str:
    """A change as its title has it."""
    lead = told.lead.shift
    more = len(told.episodes) - 1
    others = f" and {words.many(more, 'other metric')}" if more else ""
    return f"{names.of_key(lead.key)} {percent(lead.change)}{others}"


def origin(told: Change, span: Span) -> str:
    """By which commits it came, and what became of it."""
    good, bad, since = (name(words.commit(commit)) for commit in (told.good, told.bad, told.since))
    when = f"{datetime.fromtimestamp(told.ended, UTC):%Y-%m-%d %H:%M}"
    if told.outside:
        came = f"{bad} was measured before and after it: something other than a commit did it."
    elif told.since == told.bad:
        came = f"Came after {good}, most likely with {bad}."
    else:
        came = f"Came after {good}, with {bad} at the latest, most likely with {since}."
    late = f" That was before {_begin(span)}, and is sure only now." if told.late else ""
    return f"{came} Measured from {when} UTC on.{late}"


def levels(told: Episode) -> tuple[str, str]:
    """The level before and after, each with enough digits to tell it from the other."""
    before, after, unit = told.shift.before, told.shift.after, told.course.unit
    return beside(before, after, unit), beside(after, before, unit)


def moved(told: Episode) -> str:
    """A shift on its own."""
    before, after = levels(told)
    return f"From {before} to {after}, {standing(told)}."


def standing(told: Episode) -> str:
    """What became of a shift by the end."""
    if not told.undone:
        return "still so"
    back = "mended" if told.shift.worse else "lost again"
    return f"{back} by {name(words.commit(told.by.since))}" if told.by else f"{back} slowly"


def unknown(account: Account, names: Names) -> tuple[str, ...]:
    """Everything that might be taken for good news and is none."""
    return tuple(filter(None, _unknown(account, names)))


def _unknown(account: Account, names: Names) -> Iterator[str]:
    yield from (_gap(gap, names) for gap in account.gaps if gap.lately)
    former = sum(len(gap.keys) for gap in account.gaps if not gap.lately)
    if former:
        yield f"{words.many(former, 'metric')} had stopped being measured before."
    yield from (_untagged(release) for release in account.span.unmeasured)
    if account.trunk.unmeasured:
        yield f"{words.many(account.trunk.unmeasured, 'run')} of the trunk ended without a measurement."
    if 0 < account.trunk.unjudged < account.trunk.runs:
        yield f"{words.many(account.trunk.unjudged, 'run')} of the trunk {_has(account.trunk.unjudged)} no verdict."
    yield _idle(account.idle)
    if account.brief:
        few = f"fewer than {FEWEST} runs"
        yield f"Too little history to tell a change ({few}): {names.of_keys(account.brief)}."
    if account.seldom:
        yield f"{words.many(account.seldom, 'metric')} had no run: that is usual for a time as short as this."


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _gap(gap: Gap, names: Names) -> str:
    verb = "was" if len(gap.keys) == 1 else "were"
    by = f" by {name(words.commit(gap.commit))}" if gap.commit else ""
    return f"{names.of_keys(gap.keys)} {verb} measured last on {gap.last:%Y-%m-%d %H:%M} UTC{by}."


def _untagged(release: str) -> str:
    return f"{name(release)} was not measured: what was measured when it was tagged stands for it."


def _idle(days: Sequence[datetime]) -> str:
    if not days:
        return ""
    if len(days) > _FEW_DAYS:
        return f"On {words.many(len(days), 'day')} the trunk was not measured."
    return f"The trunk was not measured on {', '.join(f'{day:%a} {day.day} {day:%b}' for day in days)}."


def foot(account: Account) -> str:
    """What the report is about, exactly."""
    span = account.span
    within = f", scenario {name(account.scenario)}" if account.scenario else ""
    until = "" if span.over or span.begin else " It is not over yet."
    begin = name(span.begin.name) if span.begin else "its begin"
    slight = f", and so {_are(account.changes.slight)} of less than {share(SLIGHT)}" if account.changes.slight else ""
    return (
        f"From {span.since:%Y-%m-%d %H:%M} to {span.until:%Y-%m-%d %H:%M} UTC{within}.{until} A level is the median of"
        f" the last {RUNS} runs, or of those since it shifted; `before` is at {begin}, `now` at the end."
        f" Statements and tables are left out{slight}."
    )


def _are(shifts: int) -> str:
    return "is 1 level shift" if shifts == 1 else f"are {shifts} level shifts"
