"""What advisors ask of a run: a metric's rounds in a scenario, and whether an advice explains a failure."""

from __future__ import annotations

from dataclasses import replace

from perfgate.advice import Advice, Severity
from perfgate.diagnose.consultation import explained_by
from perfgate.diagnose.subject import Laboratory, Subject
from perfgate.model import Finding, Key, Round, Scope, Side

ANSWERS = ("response.p*", "response.mean", "response.max", "response.rate")
"""The metrics that say how long answers take."""

NEEDED_S = 10.0
"""With less time left nothing is tried: an examination takes two or three seconds."""

GREW = 1.05
"""By what factor a figure has to be over its reference to have grown."""


def laboratory(subject: Subject) -> Laboratory | None:
    """Where something can be tried, while there is time for it."""
    found = subject.laboratory
    return found if found is not None and found.seconds_left() >= NEEDED_S else None


def scenarios(subject: Subject, metric: str) -> list[str]:
    """The scenarios in which head has values of a metric."""
    own = (s for s in subject.run.samples if s.metric == metric and s.side is Side.HEAD and s.present)
    return sorted({sample.scope.scenario for sample in own})


def values(subject: Subject, metric: str, scope: Scope) -> tuple[float, ...]:
    """Head's values, one a round; none where it was not measured."""
    sample = subject.sample(metric, scope)
    return sample.present if sample else ()


def note(subject: Subject, metric: str, scope: Scope) -> str:
    """What the collector wrote beside head's values."""
    sample = subject.sample(metric, scope)
    return sample.note if sample else ""


def rounds(subject: Subject, scenario: str) -> list[Round]:
    """Head's rounds that count, in their order: samples have one value for each."""
    own = (r for r in subject.run.rounds if r.scenario == scenario and r.side is Side.HEAD)
    return [taken for taken in own if taken.valid and not taken.disturbed]


def grew(subject: Subject, key: Key) -> bool:
    """Whether head has more of it than what it is compared with; also where there is nothing to compare with."""
    now, was = subject.value(key.metric, key.scope), subject.references.get(key)
    return was is None or now is None or now > was * GREW


def weighed(subject: Subject, advice: Advice, *own: Key) -> Advice:
    """The advice, of HIGH severity where it explains something red.

    `own` are the samples that show the fault itself: what there was as much of before explains no regression.
    """
    news = not own or any(grew(subject, key) for key in own)
    red = [found for found in explained_by(advice, subject.red()) if news or _is_limit(found)]
    return replace(advice, severity=Severity.HIGH) if red else advice


def _is_limit(found: Finding) -> bool:
    return found.kind == "limit"
