"""Units and metrics of other tools in ours: `iter/sec` is a rate of which more is better, `MB` are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from perfgate.model import Better, Comparable, Metric, Noise, Unit
from perfgate.units import SCALES

_TIMES = {
    **SCALES[Unit.SECONDS],
    **{"μs": 1e-6, "nsec": 1e-9, "usec": 1e-6, "msec": 1e-3, "sec": 1.0, "secs": 1.0},
    **{"nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0},
    **{"nanoseconds": 1e-9, "microseconds": 1e-6, "milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0},
}
_BYTES = {
    **SCALES[Unit.BYTES],
    **{"byte": 1.0, "bytes": 1.0, "kilobytes": 1e3, "megabytes": 1e6, "gigabytes": 1e9},
}
_SHARES = {"%": 0.01, "percent": 0.01}
_EVENTS = frozenset(
    ("", "iter", "iters", "iterations", "op", "ops", "call", "calls", "item", "items", "req", "requests")
)
_KINDS: dict[str, tuple[Unit, Better, str]] = {
    "time": (Unit.SECONDS, Better.LOWER, "Time that a benchmark took"),
    "cpu": (Unit.SECONDS, Better.LOWER, "CPU time that a benchmark took"),
    "bytes": (Unit.BYTES, Better.LOWER, "Bytes that a benchmark counted"),
    "ratio": (Unit.RATIO, Better.LOWER, "Share that a benchmark told"),
    "value": (Unit.COUNT, Better.LOWER, "Value that a benchmark told"),
    "rate": (Unit.PER_SECOND, Better.HIGHER, "What a benchmark got done in a second"),
    "throughput": (Unit.PER_SECOND, Better.HIGHER, "Bytes that a benchmark got through in a second"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a unit means: the kind of benchmark metric, what makes its values ours, and the part that we have no word
    for, which has to go into the name.
    """

    kind: str
    scale: float
    rest: str = ""


@cache
def reading(unit: str) -> Reading:
    """The meaning of a unit as people write it: "ns/iter", "ops/sec", "MB", "%", "widgets"."""
    above, _, below = (part.strip() for part in unit.partition("/"))
    if (per := _scale(_TIMES, below)) is not None:
        size = _scale(_BYTES, above)
        if size is not None:
            return Reading("throughput", size / per)
        return Reading("rate", 1 / per, "" if above.lower() in _EVENTS else unit.strip())
    for kind, scales in (("time", _TIMES), ("bytes", _BYTES), ("ratio", _SHARES)):
        if (scale := _scale(scales, above)) is not None:
            return Reading(kind, scale)
    return Reading("value", 1.0, unit.strip())


def _scale(scales: dict[str, float], word: str) -> float | None:
    """Symbols are what they are (Mb are no MB); whole words may be written large."""
    if word in scales:
        return scales[word]
    return scales.get(word.lower()) if len(word) > 3 else None


def knows_direction(kind: str) -> bool:
    """Whether the kind itself says which way is better."""
    return kind not in ("ratio", "value")


@cache
def benchmark(kind: str, better: Better | None = None) -> Metric:
    """The metric of that kind: `benchmark.time`, `benchmark.rate`.

    One metric has one direction. Where a tool says that it is the other way round for its values, that is a metric of
    its own: `benchmark.value.higher`.
    """
    unit, usual, meaning = _KINDS[kind]
    better = better or usual
    name = f"benchmark.{kind}" if better is usual else f"benchmark.{kind}.{better}"
    telling = f"{meaning}; {better} is better."
    return Metric(name, unit, better, Noise.SAMPLED, telling, Comparable.SAME_MACHINE, drift=0.15)


@cache
def response(name: str) -> Metric:
    """The metric `response.NAME` as load generators other than perfgate's tell it."""
    unit, better, meaning = {
        "rate": (Unit.PER_SECOND, Better.HIGHER, "Successful requests per second"),
        "errors": (Unit.RATIO, Better.LOWER, "Share of the requests that failed"),
        "bytes": (Unit.BYTES, Better.LOWER, "Average size of an answer"),
        "mean": (Unit.SECONDS, Better.LOWER, "Average time of a request"),
        "max": (Unit.SECONDS, Better.LOWER, "Time of the slowest request"),
    }.get(name, (Unit.SECONDS, Better.LOWER, f"Time within which {name[1:]} % of the requests were answered"))
    comparable = Comparable.SAME_MACHINE if unit in (Unit.SECONDS, Unit.PER_SECOND) else Comparable.ANYWHERE
    drift = 0.25 if comparable is Comparable.SAME_MACHINE else 0.0
    return Metric(f"response.{name}", unit, better, Noise.SAMPLED, f"{meaning}.", comparable, drift)
