"""One scenario on one stand: counting passes that prove themselves, and as many timed rounds as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfgate.errors import NotMeasured
from perfgate.measure import assembly, load
from perfgate.measure.collector import Collector, Reading, Stretch
from perfgate.measure.load import Generator
from perfgate.measure.service import RunningService
from perfgate.measure.stand import Stand
from perfgate.measure.stretches import Bench, Options, Taken
from perfgate.model import Flaw, FlawKind, Metric, Round, Sample
from perfgate.plan import Scenario

COUNTING_PASSES = 2
"""One to count, one to prove on fresh data that the counts are exact here."""

MOST_PASSES = 7
"""Taken before a count is called red: one that a coin decides at each start agrees with itself twice too often."""

MOST_SPOILT_ROUNDS = 3
"""After so many rounds that something was wrong with, more of the same are not worth their time."""

CROWDED = (FlawKind.GENERATOR_SATURATED, FlawKind.RATE_NOT_REACHED)
"""Flaws that other work on the machine can cause, and that pass with it: as many rounds as are allowed are tried."""


@dataclass
class Measured:
    """What a scenario gave so far; samples can be asked for at any time, so that a decision can end the rounds."""

    scenario: str
    stand: Stand
    passes: list[tuple[Reading, ...]] = field(default_factory=list)
    rounds: list[tuple[Reading, ...]] = field(default_factory=list)
    facts: list[Round] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    statements: dict[str, str] = field(default_factory=dict)

    def samples(self) -> list[Sample]:
        """All samples so far."""
        side = self.stand.side
        counted = assembly.counted_samples(self.scenario, side, self.passes)
        return counted + assembly.round_samples(self.scenario, side, self.rounds)

    def metrics(self) -> dict[str, Metric]:
        """The definitions of all metrics read so far."""
        return assembly.metrics_of(reading for stretch in (*self.passes, *self.rounds) for reading in stretch)

    @property
    def spoilt(self) -> bool:
        """Whether something happened that no further round heals, and that leaves nothing worth measuring."""
        return any(flaw.round is None and not flaw.metrics for flaw in self.flaws)


@dataclass
class ScenarioRunner:
    """Drives one scenario on one stand.

    `on_round` is told how each round went; `doubted` is asked, once it was counted, whether the counts need confirming.
    """

    name: str
    plan: Scenario
    stand: Stand
    collectors: Sequence[Collector]
    options: Options
    folder: Path
    on_round: Callable[[int, Taken], None]
    doubted: Callable[[Measured], bool]

    def run(self, more: Callable[[Measured], bool]) -> Measured:
        """Count, then take rounds. What goes wrong with the service or the load becomes a flaw, not an error.

        Once the required rounds are taken, `more` is asked whether another could still decide something.
        """
        measured = Measured(self.name, self.stand)
        with load.start(self.name, self.plan, self.stand.root, self.stand.owner, self.folder) as generator:
            try:
                self._measure(measured, generator, more)
            except NotMeasured as error:
                flaw = Flaw(FlawKind.NOT_MEASURED, error.args[0], self.name, side=self.stand.side, detail=error.hint)
                measured.flaws.append(flaw)
        return measured

    def _measure(self, measured: Measured, generator: Generator, more: Callable[[Measured], bool]) -> None:
        """Each counting pass has a service of its own, since collectors may end its sessions to read all counters."""
        while self.plan.counting and self._counts_again(measured):
            with self._bench(measured, generator, self.stand.service.counting_env) as bench:
                self._count(measured, bench)
            if measured.spoilt:
                return
        with self._bench(measured, generator, {}) as bench:
            self._rounds(measured, bench, more)

    @contextmanager
    def _bench(self, measured: Measured, generator: Generator, env: Mapping[str, str]) -> Iterator[Bench]:
        with self.stand.fresh(self.name, env) as service:
            with self.stand.watch("load start"):
                generator.ready()
            with self._unchanged(measured):
                yield self._watched(service, generator, measured)

    def _watched(self, service: RunningService, generator: Generator, measured: Measured) -> Bench:
        return Bench(self.name, self.stand, service, generator, self.collectors, self.options, measured.statements)

    @contextmanager
    def _unchanged(self, measured: Measured) -> Iterator[None]:
        """A server that restarts or is set otherwise under the load makes everything counted on it incomparable."""
        before = self.stand.server_state()
        yield
        if not measured.spoilt and self.stand.server_state() != before:
            words = "the Postgres server restarted or its settings changed under the load"
            measured.flaws.append(Flaw(FlawKind.SETTINGS_CHANGED, words, self.name, side=self.stand.side))

    def _count(self, measured: Measured, bench: Bench) -> None:
        with self.stand.watch("counting"):
            taken = bench.count()
        measured.flaws.extend(taken.flaws)
        measured.passes.append(taken.readings)

    def _rounds(self, measured: Measured, bench: Bench, more: Callable[[Measured], bool]) -> None:
        """Valid rounds until there are enough; spoilt ones are taken again, within bounds."""
        index = spoilt = 0
        while self._wants(measured, more):
            index += 1
            with self.stand.watch("rounds"):
                taken = bench.round(index, warmup=self.plan.warmup if index == 1 else self.plan.warmup / 4)
            self.on_round(index, taken)
            measured.flaws.extend(taken.flaws)
            if taken.facts is not None:
                measured.facts.append(taken.facts)
            if measured.spoilt:
                return
            if not taken.flaws:
                measured.rounds.append(taken.readings)
                continue
            spoilt += 1
            crowded = all(flaw.kind in CROWDED for flaw in taken.flaws)
            if spoilt >= (self.plan.max_rounds if crowded else MOST_SPOILT_ROUNDS):
                measured.flaws.append(self._gave_up(measured, taken.flaws[0], index))
                return

    def _counts_again(self, measured: Measured) -> bool:
        counted = len(measured.passes)
        return counted < COUNTING_PASSES or (counted < MOST_PASSES and self.doubted(measured))

    def _wants(self, measured: Measured, more: Callable[[Measured], bool]) -> bool:
        valid = len(measured.rounds)
        if valid < self.plan.rounds:
            return True
        return valid < self.plan.max_rounds and more(measured)

    def _gave_up(self, measured: Measured, worst: Flaw, index: int) -> Flaw:
        words = f"{len(measured.rounds)} of {index} rounds were valid, {self.plan.rounds} are needed; {worst.because}"
        own = (
            metric
            for collector in self.collectors
            if collector.stretch is Stretch.ROUND
            for metric in collector.metrics
        )
        globs = sorted({f"{metric.name.partition('.')[0]}.*" for metric in own})
        return replace(worst, because=words, round=None, metrics=tuple(globs))
