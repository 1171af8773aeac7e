"""What pages open with: the present level of everything, slow statements, endpoints, resources, connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from perfgate.model import Better, Key, Unit
from perfgate.publish.history.reading import SCOPE, Tier, Window, key_of
from perfgate.publish.history.store import Store

RESOURCES = ("cpu.", "memory.", "process.", "bundle.")
CONNECTIONS = ("connections.", "locks.", "database.")
STATEMENT_METRICS = ("queries.blocks", "queries.time", "queries.calls", "queries.mean_time", "queries.rows")
RESPONSE = ("response.",)
HEADLINES = ("response.p95", "response.p50", "cpu.per_request", "memory.peak", "queries.calls", "queries.blocks")
"""What people ask for first."""
HOURS_UP_TO = timedelta(days=3)
"""Longer windows are aggregated from days."""


@dataclass(frozen=True, slots=True)
class Level:
    """A series of the trunk as it was measured last: when, by which run."""

    key: Key
    unit: Unit
    better: Better
    when: datetime
    run: int
    value: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Where the project stands: the last levels, and how its runs ended within the window."""

    levels: tuple[Level, ...]
    runs: int
    red: int
    trunk_runs: int
    trunk_red: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """What a statement costs one request, at last; each None where it was not measured. `text` is normalised."""

    fingerprint: str
    text: str
    scenario: str
    endpoint: str
    blocks: float | None
    time: float | None
    calls: float | None
    mean_time: float | None
    rows: float | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A series over a stretch of time: the mean of its runs' levels, its ends, its last level, how many runs."""

    key: Key
    unit: Unit
    better: Better
    runs: int
    mean: float
    least: float
    most: float
    last: float


# The last point of each series is one step down an index, from the newest month on; what was not measured for long
# is left out.
_LATEST: LiteralString = f"""
SELECT metric, {SCOPE}, unit, better, latest.started, latest.run, latest.level
  FROM series CROSS JOIN LATERAL (
       SELECT started, run, level
         FROM sample
        WHERE sample.project = %(project)s AND sample.series = series.id AND trunk AND NOT base
              AND started >= %(since)s AND started < %(until)s
        ORDER BY started DESC
        LIMIT 1) AS latest
 WHERE project = %(project)s AND %(scenario)s IN ('', scenario)
"""


def overview(store: Store, window: Window) -> Overview:
    """The last level of each whole-endpoint and project-wide series within the window, and how its runs ended."""
    asked = window.parameters(store)
    with store.transaction() as cursor:
        levels = cursor.execute(
            _LATEST + f""" AND statement = '' AND "table" = '' ORDER BY metric, {SCOPE}""", asked
        ).fetchall()
        ended = cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE exit_code = 1), count(*) FILTER (WHERE trunk),
                   count(*) FILTER (WHERE trunk AND exit_code = 1), max(started)
              FROM run
             WHERE project = %(project)s AND started >= %(since)s AND started < %(until)s
                   AND (%(scenario)s = '' OR %(scenario)s = ANY (scenarios))
            """,
            asked,
        ).fetchone()
    assert ended is not None
    return Overview(tuple(map(_level, levels)), *ended)


def slow_statements(store: Store, window: Window, *, limit: int = 50) -> tuple[SlowStatement, ...]:
    """The statements that cost requests most, as they were measured last: by blocks, then by time."""
    metrics = list(STATEMENT_METRICS)
    with store.transaction() as cursor:
        rows = cursor.execute(
            f"""
            SELECT latest.statement, coalesce(text, ''), scenario, endpoint,
                   max(level) FILTER (WHERE metric = 'queries.blocks') AS blocks,
                   max(level) FILTER (WHERE metric = 'queries.time') AS time,
                   max(level) FILTER (WHERE metric = 'queries.calls'),
                   max(level) FILTER (WHERE metric = 'queries.mean_time'),
                   max(level) FILTER (WHERE metric = 'queries.rows')
              FROM ({_LATEST} AND series.statement <> '' AND metric = ANY (%(metrics)s)) AS latest
              LEFT JOIN statement ON project = %(project)s AND fingerprint = latest.statement
             GROUP BY 1, 2, 3, 4
             ORDER BY blocks DESC NULLS LAST, time DESC NULLS LAST
             LIMIT %(limit)s
            """,
            {**window.parameters(store), "metrics": metrics, "limit": limit},
        ).fetchall()
    return tuple(SlowStatement(*row) for row in rows)


def endpoints(store: Store, window: Window) -> tuple[Aggregate, ...]:
    """Each metric of each endpoint over the window."""
    return _aggregates(store, window, ("",), " AND endpoint <> '' AND statement = ''")


def resources(store: Store, window: Window) -> tuple[Aggregate, ...]:
    """Processor time, memory, processes and sizes over the window."""
    return _aggregates(store, window, RESOURCES, "")


def connections(store: Store, window: Window) -> tuple[Aggregate, ...]:
    """The service's connections, its locks, and what its database counted, over the window."""
    return _aggregates(store, window, CONNECTIONS, "")


def _aggregates(store: Store, window: Window, beginnings: Sequence[str], where: LiteralString) -> tuple[Aggregate, ...]:
    """From hours for short windows and from days for long ones: a million samples are a few thousand of those."""
    tier: LiteralString = "hourly" if window.until - window.since <= HOURS_UP_TO else "daily"
    with store.transaction() as cursor:
        rows = cursor.execute(
            f"""
            SELECT metric, {SCOPE}, unit, better, runs, mean, least, most, (
                   SELECT level
                     FROM {tier}
                    WHERE project = %(project)s AND {tier}.series = series.id
                          AND bucket >= %(since)s AND bucket < %(until)s
                    ORDER BY bucket DESC
                    LIMIT 1)
              FROM series CROSS JOIN LATERAL (
                   SELECT sum(count)::integer AS runs, sum(level * count) / sum(count) AS mean, min(least) AS least,
                          max(most) AS most
                     FROM {tier}
                    WHERE project = %(project)s AND {tier}.series = series.id
                          AND bucket >= %(since)s AND bucket < %(until)s
                   ) AS rolled
             WHERE project = %(project)s AND runs IS NOT NULL AND %(scenario)s IN ('', scenario)
                   AND metric LIKE ANY (%(patterns)s) {where}
             ORDER BY metric, {SCOPE}
            """,
            {**window.parameters(store), "patterns": [f"{beginning}%" for beginning in beginnings]},
        ).fetchall()
    return tuple(Aggregate(key_of(row[0], row[1:8]), Unit(row[8]), Better(row[9]), *row[10:]) for row in rows)


def fitting(window: Window, most: int, runs_a_day: float) -> Tier:
    """The finest tier of which the window has not more than `most` points of one series."""
    days = (window.until - window.since) / timedelta(days=1)
    if days * runs_a_day <= most:
        return Tier.RAW
    return Tier.HOURLY if days * min(24.0, runs_a_day) <= most else Tier.DAILY


def _level(row: Sequence[Any]) -> Level:
    return Level(key_of(row[0], row[1:8]), Unit(row[8]), Better(row[9]), *row[10:])
