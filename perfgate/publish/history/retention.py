"""Retention: samples, hours and days are each kept for their time; accepted runs with all they have, for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from perfgate.publish.history import rollups
from perfgate.publish.history.store import Store

if TYPE_CHECKING:
    import psycopg


_MONTH = "WHERE project = %(project)s AND started >= %(since)s AND started < %(until)s"


@dataclass(frozen=True)
class Retention:
    """For how many days each tier is kept; None for ever. Runs themselves stay as long as the daily roll-ups."""

    raw: int | None = 400
    hourly: int | None = 800
    daily: int | None = None


@dataclass(frozen=True)
class Pruned:
    """How many rows of each table went, or would go, and how many whole months did."""

    samples: int = 0
    findings: int = 0
    hours: int = 0
    days: int = 0
    runs: int = 0
    months: int = 0


def prune(store: Store, retention: Retention, *, now: datetime | None = None, rehearse: bool = False) -> Pruned:
    """Drop what is older than it has to be kept. With `rehearse`, nothing goes.

    Roll-ups are refreshed first, so that nothing goes that is in none. Samples go by whole months. Nobody stores a run
    meanwhile.
    """
    from psycopg import Rollback

    pruned = Pruned()
    with store.transaction(patience=rollups.PATIENCE_S) as cursor:
        # before any table: who makes a month holds this, and waits for the tables
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('perfgate.months'))")
        rollups.refreshed(cursor, store.project)
        pruned = _prune(cursor, store.project, retention, now or datetime.now(UTC))
        if rehearse:
            raise Rollback
    return pruned


def _prune(cursor: psycopg.Cursor, project: int, retention: Retention, now: datetime) -> Pruned:
    samples = findings = months = 0
    for month in _closed_months(cursor, retention.raw, now):
        gone = _prune_month(cursor, project, month)
        samples, findings, months = samples + gone[0], findings + gone[1], months + gone[2]
    hours = _prune_tier(cursor, project, "hourly", retention.hourly, now)
    days = _prune_tier(cursor, project, "daily", retention.daily, now)
    return Pruned(samples, findings, hours, days, _prune_runs(cursor, project, retention, now), months)


def _closed_months(cursor: psycopg.Cursor, days: int | None, now: datetime) -> list[date]:
    """The months that are over and older than `days` to their last day."""
    if days is None:
        return []
    limit = (now - timedelta(days=days)).date()
    months = [month for (month,) in cursor.execute("SELECT months()").fetchall()]
    return [month for month in months if _next(month) <= limit]


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _prune_month(cursor: psycopg.Cursor, project: int, month: date) -> tuple[int, int, int]:
    """How many samples and findings went, and 1 where the month's partitions went with them."""
    asked = {"project": project, "since": _utc(month), "until": _utc(_next(month))}
    cursor.execute(
        "INSERT INTO horizon VALUES (%(project)s, %(until)s)"
        " ON CONFLICT (project) DO UPDATE SET closed = greatest(horizon.closed, excluded.closed)",
        asked,
    )
    kept = cursor.execute(f"SELECT id FROM run {_MONTH} AND accepted".encode(), asked).fetchall()
    asked["kept"] = [number for (number,) in kept]
    samples, findings = (_count(cursor, table, asked) for table in ("sample", "finding"))
    if not kept and cursor.execute("SELECT leave_month(%s)", [month]).fetchone() == (True,):
        return samples, findings, 1
    for table in ("sample", "finding"):
        cursor.execute(f"DELETE FROM {table} {_MONTH} AND run <> ALL(%(kept)s)".encode(), asked)
    return samples, findings, 0


def _count(cursor: psycopg.Cursor, table: str, asked: Mapping[str, object]) -> int:
    row = cursor.execute(f"SELECT count(*) FROM {table} {_MONTH} AND run <> ALL(%(kept)s)".encode(), asked).fetchone()
    return row[0] if row else 0


def _prune_tier(cursor: psycopg.Cursor, project: int, table: str, days: int | None, now: datetime) -> int:
    if days is None:
        return 0
    limit = now - timedelta(days=days)
    return cursor.execute(f"DELETE FROM {table} WHERE project = %s AND bucket < %s".encode(), [project, limit]).rowcount


def _prune_runs(cursor: psycopg.Cursor, project: int, retention: Retention, now: datetime) -> int:
    """Runs that nothing is left of: their samples have gone, and the points of their days."""
    if retention.raw is None or retention.daily is None:
        return 0
    limit = now - timedelta(days=max(retention.raw, retention.daily))
    cursor.execute(
        """
        DELETE FROM run
         WHERE project = %(project)s AND started < %(limit)s AND NOT accepted
               AND started < (SELECT closed FROM horizon WHERE project = %(project)s)
        """,
        {"project": project, "limit": limit},
    )
    return cursor.rowcount


def _utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
