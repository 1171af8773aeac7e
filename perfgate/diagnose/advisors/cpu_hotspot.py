"""CPU time that the service itself spends: the function of the project that an endpoint's requests spend it in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.model import Scope, Side, Unit
from perfgate.profiled import CERTAIN, Place, Profile
from perfgate.units import show

METRICS = ("cpu.per_request", "response.p*", "response.m*", "response.rate")
RED = ("cpu.per_request",)

LEAST_GROWTH = 0.03
"""Share of an endpoint's CPU time that a place must cost more than in base."""

LEAST_SHARE = 0.4
"""Share of an endpoint's CPU time from which on a place is what it is spent on, where there is no base."""

LEAST_SPENT_S = 0.0005
"""What a place must cost a request to be told without being compared with anything."""

MOST = 4


@dataclass(frozen=True)
class Hotspot:
    """A place that costs an endpoint `extra` seconds of CPU time a request: more than in base, or in all without one.

    `total` is what the endpoint costs here, and `base` what it does in base, None where there is none.
    """

    endpoint: str
    place: Place
    extra: float
    total: float
    base: float | None = None

    @property
    def share(self) -> float:
        return self.place.cpu / self.total


class CpuHotspot(Advisor):
    """The places that cost most, or more than in base: where nothing is red, as hints."""

    category = "cpu_hotspot"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario, head in subject.profiles.get(Side.HEAD, {}).items():
            found = hotspots(head, subject.profile(scenario, Side.BASE))
            red = [one for one in subject.red(*RED) if one.scope.scenario in ("", scenario)]
            by_place: dict[tuple[str, str], list[Hotspot]] = {}
            for hotspot in sorted(found, key=lambda one: one.extra, reverse=True):
                by_place.setdefault((hotspot.place.path, hotspot.place.function), []).append(hotspot)
            for own in list(by_place.values())[:MOST]:
                yield _advice(scenario, own, Severity.HIGH if red else Severity.LOW)


def hotspots(head: Profile, base: Profile | None) -> Iterator[Hotspot]:
    """At most one place for each endpoint. What sends statements is left to those who know the statements."""
    for endpoint, total in head.endpoints.items():
        if not total:
            continue
        if base is not None and endpoint in base.endpoints:
            own = [one for one in head.against(base, endpoint) if not one.place.sends_statements]
            if own and own[0].more >= LEAST_GROWTH * total:
                yield Hotspot(endpoint, own[0].place, own[0].more, total, base.endpoints[endpoint])
            continue
        for place in head.lines.get(endpoint, ())[:1]:
            certain = place.cpu - CERTAIN * place.error >= LEAST_SPENT_S
            if certain and not place.sends_statements and place.cpu >= LEAST_SHARE * total:
                yield Hotspot(endpoint, place, place.cpu, total)


def _advice(scenario: str, spots: Sequence[Hotspot], severity: Severity) -> Advice:
    """About one place and all endpoints that it is the dearest of."""
    found, others = spots[0], len(spots) - 1
    place, cpu = found.place, show(found.place.cpu, Unit.SECONDS)
    who = f"{found.endpoint} and {others} more" if others else found.endpoint
    return Advice(
        CpuHotspot.category,
        severity,
        title=f"{who} {'spend' if others else 'spends'} {cpu} of CPU a request in {place.function}, {place.code}",
        evidence=tuple(line for one in spots for line in _evidence(one)),
        effect=f"without it, {found.endpoint} costs {show(found.total - found.extra, Unit.SECONDS)} of CPU a request",
        effort=Effort.HOURS,
        remedy=f"Look at what {place.function} computes at {place.code} for each request: compute it once and keep it, "
        "compute less of it, or leave it to a job of its own.",
        scope=Scope(scenario=scenario, endpoint="" if others else found.endpoint),
        verified=tuple(map(_trial, spots)),
        code=place.code,
        metrics=METRICS,
    )


def _evidence(found: Hotspot) -> Iterator[str]:
    place, shown = found.place, show(found.total, Unit.SECONDS)
    share = show(found.share, Unit.RATIO)
    yield f"{place.function} takes {share} of the {shown} that the service spends on a request of {found.endpoint}"
    if found.base is None:
        return
    was = place.cpu - found.extra
    before = "nothing" if was <= 0 else show(was, Unit.SECONDS)
    yield f"in base it takes {before} of the {show(found.base, Unit.SECONDS)} of {found.endpoint}"


def _trial(found: Hotspot) -> Trial:
    what = f"CPU of {found.endpoint} a request, one at a time"
    if found.base is not None:
        return Trial(f"{what}, here and in base", Unit.SECONDS, found.total, found.base, tried=False)
    return Trial(
        f"{what}, with {found.place.function} and without it",
        Unit.SECONDS,
        found.total,
        found.total - found.extra,
        tried=False,
    )


ADVISOR = CpuHotspot()
