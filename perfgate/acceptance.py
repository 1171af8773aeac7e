"""Turning a run into the baseline: only a run worth it, only what moved, and only with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perfgate import baselines
from perfgate.baselines import Change
from perfgate.errors import BadRequest
from perfgate.model import Baseline, Finding, Level, Sample, Status, Unit
from perfgate.plan import Plan
from perfgate.result import Result
from perfgate.revision import author
from perfgate.runner import baselines_of, judged
from perfgate.stats import mean
from perfgate.units import percent, show


@dataclass(frozen=True)
class Proposal:
    """What accepting a run would change."""

    result: Result
    plan: Plan
    baselines: Mapping[str, Baseline]
    changes: Sequence[Change]

    def lines(self) -> Iterator[str]:
        """The changes as text, a line each."""
        run = self.result.run
        dirty = " with uncommitted changes" if run.dirty else ""
        yield f"{run.commit[:8] or 'no commit'}{dirty}, measured {run.started}"
        if not self.changes:
            yield "nothing changes: the baseline says the same"
        for scenario in sorted({change.key.scope.scenario for change in self.changes}):
            own = [change for change in self.changes if change.key.scope.scenario == scenario]
            name = scenario or "project"
            if scenario not in self.baselines:
                yield f"{name}: first baseline, {len(own)} values"
                continue
            yield f"{name}:"
            yield from (f"  {change.key}: {_shown(change)}" for change in own)

    def write(self, reason: str) -> Iterator[Path]:
        """Write the baselines; yields the files. Raises BadRequest for an empty reason."""
        if not reason.strip():
            raise BadRequest("the reason is empty", hint='say why: --reason "paging needs one more query"')
        taken = baselines.accepted(
            self.result.run,
            self.baselines,
            self.changes,
            by=author(self.plan.root),
            reason=reason.strip(),
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return baselines.write(self.plan.root / baselines.FOLDER, taken)


def propose(result: Result, plan: Plan, globs: tuple[str, ...], *, even_if_red: bool) -> Proposal:
    """What accepting `result` would change. Raises BadRequest for a red or invalid run, unless it is wanted."""
    verdict = judged(result, plan).verdict
    assert verdict is not None
    in_the_way = [finding for finding in verdict.findings if _is_in_the_way(finding)]
    invalid = [finding for finding in in_the_way if finding.status is Status.INVALID]
    if (invalid or in_the_way) and not even_if_red:
        worst = (invalid or in_the_way)[0]
        raise BadRequest(
            f"this run is {'invalid' if invalid else 'red'}: {worst.key}: {worst.because}",
            hint=_way_on(result),
        )
    stored = baselines_of(plan)
    found = baselines.changes(result.run, stored, globs)
    if globs and not found and not any(True for _ in baselines.changes(result.run, {}, globs)):
        raise BadRequest(
            f"no metric of the run matches {', '.join(globs)}", hint="`perfgate explain METRIC` knows them"
        )
    return Proposal(result, plan, stored, found)


def _way_on(result: Result) -> str:
    if not result.run.samples:
        return "nothing was measured, so there is nothing to accept: `perfgate run`"
    return "mend it, or accept it on purpose with `--even-if-red`"


def _is_in_the_way(finding: Finding) -> bool:
    """Red, but for the one reason that accepting is there to mend: that nothing was accepted yet."""
    return finding.level is Level.FAIL and finding.kind != "baseline"


def _shown(change: Change) -> str:
    unit = change.metric.unit
    before, after = _value(change.before, unit), _value(change.after, unit)
    if change.before is None:
        return f"{after} (is added)"
    if change.after is None:
        return f"was {before} (is taken out)"
    old, new = mean(change.before.present), mean(change.after.present)
    return f"{before} → {after}" + (f" ({percent(new / old - 1)})" if old else "")


def _value(sample: Sample | None, unit: Unit) -> str:
    return show(mean(sample.present), unit) if sample and sample.present else "nothing"
