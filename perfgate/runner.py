"""The order of things: plan, surroundings, rounds until every rule is decided, verdict. Wires the rooms together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import perfgate
from perfgate import baselines as accepted
from perfgate.basis import Basis
from perfgate.diagnose import advisors
from perfgate.diagnosis import CloserLook, Diagnose, Diagnosis
from perfgate.errors import BadRequest, NotMeasured, PerfgateError
from perfgate.judge.verdict import judge
from perfgate.measure import assembly, collectors, database, imports
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.database import Server
from perfgate.measure.machine import machine
from perfgate.measure.measured import Measured
from perfgate.measure.neighbours import Neighbours
from perfgate.measure.ownership import Owner
from perfgate.measure.scenario import ScenarioRunner
from perfgate.measure.stand import Stand
from perfgate.measure.stopwatch import Stopwatch
from perfgate.measure.stretches import Taken
from perfgate.model import (
    Asked,
    Baseline,
    Finding,
    Flaw,
    FlawKind,
    Metric,
    Noise,
    Postgres,
    Run,
    Sample,
    Side,
    Status,
    Verdict,
)
from perfgate.plan import TESTS, Plan, Scenario
from perfgate.redaction import Redactor, passwords_of, secrets_of
from perfgate.result import Result
from perfgate.revision import revision
from perfgate.settings import Known
from perfgate.worktree import Base

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
        advisors={advisor.category: advisor.options for advisor in advisors.known()},
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
    """One run while it is being taken, beside `base` where there is one."""

    plan: Plan
    progress: Progress
    baselines: Mapping[str, Baseline]
    base: Base | None = None
    diagnose: Diagnose = Diagnose.NEVER
    watch: Stopwatch = field(default_factory=Stopwatch)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    scenarios: list[Measured] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    postgres: Postgres | None = None
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    def __post_init__(self) -> None:
        self.revision, self.machine = revision(self.plan.root), machine()
        service, asked = self.plan.service, self.plan.database
        self.secrets = [*secrets_of(os.environ), *secrets_of(service.env if service else {})]
        self.secrets += passwords_of(asked.url if asked else "")

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
    def surroundings(self, owner: Owner) -> Iterator[list[Stand]]:
        """The server and the stands, prepared: head's first, then base's if there is one that works."""
        with self._server(owner) as server:
            self.progress.phase("build and fill the database")
            stands = [self._stand(Side.HEAD, self.plan.root, server, owner)]
            stands[0].prepare()
            if self.base is not None:
                stands += self._base_stand(self.base, server, owner)
            yield stands

    def _base_stand(self, base: Base, server: Server | None, owner: Owner) -> list[Stand]:
        """The base's stand; none, and a flaw that says why, where base cannot be built or filled."""
        self.progress.phase(f"build and fill base {base.commit[:8]}")
        stand = self._stand(Side.BASE, base.root, server, owner, base.built)
        stand.env = {**stand.env, **imports.environment(base.head, base.top, imports.packages())}
        stand.on_built = base.record
        try:
            if not base.root.is_dir():
                raise NotMeasured(f"base {base.commit[:8]} has no folder {base.root.relative_to(base.top)}")
            self._compare_setup(base)
            stand.prepare()
        except PerfgateError as error:
            self.flaws.append(Flaw(FlawKind.NOT_MEASURED, error.args[0], side=Side.BASE, detail=error.hint))
            return []
        return [stand]

    def _compare_setup(self, base: Base) -> None:
        """Say where the sides fill their databases differently: migrations may, but data would be compared as well."""
        for entry in self.plan.database.setup if self.plan.database else ():
            theirs, ours = base.root / entry, self.plan.root / entry
            if not entry.endswith(".sql") or (theirs.is_file() and theirs.read_bytes() == ours.read_bytes()):
                continue
            self._note(f"base's {entry} is another one" if theirs.is_file() else f"base has no {entry}: left out there")

    def _stand(self, side: Side, root: Path, server: Server | None, owner: Owner, built: Path | None = None) -> Stand:
        logs = state_folder(self.plan) / "logs"
        return Stand(self.plan, side, root, server, owner, logs, self.watch, self._note, built=built)

    @contextmanager
    def _server(self, owner: Owner) -> Iterator[Server | None]:
        if self.plan.database is None:
            yield None
            return
        self.progress.phase("start Postgres")
        with ExitStack() as stack:
            with self.watch("database start"):
                server = stack.enter_context(database.start(self.plan.database, owner, self._note))
            self.secrets.append(server.access.password)
            self.postgres = Postgres(server.provider, server.version, dict(server.settings))
            yield server

    @property
    def redactor(self) -> Redactor:
        """Takes out of texts what must not leave the machine, as far as it is known by now."""
        return Redactor.of(self.secrets)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._say(text)

    def _say(self, text: str) -> None:
        self.progress.say(self.redactor.text(text))

    def _scenarios(self, owner: Owner) -> None:
        with ExitStack() as stack:
            stands: Sequence[Stand] = ()
            if self.plan.service is not None:
                stands = stack.enter_context(self.surroundings(owner))
                self.measure_on(stands)
            self.progress.phase("artifacts and benchmarks")
            self._project(Side.HEAD, self.plan.root)
            if self.base is not None:
                self._project(Side.BASE, self.base.root)
            self._look_closer(stands)

    def _look_closer(self, stands: Sequence[Stand]) -> None:
        """Find out why, if it is asked for; the verdict on what was measured so far stays as it is."""
        run = self.run()
        verdict = judge(run, self.plan.rules, self.baselines, planned=set(self.plan.scenarios))
        if self.diagnose is Diagnose.ALWAYS or (self.diagnose is Diagnose.RED and verdict.exit_code):
            self.progress.phase("look closer")
            with self.watch("closer look"):
                always = self.diagnose is Diagnose.ALWAYS
                look = CloserLook(self.plan, run, verdict, self.baselines, self._say, always)
                self.diagnosis = look.take(stands)
            self.notes.extend(self.diagnosis.notes)

    def measure_on(self, stands: Sequence[Stand]) -> None:
        """All scenarios on prepared stands: counted one after the other, their rounds taken in turn."""
        server = stands[0].server
        neighbours = Neighbours(lambda: [server.pid] if server is not None and server.pid else [])
        for names in _groups(self.plan.scenarios):
            with ExitStack() as stack:
                runners = [self._scenario(name, stands, neighbours) for name in names]
                self.scenarios += [runner.measured for runner in runners]
                for runner in runners:
                    stack.enter_context(runner.loaded())
                for runner in runners:
                    self.progress.phase(f"scenario {runner.name}: count")
                    runner.count()
                self._rounds(runners)

    def _rounds(self, runners: Sequence[ScenarioRunner]) -> None:
        """The required rounds, then more in turn for whoever is undecided, while there is time."""
        for runner in runners:
            self.progress.phase(f"scenario {runner.name}")
            while runner.goes_on and not runner.has_required:
                runner.block()
        at_it = False
        while undecided := [runner for runner in runners if runner.goes_on and self._undecided(runner.measured)]:
            for runner in undecided:
                if len(undecided) > 1 or not at_it:
                    self.progress.phase(f"scenario {runner.name}: more rounds")
                runner.block()
            at_it = True

    def _scenario(self, name: str, stands: Sequence[Stand], neighbours: Neighbours) -> ScenarioRunner:
        scenario = self.plan.scenarios[name]
        return ScenarioRunner(
            name=name,
            plan=scenario,
            stands=stands,
            collectors=collectors.known(),
            options=self.plan.collectors,
            folder=stands[0].owner.folder(f"load-{name}"),
            neighbours=neighbours,
            on_round=self._told(name, scenario),
            doubted=self._red_by_counting,
        )

    def _told(self, name: str, scenario: Scenario) -> Callable[[Side, int, Taken], None]:
        def tell(side: Side, index: int, taken: Taken) -> None:
            facts = taken.facts
            summary = taken.flaws[0].because if taken.flaws else f"{facts.requests} requests" if facts else ""
            self.progress.round(name, str(side), index, scenario.rounds, summary)

        return tell

    def _interim(self, measured: Measured) -> Verdict:
        """What the rules say of a scenario so far."""
        run = replace(
            self.run(), samples=tuple(measured.samples()), metrics=tuple(measured.metrics().values()), flaws=()
        )
        return judge(run, self.plan.rules, self.baselines)

    def _undecided(self, measured: Measured) -> bool:
        """Whether another round of the scenario should settle a rule: once the time is over, to confirm an alarm."""
        late = self.seconds > self.plan.time
        wanting = [f for f in self._interim(measured).findings if f.status is Status.UNSURE and f.needed > f.rounds]
        return any(f.confirming or not late for f in wanting)

    def _red_by_counting(self, measured: Measured) -> bool:
        """Whether a count would fail a tolerance, which is said only when further passes say the same."""
        findings = self._interim(measured).findings
        exact = {name for name, metric in measured.metrics().items() if metric.noise is Noise.EXACT}
        return any(f.status is Status.FAIL and f.kind == "tolerance" and f.metric in exact for f in findings)

    def _project(self, side: Side, root: Path) -> None:
        """What belongs to no scenario: artifacts and benchmarks."""
        watching = [collector for collector in collectors.known() if collector.stretch is Stretch.PROJECT]
        with self.watch("artifacts and benchmarks"):
            readings = [reading for collector in watching for reading in self._read(collector, side, root)]
        self.samples += assembly.project_samples(readings, side)
        self.metrics.update(assembly.metrics_of(readings))

    def _read(self, collector: Collector, side: Side, root: Path) -> list[Reading]:
        options = {**collector.options, **self.plan.collectors.get(collector.name, {})}
        target = Target(root=root, side=side, artifacts=self.plan.artifacts, options=options)
        try:
            collector.begin(target)
            return list(collector.finish(target))
        except NotMeasured as error:
            spoilt = tuple(metric.name for metric in collector.metrics)
            self.flaws.append(
                Flaw(FlawKind.COLLECTOR_FAILED, error.args[0], side=side, metrics=spoilt, detail=error.hint)
            )
            return []

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return (datetime.now(UTC) - self.started).total_seconds()

    def run(self) -> Run:
        """The run as far as it has been taken."""
        where = self.revision
        metrics, statements = dict(self.metrics), dict[str, str]()
        for measured in self.scenarios:
            metrics.update(measured.metrics())
            statements.update(measured.statements)
        return Run(
            commit=where.commit,
            branch=where.branch,
            dirty=where.dirty,
            base=self.base.commit if self.base else "",
            machine=self.machine,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(self.seconds, 2),
            version=perfgate.__version__,
            seed=next((scenario.seed for scenario in self.plan.scenarios.values()), 0),
            postgres=self.postgres,
            loads={name: asked_of(scenario) for name, scenario in self.plan.scenarios.items()},
            left_out=self.plan.left_out,
            profile=self.plan.profile,
            metrics=tuple(metrics[name] for name in sorted(metrics)),
            samples=tuple(s for measured in self.scenarios for s in measured.samples()) + tuple(self.samples),
            rounds=tuple(facts for measured in self.scenarios for facts in measured.facts),
            flaws=tuple(flaw for measured in self.scenarios for flaw in measured.flaws) + tuple(self.flaws),
            repeatability=tuple(found for measured in self.scenarios for found in measured.repeatability()),
            phases={name: round(spent, 2) for name, spent in self.watch.phases.items()},
            statements=statements,
            notes=tuple(self.notes),
        )


