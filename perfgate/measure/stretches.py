"""The two stretches of load that are measured: the counting pass and the timed round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from perfgate.errors import NotMeasured
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.load import Generator, Load
from perfgate.measure.service import RunningService
from perfgate.measure.stand import Stand
from perfgate.measure.usage import Usage, UsageSampler
from perfgate.model import Flaw, FlawKind, Round

Options = Mapping[str, Mapping[str, object]]

TRIAL = -1
"""Stands in for a round's number where nothing is measured."""


@dataclass(frozen=True)
class Taken:
    """What one stretch gave: its readings, the flaws found, and for a timed round the facts about it.

    `requests` counts the answered requests of a round by endpoint.
    """

    readings: tuple[Reading, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    facts: Round | None = None
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Bench:
    """A fresh service under one scenario's generator, and the collectors that watch it."""

    scenario: str
    stand: Stand
    service: RunningService
    generator: Generator
    collectors: Sequence[Collector]
    options: Options
    statements: dict[str, str]

    def __post_init__(self) -> None:
        self.lasting = dict(self.service.snapshot())
        self._before_trial: dict[int, float] = {}

    def count(self) -> Taken:
        """The counting pass: every task a fixed number of times, one request at a time, watched after each."""
        watching = [collector for collector in self.collectors if collector.stretch is Stretch.COUNTING]
        target = self._target()

        def observe(endpoint: str) -> None:
            for collector in watching:
                collector.observe(self._for(collector, target), endpoint)

        for collector in watching:
            collector.begin(self._for(collector, target))
        load = self.generator.count(self.service.url, observe)
        target.load = load
        readings = [r for collector in watching for r in collector.finish(self._for(collector, target))]
        return Taken(tuple(readings), tuple(self._flaws(load, None, watching)))

    def trial(self, warmup: float, seconds: float) -> Mapping[str, int]:
        """Load that nothing is measured under: the answered requests of each endpoint in so many seconds.

        What goes wrong in it is left to the round that follows, which misses whoever ended meanwhile.
        """
        self._before_trial = self._lasting_still()
        return _by_endpoint(self.generator.round(self.service.url, TRIAL, warmup=warmup, seconds=seconds))

    def round(self, index: int, *, warmup: float, seconds: float) -> Taken:
        """One timed round, after `warmup` seconds that do not count. A flaw makes it invalid, whatever it measured."""
        watching = [collector for collector in self.collectors if collector.stretch is Stretch.ROUND]
        target = self._target()
        before, self._before_trial = self._before_trial or self._lasting_still(), {}
        with UsageSampler(self.service.processes) as sampler:
            for collector in watching:
                collector.begin(self._for(collector, target))
            load = self.generator.round(self.service.url, index, warmup=warmup, seconds=seconds)
        target.load, target.usage = load, sampler.usage
        readings = [r for collector in watching for r in collector.finish(self._for(collector, target))]
        flaws = self._flaws(load, index, watching)
        if not flaws:
            flaws = [
                self._flaw(FlawKind.SERVICE_RESTARTED, f"{who} ended during the load", index)
                for who in self.service.lost(before)
            ]
        facts = self._facts(load, sampler.usage, valid=not flaws)
        return Taken(tuple(readings), tuple(flaws), facts, _by_endpoint(load))

    def _lasting_still(self) -> dict[int, float]:
        """Who is there since the beginning: helpers that a service starts and ends as it works are its own business."""
        return {pid: began for pid, began in self.service.snapshot().items() if self.lasting.get(pid) == began}

    def _target(self) -> Target:
        return Target(
            root=self.stand.root,
            scenario=self.scenario,
            side=self.stand.side,
            service=self.service,
            database=self.stand.database,
            statements=self.statements,
        )

    def _for(self, collector: Collector, target: Target) -> Target:
        target.options = {**collector.options, **self.options.get(collector.name, {})}
        return target

    def _flaws(self, load: Load, index: int | None, watching: Sequence[Collector]) -> list[Flaw]:
        """What load and collectors say of themselves; a service that is gone explains all else that went wrong."""
        try:
            self.service.check()
        except NotMeasured as error:
            return [replace(self._flaw(FlawKind.SERVICE_DIED, error.args[0], None), detail=error.hint)]
        said = (*load.flaws, *(flaw for collector in watching for flaw in collector.flaws))
        return [replace(flaw, scenario=self.scenario, round=index, side=self.stand.side) for flaw in said]

    def _flaw(self, kind: FlawKind, because: str, index: int | None) -> Flaw:
        return Flaw(kind, because, self.scenario, index, self.stand.side)

    def _facts(self, load: Load, usage: Usage, *, valid: bool) -> Round:
        return Round(
            scenario=self.scenario,
            index=load.index,
            seconds=load.seconds,
            requests=len(load.records),
            reached=load.reached,
            generator_cpu=load.generator_cpu,
            lag=load.lag,
            sampler_cpu=usage.sampler_cpu,
            side=self.stand.side,
            asked=load.asked,
            valid=valid,
        )


def _by_endpoint(load: Load) -> Mapping[str, int]:
    return Counter(record.endpoint for record in load.records)
