"""A tiny service for tests of advisors: statements sent to a real Postgres, examined and altered as a stand's are.

    with laboratory.opened(server, SCHEMA, [Sent("GET /orders", "SELECT … WHERE customer = %s", [7])] * 3) as bench:
        subject = subject_of(bench.examine(), laboratory=bench)

Only the service and its load are small: the examination, its log and the altered copies are those of a run.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import psycopg

from perfgate.diagnose.subject import Laboratory, Subject
from perfgate.errors import ExitCode, NotMeasured
from perfgate.examination import Examination
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.examine import Theatre
from perfgate.measure.load import Load
from perfgate.measure.load.records import Record
from perfgate.measure.service import RunningService
from perfgate.measure.stand import Stand
from perfgate.model import Finding, Level, Machine, Run, Sample, Scope, Side, Status, Unit, Verdict

SCENARIO = "shop"
RUN = Run("c0ffee", "main", False, "", Machine("cpu", 2, 2**33, "linux", "3.11"), "2026-01-01T00:00:00Z", 1.0, "0", 1)

_labels = itertools.count()


class Sent(NamedTuple):
    """One request: a statement, or several in one transaction, with %s for its parameters."""

    endpoint: str
    sql: str | Sequence[str]
    parameters: Sequence[object] = ()


@dataclass
class Bench:
    """One side's filled database and the requests to it: `perfgate.diagnose.subject.Laboratory` and its examinations.

    `greeting` are statements that the service runs when it connects. `allowance` is what `seconds_left` says.
    """

    database: ServiceDatabase
    sent: Sequence[Sent]
    side: Side = Side.HEAD
    greeting: Sequence[str] = ()
    allowance: float = math.inf
    examined: list[tuple[str, ...]] = field(default_factory=list)

    def seconds_left(self) -> float:
        return self.allowance

    @contextmanager
    def altered(self, scenario: str, statements: Sequence[str] = ()) -> Iterator[psycopg.Connection]:
        with self._theatre(scenario).altered(statements) as database, database.connect() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise NotMeasured(str(error)) from error

    def examine(
        self, scenario: str = SCENARIO, statements: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Examination:
        self.examined.append(tuple(statements))
        return self._theatre(scenario).examine(statements, env)

    def _theatre(self, scenario: str) -> Theatre:
        return Theatre(scenario, cast(Stand, _Stand(self.database, self.side)), cast(Any, _Generator(self)))


@dataclass
class _Stand:
    database: ServiceDatabase
    side: Side

    def restore(self) -> None:
        self.database.restore()

    @contextmanager
    def started(self, name: str, env: Mapping[str, str]) -> Iterator[RunningService]:
        yield cast(RunningService, _Service(self.database.url))


@dataclass
class _Service:
    url: str


@dataclass
class _Generator:
    bench: Bench

    def ready(self) -> None: ...

    def count(self, url: str, observe: Callable[[str], None]) -> Load:
        with psycopg.connect(url) as connection:
            for statement in self.bench.greeting:
                connection.execute(statement.encode())
            connection.commit()
            observe("")
            records = [self._record(connection, sent, observe) for sent in self.bench.sent]
        return Load(SCENARIO, 0, 1.0, tuple(records), None, 1.0, 0.0, 0.0)

    def _record(self, connection: psycopg.Connection, sent: Sent, observe: Callable[[str], None]) -> Record:
        began = time.time()
        for statement in [sent.sql] if isinstance(sent.sql, str) else sent.sql:
            connection.execute(statement.encode(), sent.parameters or None)
        connection.commit()
        seconds = time.time() - began
        observe(sent.endpoint)
        return Record(sent.endpoint, began, began, seconds, 0, True)


@contextmanager
def opened(
    server: Server,
    schema: str,
    sent: Iterable[Sent],
    *,
    side: Side = Side.HEAD,
    greeting: Sequence[str] = (),
) -> Iterator[Bench]:
    """A bench over a database that `schema` filled; the database goes with the block."""
    database = server.create(f"bench_{next(_labels)}")
    with database.connect() as connection:
        connection.execute(schema.encode())
    database.freeze()
    try:
        yield Bench(database, list(sent), side, greeting)
    finally:
        for name in (database.name, database.template):
            server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def subject_of(
    *examinations: Examination,
    laboratory: Laboratory | None = None,
    red: Sequence[Finding] = (),
    samples: Sequence[Sample] = (),
) -> Subject:
    """A subject of what was examined on either side, of a run that has nothing else."""
    heads = {e.scenario: e for e in examinations if e.side is Side.HEAD}
    bases = {e.scenario: e for e in examinations if e.side is Side.BASE}
    statements = {name: text for e in examinations for name, text in e.statements.items()}
    run = replace(RUN, statements=statements, samples=tuple(samples))
    verdict = Verdict(Status.FAIL if red else Status.PASS, ExitCode.FAILED if red else ExitCode.PASSED, tuple(red))
    return Subject(run, verdict, heads, bases, laboratory=laboratory)


def failed(metric: str, endpoint: str = "", *, statement: str = "", change: float = 1.0) -> Finding:
    """A failed finding of a metric that moved."""
    scope = Scope(SCENARIO, endpoint, statement)
    return Finding(metric, scope, Unit.COUNT, Status.FAIL, Level.FAIL, "it is more", "tolerance", change=change)
