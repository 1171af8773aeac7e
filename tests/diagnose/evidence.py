"""Runs written down for the advisors that only read: samples of a scenario's rounds, and how they were taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from perfgate.advice import Advice
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.model import Asked, Finding, Key, Postgres, Round, Sample, Scope
from tests.diagnose.laboratory import SCENARIO, subject_of

ROUNDS = 6


def sample(metric: str, *values: float, endpoint: str = "", note: str = "") -> Sample:
    """One sample of the scenario; a single value stands for that many rounds."""
    return Sample(metric, Scope(SCENARIO, endpoint), values * ROUNDS if len(values) == 1 else values, note=note)


def taken(starts: Iterable[int] = (1,) * ROUNDS, seconds: float = 2.0) -> tuple[Round, ...]:
    """Rounds, each in the processes of a start."""
    return tuple(Round(SCENARIO, i, seconds, 100, 50.0, 0.1, 0.0, 0.0, start=s) for i, s in enumerate(starts, 1))


def watched(
    *samples: Sample,
    examinations: Sequence[Examination] = (),
    users: int | None = 8,
    rounds: Sequence[Round] | None = None,
    red: Sequence[Finding] = (),
    references: Mapping[str, float] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Subject:
    """A subject of these samples; `references` maps metrics of the whole scenario to what head is compared with."""
    subject = subject_of(*examinations, red=red, samples=samples)
    run = replace(
        subject.run,
        loads={SCENARIO: Asked(users=users)},
        rounds=taken() if rounds is None else tuple(rounds),
        postgres=Postgres("embedded", "18.1", settings or {}),
    )
    known = {Key(metric, Scope(SCENARIO)): value for metric, value in (references or {}).items()}
    return replace(subject, run=run, references=known)


def told(advisor: Advisor, subject: Subject) -> list[Advice]:
    """All that an advisor says."""
    return list(advisor.advise(subject))


def only(advisor: Advisor, subject: Subject) -> Advice:
    """The one thing that an advisor says."""
    advice = told(advisor, subject)
    assert len(advice) == 1, advice
    return advice[0]
