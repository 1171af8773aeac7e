"""The door: `budgets.yaml` becomes a `Plan`, or every mistake in it is told at once, with its line and its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from perfgate import multiples, profiles, surroundings
from perfgate.budgetsfile import Amount, Budget, Regression, shown, typed
from perfgate.budgetsfile import BudgetsFile as BudgetsFile
from perfgate.budgetsfile import schema as schema
from perfgate.errors import BadRequest, suggestion
from perfgate.model import Better, Metric, Noise, Side, Unit
from perfgate.plan import TESTS, Limit, Multiple, Plan, Rule, Scenario, Selector, Tolerance
from perfgate.units import SCALES, parse
from perfgate.yamlfile import Complaints, Document, Place, read

CUSTOM = "custom."
"""What the names of metrics begin with that a test adds itself."""

DEFAULT_ERROR_LIMIT = Limit(Selector("response.errors"), warn=None, fail=0.01, where="default")
"""Answers that failed are not measured, so their share always has a limit: 1 %, unless the file has its own."""

LONGEST_NAME = 60


@dataclass(frozen=True)
class Known:
    """What the file may name: the metrics that exist, and the options that each collector and each advisor has."""

    metrics: Mapping[str, Metric]
    options: Mapping[str, Mapping[str, object]]
    advisors: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def load(path: Path, known: Known, profile: str = "") -> Plan:
    """Read and check the file, and take one of its profiles; "" takes the file as it is.

    Raises BadRequest with every mistake, those of other profiles too, and for a profile that the file does not have.
    Nothing has been started by then.
    """
    document = read(path, path.name)
    complaints = profiles.Complaints(document)
    profiles.check(document, complaints)
    variants = {name: profiles.overlaid(document, name, complaints) for name in ("", *profiles.names(document))}
    plans = {
        name: _plan(path.resolve(), variant, known, complaints.about(variant), name)
        for name, variant in variants.items()
    }
    chosen = plans.get(profile)
    if chosen is not None:
        # only this one is going to be used: elsewhere, the passwords of other profiles are not there
        secrets = surroundings.with_secrets(chosen.database, complaints.about(variants[profile]))
        chosen = replace(chosen, database=secrets)
    complaints.raise_any()
    if chosen is None:
        raise profiles.unknown(document, profile)
    others = {name for plan in plans.values() if plan for name in plan.scenarios} - chosen.scenarios.keys()
    return replace(chosen, left_out=tuple(sorted(others)))


def _plan(path: Path, document: Document, known: Known, complaints: Complaints, profile: str) -> Plan | None:
    """The plan of the file in one profile, with what is wrong in it left out; None where too little is left."""
    entries = typed(document, complaints)
    if entries is None:
        return None
    _check_surroundings(entries, path.parent, complaints)
    _check_options("collector", entries.collectors, known.options, complaints)
    _check_options("advisor", entries.advisors, known.advisors, complaints)
    rules = tuple(_rules(entries, document, known, complaints))
    return Plan(
        root=path.parent,
        file=path,
        service=entries.service,
        database=entries.database,
        scenarios=entries.scenarios,
        artifacts={name: (globs,) if isinstance(globs, str) else globs for name, globs in entries.artifacts.items()},
        rules=(DEFAULT_ERROR_LIMIT, *rules) if entries.scenarios else rules,
        collectors=entries.collectors,
        advisors=entries.advisors,
        metrics={**known.metrics, **_custom_metrics(entries)},
        time=entries.time,
        profile=profile,
        rules_of=Side(entries.rules_of),
    )


def _check_surroundings(entries: BudgetsFile, root: Path, complaints: Complaints) -> None:
    if entries.scenarios and entries.service is None:
        complaints.add(("scenarios",), "scenarios need a `service:` to send their requests to")
    for name, scenario in entries.scenarios.items():
        _check_scenario(name, scenario, root, complaints)
    if entries.service:
        surroundings.check_service(entries.service, complaints)
    if entries.database:
        surroundings.check_database(entries.database, root, complaints)
    elif entries.service and "{database_" in repr(entries.service):
        complaints.add(("service",), "uses {database_...} but there is no `database:`")


def is_file_name(name: str) -> bool:
    """Whether a scenario may be called so: its baseline is a file of that name, beside the project's own."""
    plain = name.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and not name.startswith("_") and len(name) <= LONGEST_NAME


