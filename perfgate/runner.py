"""The order of things: plan, surroundings, rounds until every rule is decided, verdict. Wires the rooms together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import perfgate
from perfgate import baselines as accepted
from perfgate.errors import BadRequest, NotMeasured
from perfgate.judge.verdict import judge
from perfgate.measure import assembly, collectors, database
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.database import Server
from perfgate.measure.machine import machine
from perfgate.measure.ownership import Owner
from perfgate.measure.scenario import Measured, ScenarioRunner
from perfgate.measure.stand import Stand
from perfgate.measure.stopwatch import Stopwatch
from perfgate.measure.stretches import Options, Taken
from perfgate.model import (
    Asked,
    Baseline,
    Flaw,
    FlawKind,
    Metric,
    Noise,
    Postgres,
    Result,
    Run,
    Sample,
    Side,
    Status,
    Verdict,
)
from perfgate.plan import TESTS, Plan, Scenario
from perfgate.revision import revision
from perfgate.settings import Known

STATE_FOLDER = ".perfgate"
LAST_RESULT = "last.json"


class Progress(Protocol):
    """Who is told what is going on while it is measured."""

    def phase(self, name: str) -> None: ...
    def round(self, scenario: str, side: str, index: int, of: int, summary: str) -> None: ...
    def say(self, text: str) -> None: ...


def known() -> Known:
    """What a configuration may name: the metrics and options of all collectors that are installed."""
    found = collectors.known()
    return Known(
        metrics={metric.name: metric for collector in found for metric in collector.metrics},
        options={collector.name: collector.options for collector in found},
    )


def state_folder(plan: Plan) -> Path:
    """Where the last result and the logs are kept; git is told to leave it alone."""
    folder = plan.root / STATE_FOLDER
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise NotMeasured(f"{folder}: cannot be written: {error.strerror}", hint="free or grant room") from error
    return folder


def baselines_of(plan: Plan) -> dict[str, Baseline]:
    """The accepted baselines of the project."""
    return accepted.load_all(plan.root / accepted.FOLDER)


@dataclass
class Measurement:
    """One run while it is being taken."""

    plan: Plan
    progress: Progress
    baselines: Mapping[str, Baseline]
    watch: Stopwatch = field(default_factory=Stopwatch)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    scenarios: list[Measured] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    postgres: Postgres | None = None

    def __post_init__(self) -> None:
        self.revision, self.machine = revision(self.plan.root), machine()

    def take(self) -> Run:
        """Measure everything the plan asks for. What cannot be measured is a flaw in the run, not an error."""
        owner = Owner()
        try:
            with owner:
                for said in owner.swept:
                    self._note(said)
                self._scenarios(owner)
        except NotMeasured as error:
            self.flaws.append(Flaw(FlawKind.NOT_MEASURED, error.args[0], detail=error.hint))
        for problem in owner.problems:
            self._note(f"could not be cleaned up yet: {problem}")
        return self.run()

    @contextmanager
    def surroundings(self, owner: Owner) -> Iterator[Stand]:
        """The server and the head's stand, prepared; both are gone at the end."""
        with self._server(owner) as server:
            logs = state_folder(self.plan) / "logs"
            stand = Stand(self.plan, Side.HEAD, self.plan.root, server, owner, logs, self.watch, self._note)
            self.progress.phase("build and fill the database")
            stand.prepare()
            yield stand

    @contextmanager
    def _server(self, owner: Owner) -> Iterator[Server | None]:
        if self.plan.database is None:
            yield None
            return
        self.progress.phase("start Postgres")
        with ExitStack() as stack:
            with self.watch("database start"):
                server = stack.enter_context(database.start(self.plan.database, owner, self._note))
            self.postgres = Postgres(server.provider, server.version, dict(server.settings))
            yield server

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.progress.say(text)

    def _scenarios(self, owner: Owner) -> None:
        if self.plan.service is not None:
            with self.surroundings(owner) as stand:
                self.measure_on(stand)
        self._project()

    def measure_on(self, stand: Stand) -> None:
        """All scenarios, one after the other, on a prepared stand."""
        for name, scenario in self.plan.scenarios.items():
            self.progress.phase(f"scenario {name}")
            runner = ScenarioRunner(
                name=name,
                plan=scenario,
                stand=stand,
                collectors=collectors.known(),
                options=self._options(),
                folder=stand.owner.folder(f"load-{name}"),
                on_round=self._told(name, scenario),
                doubted=self._red_by_counting,
            )
            self.scenarios.append(runner.run(self._undecided))

    def _options(self) -> Options:
        return self.plan.collectors

    def _told(self, name: str, scenario: Scenario) -> Callable[[int, Taken], None]:
        def tell(index: int, taken: Taken) -> None:
            facts = taken.facts
            summary = taken.flaws[0].because if taken.flaws else f"{facts.requests} requests" if facts else ""
            self.progress.round(name, str(Side.HEAD), index, scenario.rounds, summary)

        return tell

    def _interim(self, measured: Measured) -> Verdict:
        """What the rules say of a scenario so far."""
        run = replace(
            self.run(), samples=tuple(measured.samples()), metrics=tuple(measured.metrics().values()), flaws=()
        )
        return judge(run, self.plan.rules, self.baselines)

    def _undecided(self, measured: Measured) -> bool:
        """Whether another round of the scenario could still settle a rule."""
        findings = self._interim(measured).findings
        return any(f.status is Status.UNSURE and f.kind == "limit" and f.interval for f in findings)

    def _red_by_counting(self, measured: Measured) -> bool:
        """Whether a count would fail a tolerance, which is said only when further passes say the same."""
        findings = self._interim(measured).findings
        exact = {name for name, metric in measured.metrics().items() if metric.noise is Noise.EXACT}
        return any(f.status is Status.FAIL and f.kind == "tolerance" and f.metric in exact for f in findings)

    def _project(self) -> None:
        """What belongs to no scenario: artifacts and benchmarks."""
        watching = [collector for collector in collectors.known() if collector.stretch is Stretch.PROJECT]
        self.progress.phase("artifacts and benchmarks")
        with self.watch("artifacts and benchmarks"):
            readings = [reading for collector in watching for reading in self._read(collector)]
        self.samples += assembly.project_samples(readings)
        self.metrics.update(assembly.metrics_of(readings))

    def _read(self, collector: Collector) -> list[Reading]:
        options = {**collector.options, **self.plan.collectors.get(collector.name, {})}
        target = Target(root=self.plan.root, artifacts=self.plan.artifacts, options=options)
        try:
            collector.begin(target)
            return list(collector.finish(target))
        except NotMeasured as error:
            spoilt = tuple(metric.name for metric in collector.metrics)
            self.flaws.append(Flaw(FlawKind.COLLECTOR_FAILED, error.args[0], metrics=spoilt, detail=error.hint))
            return []

    def run(self) -> Run:
        """The run as far as it has been taken."""
        where, seconds = self.revision, (datetime.now(UTC) - self.started).total_seconds()
        metrics, statements = dict(self.metrics), dict[str, str]()
        for measured in self.scenarios:
            metrics.update(measured.metrics())
            statements.update(measured.statements)
        return Run(
            commit=where.commit,
            branch=where.branch,
            dirty=where.dirty,
            base="",
            machine=self.machine,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(seconds, 2),
            version=perfgate.__version__,
            seed=next((scenario.seed for scenario in self.plan.scenarios.values()), 0),
            postgres=self.postgres,
            loads={name: asked_of(scenario) for name, scenario in self.plan.scenarios.items()},
            metrics=tuple(metrics[name] for name in sorted(metrics)),
            samples=tuple(s for measured in self.scenarios for s in measured.samples()) + tuple(self.samples),
            rounds=tuple(facts for measured in self.scenarios for facts in measured.facts),
            flaws=tuple(flaw for measured in self.scenarios for flaw in measured.flaws) + tuple(self.flaws),
            phases={name: round(spent, 2) for name, spent in self.watch.phases.items()},
            statements=statements,
            notes=tuple(self.notes),
        )


