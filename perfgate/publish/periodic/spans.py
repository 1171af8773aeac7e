"""The stretch of time that a report is about: an hour, day, week or month of UTC, or from one release to another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from perfgate.errors import BadRequest
from perfgate.publish.history.notices import Release

EARLIEST = 2000
"""The first year that a run can be from."""

_MONTH = re.compile(r"\d{4}-\d{2}")
_WEEKS_END = timedelta(days=6)


class Kind(StrEnum):
    """How often such a report is written."""

    RELEASE = "release"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` to before `until`, in UTC. `title` names it.

    `over` says that it has ended, so that what is told of it stays true. `begin` and `end` are the releases at its
    ends, None where it has none there; `unmeasured` names those of them that no run was about.
    """

    kind: Kind
    since: datetime
    until: datetime
    title: str
    over: bool
    begin: Release | None = None
    end: Release | None = None
    unmeasured: tuple[str, ...] = ()


def moment(text: str) -> datetime:
    """A date or time as people type it, `2026-11`, `2026-W47`, `2026-11-16`, `2026-11-16T14:00+02:00`, in UTC.

    Without a zone it is UTC. Raises BadRequest for anything else.
    """
    try:
        found = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
        told = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        told = None
    if told is None or told.year < EARLIEST:
        hint = "write it like 2026-11, 2026-W47, 2026-11-16 or 2026-11-16T14"
        raise BadRequest(f"--at {text}: is no date", hint=hint)
    return told


def calendar(kind: Kind, now: datetime, at: datetime | None = None) -> Span:
    """The last whole hour, day, week (from Monday) or month before `now`, or the one that `at` lies in.

    One that is not over ends `now`. Raises BadRequest for one that has not begun.
    """
    begin = _floor(kind, at or _floor(kind, now) - timedelta(microseconds=1))
    if begin >= now:
        raise BadRequest(f"--at {at:%Y-%m-%d %H:%M} UTC has not come yet", hint="name a date in the past")
    end = _floor(kind, begin + {Kind.HOURLY: timedelta(hours=1), Kind.DAILY: timedelta(days=1)}.get(kind, _ahead(kind)))
    return Span(kind, begin, min(end, now), _title(kind, begin), end <= now)


def _ahead(kind: Kind) -> timedelta:
    """From the begin of a week or month to somewhere in the next one."""
    return timedelta(days=7 if kind is Kind.WEEKLY else 32)


def _floor(kind: Kind, when: datetime) -> datetime:
    day = when.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind is Kind.HOURLY:
        return day.replace(hour=when.hour)
    if kind is Kind.WEEKLY:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind is Kind.MONTHLY else day


def _title(kind: Kind, begin: datetime) -> str:
    if kind is Kind.HOURLY:
        return f"{_day(begin)}, {begin:%H:%M} to {begin + timedelta(hours=1):%H:%M} UTC"
    if kind is Kind.WEEKLY:
        last = begin + _WEEKS_END
        first = _day(begin) if last.year != begin.year else _day(begin).removesuffix(f" {begin:%Y}")
        return f"Week {begin:%V}: {first} to {_day(last)}"
    return f"{begin:%B %Y}" if kind is Kind.MONTHLY else f"{begin:%A}, {_day(begin)}"


def _day(when: datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def between(
    releases: Sequence[Release], measured: Mapping[str, datetime], now: datetime, former: str = "", latter: str = ""
) -> Span:
    """From the release `former` ("" for the one before the end) to `latter` ("" for `now`).

    `measured` says when each commit was measured first; a release that was not counts from when its tag was made.
    Raises BadRequest for a release that is not known, and for two in the wrong order.
    """
    moments = [(measured.get(one.commit, one.made), one) for one in releases]
    dated = sorted(moments, key=lambda pair: (pair[0], pair[1].name))
    by_name = {one.name: (when, one) for when, one in dated}
    end = _named(by_name, "--to", latter) if latter else (now, None)
    begin = _named(by_name, "--from", former) if former else _last_before(dated, end[0], latter)
    if begin[0] >= end[0]:
        raise BadRequest(f"{begin[1].name} is not older than {latter or 'now'}", hint="exchange --from and --to")
    ends = [one for one in (begin[1], end[1]) if one is not None]
    return Span(
        kind=Kind.RELEASE,
        since=begin[0] + _AFTER,
        until=end[0] + _AFTER if end[1] else now,
        title=f"From {begin[1].name} to {end[1].name}" if end[1] else f"Since {begin[1].name}",
        over=end[1] is not None,
        begin=begin[1],
        end=end[1],
        unmeasured=tuple(one.name for one in ends if one.commit not in measured),
    )


_AFTER = timedelta(microseconds=1)
"""The run of a release stands for what it is like, so it is the last one before what comes after."""


def _named(by_name: Mapping[str, tuple[datetime, Release]], option: str, name: str) -> tuple[datetime, Release]:
    if name not in by_name:
        raise BadRequest(f"{option} {name}: the history knows no such release", hint=_instead(name, list(by_name)))
    return by_name[name]


def _instead(name: str, known: Sequence[str]) -> str:
    """What to type instead: the closest of the known releases, and the last of them."""
    if not known:
        return _NO_RELEASE
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    last = ", ".join(known[-_MOST_TOLD:])
    return f"{meant}{'the last it knows' if len(known) > _MOST_TOLD else 'it knows'}: {last}"


_MOST_TOLD = 10
_NO_RELEASE = "tag a release in git, or type `perfgate report weekly`"


def _last_before(dated: Sequence[tuple[datetime, Release]], end: datetime, latter: str) -> tuple[datetime, Release]:
    past = [pair for pair in dated if pair[0] < end]
    if not past:
        before = f" before {latter}" if latter else ""
        raise BadRequest(f"the history knows no release{before}", hint=_NO_RELEASE)
    return past[-1]
