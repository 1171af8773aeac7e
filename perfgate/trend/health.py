"""One number for a release manager, with what it is made of, and what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ROOM = 0.8
"""Using this share of a limit, or less, costs no points; half of them are left at the limit, none at 120 % of it."""
WORST = 0.2
"""Having become worse by this share costs all points."""
ODD = 0.1
"""So large a share of odd or failed runs costs all points."""
EASE = {"minutes": 1.0, "hours": 0.5, "days": 0.2}
"""How easy a remedy is that takes so long."""
OPPORTUNITIES = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one metric stands.

    `used` is the share of its limit that it takes (above 1 is over; a floor counts as limit / value), None without
    one. `worsened` is the relative change for the worse that is sure since the release, or over what time there is
    without one; 0 where there is none. `crept` is the same by slow drift. `weight` is how much it matters.
    """

    worsened: float = 0.0
    crept: float = 0.0
    used: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score: `points` of at most `worth`, and why not more."""

    name: str
    points: float
    worth: float
    because: str


@dataclass(frozen=True, slots=True)
class Health:
    """0 (nothing holds) to 100 (within all limits, nothing worse than at the release, all runs steady)."""

    score: float
    parts: tuple[Part, ...]


def health(standings: Sequence[Standing], odd: float = 0.0, *, released: bool = True) -> Health | None:
    """The health of a project; None where nothing was measured. `odd` is the share of odd, failed or invalid runs.

    Of 100 points 40 are for limits kept, 30 for nothing having become worse since the release, 20 for nothing that
    creeps, 10 for steady runs. Within the first three, each metric has a share by its weight, and loses of it in
    proportion (see ROOM, WORST and ODD). Without any limit, the others' points are scaled up. Where nothing was
    `released` yet, what would be compared with the release is compared with what was before. Any metric or share
    that becomes worse never raises the score.
    """
    if not standings:
        return None
    limited = [(standing, standing.used) for standing in standings if standing.used is not None]
    name, fault = ("release", "worse than the release") if released else ("changes", "worse than before")
    parts = [
        _part(name, 30.0, [(s.weight, _left(s.worsened, 0.0, WORST)) for s in standings], fault),
        _part("drift", 20.0, [(s.weight, _left(s.crept, 0.0, WORST)) for s in standings], "creeping"),
        _part("steadiness", 10.0, [(1.0, _left(odd, 0.0, ODD))], "odd runs"),
    ]
    if limited:
        kept = [(standing.weight, _left(used, ROOM, 2.0 - ROOM)) for standing, used in limited]
        parts.insert(0, _part("limits", 40.0, kept, "close to their limit or over it"))
    total = sum(part.worth for part in parts)
    scale = 100.0 / total
    scaled = tuple(Part(part.name, part.points * scale, part.worth * scale, part.because) for part in parts)
    return Health(min(sum(part.points for part in scaled), 100.0), scaled)


def _left(value: float, free: float, all_gone: float) -> float:
    """1 up to `free`, 0 from `all_gone`, in proportion between."""
    return 1.0 - min(max((value - free) / (all_gone - free), 0.0), 1.0)


def _part(name: str, worth: float, shares: Sequence[tuple[float, float]], fault: str) -> Part:
    weights = sum(weight for weight, _ in shares)
    left = sum(weight * share for weight, share in shares) / weights if weights else 1.0
    faulty = sum(share < 1.0 for _, share in shares)
    what = f"{faulty} of {len(shares)} {fault}" if len(shares) > 1 else fault
    return Part(name, worth * left, worth, what if faulty else "")


@dataclass(frozen=True, slots=True)
class Opportunity:
    """Something that could be better: `impact` is the share of the whole that it would save, `ease` 0 to 1 (EASE)."""

    title: str
    impact: float
    ease: float
    because: str = ""

    @property
    def worth(self) -> float:
        return self.impact * self.ease


def opportunities(candidates: Iterable[Opportunity], count: int = OPPORTUNITIES) -> tuple[Opportunity, ...]:
    """The best of them by impact times ease, the best first; what saves nothing is none."""
    worthwhile = (candidate for candidate in candidates if candidate.worth > 0.0)
    return tuple(sorted(worthwhile, key=lambda one: (-one.worth, one.title))[:count])
