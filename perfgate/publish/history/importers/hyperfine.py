"""hyperfine's JSON (`--export-json`): the time of every run of each command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from perfgate.model import Run, Scope
from perfgate.publish.history.foreign import benchmark
from perfgate.publish.history.importer import Entry, Gathering, Node, Origin, Source, run_of, started


class Hyperfine:
    """A file is a run. It names neither commit nor time nor machine."""

    name: ClassVar[str] = "hyperfine"
    looks_for: ClassVar[str] = "JSON with `results` that have a `command`"

    def recognises(self, source: Source) -> bool:
        results = source.document.get("results") if isinstance(source.document, dict) else None
        return isinstance(results, list) and any(isinstance(one, dict) and "command" in one for one in results)

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        yield Entry("", lambda: _run(source, origin))


def _run(source: Source, origin: Origin) -> Run:
    gathering = Gathering()
    seen: set[str] = set()
    for result in Node(source.document)["results"].list():
        name = result["command"].text()
        if name in seen:
            raise result.broken(f"{name!r} is in it twice; name commands with --command-name")
        seen.add(name)
        _add(gathering, result, Scope(origin.scenario, benchmark=name))
    when, notes = started(source, origin)
    return run_of(gathering, origin, when, notes=notes)


def _add(gathering: Gathering, result: Node, scope: Scope) -> None:
    """The single times where they were kept, else their mean; and the CPU time, which is there as a mean only."""
    times = result.get("times")
    values = [one.number() for one in times.list()] if times else [result["mean"].number()]
    codes = (
        [one.number() for one in codes.list() if one.value is not None] if (codes := result.get("exit_codes")) else []
    )
    failed = sum(code != 0 for code in codes)
    note = f"{failed} of {len(codes)} runs of the command failed" if failed else ""
    gathering.add(benchmark("time"), scope, *values, note=note)
    user, system = result.get("user"), result.get("system")
    if user and system:
        gathering.add(benchmark("cpu"), scope, user.number() + system.number())


IMPORTER = Hyperfine()
