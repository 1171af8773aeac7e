"""What a counting pass did to each table, and which indexes it had no use for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.statements import APPLICATION, OWN
from perfgate.model import Better, Comparable, Metric, Noise, Scope, Unit

if TYPE_CHECKING:
    from perfgate.measure.database import ServiceDatabase


def _exact(name: str, unit: Unit, meaning: str) -> Metric:
    return Metric(name, unit, Better.LOWER, Noise.EXACT, meaning, Comparable.SAME_POSTGRES)


GROWTH = _exact(
    "tables.growth", Unit.BYTES, "How much a table and its indexes grew on disk in the counting pass, warm-up included."
)
DEAD_ROWS = _exact("tables.dead_rows", Unit.COUNT, "Dead rows that the counting pass left in a table for vacuuming.")
SEQUENTIAL_SCANS = _exact(
    "tables.sequential_scans", Unit.COUNT, "How often the counting pass read a table from one end to the other."
)
SEQUENTIAL_ROWS = _exact(
    "tables.sequential_rows", Unit.COUNT, "Rows of a table that the counting pass read by sequential scans."
)
UNUSED = _exact(
    "indexes.unused", Unit.COUNT, "Indexes that enforce nothing and that no statement of the counting pass used."
)

MOST_NAMED = 10
TERMINATE_TIMEOUT_S = 5.0
POLL_S = 0.01
HANDED_OVER_AT_ONCE = 15
COLLECTOR_DELAY_S = 0.6

_TABLES = f"""
SELECT {OWN} CASE schemaname WHEN 'public' THEN relname ELSE schemaname || '.' || relname END,
       coalesce(pg_total_relation_size(relid), 0), n_dead_tup, seq_scan, seq_tup_read
  FROM pg_stat_user_tables
 WHERE schemaname !~ '^pg_temp_'
"""
# An index that is unique or belongs to a constraint is of use even when it is never read.
_UNUSED = f"""
SELECT {OWN} CASE schemaname WHEN 'public' THEN indexrelname ELSE schemaname || '.' || indexrelname END
  FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid)
 WHERE idx_scan = 0 AND NOT indisunique AND NOT indisexclusion AND schemaname !~ '^pg_temp_'
 ORDER BY 1
"""
_TERMINATE = """
SELECT coalesce(array_agg(pid) FILTER (WHERE pg_terminate_backend(pid)), '{}')
  FROM pg_stat_activity
 WHERE datname = %s AND backend_type = 'client backend' AND application_name <> %s
"""
_LEFT = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)"


class Table(NamedTuple):
    """One table: its size on disk with indexes, and what was counted since its database was made."""

    size: int
    dead_rows: int
    sequential_scans: int
    sequential_rows: int


class Tables(Collector):
    """Growth, dead rows and sequential scans of each table, and unused indexes.

    A session keeps its counts to itself for a second, and for ten when it is idle, but hands them over when it ends:
    so `finish` ends all sessions in the database, and nothing can be measured on that service after the pass. The
    counts begin with the fresh database, and so include the pass's uncounted, fixed warm-up.
    """

    name = "tables"
    metrics = (GROWTH, DEAD_ROWS, SEQUENTIAL_SCANS, SEQUENTIAL_ROWS, UNUSED)
    stretch = Stretch.COUNTING

    def __init__(self) -> None:
        self._before: Mapping[str, Table] = {}

    def begin(self, target: Target) -> None:
        """Raises NotMeasured when the database cannot be reached."""
        if target.database is not None:
            self._before, _ = _look(target.database)

    def finish(self, target: Target) -> Iterator[Reading]:
        """Raises NotMeasured when the database cannot be reached, or the service's sessions may not be ended."""
        if target.database is None:
            return
        note = _end_sessions(target.database)
        tables, unused = _look(target.database)
        for name, table in sorted(tables.items()):
            before = self._before.get(name)
            yield from _readings(name, table, table.size - (before.size if before else 0), note)
        yield Reading(UNUSED, float(len(unused)), note=note or _names(unused))


def _look(database: ServiceDatabase) -> tuple[dict[str, Table], list[str]]:
    """All tables by name (with the schema where it is not `public`), and the names of unused indexes."""
    with database.connect() as connection, database.server.reporting("reading the statistics of tables"):
        tables = {name: Table(*counts) for name, *counts in connection.execute(_TABLES.encode())}
        return tables, [name for (name,) in connection.execute(_UNUSED.encode())]


def _end_sessions(database: ServiceDatabase) -> str:
    """Have all sessions hand over their counts by ending them; a note when one did not end in time.

    A session leaves pg_stat_activity after it handed over. That `pg_terminate_backend` waits for it is of no use here:
    it waits for one after the other, and for a tenth of a second each.
    """
    server = database.server
    with server.reporting("ending the service's sessions"):
        row = server.monitor.execute(_TERMINATE, [database.name, APPLICATION]).fetchone()
        pids = row[0] if row else []
        until = time.monotonic() + TERMINATE_TIMEOUT_S
        while (left := server.monitor.execute(_LEFT, [pids]).fetchone()) != (0,) and time.monotonic() < until:
            time.sleep(POLL_S)
    if server.major < HANDED_OVER_AT_ONCE:
        time.sleep(
            COLLECTOR_DELAY_S
        )  # a process of its own collects the counts, and answers with half a second's delay
    return "" if left == (0,) else "a session did not end in time, and its counts are missing"


def _readings(name: str, table: Table, growth: int, note: str) -> Iterator[Reading]:
    scope = Scope(table=name)
    yield Reading(GROWTH, float(growth), scope)
    yield Reading(DEAD_ROWS, float(table.dead_rows), scope, note)
    yield Reading(SEQUENTIAL_SCANS, float(table.sequential_scans), scope, note)
    yield Reading(SEQUENTIAL_ROWS, float(table.sequential_rows), scope, note)


def _names(indexes: list[str]) -> str:
    more = f" and {len(indexes) - MOST_NAMED} more" if len(indexes) > MOST_NAMED else ""
    return ", ".join(indexes[:MOST_NAMED]) + more


COLLECTOR = Tables()
