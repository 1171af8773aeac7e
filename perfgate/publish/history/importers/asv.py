"""airspeed velocity: its folder of results, with all machines in it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from perfgate.errors import BadRequest
from perfgate.model import Machine, Run, Scope
from perfgate.publish.history.foreign import benchmark, reading
from perfgate.publish.history.importer import LARGEST_FILE, Entry, Gathering, Node, Origin, Source, run_of

_CATALOGUE = "benchmarks.json"
_MACHINE = "machine.json"
_VERSION = 2
"""Of result files; asv since 0.4.2 of 2021 writes it, and `asv update` brings older ones up to it."""


class Asv:
    """A file of results (a commit in an environment on a machine) is a run, an environment is a scenario.

    A run is as old as its commit, as on asv's own pages: old commits are measured late. A combination of parameters is
    a benchmark of its own. Less is better, as for asv, unless the unit is a rate.
    """

    name: ClassVar[str] = "asv"
    looks_for: ClassVar[str] = f"a folder with `{_CATALOGUE}` and a folder for each machine"

    def recognises(self, source: Source) -> bool:
        return (source.path / _CATALOGUE).is_file()

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        catalogue = Node(_load(source.path / _CATALOGUE))
        units = {name: one.get("unit") for name, one in catalogue.items() if isinstance(one.value, dict)}
        named = {name: unit.text() if unit and unit.value else "" for name, unit in units.items()}
        for file in sorted(source.path.glob("*/*.json")):
            if file.name != _MACHINE:
                place = str(file.relative_to(source.path))
                yield Entry(place, _maker(file, named, origin))


def _maker(file: Path, units: dict[str, str], origin: Origin) -> Callable[[], Run]:
    return lambda: _run(Node(_load(file)), units, origin)


def _load(file: Path) -> Any:
    """asv writes NaN and Infinity, which Python's reader takes."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BadRequest(f"{file}: is too large", hint=f"{LARGEST_FILE} bytes are the most")
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadRequest(f"cannot be read: {error}", hint="measure that commit again, or remove the file") from error


def _run(document: Node, units: dict[str, str], origin: Origin) -> Run:
    version = document["version"].value
    if version != _VERSION:
        raise BadRequest(f"has version {version!r}, and not {_VERSION}", hint="`asv update` brings it up to date")
    gathering = Gathering()
    columns = [column.text() for column in document["result_columns"].list()]
    scenario = origin.scenario or document["env_name"].text()
    for name, result in document["results"].items():
        row = dict(zip(columns, _listed(result), strict=False))
        for combination, value in _values(row, result):
            _add(gathering, Scope(scenario, benchmark=f"{name}{combination}"), value, units.get(name, ""))
    return run_of(
        gathering,
        origin,
        document["date"].time(),
        commit=document["commit_hash"].commit(),
        machine=_machine(document["params"]),
    )


def _listed(result: Node) -> list[Node]:
    """The columns of a result; early versions wrote a bare value where there was nothing else to say."""
    return list(result.list()) if isinstance(result.value, list) else [result]


def _values(row: dict[str, Node], result: Node) -> Iterator[tuple[str, Node]]:
    """Each combination of parameters as asv writes it, `(10, 'list')`, with its value; "" where there are none."""
    found, params = row.get("result"), row.get("params")
    if found is None:
        raise result.broken("has no result")
    names = ([str(value) for value in one.value] for one in params.list()) if params and params.value else ()
    combinations = [f"({', '.join(one)})" if one else "" for one in itertools.product(*names)]
    values = list(found.list()) if found.value is not None else [found] * len(combinations)
    if len(values) != len(combinations):
        raise result.broken(f"has {len(values)} values for {len(combinations)} combinations of parameters")
    yield from zip(combinations, values, strict=True)


def _add(gathering: Gathering, scope: Scope, value: Node, unit: str) -> None:
    """NaN says that the benchmark does not apply to these parameters, null that it failed."""
    if isinstance(value.value, float) and math.isnan(value.value):
        return
    meaning = reading(unit)
    if meaning.rest:
        scope = Scope(scope.scenario, benchmark=f"{scope.benchmark} [{meaning.rest}]")
    if value.value is None:
        gathering.add(benchmark(meaning.kind), scope, note="it failed")
    else:
        gathering.add(benchmark(meaning.kind), scope, value.number() * meaning.scale)


def _machine(params: Node) -> Machine:
    """Numbers are strings here, and empty where they are not known."""

    def word(key: str) -> str:
        found = params.get(key)
        return found.text() if found and isinstance(found.value, str) and found.value.strip() else ""

    def count(key: str) -> int:
        return int(word(key)) if word(key).isdecimal() else 0

    cpu = word("cpu") or word("machine") or "unknown"
    return Machine(cpu, count("num_cpu"), count("ram"), word("os"), word("python"))


IMPORTER = Asv()
