"""What was stored, read again: projects, runs, series and their points, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, LiteralString

from perfgate.model import Better, Key, Noise, Scope, Unit
from perfgate.publish.history.store import Store, enter
from perfgate.trend.series import Point, Series

if TYPE_CHECKING:
    import psycopg

EVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST_RUNS = 500

SCOPE: LiteralString = 'scenario, endpoint, statement, "table", artifact, process, benchmark'


class Tier(StrEnum):
    """How finely points are read: every run, or the medians of hours or days."""

    RAW = "raw"
    HOURLY = "hourly"
    DAILY = "daily"


@dataclass(frozen=True)
class Window:
    """What is looked at: a stretch of time from `since` to before `until`, a branch ("" for the trunk), a scenario."""

    since: datetime = EVER
    until: datetime = field(default_factory=lambda: datetime.now(UTC))
    branch: str = ""
    scenario: str = ""

    def parameters(self, store: Store) -> dict[str, object]:
        """As the statements here name them."""
        return {
            "project": store.project,
            "since": self.since,
            "until": self.until,
            "branch": self.branch,
            "scenario": self.scenario,
        }


def window_of(*, since: datetime | None, branch: str, scenario: str) -> Window:
    """The window until now that begins at `since`, a time of UTC, or with the first run."""
    return Window(since=since.replace(tzinfo=UTC) if since else EVER, branch=branch, scenario=scenario)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it stands in lists. `number` is its own in the store; `status` is "" where it was not judged."""

    number: int
    started: datetime
    seconds: float
    commit: str
    branch: str
    trunk: bool
    accepted: bool
    base: str
    machine: str
    scenarios: tuple[str, ...]
    status: str
    exit_code: int | None
    release: str


@dataclass(frozen=True, slots=True)
class StoredSample:
    """One sample of a run: median, mean and ends of its rounds, and every round's value."""

    key: Key
    unit: Unit
    better: Better
    noise: Noise
    base: bool
    level: float
    mean: float
    least: float
    most: float
    rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run with all that is left of it. `findings` and `details` are as in a result's file."""

    run: StoredRun
    samples: tuple[StoredSample, ...]
    findings: tuple[Mapping[str, Any], ...]
    labels: Mapping[str, str]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A metric in a scope that the project has points of. `number` is its own in the store."""

    number: int
    key: Key
    unit: Unit
    better: Better
    noise: Noise
    meaning: str


_RUN: LiteralString = """
SELECT id, started, seconds, commit, branch, trunk, accepted, base, machine, scenarios, status, exit_code,
       coalesce((SELECT min(name) FROM release WHERE release.project = run.project AND release.commit = run.commit), '')
  FROM run
"""


def projects(connection: psycopg.Connection, role: str = "") -> tuple[str, ...]:
    """The names of all projects that may be entered."""
    with connection.transaction(), connection.cursor() as cursor:
        enter(cursor, role, None)
        return tuple(name for (name,) in cursor.execute("SELECT name FROM project ORDER BY name"))


def runs(store: Store, window: Window, *, limit: int = MOST_RUNS) -> tuple[StoredRun, ...]:
    """The runs, newest first; those of all branches where the window names none."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            _RUN
            + """
             WHERE project = %(project)s AND started >= %(since)s AND started < %(until)s
                   AND (%(branch)s = '' OR branch = %(branch)s)
                   AND (%(scenario)s = '' OR %(scenario)s = ANY (scenarios))
             ORDER BY started DESC, id DESC
             LIMIT %(limit)s
            """,
            {**window.parameters(store), "limit": limit},
        )
        return tuple(map(_run, rows))


def run(store: Store, number: int) -> WholeRun | None:
    """One run with its samples and findings; None where there is no such run."""
    asked = [store.project, number]
    with store.transaction() as cursor:
        row = cursor.execute(_RUN + " WHERE project = %s AND id = %s", asked).fetchone()
        if row is None:
            return None
        samples = cursor.execute(
            f"""
            SELECT metric, {SCOPE}, unit, better, noise, base, level, mean, least, most, rounds
              FROM sample JOIN series ON series.project = sample.project AND series.id = sample.series
             WHERE sample.project = %s AND run = %s AND started = %s
             ORDER BY metric, {SCOPE}, base
            """,
            [*asked, row[1]],
        ).fetchall()
        findings = cursor.execute(
            "SELECT details FROM finding WHERE project = %s AND run = %s AND started = %s ORDER BY number",
            [*asked, row[1]],
        ).fetchall()
        labels = cursor.execute("SELECT name, value FROM label WHERE project = %s AND run = %s", asked).fetchall()
        details = cursor.execute("SELECT details FROM run WHERE project = %s AND id = %s", asked).fetchone()
    return WholeRun(
        _run(row),
        tuple(map(_sample, samples)),
        tuple(found for (found,) in findings),
        dict(labels),
        details[0] if details and details[0] else {},
    )


