"""Sessions, locks and the cache of a service's database during a timed round."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.fingerprint import normalise
from perfgate.measure.statements import APPLICATION
from perfgate.model import Better, Comparable, Metric, Noise, Unit

if TYPE_CHECKING:
    import psycopg

    from perfgate.measure.database import ServiceDatabase


def _sampled(name: str, unit: Unit, drift: float, meaning: str, better: Better = Better.LOWER) -> Metric:
    return Metric(name, unit, better, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift)


USED = _sampled("connections.used", Unit.COUNT, 0.2, "Most connections that the service held at one time.")
SHARE = _sampled("connections.share", Unit.RATIO, 0.2, "Most connections held at one time, of those the server allows.")
ACTIVE = _sampled("connections.active", Unit.COUNT, 0.3, "Mean number of sessions that were running a statement.")
IDLE_IN_TRANSACTION = _sampled(
    "connections.idle_in_transaction", Unit.COUNT, 0.3, "Most sessions at one time that held a transaction open idly."
)
LONGEST_QUERY = _sampled(
    "connections.longest_query", Unit.SECONDS, 0.5, "Longest that a statement was seen running, by five looks a second."
)
WAITING = _sampled("locks.waiting", Unit.COUNT, 0.5, "Most sessions at one time that waited for a lock.")
LONGEST_WAIT = _sampled(
    "locks.longest_wait", Unit.SECONDS, 0.5, "Longest that a session was seen waiting for a lock, and for whom."
)
OPENED = _sampled(
    "connections.opened", Unit.COUNT, 0.3, "Connections that the service opened in the round, its warm-up included."
)
DEADLOCKS = _sampled(
    "database.deadlocks", Unit.COUNT, 0.5, "Deadlocks, each ended by an error for one of its sessions."
)
TEMP_FILES = _sampled("database.temp_files", Unit.COUNT, 0.3, "Temporary files of statements short of work_mem.")
TEMP_BYTES = _sampled("database.temp_bytes", Unit.BYTES, 0.3, "What statements short of work_mem wrote to disk.")
CACHE_HITS = _sampled(
    "database.cache_hits", Unit.RATIO, 0.05, "Blocks found in the cache of Postgres, of all looked at.", Better.HIGHER
)

PERIOD_S = 0.2
MOST_WAITS = 3
LONGEST_TEXT = 120

_SESSIONS = """
SELECT count(*), count(*) FILTER (WHERE state = 'active'),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%'), count(*) FILTER (WHERE wait_event_type = 'Lock'),
       coalesce(extract(epoch FROM max(clock_timestamp() - query_start) FILTER (WHERE state = 'active')), 0)::float8
  FROM pg_stat_activity
 WHERE datname = %s AND backend_type = 'client backend' AND application_name <> %s
"""
# waitstart is NULL for a moment when a wait begins; a session that was there a moment ago may be gone; and a prepared
# transaction, which holds locks without a session, has pid 0.
_WAITS = """
SELECT waiter.pid, waiter.query, blocking.pid, blocker.query, blocker.state,
       coalesce(extract(epoch FROM clock_timestamp() - lock.waitstart), 0)::float8
  FROM pg_stat_activity AS waiter
  JOIN pg_locks AS lock ON lock.pid = waiter.pid AND NOT lock.granted
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiter.pid)) AS blocking (pid)
  LEFT JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
 WHERE waiter.datname = %s AND waiter.wait_event_type = 'Lock'
"""
_TOTALS = """
SELECT deadlocks, temp_files, temp_bytes, blks_hit, blks_read, sessions FROM pg_stat_database WHERE datname = %s
"""
_MAXIMUM = "SELECT setting::int FROM pg_settings WHERE name = 'max_connections'"


class Sessions(NamedTuple):
    """One look at a database's sessions: how many there were, and for how many seconds the longest statement ran."""

    used: int
    active: int
    idle_in_transaction: int
    waiting: int
    longest_query: float


class Totals(NamedTuple):
    """What pg_stat_database counted since the database was made."""

    deadlocks: int
    temp_files: int
    temp_bytes: int
    hits: int
    reads: int
    opened: int


