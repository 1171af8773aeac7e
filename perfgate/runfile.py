"""Results and baselines as JSON: what `--json` writes, the stages hand on, and `baselines/` keeps in git."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from perfgate.advice import Advice, Cause
from perfgate.errors import BadRequest, ExitCode
from perfgate.model import Baseline, Finding, Metric, Run, Sample, Side, Status, Verdict
from perfgate.plan import TESTS
from perfgate.result import Result

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
"""The version of both formats. A reader refuses any other, and says so."""

LARGEST = 1e100
"""Nothing that is measured is larger, and arithmetic with such numbers stays finite."""

T = TypeVar("T")


@dataclass(frozen=True)
class ResultFile:
    """A result as it is written: `verdict` and `exit_code` are null until the run was judged."""

    schema: int
    verdict: Status | None
    exit_code: ExitCode | None
    run: Run
    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...]
    advice: tuple[Advice, ...] = ()
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class BaselineFile:
    """A baseline as it is written."""

    schema: int
    baseline: Baseline


@cache
def _results() -> TypeAdapter[ResultFile]:
    from pydantic import TypeAdapter

    return TypeAdapter(ResultFile)


@cache
def _baselines() -> TypeAdapter[BaselineFile]:
    from pydantic import TypeAdapter

    return TypeAdapter(BaselineFile)


def schema() -> dict[str, Any]:
    """The JSON Schema of a result."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_results().json_schema()}


def dump_result(result: Result) -> str:
    """The result as JSON text."""
    verdict = result.verdict
    document = ResultFile(
        schema=SCHEMA,
        verdict=verdict.status if verdict else None,
        exit_code=verdict.exit_code if verdict else None,
        run=replace(result.run, samples=()),
        findings=tuple(map(_expressible, verdict.findings)) if verdict else (),
        samples=result.run.samples,
        advice=result.advice,
        causes=result.causes,
    )
    plain = _tidy(_results().dump_python(document, mode="json"))
    del plain["run"]["samples"]  # they stand beside the run
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def _expressible(finding: Finding) -> Finding:
    """The finding without numbers that JSON has no words for, as bounds are where there is next to nothing to go by."""
    whole = finding.interval is None or all(map(math.isfinite, finding.interval))
    return replace(
        finding,
        observed=_if_finite(finding.observed),
        reference=_if_finite(finding.reference),
        change=_if_finite(finding.change),
        interval=finding.interval if whole else None,
    )


def _if_finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def load_result(text: str, name: str) -> Result:
    """Read a result. Raises BadRequest with the name of the file for anything else."""
    document = _load(_results(), text, name, "a result of `perfgate run --json FILE`")
    _check_samples(document.samples, document.run.metrics, name)
    _check_scenarios(document.samples, document.run, name)
    _check_sides(document.samples, document.run, name)
    run = replace(document.run, samples=document.samples)
    if document.verdict is None or document.exit_code is None:
        return Result(run, None, document.advice, document.causes)
    verdict = Verdict(document.verdict, document.exit_code, document.findings)
    return Result(run, verdict, document.advice, document.causes)


def dump_baseline(baseline: Baseline) -> str:
    """The baseline as JSON text, sorted, one sample a line: a value that changes is one changed line."""
    ordered = replace(baseline, samples=tuple(sorted(baseline.samples, key=lambda sample: sample.key)))
    document = _tidy(_baselines().dump_python(BaselineFile(SCHEMA, ordered), mode="json"))
    return "\n".join(_lines(document)) + "\n"


def load_baseline(text: str, name: str) -> Baseline:
    """Read a baseline. Raises BadRequest with the name of the file for anything else."""
    baseline = _load(_baselines(), text, name, "a baseline that `perfgate accept` wrote").baseline
    _check_samples(baseline.samples, baseline.metrics, name)
    return baseline


def _check_samples(samples: Iterable[Sample], metrics: Iterable[Metric], name: str) -> None:
    """A sample that cannot be judged, since its metric is not described or its values are none, spoils the file."""
    samples = tuple(samples)
    unknown = {sample.metric for sample in samples} - {metric.name for metric in metrics}
    if unknown:
        raise BadRequest(f"{name}: its `metrics` do not describe {min(unknown)!r}", hint="measure again, or restore it")
    excess = next((value for sample in samples for value in sample.present if abs(value) > LARGEST), None)
    if excess is not None:
        raise BadRequest(f"{name}: {excess} is larger than anything that is measured", hint="measure again")


