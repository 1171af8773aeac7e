"""Whether what was measured may be judged at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from perfgate.judge.evidence import level
from perfgate.model import Finding, Flaw, Run, Scope, Status, Unit


def spoiling(run: Run) -> list[Flaw]:
    """The flaws that no further round healed."""
    return [flaw for flaw in run.flaws if flaw.round is None]


def spoils(flaw: Flaw, found: Finding) -> bool:
    """Whether the flaw is why the finding cannot stand; a flaw without a scenario spoils everything.

    A rule that was about nothing anywhere may well have been about the scenario that could not be measured.
    """
    nowhere = found.status is Status.MISSING and not found.scope.scenario
    return (nowhere or flaw.scenario in ("", found.scope.scenario)) and _is_among(found.metric, flaw.metrics)


def _is_among(metric: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(metric, glob) for glob in globs)


def flaw_findings(flaws: Iterable[Flaw]) -> Iterator[Finding]:
    """One finding for each flaw, so that it is told even where no rule would have looked."""
    for flaw in flaws:
        yield Finding(
            metric=flaw.metrics[0] if len(flaw.metrics) == 1 else "measurement",
            scope=Scope(scenario=flaw.scenario),
            unit=Unit.COUNT,
            status=Status.INVALID,
            level=level(Status.INVALID),
            because=f"{flaw.kind}: {flaw.because}",
            kind="validity",
        )
