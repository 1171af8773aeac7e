"""N+1: a statement that an endpoint sends again for each row it has found, told by how its calls grow with the rows.

A number of calls proves nothing: six constant look-ups are six calls at any size. So the calls of a statement are
compared between requests that found more rows and such that found fewer. Where all requests find equally many, rows are
deleted in a copy of the database and the requests sent again (measured: an N+1 has a slope of 1.0 calls a row, a join,
a batch and six look-ups have 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.batching import batched
from perfgate.diagnose.places import sender
from perfgate.diagnose.replay import alternated, bound, rows
from perfgate.diagnose.subject import Laboratory, Subject
from perfgate.errors import NotMeasured
from perfgate.examination import Counters, Examination, Execution, Request
from perfgate.model import Scope, Unit
from perfgate.stats import mean
from perfgate.units import show

FEWEST_CALLS = 3
"""Of one statement in one request: two may be a first and a second page, and gain little."""

LEAST_SLOPE = 0.5
"""Calls a row: between what batches and look-ups have (0) and an N+1 has (1); duplicates spare some of the calls."""

LEAST_FIT = 0.9
"""Share of the calls' variance that the rows explain, where requests differ by themselves."""

KEPT = (3, 30)
"""One row in so many is kept; the second where a page is still full after the first."""

SECONDS_A_TRIAL = 5.0


@dataclass(frozen=True)
class Growth:
    """How calls of a statement grow with the rows of another one: at two sizes, both in means of a request."""

    parent: str
    rows: tuple[float, float]
    calls: tuple[float, float]

    @property
    def slope(self) -> float:
        """Calls a row."""
        return (self.calls[1] - self.calls[0]) / (self.rows[1] - self.rows[0])


class NPlusOne(Advisor):
    """Each endpoint's statement with most calls, and the rows that they are sent for."""

    category = "n_plus_one"
    tries = True

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario, head in subject.heads.items():
            for endpoint in head.endpoints():
                yield from _advise(subject, scenario, head, endpoint)


def _advise(subject: Subject, scenario: str, head: Examination, endpoint: str) -> Iterator[Advice]:
    laboratory = subject.laboratory
    for statement in _suspects(head, endpoint):
        growth = _natural(head, endpoint, statement)
        if growth is None and laboratory is not None and not _varied(head, endpoint, statement):
            growth = _thinned(laboratory, head, endpoint, statement)
        if growth is not None and growth.slope >= LEAST_SLOPE:
            yield _advice(subject, head, Scope(scenario=scenario, endpoint=endpoint, statement=statement), growth)


def _suspects(head: Examination, endpoint: str) -> list[str]:
    """Statements that a request of the endpoint sends again and again with other parameters, most calls first."""
    own = head.per_request(endpoint)
    often = [name for name, work in own.items() if work.calls >= FEWEST_CALLS and _differ(head.of(name, endpoint))]
    return sorted(often, key=lambda name: -own[name].calls)


def _differ(executions: Sequence[Execution]) -> bool:
    """Whether one request's executions ask for different things: the same thing again is for a cache to mend.

    Where nothing is known of them, they may.
    """
    for _, group in groupby(executions, key=lambda execution: execution.request):
        asked = [(execution.text, execution.parameters) for execution in group]
        if len(set(asked)) > len(asked) / 2:
            return True
    return not executions


def _requests(examination: Examination, endpoint: str) -> list[Request]:
    return [request for request in examination.requests if request.endpoint == endpoint and request.ok]


def _parents(head: Examination, endpoint: str, statement: str) -> list[str]:
    """The statements whose rows may be what the calls are sent for: at least as many, found by fewer calls."""
    own = head.per_request(endpoint)
    calls = own[statement].calls
    found = [n for n, w in own.items() if n != statement and w.rows >= 0.9 * calls and w.calls <= calls / 2]
    return sorted(found, key=lambda name: abs(own[name].rows - calls))


def _of(request: Request, statement: str) -> Counters:
    return request.work.get(statement, Counters())


def _varied(head: Examination, endpoint: str, statement: str) -> bool:
    """Whether rows of all parents differ between requests, so that nothing needs to be deleted to see what calls do."""
    requests, parents = _requests(head, endpoint), _parents(head, endpoint, statement)
    return all(len({_of(request, parent).rows for request in requests}) > 1 for parent in parents)


