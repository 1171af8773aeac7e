"""The door: `budgets.yaml` becomes a `Plan`, or every mistake in it is told at once, with its line and its remedy."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import MinLen

from perfgate import surroundings
from perfgate.errors import BadRequest, suggestion
from perfgate.model import Better, Metric, Noise, Unit
from perfgate.plan import (
    STRICT,
    TESTS,
    Database,
    Limit,
    Named,
    Plan,
    Rule,
    Scenario,
    Selector,
    Service,
    Tolerance,
)
from perfgate.units import SCALES, parse
from perfgate.yamlfile import Complaints, Document, Place, read

CUSTOM = "custom."
"""What the names of metrics begin with that a test adds itself."""

DEFAULT_ERROR_LIMIT = Limit(Selector("response.errors"), warn=None, fail=0.01, where="default")
"""Answers that failed are not measured, so their share always has a limit: 1 %, unless the file has its own."""

Amount = str | int | float


LONGEST_NAME = 60


@dataclass(frozen=True)
class Regression:
    """How far the metric may move from its base or baseline: `warn` and `fail` relative, `floor` in its unit."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    warn: Amount | None = None
    fail: Amount | None = None
    floor: Amount | None = None


@dataclass(frozen=True)
class Budget:
    """One entry under `budgets`: which samples, and their limits. All names are globs."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    metric: Named
    scenario: str = ""
    endpoint: str = ""
    statement: str = ""
    table: str = ""
    artifact: str = ""
    process: str = ""
    benchmark: str = ""
    warn: Amount | None = None
    fail: Amount | None = None
    regression: Regression | None = None

    @property
    def selector(self) -> Selector:
        return Selector(**{f.name: getattr(self, f.name) for f in fields(Selector)})


@dataclass(frozen=True)
class BudgetsFile:
    """The whole file, as it is written."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    version: Literal[1]
    budgets: Annotated[tuple[Budget, ...], MinLen(1)]
    service: Service | None = None
    database: Database | None = None
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    artifacts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    collectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What the file may name: the metrics that exist and the options that each collector has."""

    metrics: Mapping[str, Metric]
    options: Mapping[str, Mapping[str, object]]


def load(path: Path, known: Known) -> Plan:
    """Read and check the file. Raises BadRequest with every mistake; nothing has been started by then."""
    document = read(path, path.name)
    complaints = Complaints(document)
    entries = _typed(document, complaints)
    entries = replace(entries, database=surroundings.with_secrets(entries.database, complaints))
    root = path.resolve().parent
    _check_surroundings(entries, root, complaints)
    _check_collectors(entries.collectors, known, complaints)
    rules = tuple(_rules(entries, document, known, complaints))
    complaints.raise_any()
    return Plan(
        root=root,
        file=path.resolve(),
        service=entries.service,
        database=entries.database,
        scenarios=entries.scenarios,
        artifacts={name: (globs,) if isinstance(globs, str) else globs for name, globs in entries.artifacts.items()},
        rules=(DEFAULT_ERROR_LIMIT, *rules) if entries.scenarios else rules,
        collectors=entries.collectors,
        metrics={**known.metrics, **_custom_metrics(entries)},
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of `budgets.yaml`."""
    from pydantic import TypeAdapter

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(BudgetsFile).json_schema()}


def _typed(document: Document, complaints: Complaints) -> BudgetsFile:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(BudgetsFile).validate_python(document.value)
    except ValidationError as error:
        # one wrong value fails every member of a union: the first complaint about a place is enough
        said: set[str] = set()
        for detail in error.errors(include_url=False):
            place = tuple(part for part in detail["loc"])
            message = _in_words(dict(detail))
            if document.where(place) + message not in said:
                said.add(document.where(place) + message)
                complaints.add(place, message)
        return _rest(document, [tuple(detail["loc"]) for detail in error.errors()], complaints)


def _rest(document: Document, wrong: list[Place], complaints: Complaints) -> BudgetsFile:
    """The file without what was complained of, so that the rest is looked at too; raises when too little is left."""
    from pydantic import TypeAdapter, ValidationError

    value = copy.deepcopy(document.value)
    for place in wrong:
        _prune(value, place)
    try:
        return TypeAdapter(BudgetsFile).validate_python(value)
    except ValidationError:
        complaints.raise_any()
        raise


def _prune(value: Any, place: Place) -> None:
    """Take the entry at the place out of nested mappings; in a list it is left, so that places keep their numbers."""
    for part in place:
        inside = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif isinstance(inside, dict | list):
            value = inside
        else:
            if isinstance(value, dict):
                value.pop(part, None)
            return


def _in_words(detail: dict[str, Any]) -> str:
    """A complaint of pydantic's as a sentence that says what to type instead."""
    path = [part for part in detail["loc"] if isinstance(part, int) or _is_key(part)]
    name, kind = ".".join(str(part) for part in path) or "the file", detail["type"]
    if unquoted := _unquoted(detail["input"]):
        return f'{name}: YAML reads a brace as a mapping; quote it: "{unquoted}"'
    if kind == "unexpected_keyword_argument":
        return f"{name}: unknown key; {suggestion(str(detail['loc'][-1]), _keys_at(detail['loc'][:-1]))}"
    if kind in ("missing", "missing_argument") and name == "version":
        return "version: is missing; write `version: 1`"
    if kind in ("missing", "missing_argument"):
        return f"{name}: is missing; it has to be there"
    if kind in ("dataclass_type", "mapping_type", "dict_type"):
        return f"{name}: has to be a mapping of keys to values, not {_shown(detail['input'])}"
    if kind in ("tuple_type", "list_type"):
        return f"{name}: has to be a list, not {_shown(detail['input'])}"
    if kind == "value_error":
        return f"{name}: {detail['ctx']['error']}"
    return f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}, not {_shown(detail['input'])}"


