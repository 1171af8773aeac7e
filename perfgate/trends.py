"""Where performance goes: the history's review for the terminal, for files, for comments, and as findings."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from perfgate import keeping
from perfgate.errors import BadRequest, PerfgateError, suggestion

if TYPE_CHECKING:
    from perfgate.keeping import Place
    from perfgate.model import Finding, Key, Run
    from perfgate.publish.history.notices import Release
    from perfgate.publish.history.review import Review
    from perfgate.publish.history.store import Store
    from perfgate.publish.reports.markdown import History
    from perfgate.trend.course import Course
    from perfgate.trend.shifts import Shift

SCHEMA = 1
SINCE = "90d"
PATIENCE_S = 3.0
"""How long a comment waits for the values of earlier runs."""
RECENT = 20
"""Earlier runs whose values a comment draws."""
MOST_DRAWN = 100
"""Findings whose earlier values are read."""
RECENTLY = timedelta(days=120)

_SPAN = re.compile(r"(\d{1,5}) ?(h|d|w|m|y)")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}

NO_RUNS = (
    "The history has no runs yet: `perfgate run` keeps each of its runs there, and\n"
    "`perfgate history add RESULT` adds results that `--json` wrote.\n"
)


@dataclass(frozen=True)
class Trends:
    """A review of a project. `last` is when it was measured last, None where it never was; `notes` are for stderr."""

    review: Review
    project: str
    last: datetime | None
    notes: tuple[str, ...] = ()


def look(
    where: Place,
    since: str = SINCE,
    *,
    metrics: Sequence[str] = (),
    scenario: str = "",
    branch: str = "",
    labels: Sequence[str] = (),
    statements: bool = False,
    now: datetime | None = None,
) -> Trends:
    """What the history says of the time from `since` to now.

    Runs that wait are stored first. Raises BadRequest for a time, scenario or metric that there is none of, NotMeasured
    where the store cannot be reached.
    """
    from perfgate.publish.history import notices, reading
    from perfgate.publish.history.review import review

    with keeping.reporting(), keeping.opened(where) as store:
        notes = keeping.catch_up(where)
        until = now or datetime.now(UTC)
        window = reading.Window(begin(since, until, notices.releases(store)), until, branch, scenario)
        found = review(store, window, metrics=metrics, labels=labels, statements=statements)
        if not found.courses:
            _check_asked(store, metrics, scenario)
        last = reading.runs(store, reading.Window(until=until, branch=branch), limit=1)
        return Trends(found, where.project, last[0].started if last else None, notes)


def _check_asked(store: Store, metrics: Sequence[str], scenario: str) -> None:
    """Where nothing was found: a BadRequest if it was asked for by a name that nothing has."""
    from perfgate.publish.history import reading
    from perfgate.publish.history.review import matches
    from perfgate.publish.report import one_line

    known = [one.key for one in reading.series(store)]
    scenarios = {one_line(key.scope.scenario) for key in known if key.scope.scenario}
    if known and scenario and one_line(scenario) not in scenarios:
        raise BadRequest(f"the history has no scenario {scenario!r}", hint=suggestion(scenario, scenarios))
    for glob in metrics if known else ():
        if not any(matches(key, [glob]) for key in known):
            names = {one_line(key.metric) for key in known}
            raise BadRequest(f"the history has no metric like {glob!r}", hint=suggestion(glob, names))


def begin(text: str, until: datetime, releases: Sequence[Release] = ()) -> datetime:
    """The moment that `90d`, `2026-05-01` or the name of a release means. Raises BadRequest for anything else."""
    named = {one.name: one.made for one in releases}
    if text in named:
        return named[text]
    span = _SPAN.fullmatch(text)
    try:
        if span:
            return until - timedelta(days=int(span[1]) * _DAYS[span[2]])
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        known = f"; releases: {', '.join([*named][-5:])}" if named else ""
        raise BadRequest(
            f"--since {text}: no length of time, date or release", hint=f"write it like 90d or 2026-05-01{known}"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def tell(where: Place, shifts: Iterable[Shift], now: datetime | None = None) -> tuple[Shift, ...]:
    """Note that shifts were told, so that they are told once; those that nobody told meanwhile."""
    from perfgate.publish.history import alerting

    with keeping.reporting(), keeping.opened(where) as store:
        return alerting.tell(store, shifts, now or datetime.now(UTC))


def page(found: Trends, stream: TextIO, *, whole: bool = False) -> str:
    """The review as the stream shows it: a terminal's width and colour. See `told` for `whole`."""
    from perfgate.publish.history.telling import told
    from perfgate.publish.reports.terminal import Terminal

    terminal = Terminal.on(stream)
    if found.review.courses:
        return told(found.review, found.project, width=terminal.width, colour=terminal.colour, whole=whole)
    if found.last is None:
        return NO_RUNS
    begin = f"{found.review.window.since:%Y-%m-%d}"
    if found.last >= found.review.window.since:
        return f"No run of the trunk since {begin} has measured anything; `perfgate history status` counts them.\n"
    return f"Nothing was kept since {begin}: the last run is of {found.last:%Y-%m-%d}; `--since` looks further back.\n"


