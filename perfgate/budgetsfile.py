"""`budgets.yaml` as it is written: its types, and what does not fit them in words that say what to type instead."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import MinLen

from perfgate.errors import suggestion
from perfgate.plan import DEFAULT_TIME_S, STRICT, Database, Named, Scenario, Seconds, Selector, Service
from perfgate.yamlfile import Complaints, Document, Place

Amount = str | int | float

NOT_IN_PROFILES = ("version", "profiles", "rules_of")
"""The keys of the file that no profile changes."""


@dataclass(frozen=True)
class Regression:
    """How far the metric may move from its base or baseline: `warn` and `fail` relative, `floor` in its unit."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    warn: Amount | None = None
    fail: Amount | None = None
    floor: Amount | None = None


@dataclass(frozen=True)
class Budget(Selector):
    """One entry under `budgets`: which samples, and their limits. All names are globs."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    metric: Named
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
    time: Seconds = DEFAULT_TIME_S
    rules_of: Literal["base", "head"] = "base"
    service: Service | None = None
    database: Database | None = None
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    artifacts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    collectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    advisors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def schema() -> dict[str, Any]:
    """The JSON Schema of `budgets.yaml`."""
    from pydantic import TypeAdapter

    whole = TypeAdapter(BudgetsFile).json_schema()
    partial = {f"{name}InProfile": _partial(part) for name, part in whole["$defs"].items()}
    profile = _partial({key: value for key, value in whole.items() if key not in ("$defs", "title", "description")})
    profile["properties"] = {key: part for key, part in profile["properties"].items() if key not in NOT_IN_PROFILES}
    whole["$defs"] |= partial | {"Profile": profile}
    whole["properties"]["profiles"]["additionalProperties"] = {"$ref": "#/$defs/Profile"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _partial(value: Any) -> Any:
    """A schema of which every key may be left out, as its parts are."""
    if isinstance(value, list):
        return [_partial(item) for item in value]
    if not isinstance(value, dict):
        return f"{value}InProfile" if isinstance(value, str) and value.startswith("#/$defs/") else value
    return {key: _partial(item) for key, item in value.items() if key != "required" or isinstance(item, dict)}


def typed(document: Document, complaints: Complaints) -> BudgetsFile | None:
    """The file's entries, without those that are complained of; None where too little is left of it."""
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
        return _rest(document, [tuple(detail["loc"]) for detail in error.errors()])


def _rest(document: Document, wrong: list[Place]) -> BudgetsFile | None:
    """The file without what was complained of, so that the rest is looked at too."""
    from pydantic import TypeAdapter, ValidationError

    value = copy.deepcopy(document.value)
    for place in wrong:
        _prune(value, place)
    try:
        return TypeAdapter(BudgetsFile).validate_python(value)
    except ValidationError:
        return None


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
    if kind == "unexpected_keyword_argument" and str(detail["loc"][-1]).startswith(("at least", "at most")):
        return f"{name}: quote a limit that has a comma in it, where it stands in braces"
    if kind == "unexpected_keyword_argument":
        return f"{name}: unknown key; {suggestion(str(detail['loc'][-1]), _keys_at(detail['loc'][:-1]))}"
    if kind in ("missing", "missing_argument") and name == "version":
        return "version: is missing; write `version: 1`"
    if kind in ("missing", "missing_argument"):
        return f"{name}: is missing; it has to be there"
    if kind in ("dataclass_type", "mapping_type", "dict_type"):
        return f"{name}: has to be a mapping of keys to values, not {shown(detail['input'])}"
    if kind in ("tuple_type", "list_type"):
        return f"{name}: has to be a list, not {shown(detail['input'])}"
    if kind == "value_error":
        return f"{name}: {detail['ctx']['error']}"
    return f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}, not {shown(detail['input'])}"


def _unquoted(value: object) -> str:
    """`{port}` for what YAML makes of it without quotes, a mapping of `port` to nothing; "" for anything else."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        return f"{{{next(iter(value))}}}"
    return ""


_UNION_TAGS = {"str", "int", "float", "tuple[str, ...]"}


def _is_key(part: object) -> bool:
    return part not in _UNION_TAGS


def shown(value: object) -> str:
    """A value of the file in a complaint about it."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(place: Place) -> list[str]:
    types: dict[str, type] = {"service": Service, "database": Database, "scenarios": Scenario, "budgets": Budget}
    found = types.get(str(place[0]), BudgetsFile) if place else BudgetsFile
    return [f.name for f in fields(Regression if "regression" in place else found)]
