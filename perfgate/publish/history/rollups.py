"""Roll-ups: each series of the trunk by hour and by day (UTC), made anew only where something was added."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from perfgate.publish.history.store import Store

if TYPE_CHECKING:
    import psycopg

TIERS = {"hourly": "hour", "daily": "day"}
"""The table of each tier, and the stretch of time that one of its rows stands for."""

PATIENCE_S = 300.0

# Medians cannot be merged, so a bucket is computed from its samples. Where those have been pruned, what stands there is
# all there is, and stays: a run that comes that late has its samples, until the next prune, and no part in the roll-up.
_REFRESH = """
INSERT INTO {table} (project, series, bucket, count, level, mean, least, most, deviation)
SELECT project, series, bucket, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY level), avg(mean), min(least),
       max(most), coalesce(stddev_samp(level), 0)
  FROM unnest(%(buckets)s::timestamptz[]) AS bucket
  JOIN sample ON started >= bucket AND started < bucket + interval '1 {stretch}'
 WHERE project = %(project)s AND trunk AND NOT base
       AND started >= %(first)s AND started < %(last)s::timestamptz + interval '1 {stretch}'
 GROUP BY project, series, bucket
    ON CONFLICT (project, series, bucket) DO UPDATE
   SET count = excluded.count, level = excluded.level, mean = excluded.mean, least = excluded.least,
       most = excluded.most, deviation = excluded.deviation
 WHERE NOT EXISTS (SELECT FROM horizon WHERE project = %(project)s AND excluded.bucket < closed)
"""


def refresh(store: Store, *, patience: float = PATIENCE_S) -> int:
    """Bring the roll-ups up to date; how many hours lagged behind."""
    with store.transaction(patience=patience) as cursor:
        return refreshed(cursor, store.project)


def refreshed(cursor: psycopg.Cursor, project: int) -> int:
    """The same within a transaction.

    Two that refresh one project go one after the other, since the second wants the notes that the first has taken: so
    who computed first is never the last to write.
    """
    taken = cursor.execute("DELETE FROM stale WHERE project = %s RETURNING hour", [project]).fetchall()
    hours = sorted({hour for (hour,) in taken})
    for table, stretch in TIERS.items():
        _refresh(cursor, project, table, sorted({_floor(hour, stretch) for hour in hours}))
    return len(hours)


def _floor(hour: datetime, stretch: str) -> datetime:
    return hour.replace(hour=0) if stretch == "day" else hour


def _refresh(cursor: psycopg.Cursor, project: int, table: str, buckets: list[datetime]) -> None:
    if buckets:
        asked = {"project": project, "buckets": buckets, "first": buckets[0], "last": buckets[-1]}
        cursor.execute(_REFRESH.format(table=table, stretch=TIERS[table]).encode(), asked)