def asked_of(scenario: Scenario) -> Asked:
    """What a scenario's plan asks for, as the run keeps it."""
    return Asked(**{f.name: getattr(scenario, f.name) for f in fields(Asked)})


def _groups(scenarios: Mapping[str, Scenario]) -> list[list[str]]:
    """Scenarios whose rounds are taken in turn. One with workers elsewhere stands alone: they know one address."""
    together = [name for name, scenario in scenarios.items() if not scenario.master]
    alone = [[name] for name, scenario in scenarios.items() if scenario.master]
    return [*([together] if together else []), *alone]


def measure(basis: Basis, progress: Progress, diagnose: Diagnose = Diagnose.NEVER) -> Result:
    """Measure, and find causes as far as `diagnose` asks for it, without a verdict.

    It is done beside the base of `basis`, which is left to other runs at the end.
    """
    try:
        measurement = Measurement(basis.plan, progress, baselines_of(basis.plan), basis.base, diagnose)
        measurement.notes.extend(basis.notes)
        run = replace(measurement.take(), loosened=basis.loosened)
        redactor, found = measurement.redactor, measurement.diagnosis
        advice = tuple(map(redactor.advice, found.advice))
        return Result(redactor.run(run), None, advice, redactor.anything(found.causes))
    finally:
        basis.release()


def judged(result: Result, plan: Plan, *, strict: bool = False, drift: Sequence[Finding] = ()) -> Result:
    """The same result with a verdict by the plan's rules and the project's baselines, and `drift` of its history."""
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
    planned = set(plan.scenarios) - set(plan.left_out)
    verdict = judge(result.run, plan.rules, stored, strict=strict, planned=planned, drift=drift)
    return replace(result, verdict=verdict)
