"""github-action-benchmark's history: the `data.js` of its pages, or the JSON of `external-data-json-path`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from perfgate.errors import BadRequest
from perfgate.model import Better, Run, Scope
from perfgate.publish.history.foreign import benchmark, knows_direction, reading
from perfgate.publish.history.importer import Entry, Gathering, Node, Origin, Source, run_of

_SCRIPT = re.compile(r"\s*window\.BENCHMARK_DATA\s*=")
_TOLD = {"customBiggerIsBetter": Better.HIGHER, "customSmallerIsBetter": Better.LOWER}
"""Tools whose user says which way is better, whatever the unit."""
_LOWER = frozenset(("cargo", "go", "googlecpp", "catch2", "julia", "jmh", "benchmarkdotnet"))
"""Of these, less is better unless the unit is a rate; the action's own `biggerIsBetter` says so."""


class GithubActionBenchmark:
    """An entry is a run, a suite is a scenario.

    Rates stay rates, of which more is better (`benchmark.rate`), and times stay times: a value is what the file says,
    in our units. Spread and extra text are left out: each entry has one value a benchmark.
    """

    name: ClassVar[str] = "github-action-benchmark"
    looks_for: ClassVar[str] = "`window.BENCHMARK_DATA = ` or JSON with `lastUpdate` and `entries`"

    def recognises(self, source: Source) -> bool:
        if _SCRIPT.match(source.text):
            return True
        return isinstance(source.document, dict) and {"lastUpdate", "entries"} <= source.document.keys()

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        document = _document(source)
        for suite, entries in Node(document)["entries"].items():
            for entry in entries.list():
                yield Entry(entry.place, _maker(entry, suite, origin))


def _document(source: Source) -> Any:
    script = _SCRIPT.match(source.text)
    if not script:
        return source.document
    try:
        return json.loads(source.text[script.end() :].rstrip().removesuffix(";"))
    except json.JSONDecodeError as error:
        line = source.text.count("\n", 0, script.end()) + error.lineno
        raise BadRequest(f"{source.path}:{line}: not JSON: {error.msg}", hint="fetch the file again") from error
    except RecursionError as error:
        raise BadRequest(f"{source.path}: is nested too deeply", hint="fetch the file again") from error


def _maker(entry: Node, suite: str, origin: Origin) -> Callable[[], Run]:
    return lambda: _run(entry, origin.scenario or Node(suite, "entries").text(), origin)


def _run(entry: Node, scenario: str, origin: Origin) -> Run:
    gathering = Gathering()
    tool = entry["tool"].text()
    for bench in entry["benches"].list():
        _add(gathering, bench, tool, scenario)
    commit = entry["commit"]
    when = entry.get("date") or commit["timestamp"]
    return run_of(gathering, origin, when.time(), commit=commit["id"].commit())


def _add(gathering: Gathering, bench: Node, tool: str, scenario: str) -> None:
    unit = bench.get("unit")
    meaning = reading(unit.text() if unit and unit.value else "")
    better = _TOLD.get(tool)
    if better is None and not knows_direction(meaning.kind) and tool not in _LOWER:
        raise bench.broken(f"neither tool {tool!r} nor unit {meaning.rest!r} say which way is better")
    name = bench["name"].text()
    shown = f"{name} ({meaning.rest})" if meaning.rest and meaning.rest not in name else name
    value = bench["value"].number() * meaning.scale
    gathering.add(benchmark(meaning.kind, better), Scope(scenario, benchmark=shown), value)


IMPORTER = GithubActionBenchmark()
