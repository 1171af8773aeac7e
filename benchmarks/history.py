"""A history of five busy years: `python benchmarks/history.py fill|measure [--store URL | --folder FOLDER] [--runs N]`.

`fill` stores runs by the way that perfgate itself stores them: levels that drift and step, noise, releases, branches,
red runs. 5,800 runs have a million samples. `measure` prints medians of what pages and runs wait for, warm.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perfgate import storeserver
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
from perfgate.publish.history import notices, overviews, reading, rollups, writing
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.reading import Tier, Window
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.result import Result

YEARS = 5
RUNS = 5_800
PROJECT = "busy/project"
BATCH = 100
ROUNDS = 5
REPEATS = 21
RELEASE_EVERY = 60
END = datetime(2026, 11, 1, tzinfo=UTC)
MACHINE = Machine("EPYC 7763", 4, 16 * 2**30, "Linux 6.8", "3.12")
ENDPOINTS = ("GET /products", "GET /products/{id}", "POST /cart", "GET /cart", "POST /orders")
SCENARIOS = ("browse", "checkout")


def metric(name: str, unit: Unit, noise: Noise = Noise.SAMPLED, better: Better = Better.LOWER) -> Metric:
    """A metric of the bench."""
    return Metric(name, unit, better, noise, f"What {name} means.")


ENDPOINT_METRICS = (
    *(metric(f"response.{name}", Unit.SECONDS) for name in ("p50", "p90", "p95", "mean")),
    metric("response.rate", Unit.PER_SECOND, better=Better.HIGHER),
    *(metric(f"queries.{name}", Unit.COUNT, Noise.EXACT) for name in ("calls", "rows", "blocks")),
)
STATEMENT_METRICS = (
    metric("queries.blocks", Unit.COUNT, Noise.EXACT),
    metric("queries.calls", Unit.COUNT, Noise.EXACT),
    metric("queries.time", Unit.SECONDS),
    metric("queries.mean_time", Unit.SECONDS),
)
PROCESS_METRICS = (
    metric("cpu.per_request", Unit.SECONDS),
    metric("memory.rss", Unit.BYTES),
    metric("memory.peak", Unit.BYTES),
    metric("process.threads", Unit.COUNT),
    metric("connections.used", Unit.COUNT),
    metric("locks.waiting", Unit.COUNT),
    metric("database.cache_hits", Unit.RATIO, better=Better.HIGHER),
)
STATEMENTS = tuple(f"{number:016x}" for number in range(0x3F9C2A71, 0x3F9C2A71 + 10))


@dataclass
class Course:
    """How one series goes: its level now drifts a little from run to run, and steps now and then."""

    metric: Metric
    scope: Scope
    level: float
    drift: float

    def advance(self, chance: random.Random) -> None:
        """On to the next commit."""
        self.level *= 1 + self.drift
        if chance.random() < 0.0008:
            self.level *= chance.choice((0.7, 0.85, 1.15, 1.4))

    def values(self, chance: random.Random) -> tuple[float, ...]:
        """What a run measures."""
        if self.metric.noise is Noise.EXACT:
            return (float(round(self.level)),)
        return tuple(self.level * chance.lognormvariate(0, 0.08) for _ in range(ROUNDS))


def courses(chance: random.Random) -> list[Course]:
    """All series of the project."""
    places = [(m, Scope(s, e)) for s in SCENARIOS for e in ENDPOINTS for m in ENDPOINT_METRICS]
    places += [
        (m, Scope(s, chance.choice(ENDPOINTS), statement=one))
        for s in SCENARIOS
        for one in STATEMENTS
        for m in STATEMENT_METRICS
    ]
    places += [(m, Scope(s)) for s in SCENARIOS for m in PROCESS_METRICS]
    return [Course(m, place, chance.uniform(5, 5000), chance.gauss(0, 0.0001)) for m, place in places]


def runs(number: int, chance: random.Random, end: datetime = END) -> Iterator[Entry]:
    """Five years of runs: two of three on the trunk, the others a branch's, beside their base."""
    every = courses(chance)
    step = timedelta(days=365.25 * YEARS) / number
    for index in range(number):
        moment = end - step * (number - index)
        for course in every:
            course.advance(chance)
        yield entry(every, chance, moment, trunk=index % 3 != 2, commit=f"{index:040x}")


def entry(every: list[Course], chance: random.Random, moment: datetime, *, trunk: bool, commit: str) -> Entry:
    """One run. Branches run one scenario, and measure their base, too."""
    scenario = chance.choice(SCENARIOS)
    mine = [course for course in every if trunk or course.scope.scenario == scenario]
    sides = (Side.HEAD,) if trunk else (Side.HEAD, Side.BASE)
    samples = tuple(
        Sample(one.metric.name, one.scope, one.values(chance), side, one.metric.noise) for one in mine for side in sides
    )
    red = chance.random() < (0.01 if trunk else 0.08)
    run = Run(
        commit=commit,
        branch="main" if trunk else f"topic-{commit[-6:]}",
        dirty=False,
        base="" if trunk else f"{int(commit, 16) - 1:040x}",
        machine=MACHINE,
        started=moment.isoformat(),
        seconds=chance.uniform(60, 180),
        version="1",
        seed=1,
        loads={name: Asked(rounds=ROUNDS, max_rounds=ROUNDS) for name in SCENARIOS},
        metrics=tuple({course.metric.name: course.metric for course in every}.values()),
        samples=samples,
        statements={one: f"SELECT * FROM products WHERE id = $1 /* {one} */" for one in STATEMENTS},
    )
    findings = tuple(finding(one, Status.FAIL if red and not at else Status.PASS) for at, one in enumerate(mine[:20]))
    code = ExitCode.FAILED if red else ExitCode.PASSED
    return Entry(Result(run, Verdict(findings[0].status, code, findings)), trunk=trunk)


