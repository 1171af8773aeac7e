"""How many processes, threads and open files the service needs under load, and how often it is switched."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.model import Better, Comparable, Metric, Noise, Unit


def _count(name: str, meaning: str, drift: float) -> Metric:
    return Metric(
        f"process.{name}", Unit.COUNT, Better.LOWER, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift=drift
    )


COUNT = _count("count", "The most processes that the service had at one moment of the round.", 0.02)
THREADS = _count("threads", "The most threads that the service had at one moment of the round.", 0.05)
OPEN_FILES = _count("open_files", "The most files and sockets that the service had open at one moment.", 0.05)
SWITCHES = _count(
    "context_switches", "How often lasting threads of the service were switched off a core, per request.", 0.15
)


class Processes(Collector):
    """Reads what the sampler saw."""

    name = "processes"
    metrics = (COUNT, THREADS, OPEN_FILES, SWITCHES)
    stretch = Stretch.ROUND

    def finish(self, target: Target) -> Iterator[Reading]:
        if target.load is None or target.usage is None:
            return
        usage, requests = target.usage.under(target.load), len(target.load.records)
        foreign = "" if usage.open_files else usage.note or "the service has processes of another user"
        yield Reading(COUNT, max(usage.processes, default=None), note=usage.note if not usage.processes else "")
        yield Reading(THREADS, max(usage.threads, default=None), note=usage.note if not usage.threads else "")
        yield Reading(OPEN_FILES, max(usage.open_files, default=None), note=foreign)
        if requests:
            yield Reading(SWITCHES, usage.context_switches / requests)
        else:
            yield Reading(SWITCHES, None, note="no request was answered")


COLLECTOR = Processes()
