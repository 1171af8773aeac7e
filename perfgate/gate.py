"""The gate as test items: one for each rule in each scenario, measured once a session, after the ordinary tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from perfgate import basis, files, keeping, runfile, runner, settings
from perfgate.advice import Cause
from perfgate.diagnosis import Diagnose
from perfgate.errors import BadRequest, PerfgateError
from perfgate.judge.rules import PLACES
from perfgate.measure.assembly import metrics_of, project_samples
from perfgate.measure.collector import Reading
from perfgate.measure.ownership import Owner
from perfgate.model import Asked, Better, Finding, Key, Level, Metric, Noise, Run, Scope, Unit
from perfgate.plan import TESTS, Limit, Plan, Rule
from perfgate.profiles import VARIABLE
from perfgate.publish.progress import Progress
from perfgate.result import Result
from perfgate.settings import CUSTOM

PRESENCE = "presence"
MEASUREMENT = "measurement"
REST = "everything else"
GROUP = "perfgate"
"""The tests that xdist has to keep in one process: the rules, and those that bring samples."""
SESSION_S = 6 * 3600.0
"""How long a session may go on whose workers do not all have the result yet."""


class PerfgateWarning(UserWarning):
    """A rule's warning, or what it could not decide."""


@dataclass(frozen=True)
class ServiceUnderTest:
    """What the fixture `perfgate_service` gives."""

    url: str
    database_url: str


@dataclass
class Recorder:
    """What the fixture `perfgate_sample` gives: call it once for each value."""

    readings: list[Reading] = field(default_factory=list)

    def __call__(self, metric: str, value: float, *, unit: str, better: str = "lower", **places: str) -> None:
        """Add a value, in base units: `unit` is one of s, B, count, ratio, 1/s. `places` are those of a scope."""
        if not metric.startswith(CUSTOM):
            raise BadRequest(
                f"{metric!r} is not a test's own metric", hint=f"call it {CUSTOM}{metric.split('.')[-1]!s}"
            )
        unknown = set(places) - set(PLACES)
        if unknown or "scenario" in places:
            raise BadRequest(
                f"unknown place {', '.join(sorted(unknown or places))}", hint=f"known: {', '.join(PLACES[1:])}"
            )
        try:
            kind = Metric(metric, Unit(unit), Better(better), Noise.SAMPLED, "Added by a test of this project.")
        except ValueError as error:
            raise BadRequest(str(error), hint=f"units: {', '.join(Unit)}; better: {', '.join(Better)}") from error
        if not 0 <= value <= runfile.LARGEST:
            raise BadRequest(f"{metric}: {value} is no measurement", hint="give a finite number that is not below zero")
        self.readings.append(Reading(kind, float(value), Scope(scenario=TESTS, **places)))


