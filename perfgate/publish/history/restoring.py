"""Stored runs as the values that they were: for exports, and for telling which runs are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from json import dumps
from typing import Any

from perfgate import runfile
from perfgate.model import Metric, Run, Sample, Side
from perfgate.publish.history import reading
from perfgate.publish.history.reading import StoredSample, WholeRun, Window
from perfgate.publish.history.store import Store

MOST_RUNS = 1_000_000


def digests(store: Store) -> set[str]:
    """What names the runs that are there, as `runfiles.identity` does."""
    with store.transaction() as cursor:
        rows = cursor.execute("SELECT encode(digest, 'hex') FROM run WHERE project = %s", [store.project])
        return {digest for (digest,) in rows}


def runs(store: Store, window: Window, metrics: Sequence[str] = (), *, last: bool = False) -> Iterator[Run]:
    """The runs of the trunk, or of the window's branch, oldest first, with the metrics that one of the globs names.

    With `last` it is the last one alone. A run of which no sample is left is left out.
    """
    found = [run.number for run in reading.runs(store, window, limit=MOST_RUNS) if run.trunk or window.branch]
    for number in reversed(found[:1] if last else found):
        whole = reading.run(store, number)
        run = restored(whole, metrics) if whole else None
        if run is not None and run.samples:
            yield run


def restored(whole: WholeRun, metrics: Sequence[str] = ()) -> Run:
    """The run with the values of its rounds; what its rounds were like is not kept."""
    chosen = [one for one in whole.samples if not metrics or any(fnmatchcase(one.key.metric, g) for g in metrics)]
    described = {one.key.metric: Metric(one.key.metric, one.unit, one.better, one.noise, "") for one in chosen}
    document: dict[str, Any] = {
        "schema": runfile.SCHEMA,
        "run": {**whole.details["run"], "metrics": [asdict(metric) for metric in described.values()]},
        **{"verdict": None, "exit_code": None, "findings": [], "samples": []},
    }
    run = runfile.load_result(dumps(document), f"run {whole.run.number} of the history").run
    return replace(run, samples=tuple(map(_sample, chosen)))


def _sample(stored: StoredSample) -> Sample:
    side = Side.BASE if stored.base else Side.HEAD
    return Sample(stored.key.metric, stored.key.scope, stored.rounds, side, stored.noise)
