"""Requests that fail: which ones, how, and whether they fail again when they are sent one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.model import Scope, Unit
from perfgate.profiled import SecondPass
from perfgate.units import show

METRICS = ("response.errors",)

MOST_KINDS = 3


class FailingRequests(Advisor):
    """Each endpoint whose share of failures is red."""

    category = "failing_requests"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        scopes = {found.scope for found in subject.red(*METRICS)}
        for scope in sorted(scopes):
            below = any(other.endpoint and other.scenario == scope.scenario for other in scopes)
            if scope.endpoint or not below:
                yield _advice(subject, scope)


def _advice(subject: Subject, scope: Scope) -> Advice:
    sample, again = subject.sample("response.errors", scope), subject.passes.get(scope.scenario)
    share = subject.value("response.errors", scope) or 0.0
    asked = scope.endpoint or "requests"
    said = sample.note if sample else ""
    log = f"; the service's own words are in {again.log}" if again else ""
    return Advice(
        FailingRequests.category,
        Severity.HIGH,
        title=f"{show(share, Unit.RATIO)} of {asked} {'fails' if scope.endpoint else 'fail'}: {_kind(said)}",
        evidence=tuple(_evidence(said, scope.endpoint, again)),
        effect="requests that fail cost users what no response time shows",
        effort=Effort.HOURS,
        remedy=f"Find what the service says at such a request, and mend that first: times of failed requests say "
        f"nothing of the others{log}.",
        scope=scope,
        verified=tuple(_trial(scope.endpoint, share, again)),
        metrics=METRICS,
    )


def _kind(said: str) -> str:
    """The most frequent failure of "147 times 500 Internal Server Error, 2 times ..."."""
    first = said.split(", ")[0]
    return first.partition(" times ")[2] or first or "see the service's log"


def _evidence(said: str, endpoint: str, again: SecondPass | None) -> Iterator[str]:
    if said:
        yield f"seen under load: {said}"
    if again is None:
        return
    asked, failed = _of(again.asked, endpoint), _of(again.failed, endpoint)
    if not failed:
        yield f"sent one at a time to a fresh service, none of {asked} failed: it takes load, or longer"
        return
    kinds = again.failures.get(endpoint, {}) if endpoint else _all_failures(again)
    most = sorted(kinds.items(), key=lambda item: -item[1])[:MOST_KINDS]
    words = ", ".join(f"{count} times {text}" for text, count in most)
    yield f"sent one at a time to a fresh service, {failed} of {asked} failed again: {words}"


def _all_failures(again: SecondPass) -> Mapping[str, int]:
    return {f"{endpoint}: {text}": count for endpoint, own in again.failures.items() for text, count in own.items()}


def _of(counts: Mapping[str, int], endpoint: str) -> int:
    return counts.get(endpoint, 0) if endpoint else sum(counts.values())


def _trial(endpoint: str, share: float, again: SecondPass | None) -> Iterator[Trial]:
    """The fault reproduced: shares under load and one at a time."""
    asked = _of(again.asked, endpoint) if again else 0
    if again is not None and asked:
        what = "share that fails, under load and one at a time"
        yield Trial(what, Unit.RATIO, share, _of(again.failed, endpoint) / asked, tried=False)


ADVISOR = FailingRequests()