def _check_scenario(name: str, scenario: Scenario, root: Path, complaints: Complaints) -> None:
    place: Place = ("scenarios", name)
    if not is_file_name(name):
        complaints.add(place, f"{name!r}: a scenario's name names its baseline file: use letters, digits, - and _")
    if name == TESTS:
        complaints.add(place, f"{TESTS!r} is what tests add their samples under: choose another name")
    if (scenario.users is None) == (scenario.rate is None):
        complaints.add(place, f"scenarios.{name}: needs either `users: 8` or `rate: 100/s`")
    if scenario.max_rounds < scenario.rounds:
        complaints.add(
            (*place, "max_rounds"), f"max_rounds is {scenario.max_rounds}: at least rounds, {scenario.rounds}"
        )
    if bool(scenario.master) != bool(scenario.expect_workers):
        complaints.add(place, f"scenarios.{name}: `master: 0.0.0.0:5557` and `expect_workers: 2` go together")
    if not (root / scenario.locustfile).is_file():
        complaints.add((*place, "locustfile"), f"there is no file {scenario.locustfile!r} in {root}")


def _check_options(
    kind: str, asked: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, object]], complaints: Complaints
) -> None:
    """Complain of options that no `kind` of this name has, or that are of another type; whole numbers are numbers."""
    for name, options in asked.items():
        if name not in known:
            complaints.add((f"{kind}s", name), f"unknown {kind} {name!r}; {suggestion(name, known)}")
            continue
        for option, value in options.items():
            place, usual = (f"{kind}s", name, option), known[name].get(option)
            if not known[name]:
                complaints.add(place, f"{kind} {name} has no options")
            elif option not in known[name]:
                complaints.add(place, f"unknown option {option!r}; {suggestion(option, known[name])}")
            elif type(value) is not type(usual) and (type(value), type(usual)) != (int, float):
                complaints.add(place, f"{option}: has to be like {usual!r}, not {shown(value)}")


def _rules(entries: BudgetsFile, document: Document, known: Known, complaints: Complaints) -> Iterator[Rule]:
    seen: dict[tuple[type, Selector], int] = {}
    for index, budget in enumerate(entries.budgets):
        place: Place = ("budgets", index)
        _check_names(budget, entries, place, complaints)
        if _is_bare(budget):
            budget = _exactly(budget, known, place, complaints)
        for rule in _rules_of(budget, _unit(budget, known, place, complaints), place, document, complaints):
            earlier = seen.setdefault((type(rule), rule.selector), index)
            if earlier != index:
                complaints.add(place, f"repeats the rule of {document.where(('budgets', earlier))}; keep one")
            yield rule


def _check_names(budget: Budget, entries: BudgetsFile, place: Place, complaints: Complaints) -> None:
    for kind, names in (("scenario", [*entries.scenarios, TESTS]), ("artifact", entries.artifacts)):
        pattern = getattr(budget, kind)
        if pattern and not any(fnmatchcase(name, pattern) for name in names):
            complaints.add((*place, kind), f"no {kind} is called {pattern!r}; {suggestion(pattern, names)}")
    if budget.regression and budget.regression.warn is None and budget.regression.fail is None:
        complaints.add((*place, "regression"), "a regression needs `warn: 5 %` or `fail: 10 %`")


def _is_bare(budget: Budget) -> bool:
    return budget.warn is None and budget.fail is None and budget.regression is None


def _exactly(budget: Budget, known: Known, place: Place, complaints: Complaints) -> Budget:
    """A budget that names a metric and no limit: what is exact may do no more than it did."""
    noises = {metric.noise for name, metric in known.metrics.items() if fnmatchcase(name, budget.metric)}
    if noises == {Noise.EXACT}:
        return replace(budget, regression=Regression(fail="0 %"))
    if noises or budget.metric.startswith(CUSTOM):
        complaints.add(place, "a budget needs `warn:`, `fail:` or `regression:`, unless its metric is exact")
    return budget


