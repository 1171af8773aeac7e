"""From readings, stretch by stretch, to samples: one value a round, and exact only what proved to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from perfgate.measure.collector import Reading
from perfgate.model import Key, Metric, Noise, Sample, Side
from perfgate.units import beside, show


def round_samples(scenario: str, side: Side, rounds: Sequence[Iterable[Reading]]) -> list[Sample]:
    """Samples with a value for each of the rounds, None where a round had none."""
    return [_sample(key, side, readings) for key, readings in _by_key(scenario, rounds).items()]


def counted_samples(scenario: str, side: Side, passes: Sequence[Iterable[Reading]]) -> list[Sample]:
    """Samples of the counting passes. Identical passes that disagree make an exact metric a sampled one here."""
    return [_proved(_sample(key, side, readings), readings) for key, readings in _by_key(scenario, passes).items()]


def project_samples(readings: Iterable[Reading], side: Side = Side.HEAD) -> list[Sample]:
    """Samples of the whole project: readings that share a scope are the values of one sample, in order."""
    found: dict[Key, list[Reading | None]] = {}
    for reading in readings:
        found.setdefault(Key(reading.metric.name, reading.scope), []).append(reading)
    return [_sample(key, side, own) for key, own in found.items()]


def metrics_of(readings: Iterable[Reading]) -> dict[str, Metric]:
    """The definitions of the metrics that were read."""
    return {reading.metric.name: reading.metric for reading in readings}


def _by_key(scenario: str, stretches: Sequence[Iterable[Reading]]) -> dict[Key, list[Reading | None]]:
    found: dict[Key, list[Reading | None]] = {}
    for index, readings in enumerate(stretches):
        for reading in readings:
            key = Key(reading.metric.name, replace(reading.scope, scenario=scenario))
            found.setdefault(key, [None] * len(stretches))[index] = reading
    return found


def _sample(key: Key, side: Side, readings: list[Reading | None]) -> Sample:
    given = [reading for reading in readings if reading is not None]
    note = next((reading.note for reading in given if reading.note), "")
    values = tuple(reading.value if reading is not None else None for reading in readings)
    return Sample(key.metric, key.scope, values, side, given[0].metric.noise, note)


def _proved(sample: Sample, readings: list[Reading | None]) -> Sample:
    metric = next(reading.metric for reading in readings if reading is not None)
    if metric.noise is not Noise.EXACT or len(set(sample.values)) <= 1:
        return sample
    shown = " and ".join("nothing" if value is None else _apart(value, sample, metric) for value in sample.values)
    return replace(sample, noise=Noise.SAMPLED, note=f"not exact here: identical passes counted {shown}")


def _apart(value: float, sample: Sample, metric: Metric) -> str:
    """The value with enough digits to tell it from the other passes'."""
    others = [other for other in sample.present if other != value]
    return beside(value, others[0], metric.unit) if others else show(value, metric.unit)
