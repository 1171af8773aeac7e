"""What to do, and why something is red, in words: the same for every report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from perfgate.advice import Advice, Cause, Severity, Trial
from perfgate.publish.conduct import LONGEST_LIST
from perfgate.publish.report import one_line
from perfgate.units import percent, show


@dataclass(frozen=True, slots=True)
class Counsel:
    """An advice with its text made harmless; `tried` says what was measured when it was tried, figure by figure."""

    severity: str
    title: str
    place: str
    evidence: tuple[str, ...]
    effect: str
    remedy: str
    sql: tuple[str, ...]
    tried: tuple[str, ...]
    code: str

    @property
    def is_hint(self) -> bool:
        """Whether a line is enough for it."""
        return self.severity == Severity.LOW

    @property
    def about(self) -> str:
        """`high, browse · GET /orders`."""
        return ", ".join(filter(None, (self.severity, self.place)))


@dataclass(frozen=True, slots=True)
class Reason:
    """Red findings that have one cause, and the steps that lead to it."""

    seen: tuple[str, ...]
    steps: tuple[str, ...]


def counsel(advice: Advice) -> Counsel:
    """The advice in words."""
    effect = f"{advice.effect} · effort: {advice.effort}" if advice.effect else ""
    return Counsel(
        advice.severity,
        _clean(advice.title),
        _clean(str(replace(advice.scope, statement=""))),
        tuple(map(_clean, advice.evidence)),
        _clean(effect),
        _clean(advice.remedy),
        tuple(_clean(statement).rstrip(";") + ";" for statement in advice.sql),
        tuple(map(_tried, advice.verified)),
        _clean(advice.code),
    )


def reasons(causes: Iterable[Cause]) -> tuple[Reason, ...]:
    """The causes, those with equal steps together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for cause in causes:
        if cause.steps:
            seen, *steps = map(_clean, cause.steps)
            found.setdefault(tuple(steps), []).append(seen)
    return tuple(Reason(tuple(seen), steps) for steps, seen in found.items())


def _tried(trial: Trial) -> str:
    """`Tried: blocks of GET /orders a request: 712 → 49.4 (−93 %)`."""
    word = "Tried" if trial.tried else "Measured"
    change = f" ({percent(trial.change)})" if trial.change is not None else ""
    return _clean(f"{word}: {trial.what}: {show(trial.before, trial.unit)} → {show(trial.after, trial.unit)}{change}")


def _clean(text: str) -> str:
    return one_line(text, LONGEST_LIST)
