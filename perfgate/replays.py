"""Recorded pairs gated again: unchanged, and with a change planted on head, through the decision that is shipped."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from perfgate.judge.conditions import Conditions
from perfgate.judge.detection import PLANTED, least_pairs, move
from perfgate.judge.evidence import Case
from perfgate.judge.pairs import Schedule, judge_pairs
from perfgate.judge.stretch import Pair
from perfgate.model import Better, Metric, Sample, Scope, Side, Status
from perfgate.plan import Tolerance

REPLAYS = 100
"""Of each kind: enough to see that something is wrong, and not more than seconds."""

CAUGHT_AT_LEAST = 0.75
"""Four in five are meant; so few replays may show a little less by chance."""

Start = tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """Pairs of unchanged code, those of one process start together."""

    starts: tuple[Start, ...]

    @classmethod
    def of(cls, head: Sample, base: Sample, conditions: Sequence[Conditions], lengths: Sequence[int]) -> Recording:
        """From both sides' values; pairs without both values are left out, and starts without pairs."""
        found, at = list[Start](), 0
        for number, length in enumerate(lengths):
            span = slice(at, at + length)
            # a start is drawn more than once, and then stands for several: it must not keep its number
            drawn = [condition._replace(start=None) for condition in conditions[span]]
            rounds = zip(head.values[span], base.values[span], drawn, strict=True)
            found.append(tuple(Pair(number, h, b, c) for h, b, c in rounds if h is not None and b is not None))
            at += length
        return cls(tuple(start for start in found if start))

    def pairs(self, together: int) -> list[Pair]:
        """All pairs, numbered as the decision counts process starts: so many consecutive ones share one."""
        flat = [pair for start in self.starts for pair in start]
        return [pair._replace(start=i // together) for i, pair in enumerate(flat)]

    def drawn(self, chance: random.Random, pairs: int) -> list[Pair]:
        """So many pairs, process start by process start, with chance deciding which side is called head."""
        found: list[Pair] = []
        while len(found) < pairs:
            start = chance.choice(self.starts)
            turned = chance.random() < 0.5
            found += (_turned(pair) if turned else pair for pair in start)
        return found[:pairs]


def _turned(pair: Pair) -> Pair:
    """The pair with base called head."""
    was = pair.conditions
    return Pair(pair.start, pair.base, pair.head, Conditions(-was.company, -was.effort, -was.answers))


@dataclass(frozen=True, slots=True)
class Replayed:
    """Shares of `replays`: unchanged code that passed and that was red, and changes that were red."""

    replays: int
    passed: float
    red: float
    caught: float

    @property
    def holds(self) -> bool:
        return self.caught >= CAUGHT_AT_LEAST and self.passed >= CAUGHT_AT_LEAST


def replayed(
    recording: Recording, metric: Metric, rule: Tolerance, schedule: Schedule, alpha: float, pairs: int
) -> Replayed:
    """Gate the recording again and again, so many pairs being in time; the planted change is twice the tolerance."""
    assert rule.fail is not None
    chance = random.Random(f"{metric.name}:{rule.fail}:{pairs}")
    moved = move(PLANTED * rule.fail, metric.better)
    factor = math.exp(moved if metric.better is Better.LOWER else -moved)

    def gated(factor: float) -> Status:
        return _gated(recording.drawn(chance, pairs + schedule.last), pairs, factor, metric, rule, schedule, alpha)

    same, planted = [gated(1.0) for _ in range(REPLAYS)], [gated(factor) for _ in range(REPLAYS)]
    passed = sum(status in (Status.PASS, Status.IMPROVED) for status in same)
    caught = planted.count(Status.FAIL)
    return Replayed(REPLAYS, passed / REPLAYS, same.count(Status.FAIL) / REPLAYS, caught / REPLAYS)


def _gated(
    pairs: Sequence[Pair],
    in_time: int,
    factor: float,
    metric: Metric,
    rule: Tolerance,
    schedule: Schedule,
    alpha: float,
) -> Status:
    """How a run ends that takes pairs as long as they are needed: those after its time, to confirm an alarm."""
    head = Sample(metric.name, Scope(), tuple(pair.head * factor for pair in pairs))
    base = replace(head, values=tuple(pair.base for pair in pairs), side=Side.BASE)
    conditions = [pair.conditions for pair in pairs]
    have = min(least_pairs(schedule), len(pairs))
    while True:
        sample = replace(head, values=head.values[:have])
        case = Case(sample, metric, alpha)
        answer = judge_pairs(case, rule, replace(base, values=base.values[:have]), schedule, conditions[:have])
        late = have >= in_time and not answer.confirming
        if answer.status is not Status.UNSURE or answer.needed <= have or late or have >= len(pairs):
            return answer.status
        have = min(have + schedule.together, len(pairs))
