"""Answers that are read from the database again and again, slowly, although nothing changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import ClassVar

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import ANSWERS, rounds
from perfgate.diagnose.plans import scans
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination, Execution
from perfgate.model import Scope, Unit
from perfgate.units import show

REPEATED = 0.5
"""What share of an endpoint's requests has to ask for the same as another one."""

_WRITING = frozenset({"ModifyTable", "LockRows"})
_MOST_NAMED = 5

Question = tuple[tuple[str, tuple[str | None, ...]], ...]
"""What a request asked of the database: its statements in order, with their parameters."""


class Caching(Advisor):
    """Endpoints that are asked often and are slow, send the same statements each time, and read what nobody writes.

    The options: above how many requests in a run, and above which median time in seconds, an answer is worth keeping.
    """

    category = "caching"
    options: ClassVar[Mapping[str, object]] = {"requests": 100, "seconds": 0.5}

    def advise(self, subject: Subject) -> Iterator[Advice]:
        asked = {**self.options, **subject.options.get(self.category, {})}
        limits = {name: float(str(value)) for name, value in asked.items()}
        for scenario, examination in sorted(subject.heads.items()):
            for endpoint in examination.endpoints():
                scope = Scope(scenario, endpoint)
                requests, median = _requests(subject, scope), subject.value("response.p50", scope)
                if requests > limits["requests"] and median is not None and median > limits["seconds"]:
                    yield from _identical(examination, scope, requests, median)


def _requests(subject: Subject, scope: Scope) -> float:
    """About how many requests of an endpoint head answered in its rounds."""
    rate = subject.value("response.rate", scope) or 0.0
    return rate * sum(taken.seconds for taken in rounds(subject, scope.scenario))


def _identical(examination: Examination, scope: Scope, requests: float, median: float) -> Iterator[Advice]:
    own = [e for e in examination.executions if e.endpoint == scope.endpoint]
    asked = sum(request.endpoint == scope.endpoint for request in examination.requests)
    tables = {scan.table.name: scan.table for e in own for scan in scans(e.plan, examination.tables)}
    repeated = sum(count for count in Counter(_questions(own).values()).values() if count > 1)
    if any(node["Node Type"] in _WRITING for e in own for node in e.nodes()) or not tables:
        return
    if repeated < REPEATED * asked or any(found.written for found in tables.values()):
        return
    work = examination.work(scope.endpoint)
    named = ", ".join(sorted(tables)[:_MOST_NAMED]) + (" and others" if len(tables) > _MOST_NAMED else "")
    yield Advice(
        Caching.category,
        Severity.MEDIUM,
        f"{scope.endpoint} reads the same again for every answer",
        (
            f"about {requests:.0f} requests, half of which took longer than {show(median, Unit.SECONDS)}",
            (
                f"{repeated} of {asked} requests looked at sent the same statements with the same parameters, "
                f"{show(work.blocks, Unit.COUNT)} blocks and {show(work.seconds, Unit.SECONDS)} of the database each"
            ),
            f"nothing in the scenario wrote to what they read: {named}",
        ),
        "the database is asked once for each time that the answer changes or expires",
        Effort.HOURS,
        "keep the answer for as long as it may be old (a cache in the service, or Cache-Control and ETag for clients), "
        "and throw it away where these tables are written",
        scope,
        metrics=ANSWERS,
    )


def _questions(executions: list[Execution]) -> dict[int, Question]:
    """What each request asked, by its number."""
    by_request: dict[int, list[tuple[str, tuple[str | None, ...]]]] = defaultdict(list)
    for execution in executions:
        by_request[execution.request].append((execution.text, execution.parameters))
    return {request: tuple(asked) for request, asked in by_request.items()}


ADVISOR = Caching()
