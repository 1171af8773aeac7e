"""Histories written down: one value of response.p95 a run, and what else a test says."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from perfgate.advice import Advice
from perfgate.model import Finding, Key, Level, Sample, Status
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.reading import Window
from perfgate.publish.history.store import Store
from perfgate.publish.history.writing import write
from tests.history.runs import DAY, entry
from tests.publish.literals import CALLS, P95, PRODUCTS

PRODUCTS_P95 = Key(P95.name, PRODUCTS)
PRODUCTS_CALLS = Key(CALLS.name, PRODUCTS)
WINDOW = Window(DAY, DAY + timedelta(days=30))


def noisy(level: float, runs: int) -> list[float]:
    """The level with a noise of 2 %, the same one each time."""
    chance = random.Random(runs)
    return [level * chance.lognormvariate(0.0, 0.02) for _ in range(runs)]


def one_run(number: int, p95: float, *, calls: float = 3.0, branch: str = "main", trunk: bool = True) -> Entry:
    """The `number`th run, with these values and the others of `entry`."""
    made = entry(number, p95=(p95,), branch=branch, trunk=trunk)
    samples = (replace(one, values=(calls,)) if one.metric == CALLS.name else one for one in made.run.samples)
    return with_samples(made, tuple(samples))


def with_samples(made: Entry, samples: tuple[Sample, ...]) -> Entry:
    return replace(made, result=replace(made.result, run=replace(made.run, samples=samples)))


def judged(made: Entry, *, limit: float = 0.0, advice: tuple[Advice, ...] = ()) -> Entry:
    """The same run, with a limit of its p95 that it was held against, and with advice."""
    assert made.result.verdict is not None
    seen = made.run.samples[0].present[0]
    found = Finding(P95.name, PRODUCTS, P95.unit, Status.PASS, Level.INFO, "", "limit", observed=seen, reference=limit)
    verdict = replace(made.result.verdict, findings=(found,) if limit else ())
    return replace(made, result=replace(made.result, verdict=verdict, advice=advice))


def kept(
    store: Store, values: Sequence[float], *, first: int = 1, labels: Mapping[int, Mapping[str, str]] | None = None
) -> list[Entry]:
    """Store one run of the trunk for each value; `labels` are by the number of the run."""
    made = [one_run(first + place, value) for place, value in enumerate(values)]
    made = [replace(one, labels=(labels or {}).get(one.run.seed, {})) for one in made]
    write(store, made)
    return made


def commit(number: int) -> str:
    """The commit of the `number`th run."""
    return f"{number:040x}"
