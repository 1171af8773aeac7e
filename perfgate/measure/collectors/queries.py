"""What each endpoint asks of Postgres: statements counted request by request, in a counting pass.

While a counting pass waits after every answered request, the counters of pg_stat_statements tell exactly what that
request cost, whatever framework sent it: over the same data, order and number of requests, calls and rows repeat to
the last digit. Statements that fail are not counted by Postgres.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from perfgate.examination import Counters, total
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.fingerprint import fingerprint, normalise
from perfgate.measure.statements import (
    APPLICATION,
    OWN,
    Snapshot,
    StatementId,
    Statements,
    is_chatter,
    is_foreign_key_check,
    shrunk,
    since,
)
from perfgate.model import Better, Comparable, Flaw, FlawKind, Metric, Noise, Scope, Unit

if TYPE_CHECKING:
    from perfgate.measure.database import ServiceDatabase


def _exact(name: str, meaning: str, comparable: Comparable) -> Metric:
    return Metric(f"queries.{name}", Unit.COUNT, Better.LOWER, Noise.EXACT, meaning, comparable)


def _seconds(name: str, meaning: str) -> Metric:
    return Metric(
        f"queries.{name}", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift=0.5
    )


CALLS = _exact(
    "calls",
    "Statements sent to Postgres per request, without BEGIN, COMMIT and other session statements.",
    Comparable.ANYWHERE,
)
ROWS = _exact("rows", "Rows that statements returned or changed per request.", Comparable.ANYWHERE)
BLOCKS = _exact(
    "blocks", "Blocks of 8 KiB that statements looked at per request, cached or not.", Comparable.SAME_POSTGRES
)
TEMP_BLOCKS = _exact(
    "temp_blocks", "Blocks of temporary files that statements read and wrote per request.", Comparable.SAME_POSTGRES
)
WAL_RECORDS = _exact(
    "wal_records", "Records that statements wrote to the write-ahead log per request.", Comparable.SAME_POSTGRES
)
TIME = _seconds("time", "Time Postgres spent executing statements per request.")
MEAN_TIME = _seconds("mean_time", "Time Postgres spent executing one call of a statement.")

PATIENCE_S = 1.0
"""How long a request's late statements are waited for."""
MOST_VAIN_WAITS = 10
"""Where the database never comes to rest, waiting for it after each request would take longer than the pass."""
POLL_S = 0.003

# A session is busy while it runs something or holds a transaction open (the cost of a portal is counted when it is
# closed), and shortly after: more may follow. One that was so before the request is none of the request's business.
_BUSY = f"""
SELECT clock_timestamp(), count(*), count(*) FILTER (WHERE state_change > %(since)s::timestamptz AND (
           state IS DISTINCT FROM 'idle' OR state_change > clock_timestamp() - make_interval(secs => %(settle)s)))
  FROM pg_stat_activity
 WHERE datid = %(oid)s AND backend_type = 'client backend' AND application_name <> '{APPLICATION}'
"""


class Look(NamedTuple):
    """What one request used; `late` when the database was still busy after `PATIENCE_S`."""

    endpoint: str
    used: Snapshot
    late: bool


@dataclass
class CountingPass:
    """One counting pass over one database: what each request asked for so far.

    `settle` is for how many seconds the database must have been quiet; `connected` says whether anybody was seen in it
    at all.
    """

    database: ServiceDatabase
    settle: float
    connected: bool = False
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._statements = Statements.of(self.database.server.monitor, self.database.name)
        self._looked: object = "-infinity"
        self._before: Snapshot | None = None
        self._losses: tuple[object, ...] = ()
        self._shrunk = False

    @property
    def requests(self) -> Counter[str]:
        """How many requests each endpoint had."""
        return Counter(look.endpoint for look in self.looks)

    @property
    def vain(self) -> Counter[str]:
        """After how many of them the database did not come to rest."""
        return Counter(look.endpoint for look in self.looks if look.late)

    @property
    def complete(self) -> bool:
        """Whether the server kept all counters from the first look to now."""
        return not self._shrunk and self._statements.losses() == self._losses

    def look(self, endpoint: str) -> None:
        """Count what happened since the last look to the endpoint; to nobody the first time."""
        quiet = self._quiet(self.settle + (PATIENCE_S if self.vain.total() < MOST_VAIN_WAITS else 0))
        after = self._statements.read()
        if self._before is None:
            self._losses = self._statements.losses()
        else:
            self.looks.append(Look(endpoint, since(self._before, after), late=not quiet))
            self._shrunk = self._shrunk or shrunk(self._before, after)
        self._before = after

    def texts(self) -> dict[StatementId, str]:
        """The normalised statements, without those that no endpoint asked for."""
        texts = (
            (statement, normalise(text)) for statement, text in self._statements.texts().items() if OWN not in text
        )
        return {statement: text for statement, text in texts if not is_chatter(text)}

    def _quiet(self, patience: float) -> bool:
        """Wait until the database is quiet; False when it was not in time."""
        asked = {"since": self._looked, "settle": self.settle, "oid": self._statements.oid}
        began = time.monotonic()
        while True:
            row = self.database.server.monitor.execute(_BUSY, asked).fetchone()
            assert row is not None
            self._looked, sessions, busy = row
            self.connected = self.connected or sessions > 0
            waited = time.monotonic() - began
            if waited >= (patience if busy else self.settle):
                return not busy
            time.sleep(POLL_S)


