"""A service that ended under load, or stopped answering: at which request, where in the code, and whether again."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.model import Flaw, FlawKind, Scope, Side, Unit
from perfgate.profiled import SecondPass

METRICS = ("response.*", "cpu.*", "memory.*")
ENDED = (FlawKind.SERVICE_DIED, FlawKind.SERVICE_RESTARTED)


class ServiceDied(Advisor):
    """One advice for each scenario under which the service of head did not stay."""

    category = "service_died"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        told = set()
        for flaw in subject.run.flaws:
            concerns = flaw.kind in (*ENDED, FlawKind.UNANSWERED) and flaw.side is Side.HEAD
            if concerns and flaw.scenario not in told:
                told.add(flaw.scenario)
                yield _advice(flaw, subject.passes.get(flaw.scenario))


def _advice(flaw: Flaw, again: SecondPass | None) -> Advice:
    code = again.stop.code if again and again.stop and _again(flaw, again) else ""
    last = again.last if again and _again(flaw, again) else ""
    ended = flaw.kind in ENDED
    happened = "the service ends" if ended else "the service stops answering"
    at = f" at {last}" if last else " under load"
    log = f"Its log is {again.log}. " if again else ""
    return Advice(
        ServiceDied.category,
        Severity.HIGH,
        title=f"{happened}{at}{f', {code}' if code else ''}",
        evidence=(flaw.because, *_evidence(flaw, again)),
        effect="nothing else that this run says of the scenario counts before this is mended",
        effort=Effort.HOURS,
        remedy=f"{log}{_remedy(ended, code)}",
        scope=Scope(scenario=flaw.scenario),
        verified=tuple(_trial(flaw, again)),
        code=code,
        metrics=flaw.metrics or METRICS,
    )


def _remedy(ended: bool, code: str) -> str:
    if ended:
        return f"Look at {code}: that is what ended the process." if code else "Read its last lines for the reason."
    if code:
        return f"Look at {code}: that is what the request waits for. Give every wait a limit of time."
    return "Look for a wait without a limit of time: a lock, a pool, a socket."


def _again(flaw: Flaw, again: SecondPass) -> bool:
    return bool(again.died) if flaw.kind in ENDED else bool(again.unanswered)


def _evidence(flaw: Flaw, again: SecondPass | None) -> Iterator[str]:
    if again is None:
        return
    total = sum(again.asked.values())
    if not _again(flaw, again):
        yield f"it did not happen again in {total} requests one at a time to a fresh service: it takes load, or longer"
        return
    what = f"it {again.died}" if again.died else "no answer came"
    where = f"at {again.last or 'a request'}, after {again.answered} others"
    yield f"again on a fresh service, one request at a time: {what} {where}"
    if again.stop is not None:
        does = "is where the request waits" if again.stop.waits else "is what ended the process"
        yield f"{again.stop.code}, in {again.stop.function}, {does}"


def _trial(flaw: Flaw, again: SecondPass | None) -> Iterator[Trial]:
    """The fault reproduced: how many requests the service was sent one at a time, and how many it answered."""
    if again is not None and _again(flaw, again):
        sent = max(sum(again.asked.values()), again.answered + 1)
        yield Trial(
            "requests that were sent one at a time, and answered", Unit.COUNT, sent, again.answered, tried=False
        )


ADVISOR = ServiceDied()
