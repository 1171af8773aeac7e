"""Precision, recall and delay of a method on labelled histories."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from tests.trend.labelled import Labelled
from tests.trend.rivals import Method

MARGIN = 5
"""A change point that is found within so many values of the true one is right, as in the Turing benchmark."""
PATIENCE = 30
"""A change that was not found after so many values is not found."""
SOON = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """`delay` is the median over all true changes of how many values were needed, PATIENCE + 1 for one never found."""

    precision: float
    recall: float
    f1: float
    delay: float | None
    soon: float | None
    seconds: float


def hits(truth: Sequence[int], found: Sequence[int]) -> int:
    """How many true places have a found one of their own close by."""
    left, right = list(found), 0
    for place in sorted(truth):
        near = [other for other in left if abs(other - place) <= MARGIN]
        if near:
            left.remove(min(near, key=lambda other: abs(other - place)))
            right += 1
    return right


def overall(series: Iterable[Labelled], method: Method, *, growing: bool = True) -> Quality:
    """Over all the changes of all series, each with one truth."""
    right = reported = true = 0
    delays: list[int] = []
    taken = 0.0
    for labelled in series:
        began = time.perf_counter()
        found, truth = method(labelled.values), labelled.truths[0]
        taken += time.perf_counter() - began
        right, reported, true = right + hits(truth, found), reported + len(found), true + len(truth)
        delays += _delays(labelled.values, truth, method) if growing else []
    precision, recall = right / reported if reported else 1.0, right / true if true else 1.0
    soon = sum(delay <= SOON for delay in delays) / len(delays) if delays else None
    f1 = 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Quality(precision, recall, f1, median(delays) if delays else None, soon, taken)


def _delays(values: Sequence[float], truth: Sequence[int], method: Method) -> list[int]:
    """How many values of each new level it took, the method being asked again with each of them."""
    delays = []
    for place, following in pairwise([*truth, len(values)]):
        grown = range(1, min(following - place, PATIENCE) + 1)
        seen = (more for more in grown if any(abs(at - place) <= MARGIN for at in method(values[: place + more])))
        delays.append(next(seen, PATIENCE + 1))
    return delays


def by_people(series: Iterable[Labelled], method: Method) -> Quality:
    """As the Turing benchmark counts (van den Burg and Williams 2020): the mean over series, each begun by a change.

    Right is what any of the people saw; recall is the mean over the people.
    """
    found_all: list[tuple[float, float, float]] = []
    began = time.perf_counter()
    for labelled in series:
        found = sorted({0, *method(labelled.values)})
        anyone = sorted({0, *(place for truth in labelled.truths for place in truth)})
        precision = hits(anyone, found) / len(found)
        recall = fmean(hits(sorted({0, *truth}), found) / len({0, *truth}) for truth in labelled.truths)
        found_all.append((precision, recall, 2.0 * precision * recall / (precision + recall)))
    precision, recall, f1 = (fmean(column) for column in zip(*found_all, strict=True))
    return Quality(precision, recall, f1, None, None, time.perf_counter() - began)
