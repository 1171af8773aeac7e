"""One scenario on its stands: counting passes that prove themselves, then rounds, on both sides in turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfgate.errors import NotMeasured, PerfgateError
from perfgate.measure import lengths, load
from perfgate.measure.collector import Collector, Stretch
from perfgate.measure.load import Generator
from perfgate.measure.measured import Measured
from perfgate.measure.neighbours import Company, Neighbours
from perfgate.measure.stand import Stand
from perfgate.measure.stretches import Bench, Options, Taken
from perfgate.model import Flaw, FlawKind, Side
from perfgate.plan import Scenario

COUNTING_PASSES = 2
"""One to count, one to prove on fresh data that the counts are exact here."""

MOST_PASSES = 7
"""Taken before a count is called red: one that a coin decides at each start agrees with itself twice too often."""

MOST_SPOILT_ROUNDS = 3
"""After so many rounds that something was wrong with, more of the same are not worth their time."""

ROUNDS_A_START = 4
"""Rounds between fresh starts where there is no base, once the required ones are taken."""

MOST_RETAKES = 2
"""How often one pair is taken again because others disturbed it."""

CROWDED = (FlawKind.GENERATOR_SATURATED, FlawKind.RATE_NOT_REACHED)
"""Flaws that other work on the machine can cause, and that pass with it: as many rounds as are allowed are tried."""

Halves = dict[Side, tuple[Taken, Company]]


@dataclass
class ScenarioRunner:
    """Drives one scenario on the stands of head and, where there is one, of base.

    What goes wrong with head or the load becomes a flaw, not an error; what goes wrong with base alone takes base out
    of the scenario. `on_round` is told how each round went; `doubted` is asked, once it was counted, whether the counts
    need confirming.
    """

    name: str
    plan: Scenario
    stands: Sequence[Stand]
    collectors: Sequence[Collector]
    options: Options
    folder: Path
    neighbours: Neighbours
    on_round: Callable[[Side, int, Taken], None]
    doubted: Callable[[Measured], bool]
    _generator: Generator = field(init=False)

    def __post_init__(self) -> None:
        self.measured = Measured(self.name, {stand.side: stand for stand in self.stands})
        self._chance = random.Random(f"{self.plan.seed}:{self.name}")
        self._index = self._retaken = 0
        self._spoilt = dict.fromkeys(Side, 0)
        self._over = self._head_first = False
        self._blocks = 0
        self._seconds: float | None = None
        self._tallies = {side: lengths.Tally() for side in Side}

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Start to load Locust, which goes on while other things are done; it ends with the block.

        Then it is said which endpoints got few requests in the rounds.
        """
        root, owner = self.stands[0].root, self.stands[0].owner
        with load.start(self.name, self.plan, root, owner, self.folder) as self._generator:
            yield
        if doubt := lengths.doubt(self.name, [self._tallies[side] for side in self.measured.stands]):
            self.stands[0].say(doubt)

    @property
    def goes_on(self) -> bool:
        """Whether rounds can still be taken."""
        return not self._over and not self.measured.spoilt and self.measured.pairs < self._most

    @property
    def _most(self) -> int:
        """Beside base, an alarm is confirmed by fresh pairs: it may take as many again."""
        return self.plan.max_rounds * len(self.measured.stands)

    @property
    def has_required(self) -> bool:
        """Whether all rounds are there that are taken in any case."""
        return self.measured.pairs >= self.plan.rounds

    def count(self) -> None:
        """Each counting pass has a service of its own, since collectors may end its sessions to read all counters."""
        while self.plan.counting and self._counts_again():
            for stand in list(self.measured.stands.values()):
                with self._blamed(stand.side), self._started(stand, stand.service.counting_env) as bench:
                    self._count(stand.side, bench)
            if self.measured.spoilt:
                return

    def block(self) -> None:
        """Rounds between one fresh start of the sides and the next: A B, then B A, where chance chooses who is A."""
        stands = list(self.measured.stands.values())
        if self._blocks % 2 == 0:
            self._head_first = self._chance.random() < 0.5
        if self._head_first == bool(self._blocks % 2):
            stands.reverse()
        self._blocks += 1
        with self._blamed(Side.HEAD), ExitStack() as stack:
            benches: dict[Side, Bench] = {}
            for stand in stands:
                with self._blamed(stand.side):
                    benches[stand.side] = stack.enter_context(self._started(stand, {}))
            if self._lost_any_of(stands):
                return
            warm = self._settle_length(benches)
            if self._lost_any_of(stands):
                return
            for _ in range(self._rounds_a_start(len(stands))):
                if self._over or not self._pair(benches, warm):
                    break
                benches = dict(reversed(benches.items()))

    def _lost_any_of(self, stands: Sequence[Stand]) -> bool:
        return self.measured.spoilt or len(self.measured.stands) < len(stands)

    def _settle_length(self, benches: Mapping[Side, Bench]) -> set[Side]:
        """Before the first round: how long all of them are, by the requests that either side answers; who is warm then.

        Nothing else is known of either side by then, so the choice is blind to what the rounds will show.
        """
        if self._seconds is not None:
            return set()
        self._seconds = self.plan.round
        asked = lengths.trial(self.plan.round, self.plan.warmup)
        if asked is None:
            return set()
        warmup, seconds = asked
        answered: dict[Side, Mapping[str, int]] = {}
        for side, bench in benches.items():
            with self._blamed(side), bench.stand.watch("rounds"):
                answered[side] = bench.trial(warmup, seconds)
        self._seconds = lengths.settled(self.plan.round, seconds, answered.values())
        return set(answered)

    def _rounds_a_start(self, sides: int) -> int:
        left = self._most - self.measured.pairs
        if sides > 1:
            return min(self.plan.pairs_a_start, left)
        return min(max(self.plan.rounds - self.measured.pairs, ROUNDS_A_START), left)

    @contextmanager
    def _blamed(self, side: Side) -> Iterator[None]:
        """What cannot be measured inside is a flaw of the scenario on this side; base may be asked what it cannot."""
        try:
            yield
        except PerfgateError as error:
            if side is Side.HEAD and not isinstance(error, NotMeasured):
                raise
            self._flawed([Flaw(FlawKind.NOT_MEASURED, error.args[0], self.name, side=side, detail=error.hint)])

    def _flawed(self, flaws: Sequence[Flaw]) -> None:
        self.measured.flaws.extend(flaws)
        if any(flaw.side is Side.BASE and flaw.round is None for flaw in flaws):
            self.measured.lose_base()

    @contextmanager
    def _started(self, stand: Stand, env: Mapping[str, str]) -> Iterator[Bench]:
        with stand.fresh(self.name, env) as service:
            with stand.watch("load start"):
                self._generator.ready()
            with self._unchanged(stand):
                yield Bench(
                    self.name,
                    stand,
                    service,
                    self._generator,
                    self.collectors,
                    self.options,
                    self.measured.statements,
                )

    @contextmanager
    def _unchanged(self, stand: Stand) -> Iterator[None]:
        """A server that restarts or is set otherwise under the load makes everything counted on it incomparable."""
        before = stand.server_state()
        yield
        if not self.measured.spoilt and stand.server_state() != before:
            words = "the Postgres server restarted or its settings changed under the load"
            self.measured.flaws.append(Flaw(FlawKind.SETTINGS_CHANGED, words, self.name))

    def _count(self, side: Side, bench: Bench) -> None:
        with bench.stand.watch("counting"):
            taken = bench.count()
        self.measured.passes[side].append(taken.readings)
        self._flawed(taken.flaws)

    def _counts_again(self) -> bool:
        counted = len(self.measured.passes[Side.HEAD])
        return counted < COUNTING_PASSES or (counted < MOST_PASSES and self.doubted(self.measured))

    def _pair(self, benches: Mapping[Side, Bench], warm: set[Side]) -> bool:
        """One valid round on each side, one right after the other; whether the services are worth going on with.

        A pair that others on the machine disturbed is taken again, whatever it showed, within bounds.
        """
        for attempt in range(MOST_RETAKES + 1):
            self._index += 1
            halves: Halves = {}
            for side, bench in benches.items():
                with self._blamed(side):
                    halves[side] = self._half(bench, self.plan.warmup / 4 if side in warm else self.plan.warmup)
                warm.add(side)
                if side not in halves or halves[side][0].flaws:
                    return self._broken(halves)
            crowd = self.neighbours.crowd(*(company for _, company in halves.values()))
            again = crowd and attempt < MOST_RETAKES and self._retaken < max(4, self.measured.pairs)
            self._noted(halves, disturbed=again)
            if not again:
                break
            self._retaken += 1
        self.measured.add_pair({side: taken.readings for side, (taken, _) in halves.items()})
        for side, (taken, _) in halves.items():
            self._tallies[side].add(taken.requests)
        return True

    def _half(self, bench: Bench, warmup: float) -> tuple[Taken, Company]:
        with bench.stand.watch("rounds"), self.neighbours.watched() as company:
            taken = bench.round(self._index, warmup=warmup, seconds=self._seconds or self.plan.round)
        self.on_round(bench.stand.side, self._index, taken)
        return taken, company

    def _noted(self, halves: Halves, *, disturbed: bool) -> None:
        for taken, company in halves.values():
            if taken.facts is not None:
                facts = replace(taken.facts, others=round(company.cores, 3), disturbed=disturbed, start=self._blocks)
                self.measured.facts.append(facts)

    def _broken(self, halves: Halves) -> bool:
        """A pair with a flaw counts for nothing; after too many of them no more are tried."""
        self._noted(halves, disturbed=False)
        flaws = [flaw for taken, _ in halves.values() for flaw in taken.flaws]
        self._flawed(flaws)
        if not flaws or any(flaw.round is None for flaw in flaws):
            return False
        side = flaws[0].side
        self._spoilt[side] += 1
        crowded = all(flaw.kind in CROWDED for flaw in flaws)
        if self._spoilt[side] < (self.plan.max_rounds if crowded else MOST_SPOILT_ROUNDS):
            return True
        if side is Side.BASE and not crowded:
            self._flawed([replace(flaws[0], round=None)])
        else:
            self.measured.flaws.append(self._gave_up(flaws[0]))
            self._over = True
        return False

    def _gave_up(self, worst: Flaw) -> Flaw:
        words = f"{self.measured.pairs} of {self._index} rounds were valid, {self.plan.rounds} are needed"
        own = (
            metric
            for collector in self.collectors
            if collector.stretch is Stretch.ROUND
            for metric in collector.metrics
        )
        globs = sorted({f"{metric.name.partition('.')[0]}.*" for metric in own})
        return replace(worst, because=f"{words}; {worst.because}", round=None, side=Side.HEAD, metrics=tuple(globs))
