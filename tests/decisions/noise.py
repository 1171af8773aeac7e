"""Made-up noise of several kinds, drawn round by round in the order of measurement and dealt to the two sides.

All functions return natural logarithms of shape (jobs, rounds), scaled to a standard deviation of `sd` for a round.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = tuple[int, int]
RESTART_EVERY = 2
LUCK = "luck of starts"


def normal(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    return source.normal(0.0, sd, shape)


def heavy_tailed(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    """Student's t with 3 degrees of freedom."""
    return source.standard_t(3, shape) * sd / math.sqrt(3.0)


def outliers(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    """One round in ten is five times as noisy."""
    return source.normal(0.0, sd, shape) * np.where(source.random(shape) < 0.1, 5.0, 1.0) / math.sqrt(3.4)


def drifting(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    """The machine becomes slower or faster by up to 1 % a round, in a line."""
    slope = source.uniform(-0.01, 0.01, (shape[0], 1))
    return normal(source, shape, sd) + slope * np.arange(shape[1])


def bimodal(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    """Three rounds in ten run in a slow mode, which makes four fifths of the variance."""
    gap = sd * math.sqrt(0.8 / (0.3 * 0.7))
    return normal(source, shape, sd * math.sqrt(0.2)) + gap * (source.random(shape) < 0.3)


def autocorrelated(source: np.random.Generator, shape: Shape, sd: float) -> Array:
    """Each round keeps 0.7 of what the one before deviated by; `sd` is what pairing leaves of a round's."""
    keep = 0.7
    level = sd / math.sqrt(1.0 - keep)
    steps = source.normal(0.0, level * math.sqrt(1.0 - keep * keep), shape)
    steps[:, 0] = source.normal(0.0, level, shape[0])
    for i in range(1, shape[1]):
        steps[:, i] += keep * steps[:, i - 1]
    return steps


KINDS: dict[str, Callable[[np.random.Generator, Shape, float], Array]] = {
    "normal": normal,
    "heavy tails (t3)": heavy_tailed,
    "outliers (10 % x5)": outliers,
    "drifting": drifting,
    "bimodal": bimodal,
    "autocorrelated": autocorrelated,
    LUCK: normal,
}


def together(kind: str) -> int:
    """How many pairs share their processes."""
    return RESTART_EVERY if kind == LUCK else 1


def sides(source: np.random.Generator, kind: str, jobs: int, pairs: int, sd: float) -> tuple[Array, Array]:
    """Head's and base's logarithms, each (jobs, pairs), of pairs whose log-ratio has about the deviation `sd`.

    The order within a pair is drawn for every other pair and turned in the next (ABBA). With "luck of starts" half of
    the variance belongs to the start of the process, and both sides start anew every second pair.
    """
    round_sd = sd / math.sqrt(2.0) * (math.sqrt(0.5) if kind == LUCK else 1.0)
    rounds = KINDS[kind](source, (jobs, 2 * pairs), round_sd).reshape(jobs, pairs, 2)
    first = np.repeat(source.random((jobs, (pairs + 1) // 2)) < 0.5, 2, axis=1)[:, :pairs]
    first ^= np.arange(pairs) % 2 == 1
    head = np.where(first, rounds[..., 0], rounds[..., 1])
    base = np.where(first, rounds[..., 1], rounds[..., 0])
    if kind == LUCK:
        starts = source.normal(0.0, round_sd, (2, jobs, (pairs + 1) // RESTART_EVERY))
        luck = np.repeat(starts, RESTART_EVERY, axis=2)[..., :pairs]
        head, base = head + luck[0], base + luck[1]
    return head, base


def metrics(
    source: np.random.Generator, kind: str, runs: int, pairs: int, count: int, sd: float, correlation: float
) -> tuple[Array, Array]:
    """Head's and base's logarithms, each (runs, count, pairs), of metrics whose noise correlates by `correlation`."""
    own = [side.reshape(runs, count, pairs) for side in sides(source, kind, runs * count, pairs, sd)]
    common = [side[:, None, :] for side in sides(source, kind, runs, pairs, sd)]
    mixed = [math.sqrt(correlation) * c + math.sqrt(1.0 - correlation) * o for c, o in zip(common, own, strict=True)]
    return mixed[0], mixed[1]
