"""Whether what was measured may be judged at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from perfgate.judge.evidence import level
from perfgate.model import Finding, Flaw, Run, Scope, Status, Unit


def spoiling(run: Run) -> list[Flaw]:
    """The flaws that no further round healed."""
    return [flaw for flaw in run.flaws if flaw.round is None]


def spoils(flaw: Flaw, metric: str, scenario: str) -> bool:
    """Whether a metric of a scenario cannot be judged because of the flaw; a flaw without a scenario is everyone's."""
    return flaw.scenario in ("", scenario) and fnmatchcase(metric, flaw.metrics)


def flaw_findings(flaws: Iterable[Flaw]) -> Iterator[Finding]:
    """One finding for each flaw, so that it is told even where no rule would have looked."""
    for flaw in flaws:
        yield Finding(
            metric="measurement" if flaw.metrics == "*" else flaw.metrics,
            scope=Scope(scenario=flaw.scenario),
            unit=Unit.COUNT,
            status=Status.INVALID,
            level=level(Status.INVALID),
            because=f"{flaw.kind}: {flaw.because}",
            kind="validity",
        )
