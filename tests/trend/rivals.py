"""Other ways to find change points, as people use them, to be measured beside perfgate's."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev, variance

from perfgate.trend.changepoints import change_points

Method = Callable[[Sequence[float]], list[int]]
"""From values to the places of the first value of each level but the first."""


def perfgate(values: Sequence[float]) -> list[int]:
    return [found.index for found in change_points(values)]


def otava(values: Sequence[float]) -> list[int]:
    """Apache Otava itself (formerly Hunter) with its defaults: E-divisive, t-test at 0.001, windows of 50."""
    analysis = importlib.import_module("otava.analysis")
    found, _ = analysis.compute_change_points(list(values), window_len=50, max_pvalue=0.001, min_magnitude=0.0)
    return sorted(point.index for point in found)


def t_window(values: Sequence[float], side: int = 12, least: float = 7.0) -> list[int]:
    """Student's t between the twelve values before and after, local maxima above seven: as Mozilla's Perfherder."""
    scores = [0.0] * len(values)
    for index in range(side, len(values) - 1):
        before, after = values[index - side : index], values[index : index + side]
        error = math.sqrt((variance(before) + variance(after)) / 2.0 * (1.0 / side + 1.0 / len(after)))
        scores[index] = abs(fmean(after) - fmean(before)) / error if error else math.inf * (before[0] != after[0])
    return [
        index
        for index in range(side, len(values))
        if scores[index] > least and scores[index] == max(scores[index - side : index + side]) != scores[index - 1]
    ]


def cusum(values: Sequence[float], first: int = 20, slack: float = 0.5, limit: float = 5.0) -> list[int]:
    """Page's two-sided CUSUM against the mean of the first twenty values of each level."""
    found, begin = [], 0
    while begin + first < len(values):
        learnt = values[begin : begin + first]
        centre, noise = fmean(learnt), stdev(learnt) or 1e-9
        alarm = _alarm([(value - centre) / noise for value in values[begin + first :]], slack, limit)
        if alarm is None:
            break
        begin += first + alarm
        found.append(begin)
    return found


def _alarm(scores: Sequence[float], slack: float, limit: float) -> int | None:
    """Where the sum that passed the limit began to grow."""
    sums, starts = [0.0, 0.0], [0, 0]
    for place, score in enumerate(scores):
        for side, sign in enumerate((1.0, -1.0)):
            sums[side] = max(0.0, sums[side] + sign * score - slack)
            if sums[side] == 0.0:
                starts[side] = place + 1
            if sums[side] > limit:
                return starts[side]
    return None


METHODS: dict[str, Method] = {"perfgate": perfgate, "Apache Otava": otava, "t over 12 runs": t_window, "CUSUM": cusum}
