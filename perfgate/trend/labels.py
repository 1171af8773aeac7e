"""What a label (a feature flag, a dependency's version) did to a metric, as far as the history can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfgate.stats import mean, t_quantile, variance
from perfgate.trend.changepoints import ChangePoint, relative
from perfgate.trend.noise import dependence, despiked, inflation, scaled, spread

SIDE = 15
"""Runs on either side of a switch that are compared."""
_FEWEST = 3
_DOUBT = 0.025


@dataclass(frozen=True, slots=True)
class Effect:
    """How the metric changed with the label `name` going from `old` to `new`, between `low` and `high` (95 %).

    `change` is relative (0.1 is +10 %). `unsure` says in a sentence why the label may not be what did it; "" if
    nothing speaks against it. `switches` counts how often the label went either way.
    """

    name: str
    old: str
    new: str
    change: float
    low: float
    high: float
    switches: int
    unsure: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """The difference across one switch, of the scaled values, its variance and degrees of freedom."""

    size: float
    variance: float
    df: float
    unsure: str


def effect(
    values: Sequence[float], labels: Sequence[Mapping[str, str]], name: str, changes: Sequence[ChangePoint] = ()
) -> tuple[Effect, ...]:
    """What the label `name` did, one for each two values that it went between, in order of the first switch.

    `labels` are those of each run. Levels are compared just before and just after each switch, over runs of one value
    of the label, and no further than the next level shift that is not the switch's own: what changed elsewhere is left
    out. Switches there and back are averaged, weighted by their precision. Runs without the label are passed over.
    """
    noise = spread(scaled(values))
    inner = despiked(scaled(values), noise)
    inflated = inflation(dependence(inner, noise))
    steps: dict[tuple[str, str], list[_Step]] = {}
    for index in range(1, len(values)):
        old, new = labels[index - 1].get(name), labels[index].get(name)
        if old is None or new is None or old == new:
            continue
        step = _step(inner, labels, name, changes, index, inflated)
        if step and (new, old) in steps:
            steps[new, old].append(_Step(-step.size, step.variance, step.df, step.unsure))
        elif step:
            steps.setdefault((old, new), []).append(step)
    return tuple(_averaged(values, name, *pair, found) for pair, found in steps.items())


def _step(
    inner: Sequence[float],
    labels: Sequence[Mapping[str, str]],
    name: str,
    changes: Sequence[ChangePoint],
    index: int,
    inflated: float,
) -> _Step | None:
    elsewhere = [change.index for change in changes if not change.first <= index <= change.last]
    begin = max([0, index - SIDE, *(place for place in elsewhere if place < index)])
    end = min([len(inner), index + SIDE, *(place for place in elsewhere if place > index)])
    while begin < index and any(labels[k].get(name) != labels[index - 1].get(name) for k in range(begin, index)):
        begin += 1
    while end > index and any(labels[k].get(name) != labels[index].get(name) for k in range(index, end)):
        end -= 1
    before, after = inner[begin:index], inner[index:end]
    if min(len(before), len(after)) < _FEWEST:
        return None
    parts = [variance(side) / len(side) * inflated for side in (before, after)]
    df = max((len(before) + len(after)) / inflated - 2.0, 1.0)
    return _Step(mean(after) - mean(before), sum(parts), df, _confounded(labels, name, index))


def _confounded(labels: Sequence[Mapping[str, str]], name: str, index: int) -> str:
    before, after = labels[index - 1], labels[index]
    others = sorted(key for key in {*before, *after} if key != name and before.get(key) != after.get(key))
    return f"{', '.join(others)} changed with the same run" if others else ""


def _averaged(values: Sequence[float], name: str, old: str, new: str, steps: Sequence[_Step]) -> Effect:
    clean = [step for step in steps if not step.unsure] or list(steps)
    weights = [1.0 / max(step.variance, 1e-18) for step in clean]
    size = sum(weight * step.size for weight, step in zip(weights, clean, strict=True)) / sum(weights)
    error = math.sqrt(1.0 / sum(weights))
    # Switches that disagree by more than their own noise are a reason to doubt all of them.
    scatter = sum(weight * (step.size - size) ** 2 for weight, step in zip(weights, clean, strict=True))
    error *= math.sqrt(max(1.0, scatter / max(len(clean) - 1, 1)))
    reach = t_quantile(_DOUBT, sum(step.df for step in clean)) * error
    low, change, high = (_relative(values, part) for part in (size - reach, size, size + reach))
    unsure = clean[0].unsure or ("" if low > 0.0 or high < 0.0 else "the difference may be chance")
    return Effect(name, old, new, change, low, high, len(steps), unsure)


def _relative(values: Sequence[float], moved: float) -> float:
    if all(value > 0 for value in values):
        return math.expm1(min(moved, 700.0))
    centre = abs(mean(values))
    return relative(centre, centre + moved)