def finding(course: Course, status: Status) -> Finding:
    """What a rule says of a series."""
    level = Level.FAIL if status is Status.FAIL else Level.INFO
    because = "compared with the base"
    return Finding(course.metric.name, course.scope, course.metric.unit, status, level, because, "tolerance")


def fill(store: Store, number: int) -> None:
    """Store the runs in batches, then roll up."""
    chance, began, samples, batch = random.Random(6), time.perf_counter(), 0, []
    for index, one in enumerate(runs(number, chance)):
        batch.append(one)
        samples += len(one.run.samples)
        if index % RELEASE_EVERY == 0:
            made = notices.Release(f"v{index // RELEASE_EVERY}.0", one.run.commit, one.started)
            notices.add_releases(store, [made])
        if len(batch) == BATCH or index == number - 1:
            writing.write(store, batch)
            rollups.refresh(store)  # as it goes, so that its rows lie as they come
            batch.clear()
    with store.transaction(patience=600) as cursor:
        cursor.execute("ANALYZE sample, run, series, hourly, daily")
    print(f"{number} runs, {samples} samples: stored and rolled up in {time.perf_counter() - began:.0f} s")


def timed(name: str, most: float, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> None:
    """Print the median time of the work, and whether it is below `most` milliseconds."""
    times = []
    for _ in range(REPEATS + 2):
        prepare()
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    warm = sorted(times[2:])
    median = statistics.median(warm)
    said = f"worst {warm[-1]:.1f}; has to be < {most:.0f}"
    print(f"{name:<28} {median:7.1f} ms ({said}) {'' if median < most else 'MISSED'}")


def measure(store: Store) -> None:
    """Print what is waited for. Stores some runs of today."""
    chance = random.Random()
    every = courses(random.Random(6))
    now = datetime.now(UTC)
    year = Window(since=END - timedelta(days=365), until=now)
    with store.transaction(patience=600) as cursor:
        row = cursor.execute("SELECT count(*) FROM sample").fetchone()
        server = cursor.connection.info.server_version
    print(f"PostgreSQL {server // 10_000}.{server % 10_000}, {row[0] if row else 0} samples", end=", ")
    print(f"medians of {REPEATS}, load of the machine {os.getloadavg()[0]:.1f}")

    ready: list[Entry] = []

    def another() -> None:
        moment = now - timedelta(minutes=chance.uniform(1, 600))
        one = entry(every, chance, moment, trunk=True, commit=f"{chance.getrandbits(160):040x}")
        ready.append(Entry(one.result, trunk=True))

    def insert() -> None:
        writing.write(store, [ready.pop()])

    def stored() -> None:
        another()
        insert()

    wanted = reading.series(store, metric="response.p95")
    timed("overview", 50, lambda: overviews.overview(store, year))
    timed("slow statements", 50, lambda: overviews.slow_statements(store, year))
    timed("endpoints, a year", 100, lambda: overviews.endpoints(store, year))
    timed("endpoints, five years", 100, lambda: overviews.endpoints(store, Window()))
    timed("resources, a year", 100, lambda: overviews.resources(store, year))
    timed("connections, a year", 100, lambda: overviews.connections(store, year))
    timed("insert of a run", 50, insert, another)
    rollups.refresh(store)
    timed("incremental refresh", 100, lambda: rollups.refresh(store), stored)
    timed("500 runs", 100, lambda: reading.runs(store, Window()))
    timed("a series, five years, raw", 100, lambda: reading.points(store, wanted[:1], Window()))
    timed("a series, five years, daily", 50, lambda: reading.points(store, wanted[:1], Window(), Tier.DAILY))
    number = reading.runs(store, Window(), limit=1)[0].number
    timed("one run", 50, lambda: reading.run(store, number))


@contextmanager
def opened(url: str, folder: Path) -> Iterator[Store]:
    """The store of a URL, or the one in the folder."""
    if url:
        with closing(connect(url)) as connection:
            yield open_store(connection, PROJECT)
        return
    with storeserver.running(folder) as own, closing(connect(own)) as connection:
        yield open_store(connection, PROJECT)


def main() -> None:
    """Fill a store, or measure on it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fill", "measure"))
    parser.add_argument("--store", default="", metavar="URL")
    parser.add_argument("--folder", type=Path, default=Path(".perfgate/history-bench"))
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args()
    with opened(asked.store, asked.folder) as store:
        if asked.what == "fill":
            fill(store, asked.runs)
        else:
            measure(store)


if __name__ == "__main__":
    main()
