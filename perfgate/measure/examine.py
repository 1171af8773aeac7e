"""The examination: a counting pass in which the server explains every statement, over the data as it was or altered."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from perfgate.errors import NotMeasured
from perfgate.examination import Counters, Examination, Execution, Request, total
from perfgate.measure import catalogue, comments, serverlog
from perfgate.measure.belated import returned
from perfgate.measure.collectors.queries import CountingPass
from perfgate.measure.database import ServiceDatabase
from perfgate.measure.database.access import said
from perfgate.measure.fingerprint import fingerprint, normalise
from perfgate.measure.load import Generator, Load, Record
from perfgate.measure.stand import Stand
from perfgate.measure.statements import is_chatter

ALTERING_TIMEOUT_MS = 60_000
"""An index that takes longer to build is not tried."""

SETTLE_S = 0.02
"""How long the database must have been quiet after a request; see the collector of queries."""


@dataclass(frozen=True)
class Theatre:
    """Where one scenario is examined: a stand, and the load that drives it. Nothing else uses the stand meanwhile."""

    scenario: str
    stand: Stand
    generator: Generator
    env: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def altered(self, statements: Sequence[str] = ()) -> Iterator[ServiceDatabase]:
        """The database as it was filled, with `statements` done to it and analysed, until the next one.

        Raises NotMeasured with what Postgres says where a statement fails.
        """
        database = self.stand.database
        if database is None:
            raise NotMeasured("there is no database to look at")
        self.stand.restore()
        if statements:
            self._alter(database, statements)
        yield database

    def _alter(self, database: ServiceDatabase, statements: Sequence[str]) -> None:
        import psycopg

        with database.connect() as connection:
            connection.execute(f"SET statement_timeout = {ALTERING_TIMEOUT_MS}".encode())
            try:
                for statement in statements:
                    connection.execute(statement.encode())
                connection.execute("VACUUM (ANALYZE)")
            except psycopg.Error as error:
                raise NotMeasured(f"the copy cannot be altered: {said(error)}") from error

    def examine(self, statements: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Examination:
        """Drive every task on the altered database with a fresh service, with `env` added, and look at each request.

        Raises NotMeasured where the service or the load fails on it.
        """
        with self.altered(statements) as database:
            if database.server.read_log is not None:  # else nobody could read it, and it is not ours to be filled
                database.explain_all()
            with self.stand.started(f"examine-{self.scenario}", {**self.env, **(env or {})}) as service:
                counting, load, marks = self._count(database, service.url)
            endpoints = [look.endpoint for look in counting.looks]
            with database.connect() as connection, database.server.reporting("reading the catalogue"):
                return Examination(
                    self.scenario,
                    self.stand.side,
                    database.server.major,
                    requests=tuple(_requests(counting, load)),
                    executions=tuple(returned(list(self._executions(database, counting, marks)), endpoints)),
                    statements={fingerprint(text): text for text in counting.texts().values()},
                    tables=catalogue.tables(connection),
                    indexes=catalogue.indexes(connection),
                    settings=catalogue.settings(connection),
                )

    def _count(self, database: ServiceDatabase, url: str) -> tuple[CountingPass, Load, list[str]]:
        server, token = database.server, secrets.token_hex(8)
        counting = CountingPass(database, SETTLE_S)
        marks: list[str] = []

        def observe(endpoint: str) -> None:
            counting.look(endpoint)
            if server.read_log is not None:
                marks.append(f"perfgate {token} {len(marks)}")
                server.mark(marks[-1])

        with server.reporting("examining requests"):
            self.generator.ready()
            load = self.generator.count(url, observe)
        if load.flaws:
            raise NotMeasured(f"scenario {self.scenario}: {load.flaws[0].because}", hint=load.flaws[0].detail)
        return counting, load, marks

    def _executions(
        self, database: ServiceDatabase, counting: CountingPass, marks: Sequence[str]
    ) -> Iterator[Execution]:
        """What the log has of each request; the executions before the first mark are the warm-up's."""
        log = database.server.read_log
        if log is None:
            return
        for index, (look, explained) in enumerate(
            zip(counting.looks, serverlog.between(log(), marks)[1:], strict=False)
        ):
            for one in explained:
                text = normalise(one.text)
                if not is_chatter(text):
                    code = comments.place(comments.tags(one.text))
                    yield Execution(
                        look.endpoint,
                        index,
                        fingerprint(text),
                        one.text,
                        one.parameters,
                        one.plan,
                        one.seconds,
                        code,
                    )


def _requests(counting: CountingPass, load: Load) -> Iterator[Request]:
    """The requests in their order, each with its work by fingerprint."""
    named = {statement: fingerprint(text) for statement, text in counting.texts().items()}
    answers = _answers(load)
    for look in counting.looks:
        work: dict[str, Counters] = {}
        for statement, counters in look.used.items():
            if statement in named:
                work[named[statement]] = total((counters, work.get(named[statement], Counters())))
        answer = next(answers[look.endpoint], None)
        seconds, ok = (answer.seconds, answer.ok) if answer else (0.0, False)
        yield Request(look.endpoint, seconds, work, look.late, ok)


def _answers(load: Load) -> dict[str, Iterator[Record]]:
    """The answers to each endpoint, in the order of their requests."""
    by_endpoint: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(load.records, key=lambda record: record.started):
        by_endpoint[record.endpoint].append(record)
    return defaultdict(lambda: iter(()), {endpoint: iter(own) for endpoint, own in by_endpoint.items()})
