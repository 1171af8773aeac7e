"""The chain from a red finding to what may be done: endpoint, statement, place in the code, remedy that was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perfgate.advice import Advice, Cause
from perfgate.diagnose.consultation import explained_by
from perfgate.diagnose.places import sender
from perfgate.diagnose.subject import Subject
from perfgate.model import Finding, Level, Scope, Status, Unit
from perfgate.units import percent, show

EXPLICABLE = (Status.FAIL, Status.INVALID)

MOST = 20
"""Causes are told of so many findings: what is red beyond that is red for the same reasons."""

LONGEST_STATEMENT = 100


def causes(subject: Subject, advice: Sequence[Advice]) -> Iterator[Cause]:
    """A cause for every failed finding that something is known of, the worst first."""
    failed = [found for found in subject.verdict.findings if found.level is Level.FAIL and found.status in EXPLICABLE]
    for found in failed[:MOST]:
        remedy = next((one for one in advice if any(explained_by(one, [found]))), None)
        steps = [*_statement(subject, found, remedy), *(_remedy(remedy) if remedy else ())]
        if steps:
            yield Cause(found.metric, found.scope, (_seen(found), *steps))


def _seen(found: Finding) -> str:
    """`GET /orders response.p95 +38 %`."""
    moved = percent(found.change) if found.change is not None else ""
    if not moved and found.observed is not None:
        moved = show(found.observed, found.unit)
    return " ".join(part for part in (found.scope.details(), found.metric, moved) if part)


def _statement(subject: Subject, found: Finding, remedy: Advice | None) -> Iterator[str]:
    """The statement that cost the finding's endpoint most more than before, and the code that sends it."""
    if not found.metric.startswith(("queries.", "response.", "cpu.")):
        return
    growth = max(grown(subject, found.scope), default=None)
    if growth is None:
        return
    _, statement, text = growth
    words = subject.run.statements.get(statement, statement)
    yield f"statement `{shortened(words)}` {text}"
    place = sender(subject, found.scope, statement)
    if place and (remedy is None or remedy.code != place):
        yield f"sent by {place}"


def grown(subject: Subject, where: Scope) -> Iterator[tuple[float, str, str]]:
    """The statements of an endpoint that are called more often, or read more blocks, than what they are compared with.

    Each with the factor, its fingerprint and the change in words.
    """
    for sample in subject.run.samples:
        scope = sample.scope
        if not scope.statement or scope.scenario != where.scenario or where.endpoint not in ("", scope.endpoint):
            continue
        now, was = subject.value(sample.metric, scope), subject.references.get(sample.key)
        if sample.metric == "queries.calls" and now and subject.references:
            before = was or 0.0
            if now > before * 1.05:
                gone = f"(was {show(before, Unit.COUNT)})" if before else "(not sent before)"
                calls = "call" if now == 1 else "calls"
                yield now - before, scope.statement, f"now {show(now, Unit.COUNT)} {calls} a request {gone}"
        if sample.metric == "queries.blocks" and now and was and now > was * 1.5 and now - was > 10:
            words = f"now reads {show(now, Unit.COUNT)} blocks a request (was {show(was, Unit.COUNT)})"
            yield (now - was) / 100, scope.statement, words


def _remedy(advice: Advice) -> Iterator[str]:
    """Where in the code, what to do, and what trying it gave."""
    if advice.code:
        yield f"at {advice.code}"
    shown = next((trial for trial in advice.verified if trial.change is not None), None)
    gain = ""
    if shown is not None:
        gain = f", {'tried' if shown.tried else 'measured'} here: {shown.what} {percent(shown.change or 0.0)}"
    yield f"{advice.title}{gain}"


def shortened(statement: str, most: int = LONGEST_STATEMENT) -> str:
    """A normalised statement on one line, cut in its middle."""
    if len(statement) <= most:
        return statement
    return f"{statement[: most // 2].rstrip()} … {statement[-most // 2 :].lstrip()}"
