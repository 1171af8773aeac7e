"""All advisors asked, and their answers put in order: what explains something red and was tried comes first."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePath

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.errors import PerfgateError
from perfgate.model import Finding, Level

_SEVERITIES = tuple(Severity)


def consult(advisors: Iterable[Advisor], subject: Subject, say: Callable[[str], None]) -> list[Advice]:
    """What all advisors say, the most important first. One that fails is noted through `say`, and the others go on.

    Some of it may say the same of several endpoints: see `distinct`.
    """
    said = [advice for advisor in advisors for advice in _asked(advisor, subject, say)]
    return ranked(said, subject.red())


def _asked(advisor: Advisor, subject: Subject, say: Callable[[str], None]) -> Sequence[Advice]:
    try:
        return list(advisor.advise(subject))
    except PerfgateError as error:
        say(f"advisor {advisor.category} could not finish: {error.args[0]}")
    except Exception as error:  # whatever it is, the verdict stands, and the other advisors are heard
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{PurePath(frame.filename).name}:{frame.lineno}"
        say(f"advisor {advisor.category} failed at {where} ({type(error).__name__}): this is a bug in it")
    return []


def ranked(advice: Iterable[Advice], red: Sequence[Finding]) -> list[Advice]:
    """The advice by severity; within it what explains a failure first, then what was tried, by how much it gains."""
    return sorted(advice, key=lambda one: _rank(one, red))


def distinct(advice: Iterable[Advice]) -> list[Advice]:
    """The advice, in its order, where only the first stays of what says the same of several endpoints or scenarios."""
    kept: dict[tuple[object, ...], Advice] = {}
    for one in advice:
        kept.setdefault((one.category, one.sql or (one.title, one.scope.endpoint)), one)
    return list(kept.values())


def _rank(advice: Advice, red: Sequence[Finding]) -> tuple[object, ...]:
    explained = list(explained_by(advice, red))
    failed = sum(found.level is Level.FAIL for found in explained)
    gain = min((trial.change or 0.0 for trial in advice.verified), default=0.0)
    return (
        _SEVERITIES.index(advice.severity),
        not failed,
        not explained,
        not advice.verified,
        gain,
        advice.category,
        advice.title,
    )


def explained_by(advice: Advice, red: Iterable[Finding]) -> Iterator[Finding]:
    """The findings whose metric and scope are among those that the advice explains."""
    for found in red:
        if any(fnmatchcase(found.metric, glob) for glob in advice.metrics) and _covers(advice, found):
            yield found


def _covers(advice: Advice, found: Finding) -> bool:
    """Whether both can be about one thing: no field of their scopes contradicts the other's."""
    ours, theirs = advice.scope, found.scope
    named = ("scenario", "endpoint", "artifact", "process", "benchmark")
    return all(not getattr(ours, name) or getattr(theirs, name) in ("", getattr(ours, name)) for name in named)
