"""What the service and all its processes occupy while they are under load."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate import stats
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.model import Better, Comparable, Metric, Noise, Unit


def _bytes(name: str, meaning: str, drift: float = 0.03) -> Metric:
    return Metric(
        f"memory.{name}", Unit.BYTES, Better.LOWER, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift=drift
    )


RSS = _bytes("rss", "Resident memory of all processes of the service added up, on average over the round.")
PEAK = _bytes(
    "peak",
    "The most that each process of the service occupied since before the warm-up, added up; pages that forked "
    "workers share count in each.",
)
ANONYMOUS = _bytes(
    "anonymous", "Heaps and stacks: resident memory of the service that is no file's and not shared, on average."
)
PSS = _bytes("pss", "Memory of the service right after the round, shared pages divided among those who share them.")
GROWTH = _bytes("growth", "Change of anonymous memory from the begin to the end of the round, per request.")


class Memory(Collector):
    """Reads what the sampler saw.

    RSS and peak count a page once for every process that maps it, so that they overstate what workers occupy together.
    Anonymous memory leaves out files and shared memory, but not what forked workers still share with their parent;
    only PSS divides that.
    """

    name = "memory"
    metrics = (RSS, PEAK, ANONYMOUS, PSS, GROWTH)
    stretch = Stretch.ROUND

    def finish(self, target: Target) -> Iterator[Reading]:
        if target.load is None or target.usage is None:
            return
        usage = target.usage.under(target.load)
        if not usage.rss:
            yield from (Reading(metric, None, note=usage.note) for metric in self.metrics)
            return
        yield Reading(RSS, stats.mean(usage.rss))
        yield Reading(PEAK, usage.peak, note=usage.note)
        yield Reading(ANONYMOUS, stats.mean(usage.anonymous))
        yield Reading(PSS, usage.pss[-1]) if usage.pss else Reading(PSS, None, note="its pages may not be looked at")
        requests, grown = len(target.load.records), usage.anonymous[-1] - usage.anonymous[0]
        yield Reading(GROWTH, grown / requests) if requests else Reading(GROWTH, None, note="no request was answered")


COLLECTOR = Memory()
