"""Small runs to keep, and what is left of them in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from perfgate.errors import ExitCode
from perfgate.model import Asked, Finding, Level, Machine, Metric, Run, Sample, Scope, Side, Status, Unit, Verdict
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import Store
from perfgate.result import Result
from tests.publish.literals import CALLS, LOOKUP, P95, PRODUCTS, SIZE

DAY = datetime(2026, 10, 5, 12, tzinfo=UTC)
BLOCKS = Metric("queries.blocks", Unit.COUNT, CALLS.better, CALLS.noise, "Blocks looked at.")


def entry(
    number: int,
    *,
    moment: datetime | None = None,
    trunk: bool = True,
    accepted: bool = False,
    branch: str = "main",
    p95: tuple[float | None, ...] = (0.10, 0.12, 0.11),
    labels: Mapping[str, str] | None = None,
    status: Status = Status.PASS,
) -> Entry:
    """The `number`th run, an hour after the one before."""
    samples = (
        Sample(P95.name, PRODUCTS, p95),
        Sample(CALLS.name, PRODUCTS, (3.0 + number,), noise=CALLS.noise),
        Sample(BLOCKS.name, LOOKUP, (40.0,), noise=CALLS.noise),
        Sample(SIZE.name, Scope(artifact="storefront"), (500_000_001.0,), noise=SIZE.noise),
    )
    run = Run(
        commit=f"{number:040x}",
        branch=branch,
        dirty=False,
        base="",
        machine=Machine("EPYC", 4, 2**34, "Linux", "3.12"),
        started=(moment or DAY + timedelta(hours=number)).isoformat(),
        seconds=60.0,
        version="1",
        seed=number,
        loads={"browse": Asked(users=8)},
        metrics=(P95, CALLS, BLOCKS, SIZE),
        samples=samples,
        statements={"3f9c2a71": "SELECT * FROM products WHERE id = $1"},
        notes=("a note",),
    )
    found = Finding(P95.name, PRODUCTS, Unit.SECONDS, status, Level.INFO, "below 0.3 s", "limit", observed=0.11)
    code = ExitCode.FAILED if status is Status.FAIL else ExitCode.PASSED
    verdict = Verdict(status, code, (found,))
    return Entry(Result(run, verdict), trunk, accepted, labels or {})


def beside_base(one: Entry) -> Entry:
    """The same run with its base measured beside it."""
    base = tuple(replace(sample, side=Side.BASE) for sample in one.run.samples)
    run = replace(one.run, base="b" * 40, samples=one.run.samples + base)
    return replace(one, result=replace(one.result, run=run))


def count(store: Store, table: str) -> int:
    """How many rows the project has in a table."""
    with store.transaction() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return row[0] if row else 0


def rows(store: Store, statement: str) -> list[tuple[object, ...]]:
    """What a statement gives within the project."""
    with store.transaction() as cursor:
        return cursor.execute(statement.encode()).fetchall()
