"""What a sample is compared with: the accepted baseline, or the base that was measured beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from perfgate.model import Baseline, Comparable, Key, Machine, Metric, Noise, Postgres, Run, Sample, Side
from perfgate.stats import mean


@dataclass(frozen=True, slots=True)
class Reference:
    """What a sample is compared with: values, and where they came from."""

    sample: Sample
    commit: str
    machine: Machine
    postgres: Postgres | None
    name: str = "the baseline"

    @classmethod
    def of(cls, baseline: Baseline, sample: Sample) -> Reference:
        """A sample that was accepted."""
        return cls(sample, baseline.commit, baseline.machine, baseline.postgres)

    @classmethod
    def base(cls, sample: Sample, run: Run) -> Reference:
        """A sample of the base that was measured in the same run."""
        return cls(sample, run.base, run.machine, run.postgres, "base")

    @property
    def is_base(self) -> bool:
        """Whether it was measured in the same run."""
        return self.name == "base"

    def __str__(self) -> str:
        joint = " of " if self.name == "the baseline" else " "
        return f"{self.name}{joint}{self.commit[:8]}" if self.commit else self.name

    def why_not_comparable(self, metric: Metric, run: Run) -> str:
        """Why the values mean nothing on the machine or Postgres of the run; "" where they do."""
        here, there = run.machine.kind, self.machine.kind
        if metric.comparable is Comparable.SAME_MACHINE and here != there:
            return f"{self} was measured on another kind of machine ({there}; here {here})"
        now, then = _major(run.postgres), _major(self.postgres)
        if metric.comparable is Comparable.SAME_POSTGRES and now != then:
            return f"{self} was counted on PostgreSQL {then or 'none'}, this run on {now or 'none'}"
        return ""


def _major(postgres: Postgres | None) -> str:
    return postgres.major if postgres else ""


MOST_REFUSED = 0.5
"""Share of base's answers on an endpoint that may be errors, before the endpoint counts as one that base lacks."""

ERRORS = "response.errors"


def _unserved(samples: Iterable[Sample]) -> dict[str, frozenset[str]]:
    """The endpoints of each scenario that base refuses and head serves: mostly those that the change adds."""
    shares = {(s.scope, s.side): mean(s.present) for s in samples if s.metric == ERRORS and s.present}
    found: dict[str, frozenset[str]] = {}
    for (scope, side), share in shares.items():
        refused = scope.endpoint and side is Side.BASE and share > MOST_REFUSED
        if refused and shares.get((scope, Side.HEAD), 1.0) <= MOST_REFUSED:
            found[scope.scenario] = found.get(scope.scenario, frozenset()) | {scope.endpoint}
    return found


class References:
    """The references of a run: what was accepted, and what base showed beside it.

    Accepted values bind what is exact, since they were reviewed; base stands in where there are none, or where they
    come from elsewhere. What is sampled is compared with nothing but base, where base was measured. An endpoint that
    base refuses is not compared, nor is the whole scenario then, since refusing is quicker than serving.
    """

    def __init__(self, run: Run, stored: Mapping[str, Baseline]) -> None:
        self._run = run
        self._metrics = {metric.name: metric for metric in run.metrics}
        self.unserved = _unserved(run.samples)
        self._base = {s.key: s for s in run.samples if s.side is Side.BASE and not self._is_tainted(s.key)}
        self.baselines = self._completed(stored)
        self._known = {
            sample.key: Reference.base(sample, run) if sample.side is Side.BASE else Reference.of(baseline, sample)
            for baseline in self.baselines.values()
            for sample in baseline.samples
        }

    def of(self, key: Key) -> Reference | None:
        """What was accepted for the sample, or what base counted."""
        return self._known.get(key)

    def beside(self, key: Key) -> Sample | None:
        """What base showed in the same rounds."""
        return self._base.get(key)

    def _is_tainted(self, key: Key) -> bool:
        """Whether base's value is of something else: of refusals, or of a whole of which refusals are a part."""
        unserved = self.unserved.get(key.scope.scenario, frozenset())
        return bool(unserved) and key.scope.endpoint in ("", *unserved)

    def shared(self, sample: Sample) -> bool:
        """Whether base shows the very values of an exact sample, so that this change is not why they are there."""
        base = self._base.get(sample.key)
        return base is not None and sample.noise is base.noise is Noise.EXACT and base.values[:1] == sample.values[:1]

    def _completed(self, stored: Mapping[str, Baseline]) -> dict[str, Baseline]:
        """The stored baselines with what base counted in the places that they leave open."""
        counted: dict[str, list[Sample]] = {}
        for sample in self._base.values():
            if self._metrics[sample.metric].noise is Noise.EXACT and sample.present:
                counted.setdefault(sample.scope.scenario, []).append(sample)
        completed = dict(stored)
        for scenario, samples in counted.items():
            completed[scenario] = self._with(stored.get(scenario) or self._empty(scenario), samples)
        return completed

    def _empty(self, scenario: str) -> Baseline:
        run = self._run
        return Baseline(scenario, run.base, run.started, "", "measured beside it", run.machine, run.postgres)

    def _with(self, baseline: Baseline, counted: list[Sample]) -> Baseline:
        kept = {sample.key: sample for sample in baseline.samples if self._means_something(baseline, sample)}
        added = {sample.key: sample for sample in counted if sample.key not in kept}
        run = self._run
        metrics = {metric.name: metric for metric in (*baseline.metrics, *run.metrics)}
        return replace(
            baseline,
            metrics=tuple(metrics.values()),
            samples=(*kept.values(), *added.values()),
            statements={**run.statements, **baseline.statements},
        )

    def _means_something(self, baseline: Baseline, sample: Sample) -> bool:
        metric = self._metrics.get(sample.metric)
        beside = sample.key in self._base
        return not (beside and metric and Reference.of(baseline, sample).why_not_comparable(metric, self._run))
