"""What perfgate recommends, and why something is red: plain values with a JSON form."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from perfgate.model import Scope, Unit


class Severity(StrEnum):
    """How much an advice matters to this run, from most to least. HIGH explains something red or about to be."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Effort(StrEnum):
    """How long the remedy takes somebody who knows the code."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Trial:
    """One figure before and after something was tried on this machine; `what` names it, with its scope.

    Where nothing can be tried (`tried` is False), they are two measurements that show the fault: with and without it,
    on base and on head, the first time and again.
    """

    what: str
    unit: Unit
    before: float
    after: float
    tried: bool = True

    @property
    def change(self) -> float | None:
        """Relative: -0.84 is 84 % less; None where there was nothing before."""
        return self.after / self.before - 1.0 if self.before else None


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation with its evidence, all of it safe to show to strangers.

    `category` is the advisor's name. `evidence` are sentences with figures of this run; `effect` is what to expect;
    `remedy` says in words how to do it, `sql` holds statements ready to paste. `safe` remedies are nothing but `sql`
    that can be undone, so `perfgate fix` may try and write them. `verified` says what was measured when the remedy was
    tried, or when the fault was reproduced with and without its cause; empty where nothing was. `code` is the place to
    look at (`path:line`, relative to the project). `metrics` are globs of the metrics that it explains within `scope`.
    """

    category: str
    severity: Severity
    title: str
    evidence: tuple[str, ...]
    effect: str
    effort: Effort
    remedy: str
    scope: Scope = field(default_factory=Scope)
    sql: tuple[str, ...] = ()
    safe: bool = False
    verified: tuple[Trial, ...] = ()
    code: str = ""
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one finding is red: `steps` lead from what was seen to what may be done, each caused by the next."""

    metric: str
    scope: Scope
    steps: tuple[str, ...]