class Queries(Collector):
    """Statements per request: of each endpoint, of each statement of an endpoint, and of all together.

    The option `settle_ms` is for how long the database must have been quiet after a request; more is needed only where
    a service goes on working later than that after its answer. `flaws` says what was wrong with the last pass.
    """

    name = "queries"
    metrics = (CALLS, ROWS, TIME, MEAN_TIME, BLOCKS, TEMP_BLOCKS, WAL_RECORDS)
    stretch = Stretch.COUNTING
    options: ClassVar[Mapping[str, object]] = {"settle_ms": 20}

    def __init__(self) -> None:
        self.flaws: tuple[Flaw, ...] = ()
        self._pass: CountingPass | None = None

    def begin(self, target: Target) -> None:
        """Raises NotMeasured when the server is gone or may not be asked."""
        self.flaws, self._pass = (), None
        if target.database is not None:
            settle = float(str(target.options.get("settle_ms", self.options["settle_ms"]))) / 1000
            with target.database.server.reporting("counting statements"):
                self._pass = CountingPass(target.database, settle)

    def observe(self, target: Target, endpoint: str) -> None:
        """Raises NotMeasured when the server is gone."""
        if self._pass is not None and target.database is not None:
            with target.database.server.reporting("counting statements"):
                self._pass.look(endpoint)

    def finish(self, target: Target) -> list[Reading]:
        """All readings; with None for values when the server threw counters away, or the service was never there."""
        if self._pass is None or not self._pass.requests:
            return []
        with self._pass.database.server.reporting("counting statements"):
            complete, texts = self._pass.complete, self._pass.texts()
        if not complete:
            self.flaws = (_evicted(target),)
            return list(self._nothing(self._pass, self.flaws[0].because))
        if not self._pass.connected and not any(look.used for look in self._pass.looks):
            used = self._pass.database.name
            return list(self._nothing(self._pass, f"nobody used the database {used}: does the service connect to it?"))
        named = {statement: fingerprint(text) for statement, text in texts.items()}
        target.statements.update((named[statement], text) for statement, text in texts.items())
        unsent = {named[statement] for statement, text in texts.items() if is_foreign_key_check(text)}
        return list(_readings(self._pass, named, unsent))

    def _nothing(self, counting: CountingPass, note: str) -> Iterator[Reading]:
        for endpoint in ("", *sorted(counting.requests)):
            yield from (Reading(metric, None, Scope(endpoint=endpoint), note) for metric in self.metrics)


def _evicted(target: Target) -> Flaw:
    words = "pg_stat_statements threw counters away during the counting pass"
    hint = "raise pg_stat_statements.max, and let nobody reset it meanwhile"
    return Flaw(
        FlawKind.STATEMENTS_EVICTED, words, target.scenario, side=target.side, metrics=("queries.*",), detail=hint
    )


def _readings(counting: CountingPass, named: Mapping[StatementId, str], unsent: Set[str]) -> Iterator[Reading]:
    """All readings. What nobody sent (`unsent`) is work, in blocks and time, and neither calls nor rows."""
    all_together: list[Counters] = []
    for endpoint, requests in sorted(counting.requests.items()):
        by_name: dict[str, list[Counters]] = defaultdict(list)
        for look in counting.looks:
            for statement, counters in look.used.items() if look.endpoint == endpoint else ():
                if statement in named:
                    by_name[named[statement]].append(counters)
        sums = {name: total(counters) for name, counters in by_name.items()}
        sums |= {name: sums[name]._replace(calls=0.0, rows=0.0) for name in sums.keys() & unsent}
        note = _restless(counting.vain[endpoint], requests) or _uneven(counting, endpoint, named.keys())
        yield from _per_request(sums.values(), requests, Scope(endpoint=endpoint), note)
        for name, counters in sorted(sums.items()):
            yield from _per_request([counters], requests, Scope(endpoint=endpoint, statement=name), note)
        all_together.extend(sums.values())
    note = _restless(counting.vain.total(), counting.requests.total())
    yield from _per_request(all_together, counting.requests.total(), Scope(), note)


def _restless(vain: int, requests: int) -> str:
    if not vain:
        return ""
    return (
        f"after {vain} of {requests} requests the database was still busy {PATIENCE_S:g} s later: "
        "some statements may be counted to the request that came next"
    )


def _uneven(counting: CountingPass, endpoint: str, known: Set[StatementId]) -> str:
    """How calls differ between the requests of an endpoint, if they do: a mean that is no whole number says it too."""
    calls = [
        sum(counters.calls for statement, counters in look.used.items() if statement in known)
        for look in counting.looks
        if look.endpoint == endpoint
    ]
    fewest, most = min(calls), max(calls)
    if fewest == most:
        return ""
    words = f"{fewest:g} to {most:g} statements a request"
    return f"{words}: more at first, as when a cache fills" if calls[0] == most and most not in calls[1:] else words


def _per_request(counters: Iterable[Counters], requests: int, scope: Scope, note: str) -> Iterator[Reading]:
    """The readings of one scope. One call has no mean time where there was none."""
    sums = total(counters)
    values = {
        CALLS: sums.calls,
        ROWS: sums.rows,
        TIME: sums.seconds,
        BLOCKS: sums.blocks,
        TEMP_BLOCKS: sums.temp_blocks,
        WAL_RECORDS: sums.wal_records,
    }
    if scope.statement and not sums.calls:
        del values[CALLS], values[ROWS]
    yield from (Reading(metric, value / requests, scope, note) for metric, value in values.items())
    if sums.calls:
        yield Reading(MEAN_TIME, sums.seconds / sums.calls, scope, note)


COLLECTOR = Queries()