def _check_scenarios(samples: Iterable[Sample], run: Run, name: str) -> None:
    """A sample of a scenario that the run knows nothing of would be judged without knowing what was asked of it."""
    strangers = {sample.scope.scenario for sample in samples} - {"", TESTS, *run.loads}
    if strangers:
        raise BadRequest(
            f"{name}: it has samples of the scenario {min(strangers)!r}, which its `loads` do not have",
            hint="measure again, or restore it",
        )


def _check_sides(samples: Iterable[Sample], run: Run, name: str) -> None:
    """Rounds of base without its samples, or the other way round: whoever left them out would have nothing compared."""
    there = {sample.scope.scenario for sample in samples if sample.side is Side.BASE}
    kept = {f.scenario for f in run.rounds if f.side is Side.BASE and f.valid and not f.disturbed}
    lost = {f.scenario for f in run.flaws if f.side is Side.BASE and f.round is None and not f.metrics}
    without = sorted(kept - there - lost) if "" not in lost else []
    if without or (there and not run.base):
        words = f"it has rounds of base in {without[0]!r}, and no samples" if without else "it has samples of no base"
        raise BadRequest(f"{name}: {words}", hint="measure again, or restore it")
    odd = [scenario for scenario, asked in run.loads.items() if asked.rounds > asked.max_rounds]
    if odd:
        raise BadRequest(f"{name}: {odd[0]!r} asks for more rounds than its most", hint="measure again, or restore it")


def _load(adapter: TypeAdapter[T], text: str, name: str, what: str) -> T:
    from pydantic import ValidationError

    try:
        return adapter.validate_python(_parsed(text, name, what))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{name}: {place}: {first['msg']}", hint=f"it has to be {what}") from error


def _parsed(text: str, name: str, what: str) -> Any:
    try:
        document = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{name}:{error.lineno}: not JSON: {error.msg}", hint=f"it has to be {what}") from error
    except (RecursionError, ValueError) as error:
        raise BadRequest(f"{name}: not usable JSON: {error}", hint=f"it has to be {what}") from error
    version = document.get("schema") if isinstance(document, dict) else None
    if version != SCHEMA or isinstance(version, bool):
        raise BadRequest(f"{name}: schema is {version!r}, this perfgate reads {SCHEMA}", hint=f"it has to be {what}")
    return document


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _tidy(value: Any) -> Any:
    """Leave out what says nothing: the empty places of scopes, and empty notes."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidied = {key: _tidy(item) for key, item in value.items()}
    if "scope" in tidied and isinstance(tidied["scope"], dict):
        tidied["scope"] = {place: name for place, name in tidied["scope"].items() if name}
    return {key: item for key, item in tidied.items() if key != "note" or item}


def _lines(document: dict[str, Any]) -> Iterator[str]:
    """JSON with one line for each entry of the baseline's lists and mappings."""
    yield "{"
    yield f' "schema": {document["schema"]},'
    yield ' "baseline": {'
    fields = list(document["baseline"].items())
    for index, (key, value) in enumerate(fields):
        comma = "," if index < len(fields) - 1 else ""
        yield from _field(key, value, comma)
    yield " }"
    yield "}"


def _field(key: str, value: Any, comma: str) -> Iterator[str]:
    def one(item: Any) -> str:
        return json.dumps(item, ensure_ascii=False, sort_keys=isinstance(value, dict))

    if not isinstance(value, dict | list) or not value or key in ("machine", "postgres"):
        yield f"  {one(key)}: {one(value)}{comma}"
        return
    is_list = isinstance(value, list)
    entries = [one(item) for item in value] if is_list else [f"{one(k)}: {one(value[k])}" for k in sorted(value)]
    yield f"  {one(key)}: {'[' if is_list else '{'}"
    yield from (f"   {entry}{',' if i < len(entries) - 1 else ''}" for i, entry in enumerate(entries))
    yield f"  {']' if is_list else '}'}{comma}"