def _unit(budget: Budget, known: Known, place: Place, complaints: Complaints) -> Unit | None:
    """The unit that the metric's limits are written in; None, with a complaint, for a metric that does not exist."""
    if budget.metric.startswith(CUSTOM):
        return _unit_as_written(budget) or Unit.COUNT
    units = {metric.unit for name, metric in known.metrics.items() if fnmatchcase(name, budget.metric)}
    if len(units) == 1:
        return units.pop()
    if units:
        complaints.add(
            (*place, "metric"), f"{budget.metric!r} means metrics of different units; write one entry for each"
        )
    else:
        complaints.add(
            (*place, "metric"), f"unknown metric {budget.metric!r}; {suggestion(budget.metric, known.metrics)}"
        )
    return None


def _unit_as_written(budget: Budget) -> Unit | None:
    """The unit of the first quantity of a budget; None where it has none, as a bare multiple of the baseline."""
    text = next(_quantities(budget), None)
    if text is None:
        return None
    suffix = text.lstrip("+-0123456789._ ")
    return next((unit for unit, scales in SCALES.items() if suffix and suffix in scales), Unit.COUNT)


def _quantities(budget: Budget) -> Iterator[str]:
    for limit in (budget.fail, budget.warn):
        if isinstance(limit, str) and multiples.is_multiple(limit):
            try:
                yield from multiples.bounds(limit).values()
            except ValueError:
                continue  # it is complained of where it is read
        elif limit is not None:
            yield str(limit)
    if budget.regression and budget.regression.floor is not None:
        yield str(budget.regression.floor)


def _rules_of(
    budget: Budget, unit: Unit | None, place: Place, document: Document, complaints: Complaints
) -> Iterator[Rule]:
    if unit is None:
        return
    where = document.where(place)
    amounts = _Amounts(place, complaints)
    warn, fail = amounts.line(budget.warn, unit, "warn"), amounts.line(budget.fail, unit, "fail")
    if warn is not None or fail is not None:
        yield Limit(budget.selector, warn, fail, where)
    if budget.regression:
        asked = budget.regression
        levels = [amounts.read(getattr(asked, key), Unit.RATIO, "regression", key) for key in ("warn", "fail")]
        floor = amounts.read(asked.floor, unit, "regression", "floor") or 0.0
        if any(value is not None for value in levels):
            yield Tolerance(budget.selector, levels[0], levels[1], floor, where)


@dataclass(frozen=True)
class _Amounts:
    """Reads the quantities of one entry; one that cannot be read is complained of, and None."""

    place: Place
    complaints: Complaints

    def line(self, value: Amount | None, unit: Unit, key: str) -> float | Multiple | None:
        """A limit: a quantity, or a multiple of the baseline."""
        if not isinstance(value, str) or not multiples.is_multiple(value):
            return self.read(value, unit, key)
        try:
            return multiples.parsed(value, unit)
        except ValueError as error:
            self.complaints.add((*self.place, key), f"{key}: {error}")
            return None

    def read(self, value: Amount | None, unit: Unit, *key: str) -> float | None:
        try:
            number = None if value is None else parse(value, unit)
        except ValueError as error:
            self.complaints.add((*self.place, *key), f"{key[-1]}: {error}")
            return None
        if number is not None and number < 0 and (unit is Unit.RATIO or key[-1] == "floor"):
            self.complaints.add((*self.place, *key), f"{key[-1]}: {value!r} is below zero; write how far it may move")
        return number


def _custom_metrics(entries: BudgetsFile) -> dict[str, Metric]:
    """The metrics that only a test can add, as far as a budget names one of them in full, and its unit."""
    named = {b.metric: b for b in entries.budgets if b.metric.startswith(CUSTOM) and not set("*?[") & set(b.metric)}
    return {
        name: Metric(name, unit, Better.LOWER, Noise.SAMPLED, "Added by a test of this project.")
        for name, budget in named.items()
        if (unit := _unit_as_written(budget)) is not None
    }


def only(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The plan with the named scenarios alone (all when none is named). Raises BadRequest for an unknown name."""
    for name in names:
        if name not in plan.scenarios:
            raise BadRequest(f"no scenario is called {name!r}", hint=suggestion(name, plan.scenarios))
    if not names:
        return plan
    chosen = {name: plan.scenarios[name] for name in plan.scenarios if name in names}
    others = tuple(name for name in plan.scenarios if name not in chosen)
    return replace(plan, scenarios=chosen, left_out=(*plan.left_out, *others))