class Gate:
    """One session's gate: its plan, what the tests recorded, and the result once it was measured."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        config.addinivalue_line("markers", "xdist_group(name): tests of one group run on one worker")
        self._path = config.rootpath / config.getoption("--perfgate-config")
        self._profile: str = config.getoption("--perfgate-profile") or os.environ.get(VARIABLE, "")
        self._base: str = config.getoption("--perfgate-base")
        self._strict: bool = config.getoption("--perfgate-strict")
        self.recorder = Recorder()
        self.voices: list[Callable[[Finding], bool]] = []
        self._plan: Plan | None = None
        self._result: Result | PerfgateError | None = None
        self._notes: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan. pytest ends with a usage error where the file is wrong."""
        if self._plan is None:
            try:
                self._plan = settings.load(self._path, runner.known(), self._profile)
            except PerfgateError as error:
                raise pytest.UsageError(str(error)) from None
        return self._plan

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Let the budgets file be named on pytest's command line."""
        if file_path == self._path:
            return BudgetsFile.from_parent(parent, path=file_path, gate=self)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put the rules behind the ordinary tests, which may add samples; `-k` sees them like any test."""
        own = [item for item in items if isinstance(item, RuleItem)]
        named = any(str(argument).split("::")[0].endswith(self._path.name) for argument in self._config.args)
        if not own and not named:
            file = BudgetsFile.from_parent(session, path=self._path, gate=self)
            own = [item for scenario in file.collect() for item in scenario.collect()]
        items[:] = [*(item for item in items if not isinstance(item, RuleItem)), *own]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Warn where xdist may judge the rules in another process than the one that has the samples of a test."""
        alone = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) < 2
        grouped = all(item.nodeid.endswith(f"@{GROUP}") for item in session.items if isinstance(item, RuleItem))
        if not alone and not grouped and any(_brings_samples(item) for item in session.items):
            told = "rules and the tests that bring samples may run in different processes, where the samples are missed"
            mend = f'take `--dist loadgroup` and `@pytest.mark.xdist_group("{GROUP}")`'
            warnings.warn(
                PerfgateWarning(f"{told}: {mend}; with pytest 9.2, pytest-xdist 3.8 groups nothing"), stacklevel=1
            )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the report is."""
        if isinstance(self._result, Result):
            from perfgate.publish.reports import named

            state = runner.state_folder(self.plan)
            files.write(state / "report.html", named("html").render(self._result))
            terminalreporter.section("perfgate")
            for line in (f"report: {state / 'report.html'}", *self._notes):
                terminalreporter.write_line(line)

    @contextmanager
    def service(self) -> Iterator[ServiceUnderTest]:
        """The service over a fresh database, for as long as tests use it."""
        measurement = runner.Measurement(self.plan, Progress(quiet=True), {})
        with Owner() as owner, measurement.surroundings(owner) as stands, stands[0].fresh("tests") as running:
            yield ServiceUnderTest(running.url, stands[0].database.url if stands[0].database else "")

    def result(self) -> Result:
        """The judged result: measured at the first call, whichever test that is, and by one worker under xdist."""
        if self._result is None:
            try:
                self._result = self._once_for_all_workers()
            except PerfgateError as error:
                self._result = error
        if isinstance(self._result, PerfgateError):
            raise self._result
        return self._result

    def _once_for_all_workers(self) -> Result:
        session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
        if session is None:
            return self._measure()
        shared = runner.state_folder(self.plan) / f"xdist-{session}.json"
        with shared.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear_other_sessions(shared)
            if not shared.exists():
                files.write(shared, runfile.dump_result(self._measure()))
            return runfile.load_result(shared.read_text(encoding="utf-8"), shared.name)

    def _measure(self) -> Result:
        state, history = runner.state_folder(self.plan), keeping.reserved(self.plan.root)
        (state / runner.LAST_RESULT).unlink(missing_ok=True)
        with Progress(quiet=True) as progress:
            found = basis.find(self.plan, self._base, runner.known(), progress)
            result = runner.measure(found, progress, Diagnose.RED)
        result = runner.judged(replace(result, run=self._with_tests(result.run)), found.plan, strict=self._strict)
        files.write(state / runner.LAST_RESULT, runfile.dump_result(result))
        self._notes += keeping.keep(history, keeping.entry_of(result, self.plan.root))
        return result

    def _with_tests(self, run: Run) -> Run:
        """The run with what the tests recorded and benchmarked, as a scenario of its own."""
        readings = [*self.recorder.readings, *_benchmarks(self._config)]
        for reading in readings:
            planned = self.plan.metrics.get(reading.metric.name)
            if planned is not None and planned.unit is not reading.metric.unit:
                raise BadRequest(
                    f"{reading.metric.name} is recorded in {reading.metric.unit}, its budget is in {planned.unit}",
                    hint="write the budget in the unit that the test records",
                )
        metrics = {**{metric.name: metric for metric in run.metrics}, **metrics_of(readings)}
        return replace(
            run,
            samples=(*run.samples, *project_samples(readings)),
            metrics=tuple(metrics[name] for name in sorted(metrics)),
            loads={**run.loads, TESTS: Asked()},
        )


def _clear_other_sessions(shared: Path) -> None:
    """Remove what sessions of old shared among their workers; one that goes on holds the lock, or is young."""
    for lock in shared.parent.glob("xdist-*.lock"):
        # another session may clear the same one at this moment
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            if lock.stem != shared.stem and time.time() - lock.stat().st_mtime > SESSION_S:
                with lock.open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    lock.with_suffix(".json").unlink(missing_ok=True)
                    lock.unlink()


def _benchmarks(config: pytest.Config) -> Iterable[Reading]:
    """The raw rounds of what pytest-benchmark measured in this session."""
    from perfgate.measure.collectors import benchmark

    found = getattr(getattr(config, "_benchmarksession", None), "benchmarks", [])
    timed = ((bench.fullname, list(bench.stats.data)) for bench in found if bench.stats is not None)
    for reading in benchmark.readings(timed):
        yield replace(reading, scope=replace(reading.scope, scenario=TESTS))


class BudgetsFile(pytest.File):
    """The budgets file as pytest sees it: a collector of scenarios."""

    def __init__(self, *, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate

    def collect(self) -> list[ScenarioItems]:
        plan = self.gate.plan
        names = ["", *plan.scenarios, TESTS]
        found = [
            ScenarioItems.from_parent(self, name=name or "project", scenario=name, gate=self.gate) for name in names
        ]
        return [scenario for scenario in found if scenario.has_rules()]


class ScenarioItems(pytest.Collector):
    """The rules of one scenario; "" holds those about the whole project."""

    def __init__(self, *, scenario: str, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario
        self.gate = gate

    def has_rules(self) -> bool:
        return bool(self._rules()) or self.scenario != TESTS

    def _rules(self) -> list[Rule]:
        return [rule for rule in self.gate.plan.rules if self._is_ours(rule)]

    def _is_ours(self, rule: Rule) -> bool:
        selector = rule.selector
        if selector.scenario:
            return fnmatchcase(self.scenario, selector.scenario) and bool(self.scenario)
        if selector.metric.startswith((CUSTOM, "benchmark")):
            return self.scenario == TESTS
        of_project = selector.metric.startswith("bundle")
        return self.scenario != TESTS and (self.scenario == "") == of_project

    def collect(self) -> list[RuleItem]:
        def item(name: str, speaks_for: Callable[[Finding], bool]) -> RuleItem:
            return RuleItem.from_parent(self, name=name, gate=self.gate, speaks_for=speaks_for)

        rules = [item(_name(rule), _about(rule, self.scenario)) for rule in self._rules()]
        rest = [
            item(MEASUREMENT, self._kinds("validity")),
            item(PRESENCE, self._kinds("presence", "baseline")),
        ]
        if not self.scenario:
            rest.append(item(REST, self._unspoken))
        self.gate.voices += [found.speaks_for for found in (*rules, *rest) if found.name != REST]
        return rules + rest

    def _unspoken(self, found: Finding) -> bool:
        """What no other test speaks for, so that nothing red stays silent."""
        return not any(speaks_for(found) for speaks_for in self.gate.voices)

    def _kinds(self, *kinds: str) -> Callable[[Finding], bool]:
        return lambda found: found.kind in kinds and found.scope.scenario == self.scenario


def _name(rule: Rule) -> str:
    places = [text for place in PLACES[1:] if (text := getattr(rule.selector, place))]
    named = f"{rule.selector.metric}[{' · '.join(places)}]" if places else rule.selector.metric
    return named if isinstance(rule, Limit) else f"{named} regression"


def _about(rule: Rule, scenario: str) -> Callable[[Finding], bool]:
    kind = "limit" if isinstance(rule, Limit) else "tolerance"

    def speaks_for(found: Finding) -> bool:
        here = found.scope.scenario in (scenario, "") if found.rule == rule.where else False
        return here and found.kind == kind and (found.rule != "default" or found.metric == rule.selector.metric)

    return speaks_for


def _told(found: Finding, causes: Iterable[Cause]) -> Iterator[str]:
    """A red finding, and what led to it as far as that is known."""
    yield f"{found.status}: {found.key}: {found.because}"
    for cause in causes:
        if Key(cause.metric, cause.scope) == found.key:
            yield from (f"  ⇐ {step}" for step in cause.steps[1:])


class Red(Exception):
    """A rule that failed: shown as its findings, without a traceback."""


def _brings_samples(item: pytest.Item) -> bool:
    return not {"perfgate_sample", "benchmark"}.isdisjoint(getattr(item, "fixturenames", ()))


class RuleItem(pytest.Item):
    """One rule in one scenario: red when one of its findings is."""

    def __init__(self, *, gate: Gate, speaks_for: Callable[[Finding], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._gate = gate
        self.speaks_for = speaks_for
        self.add_marker(pytest.mark.xdist_group(GROUP))

    def runtest(self) -> None:
        result = self._gate.result()
        verdict = result.verdict
        assert verdict is not None
        findings = [found for found in verdict.findings if self.speaks_for(found)]
        self.user_properties += [(str(found.key), f"{found.status}: {found.because}") for found in findings]
        red = [found for found in findings if found.level is Level.FAIL]
        if red:
            raise Red("\n".join(line for found in red for line in _told(found, result.causes)))
        for found in findings:
            if found.level is Level.WARN:
                warnings.warn(PerfgateWarning(f"{found.status}: {found.key}: {found.because}"), stacklevel=1)
        if not findings and self.name not in (MEASUREMENT, PRESENCE, REST):
            pytest.skip("more specific rules judge everything here")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Red | PerfgateError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        # pytest writes dots as colons where a node's id ends with this text, and metrics have dots
        return self.path, None, f"{self.name} in {self.parent.name if self.parent else ''}"
