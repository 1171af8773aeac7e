"""Histories in which nothing changes: the kinds of noise that performance figures have."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

Noise = Callable[[random.Random, int], list[float]]


def normal(source: random.Random, count: int) -> list[float]:
    return [100.0 * math.exp(source.gauss(0.0, 0.05)) for _ in range(count)]


def steady(source: random.Random, count: int) -> list[float]:
    return [100.0 * math.exp(source.gauss(0.0, 0.005)) for _ in range(count)]


def dependent(phi: float) -> Noise:
    """Autoregressive: a slow run is followed by slow runs."""

    def noise(source: random.Random, count: int) -> list[float]:
        state, values = 0.0, []
        for _ in range(count):
            state = phi * state + source.gauss(0.0, 0.05 * math.sqrt(1.0 - phi * phi))
            values.append(100.0 * math.exp(state))
        return values

    return noise


def heavy_tails(source: random.Random, count: int) -> list[float]:
    """Student's t with three degrees of freedom."""
    return [
        100.0 * math.exp(0.03 * source.gauss(0, 1) / math.sqrt(source.gammavariate(1.5, 1 / 1.5))) for _ in range(count)
    ]


def skewed(source: random.Random, count: int) -> list[float]:
    return [100.0 + 20.0 * math.exp(source.gauss(0.0, 1.0)) for _ in range(count)]


def two_machines(share: float) -> Noise:
    """Bimodal: each run lands on one of two kinds of machine by chance."""

    def noise(source: random.Random, count: int) -> list[float]:
        return [(130.0 if source.random() < share else 100.0) * math.exp(source.gauss(0.0, 0.01)) for _ in range(count)]

    return noise


def sticky_machines(source: random.Random, count: int) -> list[float]:
    """Bimodal, and a run tends to land where the one before it did."""
    slow, values = False, []
    for _ in range(count):
        if source.random() < 0.4:
            slow = source.random() < 0.3
        values.append((130.0 if slow else 100.0) * math.exp(source.gauss(0.0, 0.02)))
    return values


def calm_and_busy(source: random.Random, count: int) -> list[float]:
    """Heteroscedastic: fifty calm runs, fifty with four times the noise."""
    return [100.0 * math.exp(source.gauss(0.0, 0.08 if (place // 50) % 2 else 0.02)) for place in range(count)]


def spikes(source: random.Random, count: int) -> list[float]:
    return [100.0 * math.exp(source.gauss(0.0, 0.02)) * (3 if source.random() < 0.05 else 1) for _ in range(count)]


def coarse(source: random.Random, count: int) -> list[float]:
    """Whole numbers, most of them equal."""
    return [float(round(20.0 + source.gauss(0.0, 0.4))) for _ in range(count)]


def no_mean(source: random.Random, count: int) -> list[float]:
    """Cauchy: about zero now and then, and beyond any limit."""
    return [100.0 + 2.0 * math.tan(math.pi * (source.random() - 0.5)) for _ in range(count)]


NOISES: dict[str, Noise] = {
    "normal": normal,
    "steady": steady,
    "dependent 0.3": dependent(0.3),
    "dependent 0.6": dependent(0.6),
    "heavy tails": heavy_tails,
    "skewed": skewed,
    "two machines, 30 %": two_machines(0.3),
    "two machines, 5 %": two_machines(0.05),
    "sticky machines": sticky_machines,
    "calm and busy": calm_and_busy,
    "spikes": spikes,
    "coarse": coarse,
    "no mean": no_mean,
}
