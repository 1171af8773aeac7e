"""A history that looks like a shop's: a year of runs with levels that step, drift and vary; and one of hostile names.

    python -m tests.web.history FOLDER

fills the store of the project in the folder: `perfgate serve -c FOLDER/budgets.yaml --project octo/shop` shows it.
"""

from __future__ import annotations

import hashlib
import random
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perfgate import keeping
from perfgate.advice import Advice, Effort, Severity
from perfgate.errors import ExitCode
from perfgate.model import (
    Asked,
    Better,
    Finding,
    Level,
    Machine,
    Metric,
    Noise,
    Run,
    Sample,
    Scope,
    Side,
    Status,
    Unit,
    Verdict,
)
from perfgate.publish.history import notices, rollups, writing
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import Store
from perfgate.result import Result

PROJECT = "octo/shop"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}</script>"
YEAR = timedelta(days=365)
ROUNDS = 5

P50 = Metric("response.p50", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "Half of the requests were faster.")
P95 = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "19 of 20 requests were faster.")
RATE = Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "Requests answered in a second.")
CALLS = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "Statements that a request runs.")
BLOCKS = Metric("queries.blocks", Unit.COUNT, Better.LOWER, Noise.EXACT, "Blocks that a request looks at.")
TIME = Metric("queries.time", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "Time in statements for a request.")
CPU = Metric("cpu.per_request", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "Processor time of a request.")
PEAK = Metric("memory.peak", Unit.BYTES, Better.LOWER, Noise.SAMPLED, "The most memory that was in use.")
USED = Metric("connections.used", Unit.COUNT, Better.LOWER, Noise.SAMPLED, "Connections that were open.")
HITS = Metric("database.cache_hits", Unit.RATIO, Better.HIGHER, Noise.SAMPLED, "Blocks found in memory.")
METRICS = (P50, P95, RATE, CALLS, BLOCKS, TIME, CPU, PEAK, USED, HITS)

STATEMENTS = {
    "3f9c2a7100000001": "SELECT id, name, price FROM products WHERE category = $1 ORDER BY popularity DESC LIMIT $2",
    "3f9c2a7100000002": "SELECT * FROM reviews WHERE product_id = $1",
    "3f9c2a7100000003": "INSERT INTO orders (customer_id, total, placed_at) VALUES ($1, $2, now()) RETURNING id",
}


@dataclass(frozen=True)
class Course:
    """A series' level at first, the standard deviation of its logarithm, and its steps: (share of the way, factor)."""

    metric: Metric
    scope: Scope
    level: float
    noise: float = 0.04
    steps: tuple[tuple[float, float], ...] = ()
    drift: float = 0.0
    limit: float = 0.0

    def at(self, share: float) -> float:
        """The level so far along the way, 0 to 1."""
        value = self.level * (1 + self.drift * share)
        for place, factor in self.steps:
            value *= factor if share >= place else 1.0
        return value

    def values(self, share: float, chance: random.Random) -> tuple[float, ...]:
        """What a run measures there."""
        if self.metric.noise is Noise.EXACT:
            return (float(round(self.at(share))),)
        run = chance.lognormvariate(0, self.noise)
        return tuple(self.at(share) * run * chance.lognormvariate(0, self.noise) for _ in range(ROUNDS))


def courses() -> list[Course]:
    """The shop's series."""
    products, product, order = (
        Scope("browse", "GET /products"),
        Scope("browse", "GET /products/{id}"),
        Scope("checkout", "POST /orders"),
    )
    one, two, three = STATEMENTS
    return [
        Course(P95, products, 0.084, steps=((0.3, 0.85), (0.86, 1.24)), limit=0.11),
        Course(P50, products, 0.031, steps=((0.3, 0.86), (0.86, 1.2))),
        Course(RATE, products, 240, steps=((0.86, 0.84),)),
        Course(CALLS, products, 3, steps=((0.86, 5 / 3),), limit=6),
        Course(BLOCKS, products, 118, steps=((0.3, 0.6),)),
        Course(P95, product, 0.046, drift=0.14, limit=0.1),
        Course(P50, product, 0.019, drift=0.12),
        Course(CALLS, product, 4),
        Course(P95, order, 0.152, noise=0.06, steps=((0.55, 0.8),), limit=0.2),
        Course(P50, order, 0.07, noise=0.05, steps=((0.55, 0.82),)),
        Course(CALLS, order, 11, steps=((0.55, 8 / 11),)),
        Course(BLOCKS, replace(products, statement=one), 96, steps=((0.3, 0.55),)),
        Course(TIME, replace(products, statement=one), 0.004, steps=((0.3, 0.6),)),
        Course(CALLS, replace(products, statement=one), 1),
        Course(BLOCKS, replace(product, statement=two), 41),
        Course(TIME, replace(product, statement=two), 0.0021, drift=0.2),
        Course(CALLS, replace(product, statement=two), 2),
        Course(BLOCKS, replace(order, statement=three), 9),
        Course(CALLS, replace(order, statement=three), 1),
        *(
            Course(CPU, Scope(name), level, steps=((0.86, 1.1),))
            for name, level in (("browse", 0.006), ("checkout", 0.011))
        ),
        *(Course(PEAK, Scope(name), 148e6, noise=0.01, drift=0.09, limit=200e6) for name in ("browse", "checkout")),
        *(Course(USED, Scope(name), 9, noise=0.02) for name in ("browse", "checkout")),
        *(Course(HITS, Scope(name), 0.985, noise=0.001) for name in ("browse", "checkout")),
    ]


