"""Runs, samples and baselines written down, for the tests of the judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perfgate.model import (
    Asked,
    Baseline,
    Better,
    Comparable,
    Finding,
    Flaw,
    Machine,
    Metric,
    Noise,
    Postgres,
    Run,
    Sample,
    Scope,
    Unit,
    Verdict,
)
from perfgate.plan import Limit, Selector, Tolerance

P95 = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "p95", Comparable.SAME_MACHINE, drift=0.25)
RATE = Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "rate", Comparable.SAME_MACHINE, 0.25)
CALLS = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "calls")
BLOCKS = Metric("queries.blocks", Unit.COUNT, Better.LOWER, Noise.EXACT, "blocks", Comparable.SAME_POSTGRES)
SIZE = Metric("bundle.brotli", Unit.BYTES, Better.LOWER, Noise.EXACT, "size")
METRICS = (P95, RATE, CALLS, BLOCKS, SIZE)
MACHINE = Machine("cpu", 2, 4 * 2**30, "Linux", "3.11")
POSTGRES = Postgres("embedded", "18.6")

QUIET = (0.98, 1.02, 1.0, 0.99, 1.01, 1.0)
NOISY = (0.5, 1.9, 0.8, 1.3, 0.6, 1.6)


def sample(metric: Metric, *values: float | None, noise: Noise | None = None, note: str = "", **scope: str) -> Sample:
    place = Scope(**{"scenario": "browse", **scope})
    return Sample(metric.name, place, values, noise=noise or metric.noise, note=note)


def around(metric: Metric, centre: float, shape: tuple[float, ...] = QUIET, **scope: Any) -> Sample:
    return sample(metric, *(centre * factor for factor in shape), **scope)


def run(*samples: Sample, flaws: tuple[Flaw, ...] = (), statements: dict[str, str] | None = None) -> Run:
    return Run(
        commit="1234567890",
        branch="main",
        dirty=False,
        base="",
        machine=MACHINE,
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        version="0",
        seed=1,
        postgres=POSTGRES,
        loads={"browse": Asked(rounds=6, max_rounds=12)},
        metrics=METRICS,
        samples=samples,
        flaws=flaws,
        statements=statements or {},
    )


def baseline(*samples: Sample, scenario: str = "browse", statements: dict[str, str] | None = None) -> Baseline:
    return Baseline(
        scenario=scenario,
        commit="abcdef0123",
        accepted="2026-01-01T00:00:00+00:00",
        by="somebody",
        reason="first",
        machine=MACHINE,
        postgres=POSTGRES,
        metrics=METRICS,
        samples=samples,
        statements=statements or {},
    )


def elsewhere(accepted: Baseline) -> Baseline:
    return replace(accepted, machine=replace(MACHINE, cores=64), postgres=Postgres("docker", "15.1"))


def limit(metric: str, fail: float | None = None, warn: float | None = None, **places: str) -> Limit:
    return Limit(Selector(metric, **places), warn, fail, f"budgets.yaml:{len(metric)}")


def tolerance(
    metric: str, fail: float | None = None, warn: float | None = None, floor: float = 0.0, **places: str
) -> Tolerance:
    return Tolerance(Selector(metric, **places), warn, fail, floor, "budgets.yaml:9")


def only(verdict: Verdict) -> Finding:
    assert len(verdict.findings) == 1, verdict.findings
    return verdict.findings[0]