@dataclass
class SessionSampler:
    """Looks at the sessions of a database five times a second, from a thread and through a connection of its own.

    `waits` maps who waited for whom to the longest time in seconds.
    """

    connection: psycopg.Connection
    database: str
    looks: list[Sessions] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="perfgate-sessions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look once more, and end. Raises what went wrong meanwhile."""
        self.end()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """End, and leave nothing behind."""
        self._over.set()
        self._thread.join()
        self.connection.close()

    def _run(self) -> None:
        try:
            self._look()
            while not self._over.wait(PERIOD_S):
                self._look()
            self._look()
        except Exception as error:  # raised again by stop(), in the thread that has a use for it
            self._error = error

    def _look(self) -> None:
        row = self.connection.execute(_SESSIONS, [self.database, APPLICATION]).fetchone()
        assert row is not None
        self.looks.append(Sessions(*row))
        if self.looks[-1].waiting:
            for waiter, query, blocker, blocking_query, state, seconds in self.connection.execute(
                _WAITS, [self.database]
            ):
                whom = _blocker(blocker, blocking_query, state)
                words = f"pid {waiter} ({_short(query)}) waited for {whom}"
                self.waits[words] = max(seconds, self.waits.get(words, 0.0))


class Connections(Collector):
    """Sessions by state, locks that were waited for, deadlocks, temporary files and the cache."""

    name = "connections"
    metrics = (
        *(USED, SHARE, ACTIVE, IDLE_IN_TRANSACTION, LONGEST_QUERY, WAITING, LONGEST_WAIT),
        *(OPENED, DEADLOCKS, TEMP_FILES, TEMP_BYTES, CACHE_HITS),
    )
    stretch = Stretch.ROUND

    def __init__(self) -> None:
        self._sampler: SessionSampler | None = None
        self._before: Totals | None = None

    def begin(self, target: Target) -> None:
        """Raises NotMeasured when the server is gone or refuses another connection."""
        if self._sampler is not None:  # its round broke off, and nobody asked how it ended
            self._sampler.end()
            self._sampler = None
        if target.database is None:
            return
        server = target.database.server
        with server.reporting("watching the service's sessions"):
            self._before = _totals(target.database)
            connection = server.access.connect(server.monitor.info.dbname)
            self._sampler = SessionSampler(connection, target.database.name)

    def finish(self, target: Target) -> Iterator[Reading]:
        """Raises NotMeasured when the server was lost meanwhile."""
        sampler, before, self._sampler = self._sampler, self._before, None
        if target.database is None or sampler is None or before is None:
            return
        with target.database.server.reporting("watching the service's sessions"):
            sampler.stop()
            after = _totals(target.database)
            row = target.database.server.monitor.execute(_MAXIMUM).fetchone()
        yield from _of_sessions(sampler, maximum=row[0] if row else 0)
        yield from _of_totals(before, after)


def _totals(database: ServiceDatabase) -> Totals:
    """The counts of all sessions so far, but for those of about the last second.

    A session hands over its counts once a second at most, when a transaction ends. A round's end lacks as much as its
    beginning did. A deadlock is there at once: its victim had waited for `deadlock_timeout`, a second unless
    it was made shorter.
    """
    row = database.server.monitor.execute(_TOTALS, [database.name]).fetchone()
    assert row is not None
    return Totals(*row)


def _of_sessions(sampler: SessionSampler, maximum: int) -> Iterator[Reading]:
    def most(number: Callable[[Sessions], float]) -> float:
        return float(max(map(number, sampler.looks)))

    used = most(lambda look: look.used)
    waits = sorted(sampler.waits.items(), key=lambda wait: -wait[1])
    note = "; ".join(f"{words} for {seconds:.1f} s" for words, seconds in waits[:MOST_WAITS])
    yield Reading(USED, used)
    yield Reading(SHARE, used / maximum)
    yield Reading(ACTIVE, statistics.fmean(look.active for look in sampler.looks))
    yield Reading(IDLE_IN_TRANSACTION, most(lambda look: look.idle_in_transaction))
    yield Reading(LONGEST_QUERY, most(lambda look: look.longest_query))
    yield Reading(WAITING, most(lambda look: look.waiting), note=note)
    yield Reading(LONGEST_WAIT, max(sampler.waits.values(), default=0.0), note=note)


def _of_totals(before: Totals, after: Totals) -> Iterator[Reading]:
    looked_at = after.hits + after.reads - before.hits - before.reads
    yield Reading(OPENED, float(after.opened - before.opened))
    yield Reading(DEADLOCKS, float(after.deadlocks - before.deadlocks))
    yield Reading(TEMP_FILES, float(after.temp_files - before.temp_files))
    yield Reading(TEMP_BYTES, float(after.temp_bytes - before.temp_bytes))
    if looked_at > 0:
        yield Reading(CACHE_HITS, (after.hits - before.hits) / looked_at)
    else:
        yield Reading(CACHE_HITS, None, note="no block was looked at, as far as Postgres has counted yet")


def _blocker(pid: int, query: str | None, state: str | None) -> str:
    if pid == 0:
        return "a prepared transaction"
    if query is None:
        return f"pid {pid}"
    return f"pid {pid} ({state}: {_short(query)})"


def _short(query: str) -> str:
    text = normalise(query)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


COLLECTOR = Connections()
