"""Eleven weeks of a shop whose history is known: what got worse, what got better, and when.

The trunk is measured every six hours from 1 September to 16 November 2026, and a branch now and then.

* 12 October, noon: searching gets slower (`GET /products` +30 %, with it the whole scenario and its CPU time), until
  20 October.
* 27 October: `GET /products` sends five statements instead of three, and still does.
* 5 November: the bundle loses a tenth. 11 November: `POST /cart` gets 25 % slower, and stays so.
* All the time memory grows, by 0.15 % a day. From 12 November on, nobody runs `checkout`.
* Releases: v1.0 on 21 September, v1.1 on 19 October, v1.2 on 9 November.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perfgate.advice import Advice, Effort, Severity, Trial
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
    Status,
    Unit,
    Verdict,
)
from perfgate.publish.history import notices, rollups, writing
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import Store
from perfgate.result import Result

BEGIN, END = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)
EVERY = timedelta(hours=6)
MACHINE = Machine("EPYC", 4, 2**34, "Linux", "3.12")

P95 = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "95 of 100 requests are faster.")
RATE = Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "Answered requests per second.")
CPU = Metric("cpu.per_request", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "Processor time of a request.")
MEMORY = Metric("memory.peak", Unit.BYTES, Better.LOWER, Noise.SAMPLED, "The most memory held at once.")
CALLS = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "Statements sent for one request.")
SIZE = Metric("bundle.brotli", Unit.BYTES, Better.LOWER, Noise.EXACT, "Bytes a browser loads.")

BROWSE, CHECKOUT = Scope("browse"), Scope("checkout")
PRODUCTS, CART = Scope("browse", "GET /products"), Scope("browse", "POST /cart")
BUNDLE = Scope(artifact="storefront")

SLOW_SEARCH = datetime(2026, 10, 12, 12, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC)
MORE_CALLS = datetime(2026, 10, 27, tzinfo=UTC)
SMALL_BUNDLE = datetime(2026, 11, 5, tzinfo=UTC)
SLOW_CART = datetime(2026, 11, 11, tzinfo=UTC)
CHECKOUT_ENDS = datetime(2026, 11, 12, tzinfo=UTC)
RELEASES = {
    "v1.0": datetime(2026, 9, 21, tzinfo=UTC),
    "v1.1": datetime(2026, 10, 19, tzinfo=UTC),
    "v1.2": datetime(2026, 11, 9, tzinfo=UTC),
}


@dataclass(frozen=True)
class Names:
    """What the shop calls things."""

    products: Scope = PRODUCTS
    branch: str = "topic"
    advice: str = "products is read whole for every request"


def commit(when: datetime) -> str:
    """The trunk's commit at a time."""
    return f"{random.Random(when.timestamp()).getrandbits(160):040x}"


def fill(store: Store, names: Names | None = None) -> None:
    """Store the shop's history."""
    made = [notices.Release(name, commit(when), when) for name, when in RELEASES.items()]
    notices.add_releases(store, made)
    writing.write(store, list(entries(names or Names())))
    rollups.refresh(store)


def entries(names: Names) -> Iterator[Entry]:
    """Each run of the trunk, and every seventh time one of a branch after it."""
    chance = random.Random(7)
    count = (END - BEGIN) // EVERY
    for number in range(count):
        when = BEGIN + number * EVERY
        yield Entry(_result(names, when, chance, number), trunk=True)
        if number % 7 == 3:
            yield Entry(_result(names, when + EVERY / 2, chance, number, names.branch))


def levels(names: Names, when: datetime) -> dict[tuple[Metric, Scope], float]:
    """What a run without noise would measure."""
    search = 1.3 if SLOW_SEARCH[0] <= when < SLOW_SEARCH[1] else 1.0
    days = (when - BEGIN) / timedelta(days=1)
    found = {
        (P95, BROWSE): 0.080 * (1 + (search - 1) * 0.6),
        (P95, names.products): 0.110 * search,
        (P95, CART): 0.060 * (1.25 if when >= SLOW_CART else 1.0),
        (RATE, BROWSE): 240.0,
        (CPU, BROWSE): 0.0042 * (1 + (search - 1) * 0.5),
        (MEMORY, BROWSE): 180e6 * 1.0015**days,
        (CALLS, names.products): 5.0 if when >= MORE_CALLS else 3.0,
        (SIZE, BUNDLE): 432_000.0 if when >= SMALL_BUNDLE else 480_000.0,
    }
    return found | ({(P95, CHECKOUT): 0.150} if when < CHECKOUT_ENDS else {})


def _result(names: Names, when: datetime, chance: random.Random, number: int, branch: str = "main") -> Result:
    lost = branch == "main" and number % 97 == 41
    measured = {} if lost else levels(names, when)
    samples = tuple(
        Sample(metric.name, scope, (_value(metric, level, chance),), noise=metric.noise)
        for (metric, scope), level in measured.items()
    )
    run = Run(
        commit=commit(when),
        branch=branch,
        dirty=False,
        base="",
        machine=MACHINE,
        started=when.isoformat(),
        seconds=90.0,
        version="1",
        seed=number,
        loads={name: Asked(users=8) for name in ("browse", "checkout")},
        metrics=(P95, RATE, CPU, MEMORY, CALLS, SIZE),
        samples=samples,
    )
    if lost:
        return Result(run, Verdict(Status.INVALID, ExitCode.NOT_MEASURED, ()))
    findings = tuple(_limits(names, run))
    red = any(found.status is Status.FAIL for found in findings)
    verdict = Verdict(Status.FAIL if red else Status.PASS, ExitCode.FAILED if red else ExitCode.PASSED, findings)
    return Result(run, verdict, (_advice(names),))


def _value(metric: Metric, level: float, chance: random.Random) -> float:
    return level if metric.noise is Noise.EXACT else level * chance.lognormvariate(0.0, 0.03)


def _limits(names: Names, run: Run) -> Iterator[Finding]:
    limits = {(P95.name, names.products): 0.135, (P95.name, CART): 0.1, (SIZE.name, BUNDLE): 500_000.0}
    for sample in run.samples:
        limit, seen = limits.get((sample.metric, sample.scope)), sample.present[0]
        if limit is not None:
            status, level = (Status.FAIL, Level.FAIL) if seen > limit else (Status.PASS, Level.INFO)
            unit = next(metric.unit for metric in run.metrics if metric.name == sample.metric)
            yield Finding(
                *(sample.metric, sample.scope, unit, status, level, "compared", "limit"),
                rule="budgets.yaml:31",
                observed=seen,
                reference=limit,
            )


def _advice(names: Names) -> Advice:
    return Advice(
        category="missing_index",
        severity=Severity.MEDIUM,
        title=names.advice,
        evidence=("30 sequential scans of 12,400 rows.",),
        effect="fewer blocks",
        effort=Effort.MINUTES,
        remedy="Add an index.",
        verified=(Trial("blocks of GET /products a request", Unit.COUNT, 712.0, 512.0),),
    )