def asked_of(scenario: Scenario) -> Asked:
    """What a scenario's plan asks for, as the run keeps it."""
    return Asked(**{f.name: getattr(scenario, f.name) for f in fields(Asked)})


def measure(plan: Plan, progress: Progress) -> Result:
    """Measure, without judging."""
    return Result(Measurement(plan, progress, baselines_of(plan)).take())


def judged(result: Result, plan: Plan, *, strict: bool = False) -> Result:
    """The same result with a verdict by the plan's rules and the project's baselines."""
    stored = baselines_of(plan)
    known_names = {"", TESTS, *plan.scenarios, *plan.left_out}
    strangers = sorted({*result.run.loads, *(sample.scope.scenario for sample in result.run.samples)} - known_names)
    if strangers:
        raise BadRequest(
            f"the result has a scenario {strangers[0]!r} that {plan.file.name} does not have", hint="measure again"
        )
    gone = sorted(stored.keys() - known_names)
    if gone:
        raise BadRequest(
            f"{accepted.FOLDER}/{gone[0]}.json is the baseline of a scenario that {plan.file.name} does not have",
            hint=f"renamed or removed? `git rm {accepted.FOLDER}/{gone[0]}.json` gives it up",
        )
    return replace(result, verdict=judge(result.run, plan.rules, stored, strict=strict))
