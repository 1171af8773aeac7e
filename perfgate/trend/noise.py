"""How noisy a series is, whatever its level does meanwhile: all from differences between neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from perfgate.stats import percentile

_NEAR = 6
"""Values on either side that tell where the level around a value lies."""
_LASTING = 3
"""The last values that tell where the level is by then."""
_SPIKE = 3.0
"""A value further from both neighbourhoods than this many standard deviations is drawn in to that distance."""


def scaled(values: Sequence[float]) -> list[float]:
    """Logarithms where all values are positive (ratios are what matters), else the values: less their median."""
    inner = [math.log(value) for value in values] if all(value > 0 for value in values) else list(values)
    centre = median(inner)
    return [value - centre for value in inner]


def spread(values: Sequence[float]) -> float:
    """The standard deviation of the noise from one value to the next, without what level shifts and spikes add.

    From the absolute differences of neighbours: the larger of what their median and what their 90th percentile would
    mean if the noise were normal, so that a mode taken by every tenth run counts as noise. 0 for fewer than two values.
    """
    if len(values) < 2:
        return 0.0
    steps = sorted(abs(after - before) for before, after in pairwise(values))
    return max(percentile(steps, 0.5) / 0.9539, percentile(steps, 0.9) / 2.3262)


def despiked(values: Sequence[float], noise: float) -> list[float]:
    """The values with single spikes drawn in towards the nearer of the levels before and after them.

    A value that begins a level which at least three values share is left as it is, and so are the last three values
    when they agree; a lone value at the end is drawn in, since nothing yet tells it from a spike.
    """
    room, result = _SPIKE * noise, []
    for index, value in enumerate(values):
        before = median(values[max(0, index - _NEAR) : index] or [value])
        after = median(values[max(0, min(index, len(values) - _LASTING)) : index + _NEAR])
        result.append(min(max(value, min(before, after) - room), max(before, after) + room))
    return result


def _power(values: Sequence[float], lag: int, limit: float) -> float:
    """The mean square of the differences at `lag`, less those beyond `limit`, which are level shifts or spikes."""
    steps = (abs(after - before) for before, after in zip(values, values[lag:], strict=False))
    usual = [step * step for step in steps if step <= limit]
    return math.fsum(usual) / len(usual) if usual else 0.0


def dependence(values: Sequence[float], noise: float, *, cautious: bool = True) -> float:
    """The correlation of a value with the next one, 0 to 0.8; the `cautious` count only what is beyond chance.

    In an autoregressive series the variance of differences grows with their lag, E(d2^2) / E(d1^2) = 1 + phi, which
    holds around level shifts too, where an autocorrelation does not.
    """
    if len(values) < 12 or noise <= 0.0:
        return 0.0
    near, far = (_power(values, lag, 5.0 * noise) for lag in (1, 2))
    doubt = 1.0 / math.sqrt(len(values)) if cautious else 0.0
    return min(max(far / near - 1.0 - doubt, 0.0), 0.8) if near > 0.0 else 0.0


def inflation(correlation: float) -> float:
    """By how many times fewer values an uncorrelated series would tell as much: (1 + phi) / (1 - phi)."""
    return (1.0 + correlation) / (1.0 - correlation)
