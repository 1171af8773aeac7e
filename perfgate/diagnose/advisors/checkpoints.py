"""Checkpoints that come too often for what a scenario writes, because of settings in `budgets.yaml`.

perfgate itself puts checkpoints far apart. So only limits that are lower than what Postgres ships with are looked at:
whoever set those meant it.
"""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import scenarios
from perfgate.diagnose.sizes import duration, memory
from perfgate.diagnose.subject import Subject
from perfgate.model import Scope, Unit
from perfgate.units import show

SHIPPED_WAL_SIZE = 2**30
SHIPPED_TIMEOUT_S = 300.0
"""`max_wal_size` and `checkpoint_timeout` as Postgres has them where nobody sets them."""

SHIPPED_TARGET = 0.9
"""`checkpoint_completion_target`: a checkpoint begins when `max_wal_size` / (1 + target) was written."""

RECORD_BYTES = 24
"""What a WAL record takes at least, its header: so a checkpoint comes no later than is said here."""

OFTEN_S = 30.0
"""Checkpoints for want of WAL that follow each other faster are warned of by Postgres itself (`checkpoint_warning`)."""

FEWEST_RECORDS = 100.0
"""WAL records a second below which checkpoints have little to write."""


class Checkpoints(Advisor):
    """`max_wal_size` and `checkpoint_timeout` of the user's own that force a checkpoint on a writing scenario."""

    category = "checkpoints"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        settings = subject.run.postgres.settings if subject.run.postgres else {}
        rates = [(_records(subject, scenario), scenario) for scenario in scenarios(subject, "queries.wal_records")]
        rate, scenario = max(rates, default=(0.0, ""))
        if rate < FEWEST_RECORDS:
            return
        size, timeout = memory(settings.get("max_wal_size", "")), duration(settings.get("checkpoint_timeout", ""))
        if size is not None and size < SHIPPED_WAL_SIZE:
            yield from _requested(
                scenario, size, rate, float(settings.get("checkpoint_completion_target", SHIPPED_TARGET))
            )
        if timeout is not None and timeout < SHIPPED_TIMEOUT_S:
            yield _timed(scenario, timeout, rate)


def _records(subject: Subject, scenario: str) -> float:
    """WAL records a second under load."""
    scope = Scope(scenario)
    return (subject.value("queries.wal_records", scope) or 0.0) * (subject.value("response.rate", scope) or 0.0)


def _requested(scenario: str, size: float, rate: float, target: float) -> Iterator[Advice]:
    every = size / (1 + target) / (rate * RECORD_BYTES)
    if every < OFTEN_S:
        yield _advice(
            scenario,
            f"max_wal_size forces a checkpoint every {show(every, Unit.SECONDS)} or more often",
            f"max_wal_size is {show(size, Unit.BYTES)}, and {rate:.0f} records a second take at least "
            f"{show(rate * RECORD_BYTES, Unit.BYTES)}",
            "raise max_wal_size until only checkpoint_timeout begins checkpoints: 4GB is little on today's disks",
        )


def _timed(scenario: str, timeout: float, rate: float) -> Advice:
    return _advice(
        scenario,
        f"a checkpoint every {show(timeout, Unit.SECONDS)} is more than this load needs",
        f"checkpoint_timeout is {show(timeout, Unit.SECONDS)}, Postgres ships with "
        f"{show(SHIPPED_TIMEOUT_S, Unit.SECONDS)}; {rate:.0f} WAL records a second",
        "leave checkpoint_timeout at 5min or raise it: a server that fails only takes longer to start again",
    )


def _advice(scenario: str, title: str, evidence: str, remedy: str) -> Advice:
    return Advice(
        Checkpoints.category,
        Severity.LOW,
        title,
        (evidence, "after a checkpoint the first change of every page writes the whole page to the WAL"),
        "less is written twice, and response times no longer rise with each checkpoint",
        Effort.MINUTES,
        remedy,
        Scope(scenario),
    )


ADVISOR = Checkpoints()
