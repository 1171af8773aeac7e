"""OpenMetrics text, for Prometheus and what reads its format: `promtool tsdb create-blocks-from openmetrics`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, ClassVar

from perfgate.model import Metric, Run, Side, Unit
from perfgate.publish.history.exporter import PLACES
from perfgate.publish.history.importer import moment
from perfgate.stats import percentile

Labels = tuple[tuple[str, str], ...]

_UNITS = {Unit.SECONDS: "seconds", Unit.BYTES: "bytes", Unit.RATIO: "ratio", Unit.PER_SECOND: "per_second"}
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class OpenMetrics:
    """One gauge a metric, one series a scope and branch: the median of head's rounds at the time of the run.

    Labels are few and last (branch, machine and the places of the scope), since each set of them is a series of its
    own: a commit has none. Runs of one series in one second become one point.
    """

    name: ClassVar[str] = "openmetrics"
    suffix: ClassVar[str] = ".om"

    def write(self, runs: Iterable[Run], out: BinaryIO) -> None:
        families: dict[str, Family] = {}
        for run in runs:
            _add(families, run)
        for name in sorted(families):
            out.writelines(f"{line}\n".encode() for line in families[name].lines(name))
        out.write(b"# EOF\n")


class Family:
    """A gauge with its series. A series belongs together and goes forward in time, whatever the order of the runs."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.series: dict[Labels, dict[int, list[float]]] = {}

    def lines(self, name: str) -> Iterator[str]:
        yield f"# TYPE {name} gauge"
        if unit := _UNITS.get(self.metric.unit):
            yield f"# UNIT {name} {unit}"
        yield f"# HELP {name} {_escaped(self.metric.meaning)}"
        for labels in sorted(self.series):
            shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
            for second, values in sorted(self.series[labels].items()):
                yield f"{name}{{{shown}}} {percentile(sorted(values), 0.5)!r} {second}"


def _add(families: dict[str, Family], run: Run) -> None:
    described = {metric.name: metric for metric in run.metrics}
    second = int(moment(run.started).timestamp())
    for sample in run.samples:
        if sample.side is Side.HEAD and sample.present:
            metric = described[sample.metric]
            places = ((place, getattr(sample.scope, place)) for place in PLACES)
            about = (("metric", metric.name), ("branch", run.branch), ("machine", run.machine.kind), *places)
            labels = tuple((label, value) for label, value in about if value)
            family = families.setdefault(_name(metric), Family(metric))
            family.series.setdefault(labels, {}).setdefault(second, []).extend(sample.present)


def _name(metric: Metric) -> str:
    """`response.p95` in seconds is perfgate_response_p95_seconds. Names that look alike then differ in a label."""
    unit = _UNITS.get(metric.unit)
    name = f"perfgate_{_FORBIDDEN.sub('_', metric.name)}"
    return f"{name}_{unit}" if unit and not name.endswith(f"_{unit}") else name


def _escaped(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\r", " ").translate(_ESCAPED)


EXPORTER = OpenMetrics()
