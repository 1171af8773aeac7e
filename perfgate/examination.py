"""A closer look at one scenario on one side: what every request did in the database, and what the database looks like.

Statements stand here as the service sent them, with their parameters: an examination stays on the machine, and nothing
of it is written anywhere but by way of an `Advice`, which holds normalised statements only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from perfgate.model import Side


class Counters(NamedTuple):
    """What one statement, or several, cost; `seconds` is the time of execution, blocks are of 8 KiB."""

    calls: float = 0.0
    rows: float = 0.0
    seconds: float = 0.0
    blocks: float = 0.0
    temp_blocks: float = 0.0
    wal_records: float = 0.0


def total(counters: Iterable[Counters]) -> Counters:
    """The sum of counters, column by column."""
    return Counters(*map(sum, zip(Counters(), *counters, strict=True)))


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the pass: its endpoint, how long its answer took in seconds, and what each statement cost it.

    `work` maps fingerprints to counters. `late` says that the database was still busy with it when the next one began,
    `ok` is the scenario's own judgement of the answer.
    """

    endpoint: str
    seconds: float
    work: Mapping[str, Counters]
    late: bool = False
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a statement, as the server's log has it.

    `request` is its index in `Examination.requests`, `statement` its fingerprint. `text` is what the service sent, with
    literals and comments; `parameters` are the values of $1, $2 and so on as text, None for NULL. `plan` is the root
    node of EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON). `seconds` includes what explaining it took. `code` is the
    place that sent it (`path:line`), where a comment in it says so.
    """

    endpoint: str
    request: int
    statement: str
    text: str
    parameters: tuple[str | None, ...]
    plan: Mapping[str, Any]
    seconds: float
    code: str = ""

    def nodes(self) -> Iterator[Mapping[str, Any]]:
        """All nodes of the plan, parents first."""
        waiting = [self.plan]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.get("Plans", ())))


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the pass left it: `rows` by the planner's estimate, `size` with indexes in bytes.

    `scans` and `scanned` are sequential scans and the rows they read; `written` counts rows inserted, updated and
    deleted. `name` is as one writes it in SQL, with its schema unless that is public.
    """

    name: str
    rows: float
    size: int
    dead_rows: int
    scans: int
    scanned: int
    written: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """An index: `columns` in its order (expressions as SQL, with DESC where it is), `predicate` of a partial one.

    `enforces` says that it is unique, or belongs to a constraint, so that it is of use without any scan.
    """

    name: str
    table: str
    method: str
    columns: tuple[str, ...]
    include: tuple[str, ...]
    predicate: str
    definition: str
    enforces: bool
    valid: bool
    size: int
    scans: int


@dataclass(frozen=True)
class Examination:
    """One pass over a scenario's tasks, one request at a time, each watched.

    `statements` maps fingerprints to normalised texts. `executions` is empty where the server's log cannot be read;
    `settings` are all of the server's, as `SHOW` prints them; `version` is its major version.
    """

    scenario: str
    side: Side
    version: int
    requests: tuple[Request, ...]
    executions: tuple[Execution, ...] = ()
    statements: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    indexes: tuple[Index, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def endpoints(self) -> list[str]:
        """Those that were asked, by name."""
        return sorted({request.endpoint for request in self.requests})

    def per_request(self, endpoint: str) -> dict[str, Counters]:
        """What each statement cost an average request of the endpoint."""
        own = [request for request in self.requests if request.endpoint == endpoint]
        names = {name for request in own for name in request.work}
        return {
            name: Counters(*(c / len(own) for c in total(r.work[name] for r in own if name in r.work)))
            for name in sorted(names)
        }

    def work(self, endpoint: str) -> Counters:
        """What all statements together cost an average request of the endpoint."""
        return total(self.per_request(endpoint).values())

    def of(self, statement: str, endpoint: str = "") -> list[Execution]:
        """The executions of a statement, by one endpoint or by all."""
        return [e for e in self.executions if e.statement == statement and endpoint in ("", e.endpoint)]

    def asked_by(self, statement: str) -> list[str]:
        """The endpoints that send a statement, the one that sends it most often first."""
        asking = Counter[str]()
        for request in self.requests:
            if statement in request.work:
                asking[request.endpoint] += int(request.work[statement].calls)
        return [endpoint for endpoint, _ in asking.most_common()]

    def table(self, name: str) -> Table | None:
        """The table of this name."""
        return next((table for table in self.tables if table.name == name), None)
