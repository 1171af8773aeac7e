"""Memory that requests leave behind: the line that allocates what is still held when they are over."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.model import Finding, Scope, Side, Unit
from perfgate.profiled import Growth, Profile
from perfgate.units import show

METRICS = ("memory.*",)

LEAST_BYTES = 512
"""What a line must leave behind a request: less is what interpreters and counters keep for themselves."""

LEAST_SHARE = 0.2
"""Share of all that requests leave behind that a line must have to be told."""

MOST = 3


class MemoryLeak(Advisor):
    """The lines that hold more after each request, where the memory of the service is red."""

    category = "memory_leak"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario, head in subject.profiles.get(Side.HEAD, {}).items():
            red = [found for found in subject.red() if _is_memory(found, scenario)]
            base = subject.profile(scenario, Side.BASE)
            if red:
                yield from (_advice(scenario, head, one, base) for one in _leaks(head, base)[:MOST])


def _is_memory(found: Finding, scenario: str) -> bool:
    return found.metric.startswith("memory.") and found.scope.scenario in ("", scenario)


def _leaks(head: Profile, base: Profile | None) -> list[Growth]:
    """What head leaves behind and base does not, the most first."""
    everything = sum(one.bytes for one in head.grown)
    return [
        one
        for one in sorted(head.grown, key=lambda one: one.bytes, reverse=True)
        if one.bytes >= max(LEAST_BYTES, LEAST_SHARE * everything) and one.bytes >= 2 * _before(one, base)
    ]


def _before(leak: Growth, base: Profile | None) -> float:
    """What the same function leaves behind in base."""
    same = (one.bytes for one in (base.grown if base else ()) if (one.path, one.function) == (leak.path, leak.function))
    return sum(same)


def _advice(scenario: str, head: Profile, leak: Growth, base: Profile | None) -> Advice:
    everything = sum(one.bytes for one in head.grown)
    held, where = show(leak.bytes, Unit.BYTES), leak.function or "the module"
    return Advice(
        MemoryLeak.category,
        Severity.HIGH,
        title=f"each request leaves {held} behind, allocated in {where}, {leak.code}",
        evidence=(
            f"in each of two passes, what {leak.code} allocates and what is then still held grew by {held} a request",
            f"that is {show(leak.bytes / everything, Unit.RATIO)} of what Python code left behind"
            + (f"; in base, {where} leaves {show(_before(leak, base), Unit.BYTES)}" if base else ""),
        ),
        effect="memory no longer grows with the number of requests by this",
        effort=Effort.HOURS,
        remedy=f"Find who keeps what {leak.code} makes: a list or mapping that lives as long as the process. Let it go "
        "when the request is over, or keep it in a cache that has a size.",
        scope=Scope(scenario=scenario),
        verified=(_trial(leak, everything, base),),
        code=leak.code,
        metrics=METRICS,
    )


def _trial(leak: Growth, everything: float, base: Profile | None) -> Trial:
    what = "memory that a request leaves behind"
    if base is not None:
        return Trial(
            f"{what}, here and in base", Unit.BYTES, everything, sum(one.bytes for one in base.grown), tried=False
        )
    return Trial(
        f"{what}, with {leak.code} and without it", Unit.BYTES, everything, everything - leak.bytes, tried=False
    )


ADVISOR = MemoryLeak()
