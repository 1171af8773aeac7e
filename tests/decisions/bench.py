"""The tables of the bench: single decisions on made-up and recorded noise, and whole runs of thirty metrics."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfgate.model import Status
from tests.decisions import noise, recordings, rules

Array = NDArray[np.float64]
EFFECTS = (0.0, 0.03, 0.05, 0.10, 0.20)
MOST = 2 * rules.SCHEDULE.last
FIXED_MOST = 3 * rules.SCHEDULE.last
NOISES = (
    *(("normal", sd) for sd in (0.02, 0.03, 0.04, 0.08)),
    *((kind, sd) for kind in noise.KINDS if kind != "normal" for sd in (0.04,)),
    ("heavy tails (t3)", 0.08),
    ("outliers (10 % x5)", 0.08),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """Shares of jobs by how they ended, and the mean number of pairs taken."""

    red: float
    passed: float
    pairs: float


@dataclass(frozen=True, slots=True)
class Row:
    """One rule on one kind of noise, a cell for each effect."""

    noise: str
    rule: str
    cells: tuple[Cell, ...]


def seeded(*words: object) -> np.random.Generator:
    """A source of chance of its own for every cell, so that cells can be run alone and in any order."""
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


Sides = tuple[Array, Array, Array]
"""Logarithms of head and of base, and the company of each pair, of shape (jobs, pairs)."""


def ours(sides: Sides, most: int = MOST, together: int = 1) -> Cell:
    """perfgate on jobs."""
    ended = [rules.ours(h, b, c, most=most, together=together) for h, b, c in zip(*sides, strict=True)]
    red, passed = ([e.status in kinds for e in ended] for kinds in ({Status.FAIL}, {Status.PASS, Status.IMPROVED}))
    return Cell(float(np.mean(red)), float(np.mean(passed)), float(np.mean([e.pairs for e in ended])))


def rows(label: str, both: Sequence[Sides], together: int = 1) -> list[Row]:
    """Every rule on the jobs of one kind of noise, for each effect."""
    own = [ours(sides, MOST, together) for sides in both]
    in_budget = [ours(sides, rules.SCHEDULE.last, together) for sides in both]
    found = [Row(label, "perfgate", tuple(own)), Row(label, f"  in {rules.SCHEDULE.last} pairs", tuple(in_budget))]
    for name, rule in rules.OTHERS.items():
        reds = [float(rule(h[:, : rules.ROUNDS], b[:, : rules.ROUNDS]).mean()) for h, b, _ in both]
        found.append(Row(label, name, tuple(Cell(red, 1.0 - red, rules.ROUNDS) for red in reds)))
    return [*found, Row(label, "fixed plan, equal power", tuple(_fixed(own, both)))]


def _fixed(own: Sequence[Cell], both: Sequence[Sides]) -> Iterator[Cell]:
    """The pairs a fixed plan takes for the power that ours has; on unchanged code, those it takes for +5 %."""
    needed = [rules.fixed_pairs(h, b, cell.red) for cell, (h, b, _) in zip(own, both, strict=True)]
    for cell, pairs in zip(own, [needed[EFFECTS.index(0.05)], *needed[1:]], strict=True):
        yield Cell(cell.red, math.nan, math.nan if pairs is None else pairs)


def synthetic(kind: str, sd: float, jobs: int) -> list[Row]:
    """One made-up noise, `sd` being the standard deviation of a pair's log-ratio."""
    head, base = noise.sides(seeded(kind, sd, jobs), kind, jobs, FIXED_MOST, sd)
    both = [(head + math.log1p(effect), base, np.zeros_like(head)) for effect in EFFECTS]
    return rows(f"{kind}, {sd * 100:.0f} %", both, noise.together(kind))


def replayed(metric: str, quiet: bool, jobs: int, files: Sequence[Path]) -> list[Row]:
    """One metric of the recorded rounds; effects are those of the slowed services' CPU."""
    rounds = recordings.recorded(files)
    source = seeded(metric, quiet, jobs)
    both = []
    for effect in EFFECTS:
        found = recordings.pairs(rounds, effect, quiet=quiet)
        if len(found) < rules.ROUNDS:
            return []
        both.append(recordings.jobs(source, found, metric, jobs, FIXED_MOST, flip=effect == 0.0))
    return rows(f"recorded {metric}{', quiet pairs' if quiet else ''}", both)


def reds_in_runs(kind: str, sd: float, correlation: float, family: int, runs: int) -> tuple[int, int]:
    """How many unchanged runs of thirty metrics are red: ours, as if each took all its pairs, and Mann-Whitney's."""
    source = seeded(kind, sd, correlation, family, runs)
    own = others = 0
    for _ in range(0, runs, 100):
        heads, bases = unchanged(source, kind, min(100, runs), sd, correlation, family)
        for head, base in zip(np.exp(heads), np.exp(bases), strict=True):
            answers = judged(head.tolist(), base.tolist(), MOST, noise.together(kind), family)
            own += any(status is Status.FAIL for status, _ in answers)
            others += bool(rules.mann_whitney(head[:, : rules.ROUNDS], base[:, : rules.ROUNDS]).any())
    return own, others


def unchanged(
    source: np.random.Generator, kind: str, runs: int, sd: float, correlation: float, family: int
) -> tuple[Array, Array]:
    """Both sides' logarithms, (runs, metrics, pairs): all metrics correlate, or those of a family among themselves."""
    together = rules.METRICS if family == 1 else family
    groups = rules.METRICS // together
    sides = noise.metrics(source, kind, runs * groups, MOST, together, sd, correlation)
    head, base = (side.reshape(runs, rules.METRICS, MOST) for side in sides)
    return head, base


def judged(
    heads: Sequence[Sequence[float]], bases: Sequence[Sequence[float]], pairs: int, together: int, family: int
) -> list[tuple[Status, int]]:
    """The answers for all metrics of one run after so many pairs; `family` consecutive ones belong together."""
    sides = [(tuple(h[:pairs]), tuple(b[:pairs])) for h, b in zip(heads, bases, strict=True)]
    answers = []
    for place, (head, base) in enumerate(sides):
        first = place - place % family
        relatives = [sides[i] for i in range(first, first + family) if i != place]
        answers.append(rules.judge(head, base, together, relatives=relatives))
    return answers


def pairs_of_runs(kind: str, sd: float, correlation: float, family: int, runs: int) -> tuple[float, float]:
    """What unchanged runs of thirty metrics cost in pairs, and in how many of them no metric is left unsure."""
    source = seeded("cost", kind, sd, correlation, family, runs)
    heads, bases = unchanged(source, kind, runs, sd, correlation, family)
    taken, decided = [], 0
    for head, base in zip(np.exp(heads).tolist(), np.exp(bases).tolist(), strict=True):
        n = rules.SCHEDULE.first
        while True:
            answers = judged(head, base, n, noise.together(kind), family)
            if n >= MOST or max(needed for _, needed in answers) <= n:
                break
            n += 1
        taken.append(n)
        decided += all(status is not Status.UNSURE for status, _ in answers)
    return float(np.mean(taken)), decided / runs


def single_decisions(pool: ProcessPoolExecutor, jobs: int, files: Sequence[Path]) -> Iterator[Row]:
    """All rows of the first table, as they come."""
    made = [pool.submit(synthetic, kind, sd, jobs) for kind, sd in NOISES] if not files else []
    real = [pool.submit(replayed, m, quiet, jobs, files) for m in recordings.METRICS for quiet in (False, True)]
    for cell in (*made, *real):
        yield from cell.result()