def noted(where: Place, shifts: Sequence[Shift]) -> tuple[str, ...]:
    """Note that a report told shifts; what there is to say of it, since nothing is raised."""
    try:
        if shifts:
            tell(where, shifts)
    except PerfgateError as error:
        return (f"history: what was told of drift is not noted, so it is told again: {error.args[0]}",)
    return ()


@dataclass(frozen=True)
class Drift:
    """What the history has against a run: its findings, and the level shifts that these tell."""

    findings: tuple[Finding, ...] = ()
    shifts: tuple[Shift, ...] = ()


def drift(where: Place, run: Run, *, now: datetime | None = None) -> Drift:
    """What the trunk's history says of the scenarios of a run that no single change showed, as warnings.

    A history that cannot be had is a finding of its own: nothing was looked at, and that is no pass.
    """
    from perfgate.judge import drift as judge

    try:
        review = look(where, now=now).review
    except PerfgateError as error:
        return Drift((judge.undecided(f"the history could not be looked at: {error.args[0]}"),))
    measured = {"", *run.loads}
    courses = [one for one in review.courses if one.key.scope.scenario in measured]
    findings = judge.drift(courses, review.window.since.timestamp())
    return Drift(
        tuple(findings), tuple(one for one in review.fresh if one.worse and one.key.scope.scenario in measured)
    )


def document(trends: Trends) -> str:
    """The review as JSON: levels in base units, changes as shares (0.1 is +10 %), times in ISO 8601."""
    found = trends.review
    content = {
        "schema": SCHEMA,
        "project": trends.project,
        "since": found.window.since.isoformat(),
        "until": found.window.until.isoformat(),
        "branch": found.window.branch,
        "release": _plain(found.release),
        "runs": len(found.runs),
        "health": _plain(found.health),
        "metrics": [_course(one) for one in found.courses],
        "shifts": [{**_shift(one), "new": one in found.fresh} for one in found.shifts],
        "pairs": [_plain(one) for one in found.pairs],
        "effects": [{**_named(one.key), **_plain(one.effect)} for one in found.influences],
        "opportunities": [_plain(one) for one in found.opportunities],
    }
    return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _course(one: Course) -> dict[str, Any]:
    points = one.series.points
    return {
        **_named(one.key),
        "unit": one.unit,
        "better": one.better,
        "direction": one.direction,
        "level": one.level,
        "since_release": _plain(one.release),
        "over_days": {str(days): _plain(move) for days, move in one.periods.items()},
        "drift": _plain(one.creep),
        "limit_used": one.used,
        "runs_without": one.missed,
        "anomalies": [
            {**_plain(odd), "commit": points[odd.index].commit, "when": _moment(points[odd.index].when)}
            for odd in one.anomalies
        ],
        "points": [[_moment(point.when), point.commit, point.value] for point in points],
    }


def _shift(one: Shift) -> dict[str, Any]:
    place = {"began": _moment(one.began), "ended": _moment(one.ended)}
    return {**_named(one.key), **{k: v for k, v in asdict(one).items() if k != "key"}, **place}


def _named(key: Key) -> dict[str, Any]:
    """A key as a result's file has it."""
    return {"metric": key.metric, "scope": {name: value for name, value in asdict(key.scope).items() if value}}


def _plain(value: Any) -> Any:
    return None if value is None else asdict(value)


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat()


def _finite(value: Any) -> Any:
    """JSON has no infinity: an end that is not known is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and value - value != 0.0 else value


def recent(where: Place, keys: Iterable[Key], *, patience: float = PATIENCE_S, now: datetime | None = None) -> History:
    """The levels of the trunk's last runs, oldest first; nothing where there is no store, or none that answers in time.

    A comment is worth more than its drawings: whatever goes wrong is no reason to be late, or to fail.
    """
    if not (where.url or where.home.is_dir()):
        return {}
    found: dict[Key, Sequence[float | None]] = {}
    wanted, until = frozenset(list(keys)[:MOST_DRAWN]), now or datetime.now(UTC)
    thread = threading.Thread(
        target=lambda: found.update(_levels(where, wanted, until)), name="perfgate-recent", daemon=True
    )
    thread.start()
    thread.join(patience)
    return {} if thread.is_alive() else found


def _levels(where: Place, wanted: frozenset[Key], until: datetime) -> History:
    from perfgate.publish.history import reading

    window = reading.Window(until - RECENTLY, until)
    try:
        with keeping.reporting(), keeping.opened(where) as store:
            asked = [one for one in reading.series(store) if one.key in wanted]
            read = reading.points(store, asked, window)
    except (PerfgateError, OSError):
        return {}
    return {one.key: one.values[-RECENT:] for one in read if one.points}
