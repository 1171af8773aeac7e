"""Google Benchmark's JSON (`--benchmark_out_format=json`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from perfgate.model import Machine, Run, Scope
from perfgate.publish.history.foreign import benchmark, reading
from perfgate.publish.history.importer import Entry, Gathering, Node, Origin, Source, run_of

_RATES = {"items_per_second": "rate", "bytes_per_second": "throughput"}
_FIELDS = frozenset(
    (
        *("name", "family_index", "per_family_instance_index", "run_name", "run_type"),
        *("repetitions", "repetition_index", "threads", "iterations", "real_time", "cpu_time"),
        *("time_unit", "label", "aggregate_name", "aggregate_unit", "error_occurred", "error_message"),
        *("skipped", "skip_message", "allocs_per_iter", "max_bytes_used"),
    )
)
"""What the tool itself says of a benchmark; everything else is a counter of the program's."""


class GoogleBenchmark:
    """A file is a run; repetitions are its rounds.

    Aggregates are left out, but for the median where the single repetitions were not kept
    (`--benchmark_report_aggregates_only`). A counter of the program's own does not say which way is better, so it is
    left out and named in a note.
    """

    name: ClassVar[str] = "google-benchmark"
    looks_for: ClassVar[str] = "JSON with `context` and `benchmarks`"

    def recognises(self, source: Source) -> bool:
        return isinstance(source.document, dict) and {"context", "benchmarks"} <= source.document.keys()

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        yield Entry("", lambda: _run(Node(source.document), origin))


def _run(document: Node, origin: Origin) -> Run:
    benchmarks = list(document["benchmarks"].list())
    gathering = Gathering()
    names = {_name(one) for one in benchmarks if not _is_aggregate(one)}
    counters: set[str] = set()
    for one in benchmarks:
        only = _is_aggregate(one) and _name(one) not in names
        if not _is_aggregate(one) or (only and one["aggregate_name"].value == "median"):
            _add(gathering, one, Scope(origin.scenario, benchmark=_name(one)))
            counters |= {name for name, value in one.items() if name not in {*_FIELDS, *_RATES}}
    left = f"these counters do not say which way is better, and were left out: {', '.join(sorted(counters))}"
    return run_of(
        gathering,
        origin,
        document["context"]["date"].time(),
        machine=_machine(document["context"]),
        notes=(left,) if counters else (),
    )


def _name(one: Node) -> str:
    """`name` has the aggregate's name at its end; `run_name` came with version 1.5."""
    return (one.get("run_name") or one["name"]).text()


def _is_aggregate(one: Node) -> bool:
    return isinstance(one.value, dict) and one.value.get("run_type") == "aggregate"


def _add(gathering: Gathering, one: Node, scope: Scope) -> None:
    if one.value.get("error_occurred") or one.value.get("skipped"):
        why = one.get("error_message") or one.get("skip_message")
        gathering.add(benchmark("time"), scope, note=f"it failed: {why.text() if why else 'it does not say why'}")
        return
    unit = one.get("time_unit")
    meaning = reading(unit.text() if unit else "ns")
    if meaning.kind != "time":
        raise one["time_unit"].broken("is no unit of time")
    gathering.add(benchmark("time"), scope, one["real_time"].number() * meaning.scale)
    gathering.add(benchmark("cpu"), scope, one["cpu_time"].number() * meaning.scale)
    for field, kind in _RATES.items():
        if rate := one.get(field):
            gathering.add(benchmark(kind), scope, rate.number())


def _machine(context: Node) -> Machine:
    speed, count = context.get("mhz_per_cpu"), context.get("num_cpus")
    cpu = f"{round(speed.number())} MHz" if speed else "unknown"
    return Machine(cpu, round(count.number()) if count else 0, 0, "", "")


IMPORTER = GoogleBenchmark()
