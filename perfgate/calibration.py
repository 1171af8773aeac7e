"""Base against itself on this machine: what its noise lets a gate see, and the tolerances that it can keep."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from perfgate.errors import BadRequest, NotMeasured
from perfgate.judge.conditions import Conditions, of_pairs
from perfgate.judge.detection import Spread, change, least_pairs, spread_of, tolerances, visible
from perfgate.judge.families import Families
from perfgate.judge.pairs import CHANCE_OF_ALARM, Schedule
from perfgate.judge.rules import RuleBook
from perfgate.measure.measured import Measured
from perfgate.measure.ownership import Owner
from perfgate.measure.scenario import ScenarioRunner
from perfgate.measure.stand import Stand
from perfgate.model import Better, Flaw, Metric, Noise, Run, Sample, Scope, Side, Unit
from perfgate.plan import Plan, Scenario, Selector, Tolerance
from perfgate.publish.words import many
from perfgate.replays import Recording, Replayed, replayed
from perfgate.runner import Measurement, Progress
from perfgate.stats import mean
from perfgate.units import parse, show

MINUTES = (1, 3, 10)
"""How long rounds are taken, in the columns of the table."""

LONGEST_S = 86_400.0
"""The most that may be asked for."""

TRIED = 3
"""Tolerances that are replayed until one holds: theory is seldom further off, and replays take time."""

FAMILIES = ("response.", "cpu.", "memory.")
"""The metrics that are looked at without a rule that names them."""

NOT_WORTH_IT = {
    "response.mean": "response.p50 says it",
    "response.p90": "response.p95 says it",
    "response.p99": "it is a handful of answers a round: reported, not gated",
    "response.max": "it is one answer a round: reported, not gated",
    "response.rate": "it hides changes as long as users wait between requests",
    "response.bytes": "an absolute budget says it better",
    "memory.rss": "memory.peak says it",
    "memory.anonymous": "memory.peak says it",
    "memory.pss": "memory.peak says it",
    "memory.growth": "it is next to nothing: an absolute budget says it better",
}
"""Why a tolerance is not proposed unless the file has one: each more takes from the others' chance of an alarm."""


def rounded_up(ratio: float) -> str:
    """A share for people, never smaller than it is, so that nothing is promised that does not hold."""
    number = ratio * 100
    digits = 0 if number >= 10 or number == 0 else 1
    return f"{math.ceil(number * 10**digits - 1e-9) / 10**digits:.{digits}f} %"


