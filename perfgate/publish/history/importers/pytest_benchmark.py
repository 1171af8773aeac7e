"""pytest-benchmark's JSON (`--benchmark-json`, or what `--benchmark-autosave` keeps)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from perfgate.model import Machine, Run, Scope
from perfgate.publish.history.foreign import benchmark
from perfgate.publish.history.importer import Entry, Gathering, Node, Origin, Source, run_of


class PytestBenchmark:
    """A file is a run. Its times continue the series of `benchmark.time` that perfgate measures itself."""

    name: ClassVar[str] = "pytest-benchmark"
    looks_for: ClassVar[str] = "JSON with `machine_info` and `benchmarks`"

    def recognises(self, source: Source) -> bool:
        return isinstance(source.document, dict) and {"machine_info", "benchmarks"} <= source.document.keys()

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        yield Entry("", lambda: _run(Node(source.document), origin))


def _run(document: Node, origin: Origin) -> Run:
    gathering = Gathering()
    for one in document["benchmarks"].list():
        scope = Scope(origin.scenario, benchmark=one["fullname"].text())
        gathering.add(benchmark("time"), scope, *_seconds(one["stats"]))
    info = document.get("commit_info") or Node({})
    commit, branch = info.get("id"), info.get("branch")
    return run_of(
        gathering,
        origin,
        document["datetime"].time(),
        commit=commit.commit() if commit and commit.value != "unversioned" else "",
        branch=branch.text() if branch and branch.value not in ("(unknown)", "(detached head)") else "",
        dirty=bool(info.value.get("dirty")),
        machine=_machine(document["machine_info"]),
    )


def _seconds(stats: Node) -> list[float]:
    """Every round where the raw times were kept, else their median."""
    data = stats.get("data")
    return [one.number() for one in data.list()] if data and data.value else [stats["median"].number()]


def _machine(info: Node) -> Machine:
    def word(node: Node, key: str) -> str:
        found = node.get(key)
        return found.text() if found and isinstance(found.value, str) and found.value else ""

    cpu = info.get("cpu") or Node({})
    count = cpu.get("count")
    return Machine(
        cpu=word(cpu, "brand_raw") or word(cpu, "brand") or word(info, "machine") or "unknown",
        cores=round(count.number()) if count else 0,
        memory=0,
        system=" ".join(filter(None, (word(info, "system"), word(info, "release")))),
        python=word(info, "python_version"),
    )


IMPORTER = PytestBenchmark()
