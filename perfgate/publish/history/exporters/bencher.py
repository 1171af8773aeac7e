"""Bencher Metric Format: the JSON that `bencher run --adapter json --file FILE` takes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO, ClassVar

from perfgate.errors import BadRequest
from perfgate.model import Run, Sample, Side
from perfgate.stats import percentile

LONGEST_MEASURE, LONGEST_BENCHMARK = 64, 1024
"""Characters; Bencher refuses longer names."""

_BUILT_IN = {"benchmark.time": ("latency", 1e9), "benchmark.rate": ("throughput", 1.0)}
"""Bencher's own measures, in nanoseconds and operations a second."""

WHOLE = "project"
"""The benchmark of what belongs to no scope in particular."""


class BencherMetricFormat:
    """A scope is a benchmark, a metric a measure of it: the median of head's rounds, with the least and the greatest.

    A file is one report of Bencher's, which is one run; commit, branch and time are options of `bencher run`. Times of
    benchmarks are its `latency` in nanoseconds, their rates its `throughput`; other values are in base units.
    """

    name: ClassVar[str] = "bencher"
    suffix: ClassVar[str] = ".bmf.json"

    def write(self, runs: Iterable[Run], out: BinaryIO) -> None:
        chosen = list(runs)
        if len(chosen) != 1:
            raise BadRequest(f"Bencher's format holds one run, and these are {len(chosen)}", hint="choose one run")
        report: dict[str, dict[str, dict[str, float]]] = {}
        for sample in chosen[0].samples:
            if sample.side is Side.HEAD and sample.present:
                measure, scale = _BUILT_IN.get(sample.metric, (sample.metric, 1.0))
                benchmark = _within(str(sample.scope) or WHOLE, LONGEST_BENCHMARK)
                report.setdefault(benchmark, {})[_within(measure, LONGEST_MEASURE)] = _metric(sample, scale)
        out.write(json.dumps(report, indent=1, ensure_ascii=True).encode() + b"\n")


def _metric(sample: Sample, scale: float) -> dict[str, float]:
    values = sorted(value * scale for value in sample.present)
    bounds = {"lower_value": values[0], "upper_value": values[-1]} if len(values) > 1 else {}
    return {"value": percentile(values, 0.5), **bounds}


def _within(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


EXPORTER = BencherMetricFormat()