@dataclass
class Twins(Measurement):
    """The work tree on both sides, measured in turn for `asked` seconds of rounds, shared by the scenarios.

    `starts` counts the pairs of each process start; `spent` is what the rounds of a scenario took, in seconds.
    """

    asked: float = 180.0
    starts: dict[str, list[int]] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    prepared: float = 0.0

    @contextmanager
    def surroundings(self, owner: Owner) -> Iterator[list[Stand]]:
        """Two stands of one folder, which is built once, each with a database of its own."""
        with self._server(owner) as server:
            self.progress.phase("build and fill two databases" if server else "build")
            stands = [self._stand(side, self.plan.root, server, owner) for side in Side]
            stands[1].builds = False
            for stand in stands:
                stand.prepare()
            yield stands

    def _scenarios(self, owner: Owner) -> None:
        with self.surroundings(owner) as stands:
            self.measure_on(stands)

    def _rounds(self, runners: Sequence[ScenarioRunner]) -> None:
        """Blocks of each scenario in turn until the time is over; one of each in any case."""
        self.prepared = self.prepared or self.seconds
        self.progress.phase(f"rounds of {', '.join(runner.name for runner in runners)}: twice the same")
        end = time.monotonic() + self.asked * len(runners) / len(self.plan.scenarios)
        while going := [runner for runner in runners if self._is_worth_more(runner)]:
            for runner in going:
                if runner.name in self.starts and time.monotonic() > end:
                    return
                self._block(runner)

    def _is_worth_more(self, runner: ScenarioRunner) -> bool:
        return runner.goes_on and len(runner.measured.stands) == len(Side)

    def _block(self, runner: ScenarioRunner) -> None:
        before, began = runner.measured.pairs, time.monotonic()
        runner.block()
        self.spent[runner.name] = self.spent.get(runner.name, 0.0) + time.monotonic() - began
        starts = self.starts.setdefault(runner.name, [])
        if runner.measured.pairs > before:
            starts.append(runner.measured.pairs - before)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric in one scope, of head's `sample`.

    `noise` is the standard deviation of a pair's ln(head / base), `seen` the smallest relative change that `MINUTES`
    of rounds would turn red (None: too short for a decision). `tolerance` is proposed, for the samples that `target`
    names, and `checked` says how it did in replays; where there is none, `why` says why not.
    """

    sample: Sample
    unit: Unit
    noise: float
    seen: tuple[float | None, ...]
    target: Selector
    tolerance: float | None = None
    checked: Replayed | None = None
    why: str = ""

    @property
    def scope(self) -> Scope:
        return self.sample.scope

    @property
    def is_aside(self) -> bool:
        """Whether no tolerance was looked for."""
        return self.tolerance is None and self.checked is None and self.why in NOT_WORTH_IT.values()


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One scenario: its `rows`, from so many `pairs` in `starts` process starts, `seconds` a pair all in all.

    `decisions` share its chance of an alarm once the proposals are rules. In `plan_seconds` the plan's own time takes
    `plan_pairs`. `most` are the `max_rounds` that `MINUTES` have room for; `doubtful` says, for a metric, which
    endpoints are too noisy for its tolerance.
    """

    name: str
    pairs: int
    starts: int
    seconds: float
    decisions: int
    plan_pairs: int
    plan_seconds: float
    most: tuple[int, ...]
    rows: tuple[Row, ...]
    doubtful: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured, and what it means for each scenario."""

    run: Run
    plan: Plan
    scenarios: tuple[Calibrated, ...]


def seconds_of(asked: str) -> float:
    """How long "3 min" is. Raises BadRequest for what is no time, or none that rounds fit into."""
    try:
        seconds = parse(asked, Unit.SECONDS)
    except ValueError as error:
        raise BadRequest(f"--time: {error}") from error
    if not 0 < seconds <= LONGEST_S:
        raise BadRequest(f"--time: {asked!r} is not between 0 and a day", hint="write it like '3 min'")
    return seconds


def calibrate(plan: Plan, progress: Progress, seconds: float) -> Calibration:
    """Take rounds for so many seconds and say what they tell. Raises NotMeasured where they are no basis for it."""
    if not plan.scenarios:
        raise BadRequest(f"{plan.file.name} has no scenario to calibrate", hint="only rounds of a scenario have noise")
    twins = Twins(_without_counting(plan), progress, {}, asked=seconds)
    run = twins.take()
    progress.phase("replay")
    return Calibration(
        run, plan, tuple(_Bench(twins, plan, run, measured).calibrated() for measured in _all(twins, run))
    )


def _without_counting(plan: Plan) -> Plan:
    """The plan with nothing but rounds, as many as there is time for."""
    scenarios = {name: replace(own, counting=0, max_rounds=10_000) for name, own in plan.scenarios.items()}
    return replace(plan, scenarios=scenarios)


def _all(twins: Twins, run: Run) -> list[Measured]:
    """What was measured of each scenario. Raises NotMeasured for the first that gave too little for a decision."""
    found = {measured.scenario: measured for measured in twins.scenarios}
    for name, scenario in twins.plan.scenarios.items():
        least = max(least_pairs(schedule_of(scenario)), 4)
        measured = found.get(name)
        if measured is None or not measured.pairs or len(measured.stands) < len(Side):
            _raise_for(name, run.flaws)
        elif measured.pairs < least or len(twins.starts[name]) < 2:
            _raise_for_time(name, measured.pairs, least, twins)
    return list(found.values())


def _raise_for(name: str, flaws: Sequence[Flaw]) -> None:
    flaw = next((f for f in reversed(flaws) if f.scenario in ("", name)), None)
    if flaw is None:
        raise NotMeasured(f"no pair of rounds of {name} was taken", hint="see the logs in .perfgate/logs")
    raise NotMeasured(f"{name} could not be measured: {flaw.kind}: {flaw.because}", hint=flaw.detail)


def _raise_for_time(name: str, pairs: int, least: int, twins: Twins) -> None:
    each = twins.spent[name] / pairs
    enough = math.ceil(1.5 * each * max(least, 8) * len(twins.plan.scenarios) / 60)
    raise NotMeasured(
        f"{name}: {many(pairs, 'pair')} of rounds, {each:.1f} s each; a decision takes {least}, from two starts",
        hint=f"give it longer: --time '{enough} min'",
    )


def schedule_of(scenario: Scenario) -> Schedule:
    """The looks of a gated run."""
    return Schedule(scenario.rounds, scenario.max_rounds, scenario.pairs_a_start)


class _Bench:
    """The pairs of one scenario, and the plan that they are held against."""

    def __init__(self, twins: Twins, plan: Plan, run: Run, measured: Measured) -> None:
        self.name, self.plan, self.measured = measured.scenario, plan, measured
        self.schedule = schedule_of(plan.scenarios[self.name])
        self.starts = twins.starts[self.name]
        self.each = twins.spent[self.name] / measured.pairs
        found = of_pairs(run, self.name)
        # without those of each pair it is not known whose they are
        self.conditions = found if len(found) == measured.pairs else [Conditions()] * measured.pairs
        self.book = RuleBook(plan.rules, {})
        self.metrics: Mapping[str, Metric] = measured.metrics()
        samples = [sample for sample in measured.samples() if sample.noise is Noise.SAMPLED]
        self.heads = [sample for sample in samples if sample.side is Side.HEAD]
        self.bases = {sample.key: sample for sample in samples if sample.side is Side.BASE}
        self.plan_seconds = max(plan.time - twins.prepared, 0.0) / (len(plan.scenarios) + len(plan.left_out))
        self.plan_pairs = max(self._pairs_in(self.plan_seconds, self.schedule.last), least_pairs(self.schedule))
        decided = [sample for sample in self.heads if self._is_decided(sample)]
        self.decisions = len(decided)
        self.families = Families((sample, self.metrics[sample.metric]) for sample in decided)

    def _alpha(self, sample: Sample) -> float:
        """The share of the chance of a false alarm that is left to the decision, where none of its family helps it."""
        family = self.families.relatives(sample, self.metrics[sample.metric])
        scenarios = len(self.plan.scenarios) + len(self.plan.left_out)
        return CHANCE_OF_ALARM / scenarios / max(self.families.of(self.name), 1) / (1 + len(family))

    def _pairs_in(self, seconds: float, most: int = 10_000) -> int:
        return min(int(seconds / self.each), most)

    def calibrated(self) -> Calibrated:
        most = tuple(max(self._pairs_in(60.0 * minutes) // 2, self.schedule.first) for minutes in MINUTES)
        rows = [self._row(sample) for sample in self.heads if self._is_looked_at(sample)]
        rows.sort(key=lambda row: (row.is_aside, row.scope))
        return Calibrated(
            self.name,
            self.measured.pairs,
            len(self.starts),
            self.each,
            self.decisions,
            self.plan_pairs,
            self.plan_seconds,
            most,
            tuple(rows),
            {row.sample.metric: found for row in rows if (found := self._doubtful(row))},
        )

    def _tolerance(self, sample: Sample) -> Tolerance | None:
        return next((rule for rule in self.book.binding(sample.key) if isinstance(rule, Tolerance)), None)

    def _named(self, sample: Sample) -> Selector | None:
        """The selector of the rule that names the sample's place, not only its metric."""
        rules = [rule for rule in self.book.binding(sample.key) if _names_a_place(rule.selector)]
        return rules[-1].selector if rules and sample.scope.details() else None

    def _is_proposable(self, sample: Sample) -> bool:
        """Whether a tolerance of it is there, or belongs there."""
        if self._tolerance(sample) is not None or self._named(sample) is not None:
            return True
        return sample.metric.startswith(FAMILIES) and sample.metric not in NOT_WORTH_IT and self._is_positive(sample)

    def _is_decided(self, sample: Sample) -> bool:
        """Whether a tolerance can fail it, once there is one where one belongs."""
        tolerance = self._tolerance(sample)
        return self._is_proposable(sample) or (tolerance is not None and tolerance.fail is not None)

    def _is_positive(self, sample: Sample) -> bool:
        base = self.bases.get(sample.key)
        values = (*sample.present, *(base.present if base else ()))
        return base is not None and len(sample.present) >= 2 and min(values, default=0.0) > 0.0

    def _is_looked_at(self, sample: Sample) -> bool:
        if not self._is_positive(sample) or len(self._recording(sample).starts) < 2:
            return False
        if sample.scope.details():
            return self._named(sample) is not None
        return sample.metric.startswith(FAMILIES) or self._tolerance(sample) is not None

    def _recording(self, sample: Sample) -> Recording:
        return Recording.of(sample, self.bases[sample.key], self.conditions, self.starts)

    def _target(self, sample: Sample) -> Selector:
        """Which samples the proposal would be for: those of the rule that binds now, if it is about one metric."""
        tolerance, named = self._tolerance(sample), self._named(sample)
        if tolerance is not None and tolerance.selector.metric == sample.metric:
            return tolerance.selector
        return replace(named, metric=sample.metric) if named is not None else Selector(sample.metric)

    def _row(self, sample: Sample) -> Row:
        metric, recording = self.metrics[sample.metric], self._recording(sample)
        noise = spread_of(recording.pairs(1), metric.better).plain
        row = Row(sample, metric.unit, noise, self._seen(recording, sample), self._target(sample))
        if not self._is_proposable(sample):
            return replace(row, why=NOT_WORTH_IT.get(sample.metric, "no rule names it"))
        return self._proposed(row, recording, metric)

    def _seen(self, recording: Recording, sample: Sample) -> tuple[float | None, ...]:
        better, alpha = self.metrics[sample.metric].better, self._alpha(sample)
        spread = spread_of(recording.pairs(self.schedule.together), better)
        return tuple(self._seen_in(60.0 * minutes, spread, better, alpha) for minutes in MINUTES)

    def _seen_in(self, seconds: float, spread: Spread, better: Better, alpha: float) -> float | None:
        pairs = self._pairs_in(seconds)
        schedule = replace(self.schedule, last=max(pairs // 2, self.schedule.first))
        moved = visible(spread, pairs, schedule, alpha)
        return None if moved is None else change(moved, better) if moved < math.inf else math.inf

    def _proposed(self, row: Row, recording: Recording, metric: Metric) -> Row:
        """The smallest round tolerance that holds, in theory and in replays; the next where replays say otherwise."""
        present = self._tolerance(row.sample)
        floor, alpha = present.floor if present else 0.0, self._alpha(row.sample)
        relative = floor / mean(row.sample.present)
        spread = spread_of(recording.pairs(self.schedule.together), metric.better)
        found = tolerances(spread, metric.better, self.plan_pairs, self.schedule, alpha, relative)
        if not found:
            return replace(row, why=self._why_not(relative))
        for tolerance in found[:TRIED]:
            rule = Tolerance(row.target, None, tolerance, floor, "")
            checked = replayed(recording, metric, rule, self.schedule, alpha, self.plan_pairs)
            if checked.holds:
                return replace(row, tolerance=tolerance, checked=checked)
        return replace(row, checked=checked, why=f"{tolerance * 100:g} % did not hold in replays; measure for longer")

    def _why_not(self, floor: float) -> str:
        if floor > 0.5:
            return f"its floor is {show(floor, Unit.RATIO)} of it"
        return f"too noisy: not even a doubling is seen in the {self.plan_pairs} pairs that time and max_rounds allow"

    def _doubtful(self, row: Row) -> tuple[str, ...]:
        """The endpoints that the proposal would bind too, and that are too noisy for it."""
        if row.tolerance is None or row.scope.details() or _names_a_place(row.target):
            return ()
        alike = [sample for sample in self.heads if sample.metric == row.sample.metric and sample.scope.endpoint]
        own = [sample for sample in alike if self._is_positive(sample)]
        return tuple(s.scope.endpoint for s in own if self._is_bound(s, row) and not self._holds(s, row.tolerance))

    def _is_bound(self, sample: Sample, row: Row) -> bool:
        tolerance = self._tolerance(sample)
        return tolerance is None or tolerance.selector == row.target

    def _holds(self, sample: Sample, tolerance: float) -> bool:
        recording, better = self._recording(sample), self.metrics[sample.metric].better
        if len(recording.starts) < 2:
            return False
        spread = spread_of(recording.pairs(self.schedule.together), better)
        return tolerance in tolerances(spread, better, self.plan_pairs, self.schedule, self._alpha(sample))


def _names_a_place(selector: Selector) -> bool:
    return bool(replace(selector, metric="", scenario="") != Selector(""))