def entries(number: int, *, end: datetime | None = None, span: timedelta = YEAR, seed: int = 1) -> list[Entry]:
    """So many runs over the span, three of four on the trunk, the others a branch's beside their base."""
    chance, last = random.Random(seed), end or datetime.now(UTC) - timedelta(hours=1)
    step = span / max(number, 1)
    return [
        entry(chance, index / max(number - 1, 1), last - step * (number - 1 - index), index) for index in range(number)
    ]


def commit(index: int) -> str:
    """The name of a commit."""
    return hashlib.sha1(str(index).encode()).hexdigest()


def entry(chance: random.Random, share: float, moment: datetime, index: int) -> Entry:
    """One run."""
    trunk = index % 4 != 3
    sides = (Side.HEAD,) if trunk else (Side.HEAD, Side.BASE)
    series = courses()
    samples = tuple(
        Sample(one.metric.name, one.scope, one.values(share, chance), side, one.metric.noise)
        for one in series
        for side in sides
    )
    findings = tuple(finding(one, samples) for one in series if one.limit)
    red = any(one.status is Status.FAIL for one in findings)
    run = Run(
        commit=commit(index),
        branch="main" if trunk else f"feature-{index}",
        dirty=False,
        base="" if trunk else commit(index - 1),
        machine=Machine("EPYC 7763", 4, 16 * 2**30, "Linux 6.8", "3.12"),
        started=moment.isoformat(),
        seconds=chance.uniform(60, 180),
        version="1",
        seed=index,
        loads={name: Asked(users=8) for name in ("browse", "checkout")},
        metrics=METRICS,
        samples=samples,
        statements=STATEMENTS,
    )
    verdict = Verdict(Status.FAIL if red else Status.PASS, ExitCode.FAILED if red else ExitCode.PASSED, findings)
    return Entry(Result(run, verdict, (advice(),)), trunk=trunk, labels={"checkout": "on" if share > 0.5 else "off"})


def finding(one: Course, samples: tuple[Sample, ...]) -> Finding:
    """What the limit of a series says of the run."""
    sample = next(sample for sample in samples if (sample.metric, sample.scope) == (one.metric.name, one.scope))
    seen = sorted(sample.present)[len(sample.present) // 2]
    status, level = (Status.FAIL, Level.FAIL) if seen > one.limit else (Status.PASS, Level.INFO)
    because = "over its limit" if seen > one.limit else "below its limit"
    return Finding(
        one.metric.name,
        one.scope,
        one.metric.unit,
        status,
        level,
        because,
        "limit",
        observed=seen,
        reference=one.limit,
        against="limit",
    )


def advice() -> Advice:
    """What a closer look recommends."""
    return Advice(
        category="missing_index",
        severity=Severity.HIGH,
        title="reviews are read whole for one product",
        scope=Scope("browse", "GET /products/{id}"),
        evidence=("41 blocks are looked at for 3 rows.",),
        remedy="Index reviews by product_id.",
        effect="fewer blocks",
        effort=Effort.MINUTES,
        metrics=("queries.*", "response.*"),
    )


def hostile(moment: datetime) -> Entry:
    """A run in which every name that others choose is an attack."""
    metric = replace(P95, name=f"response.{HOSTILE}", meaning=HOSTILE)
    scope = Scope("browse", f"GET /{HOSTILE}")
    sample = Sample(metric.name, scope, (0.1, 0.11, 0.1))
    found = Finding(
        metric.name, scope, metric.unit, Status.FAIL, Level.FAIL, HOSTILE, "limit", observed=0.1, reference=0.09
    )
    base = entry(random.Random(3), 1.0, moment, 0)
    run = replace(
        base.run,
        commit=HOSTILE,
        branch="main",
        metrics=(*METRICS, metric),
        samples=(*base.run.samples, sample, replace(sample, scope=replace(scope, statement="feed"))),
        statements={**STATEMENTS, "feed": HOSTILE},
        notes=(HOSTILE,),
    )
    told = replace(advice(), title=HOSTILE, remedy=HOSTILE, evidence=(HOSTILE,))
    verdict = Verdict(Status.FAIL, ExitCode.FAILED, (found,))
    return Entry(Result(run, verdict, (told,)), trunk=True, labels={HOSTILE: HOSTILE})


def fill(store: Store, number: int, *, attacked: bool = False, seed: int = 1) -> None:
    """Store so many runs, and a release every 150 of them."""
    made = entries(number, seed=seed)
    if attacked:
        moment = datetime.now(UTC)
        made += [hostile(moment - timedelta(minutes=minutes)) for minutes in (30, 20, 10)]
        notices.add_releases(store, [notices.Release(HOSTILE, HOSTILE, moment - timedelta(minutes=15))])
    for begin in range(0, len(made), 100):
        writing.write(store, made[begin : begin + 100])
    names = ((index, f"v1.{index // 150}") for index in range(0, number, 150))
    notices.add_releases(store, [notices.Release(name, made[at].run.commit, made[at].started) for at, name in names])
    rollups.refresh(store)


if __name__ == "__main__":
    with keeping.opened(keeping.place(Path(sys.argv[1]), project=PROJECT)) as opened:
        fill(opened, 900)