def _unquoted(value: object) -> str:
    """`{port}` for what YAML makes of it without quotes, a mapping of `port` to nothing; "" for anything else."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        return f"{{{next(iter(value))}}}"
    return ""


_UNION_TAGS = {"str", "int", "float", "tuple[str, ...]"}


def _is_key(part: object) -> bool:
    return part not in _UNION_TAGS


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(place: Place) -> list[str]:
    types: dict[str, type] = {"service": Service, "database": Database, "scenarios": Scenario, "budgets": Budget}
    found = types.get(str(place[0]), BudgetsFile) if place else BudgetsFile
    return [f.name for f in fields(Regression if "regression" in place else found)]


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


def _check_collectors(asked: Mapping[str, Mapping[str, Any]], known: Known, complaints: Complaints) -> None:
    for name, options in asked.items():
        if name not in known.options:
            complaints.add(("collectors", name), f"unknown collector {name!r}; {suggestion(name, known.options)}")
            continue
        for option, value in options.items():
            place = ("collectors", name, option)
            if option not in known.options[name]:
                complaints.add(place, f"unknown option {option!r}; {suggestion(option, known.options[name])}")
            elif type(value) is not type(known.options[name][option]):
                complaints.add(place, f"{option}: has to be like {known.options[name][option]!r}, not {_shown(value)}")


def _rules(entries: BudgetsFile, document: Document, known: Known, complaints: Complaints) -> Iterator[Rule]:
    seen: dict[tuple[type, Selector], int] = {}
    for index, budget in enumerate(entries.budgets):
        place: Place = ("budgets", index)
        _check_names(budget, entries, place, complaints)
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
    if budget.warn is None and budget.fail is None and budget.regression is None:
        complaints.add(place, "a budget needs `warn:`, `fail:` or `regression:`")
    if budget.regression and budget.regression.warn is None and budget.regression.fail is None:
        complaints.add((*place, "regression"), "a regression needs `warn: 5 %` or `fail: 10 %`")


def _unit(budget: Budget, known: Known, place: Place, complaints: Complaints) -> Unit | None:
    """The unit that the metric's limits are written in; None, with a complaint, for a metric that does not exist."""
    if budget.metric.startswith(CUSTOM):
        return _unit_as_written(budget)
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


def _unit_as_written(budget: Budget) -> Unit:
    text = str(next((v for v in (budget.fail, budget.warn) if v is not None), ""))
    suffix = text.lstrip("+-0123456789._ ")
    return next((unit for unit, scales in SCALES.items() if suffix and suffix in scales), Unit.COUNT)


def _rules_of(
    budget: Budget, unit: Unit | None, place: Place, document: Document, complaints: Complaints
) -> Iterator[Rule]:
    if unit is None:
        return
    where = document.where(place)

    def amount(value: Amount | None, of: Unit, *key: str) -> float | None:
        try:
            number = None if value is None else parse(value, of)
        except ValueError as error:
            complaints.add((*place, *key), f"{key[-1]}: {error}")
            return None
        if number is not None and number < 0 and (of is Unit.RATIO or key[-1] == "floor"):
            complaints.add((*place, *key), f"{key[-1]}: {value!r} is below zero; write how far it may move")
        return number

    warn, fail = amount(budget.warn, unit, "warn"), amount(budget.fail, unit, "fail")
    if warn is not None or fail is not None:
        yield Limit(budget.selector, warn, fail, where)
    if budget.regression:
        asked = budget.regression
        levels = [amount(getattr(asked, key), Unit.RATIO, "regression", key) for key in ("warn", "fail")]
        floor = amount(asked.floor, unit, "regression", "floor") or 0.0
        if any(value is not None for value in levels):
            yield Tolerance(budget.selector, levels[0], levels[1], floor, where)


def _custom_metrics(entries: BudgetsFile) -> dict[str, Metric]:
    """The metrics that only a test can add, as far as a budget names one of them in full."""
    named = {b.metric: b for b in entries.budgets if b.metric.startswith(CUSTOM) and not set("*?[") & set(b.metric)}
    return {
        name: Metric(name, _unit_as_written(budget), Better.LOWER, Noise.SAMPLED, "Added by a test of this project.")
        for name, budget in named.items()
    }


def only(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The plan with the named scenarios alone (all when none is named). Raises BadRequest for an unknown name."""
    for name in names:
        if name not in plan.scenarios:
            raise BadRequest(f"no scenario is called {name!r}", hint=suggestion(name, plan.scenarios))
    if not names:
        return plan
    chosen = {name: plan.scenarios[name] for name in plan.scenarios if name in names}
    return replace(plan, scenarios=chosen, left_out=tuple(name for name in plan.scenarios if name not in chosen))