def series(store: Store, *, scenario: str = "", metric: str = "") -> tuple[StoredSeries, ...]:
    """All series, or those of one scenario or metric, in the order of their names."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            f"""
            SELECT id, metric, {SCOPE}, unit, better, noise, meaning
              FROM series
             WHERE project = %(project)s AND %(scenario)s IN ('', scenario) AND %(metric)s IN ('', metric)
             ORDER BY metric, {SCOPE}
            """,
            {"project": store.project, "scenario": scenario, "metric": metric},
        )
        return tuple(_series(row) for row in rows)


_RAW: LiteralString = """
SELECT series, extract(epoch FROM sample.started)::float8, run.commit, level, run, coalesce(name, '')
  FROM sample JOIN run ON run.project = sample.project AND run.id = sample.run
  LEFT JOIN (
       SELECT commit, min(name) AS name FROM release WHERE project = %(project)s GROUP BY commit
       ) AS released ON released.commit = run.commit
 WHERE sample.project = %(project)s AND series = ANY (%(series)s) AND NOT sample.base
       AND sample.started >= %(since)s AND sample.started < %(until)s
"""

_OF_TRUNK: LiteralString = _RAW + " AND sample.trunk ORDER BY series, sample.started, run"
_OF_BRANCH: LiteralString = _RAW + " AND run.branch = %(branch)s ORDER BY series, sample.started, run"

_ROLLED: Mapping[Tier, LiteralString] = {
    Tier.HOURLY: """
        SELECT series, extract(epoch FROM bucket)::float8, '', level, 0, ''
          FROM hourly
         WHERE project = %(project)s AND series = ANY (%(series)s) AND bucket >= %(since)s AND bucket < %(until)s
         ORDER BY series, bucket
        """,
    Tier.DAILY: """
        SELECT series, extract(epoch FROM bucket)::float8, '', level, 0, ''
          FROM daily
         WHERE project = %(project)s AND series = ANY (%(series)s) AND bucket >= %(since)s AND bucket < %(until)s
         ORDER BY series, bucket
        """,
}


def points(store: Store, wanted: Sequence[StoredSeries], window: Window, tier: Tier = Tier.RAW) -> tuple[Series, ...]:
    """The points of series within the window, each in order of time; roll-ups are of the trunk alone."""
    asked = {**window.parameters(store), "series": [one.number for one in wanted]}
    raw = _OF_BRANCH if window.branch else _OF_TRUNK
    found: dict[int, list[Point]] = {one.number: [] for one in wanted}
    with store.transaction() as cursor:
        for number, when, commit, value, of_run, release in cursor.execute(_ROLLED.get(tier, raw), asked):
            found[number].append(Point(when, commit, value, of_run, release))
    return tuple(Series(one.key, one.unit, one.better, tuple(found[one.number])) for one in wanted)


def labels(store: Store, numbers: Iterable[int]) -> dict[int, dict[str, str]]:
    """The labels of runs, by the runs' numbers."""
    found: dict[int, dict[str, str]] = {}
    with store.transaction() as cursor:
        for number, name, value in cursor.execute(
            "SELECT run, name, value FROM label WHERE project = %s AND run = ANY (%s)", [store.project, list(numbers)]
        ):
            found.setdefault(number, {})[name] = value
    return found


def statements(store: Store, fingerprints: Iterable[str]) -> dict[str, str]:
    """The texts of statements, by their fingerprints."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            "SELECT fingerprint, text FROM statement WHERE project = %s AND fingerprint = ANY (%s)",
            [store.project, list(fingerprints)],
        )
        return dict(rows.fetchall())


def _run(row: Sequence[Any]) -> StoredRun:
    number, started, seconds, commit, branch, trunk, accepted, base, machine, scenarios, *ended = row
    status, exit_code, release = ended
    return StoredRun(
        *(number, started, seconds, commit, branch, trunk, accepted, base, machine),
        tuple(scenarios),
        *(status, exit_code, release),
    )


def key_of(metric: str, scope: Sequence[str]) -> Key:
    """A key from its columns."""
    return Key(metric, Scope(*scope))


def _sample(row: Sequence[Any]) -> StoredSample:
    unit, better, noise, base, level, mean, least, most, rounds = row[8:]
    kinds = Unit(unit), Better(better), Noise(noise)
    return StoredSample(key_of(row[0], row[1:8]), *kinds, base, level, mean, least, most, tuple(rounds or (level,)))


def _series(row: Sequence[Any]) -> StoredSeries:
    unit, better, noise, meaning = row[9:]
    return StoredSeries(row[0], key_of(row[1], row[2:9]), Unit(unit), Better(better), Noise(noise), meaning)
