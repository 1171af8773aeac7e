"""How fast, how many, how large and how good the answers are: from the raw time of every request of a round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from perfgate import stats
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.model import Better, Comparable, Metric, Noise, Scope, Unit

if TYPE_CHECKING:
    from perfgate.measure.load import Record


def _time(name: str, meaning: str) -> Metric:
    return Metric(
        f"response.{name}",
        Unit.SECONDS,
        Better.LOWER,
        Noise.SAMPLED,
        f"{meaning}, from when it was due to its last byte.",
        Comparable.SAME_MACHINE,
        drift=0.25,
    )


P50 = _time("p50", "Time within which half of the successful requests were answered")
P90 = _time("p90", "Time within which 90 % of the successful requests were answered")
P95 = _time("p95", "Time within which 95 % of the successful requests were answered")
P99 = _time("p99", "Time within which 99 % of the successful requests were answered")
MAX = _time("max", "Time of the slowest successful request")
MEAN = _time("mean", "Average time of a successful request")
RATE = Metric(
    "response.rate",
    Unit.PER_SECOND,
    Better.HIGHER,
    Noise.SAMPLED,
    "Successful requests per second.",
    Comparable.SAME_MACHINE,
    drift=0.25,
)
ERRORS = Metric(
    "response.errors",
    Unit.RATIO,
    Better.LOWER,
    Noise.SAMPLED,
    "Share of the answered requests that failed, by the scenario's own judgement.",
)
BYTES = Metric(
    "response.bytes",
    Unit.BYTES,
    Better.LOWER,
    Noise.SAMPLED,
    "Average size of the body of a successful answer, as the client received it.",
)

PERCENTILES = ((P50, 0.50, 5), (P90, 0.90, 10), (P95, 0.95, 20), (P99, 0.99, 100))
"""Metric, share, and below how many requests in a round a note says that it is little more than the slowest ones."""


MOST_ERRORS = 3
"""How many kinds of failure are told."""


class Response(Collector):
    """Reads the requests of a round, all together and by endpoint."""

    name = "response"
    metrics = (P50, P90, P95, P99, MAX, MEAN, RATE, ERRORS, BYTES)
    stretch = Stretch.ROUND

    def finish(self, target: Target) -> Iterator[Reading]:
        if target.load is None:
            return
        records, seconds = target.load.records, target.load.seconds
        by_endpoint: dict[str, list[Record]] = {}
        for record in records:
            by_endpoint.setdefault(record.endpoint, []).append(record)
        errors = target.load.errors
        yield from readings(records, seconds, Scope(), _most_common(errors))
        for endpoint in sorted(by_endpoint):
            own = {text[len(endpoint) + 2 :]: n for text, n in errors.items() if text.startswith(f"{endpoint}: ")}
            yield from readings(by_endpoint[endpoint], seconds, Scope(endpoint=endpoint), _most_common(own))


def _most_common(errors: Mapping[str, int]) -> str:
    """The failures that were seen most, as "147 times 500 Internal Server Error"."""
    most = sorted(errors.items(), key=lambda item: (-item[1], item[0]))[:MOST_ERRORS]
    return ", ".join(f"{count} times {text}" for text, count in most)


def readings(records: Sequence[Record], seconds: float, scope: Scope, failures: str = "") -> Iterator[Reading]:
    """All metrics of these requests, which took place within `seconds`; `failures` says what went wrong."""
    good = [record for record in records if record.ok]
    latencies = sorted(record.latency for record in good)
    for metric, share, needed in PERCENTILES:
        enough = len(latencies) >= needed
        label = metric.name.partition(".")[2]
        few = "" if enough else f"too few requests: {len(latencies)}, {label} needs {needed}: make `round:` longer"
        # a slow service answers few requests: to give no value then would let the slowest off
        yield Reading(metric, stats.percentile(latencies, share) if latencies else None, scope, few)
    none = "" if good else "no request succeeded"
    yield Reading(MAX, latencies[-1] if good else None, scope, none)
    yield Reading(MEAN, stats.mean(latencies) if good else None, scope, none)
    yield Reading(RATE, len(good) / seconds if seconds else None, scope, "" if seconds else "the load never began")
    asked = len(records)
    yield Reading(
        ERRORS, 1 - len(good) / asked if asked else None, scope, failures if asked else "no request was answered"
    )
    yield Reading(BYTES, stats.mean([record.size for record in good]) if good else None, scope, none)


COLLECTOR = Response()