def _natural(head: Examination, endpoint: str, statement: str) -> Growth | None:
    """The growth that the requests as they are show, by least squares."""
    requests = _requests(head, endpoint)
    calls = [_of(request, statement).calls for request in requests]
    for parent in _parents(head, endpoint, statement):
        found = [_of(request, parent).rows for request in requests]
        fewest, most = min(found, default=0.0), max(found, default=0.0)
        if most - fewest < 2:
            continue
        slope, fit = _line(found, calls)
        if slope >= LEAST_SLOPE and fit >= LEAST_FIT:
            middle = mean(calls) - slope * mean(found)
            return Growth(parent, (fewest, most), (middle + slope * fewest, middle + slope * most))
    return None


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Slope and share of the variance explained."""
    mx, my = mean(x), mean(y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    xx, yy = sum((a - mx) ** 2 for a in x), sum((b - my) ** 2 for b in y)
    return (xy / xx, xy * xy / (xx * yy)) if xx and yy else (0.0, 0.0)


def _thinned(laboratory: Laboratory, head: Examination, endpoint: str, statement: str) -> Growth | None:
    """The growth between the data as it is and with most rows of a parent's tables deleted."""
    was = head.per_request(endpoint)
    for parent in _parents(head, endpoint, statement)[:2]:
        for table in _tables(head.of(parent, endpoint))[:2]:
            for kept in KEPT:
                if laboratory.seconds_left() < SECONDS_A_TRIAL:
                    return None
                fewer = _fewer(laboratory, head.scenario, table, kept)
                now = fewer.per_request(endpoint) if fewer and _requests(fewer, endpoint) else {}
                left, calls = now.get(parent, Counters()).rows, now.get(statement, Counters()).calls
                if fewer is None or not all(request.ok for request in fewer.requests) or left == 0:
                    break
                if was[parent].rows - left >= 1:
                    return Growth(parent, (left, was[parent].rows), (calls, was[statement].calls))
    return None


def _tables(executions: Sequence[Execution]) -> list[str]:
    """The tables that a statement reads, quoted, those of most rows first."""
    found: dict[str, float] = {}
    for execution in executions[:1]:
        for node in execution.nodes():
            if "Relation Name" in node:
                name = f"{_quoted(node.get('Schema', 'public'))}.{_quoted(node['Relation Name'])}"
                found[name] = found.get(name, 0.0) + float(node["Actual Rows"]) * float(node["Actual Loops"])
    return sorted(found, key=lambda name: -found[name])


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _fewer(laboratory: Laboratory, scenario: str, table: str, kept: int) -> Examination | None:
    """The scenario with one in `kept` rows of the table left, whatever refers to the others."""
    hashed = f"abs(hashtext(ctid::text)::bigint) % {kept}"
    statements = ("SET session_replication_role = replica", f"DELETE FROM {table} WHERE {hashed} <> 0")
    try:
        return laboratory.examine(scenario, statements)
    except NotMeasured:  # a role that may not, or a service that cannot do without the rows
        return None


def _advice(subject: Subject, head: Examination, scope: Scope, growth: Growth) -> Advice:
    endpoint, statement = scope.endpoint, scope.statement
    text, parent = head.statements.get(statement, ""), head.statements.get(growth.parent, "")
    calls = head.per_request(endpoint)[statement].calls
    metrics = ("queries.calls", "queries.time", "queries.rows", "queries.blocks", "response.*", "cpu.*")
    red = any(f.metric.startswith("queries.") and f.scope.endpoint == endpoint for f in subject.red())
    return Advice(
        category=NPlusOne.category,
        severity=Severity.HIGH if red else Severity.MEDIUM,
        title=f"{endpoint} sends one statement again for each row: {show(calls, Unit.COUNT)} calls a request",
        evidence=(
            f"`{text}` is sent {_times(growth, 0)} and {_times(growth, 1)} of `{parent}`",
            f"that is {growth.slope:.2f} calls a row",
        ),
        effect=f"about {show(max(1.0, calls - 1), Unit.COUNT)} round trips to the database less a request",
        effort=Effort.HOURS,
        remedy="Fetch all rows at once: one statement with `= ANY ($1)` and the keys of all rows, a join, or the ORM's "
        "eager loading (Django prefetch_related, SQLAlchemy selectinload, ActiveRecord includes).",
        scope=scope,
        verified=tuple(_tried(subject, head, scope)),
        code=sender(subject, scope, statement),
        metrics=metrics,
    )


def _times(growth: Growth, size: int) -> str:
    return f"{show(growth.calls[size], Unit.COUNT)} times for {show(growth.rows[size], Unit.COUNT)} rows"


def _tried(subject: Subject, head: Examination, scope: Scope) -> Iterator[Trial]:
    """One request's executions, one by one and as one statement, in a copy of the database."""
    executions = head.of(scope.statement, scope.endpoint)
    if subject.laboratory is None or not executions:
        return
    busiest = max((list(g) for _, g in groupby(executions, key=lambda e: e.request)), key=len)
    at_once = batched(busiest)
    if at_once is None or subject.laboratory.seconds_left() < SECONDS_A_TRIAL:
        return
    one_by_one = [bound(execution) for execution in busiest]
    try:
        with subject.laboratory.altered(head.scenario) as connection:
            if rows(connection, one_by_one) != rows(connection, [at_once]):
                return
            before, after = alternated(connection, one_by_one, [at_once])
    except NotMeasured:  # a type that takes no text, or a statement that takes too long
        return
    yield Trial(f"time for the rows of {scope.endpoint}, fetched at once", Unit.SECONDS, before, after)
    yield Trial(f"statements for the rows of {scope.endpoint}", Unit.COUNT, len(one_by_one), 1)


ADVISOR = NPlusOne()
