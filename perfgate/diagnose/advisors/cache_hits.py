"""A server whose cache is too small for what a scenario reads."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import rounds, scenarios, values
from perfgate.diagnose.sizes import memory
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.model import Scope, Unit
from perfgate.stats import mean
from perfgate.units import show

LOW_RATIO = 0.90
"""Below that share of blocks found in the cache it is low (pgEdge; PgHero warns below 99 %)."""

FEWEST_BLOCKS = 10_000
"""Of fewer blocks in a round the share says nothing (pgEdge)."""


class CacheHits(Advisor):
    """Scenarios whose tables do not fit into `shared_buffers`, and that wait for blocks because of it.

    Where they fit, blocks are missing because every start begins with a cold cache, and come once.
    """

    category = "cache_hits"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario in scenarios(subject, "database.cache_hits"):
            examination = subject.heads.get(scenario)
            ratio = mean(values(subject, "database.cache_hits", Scope(scenario)))
            if examination is not None and ratio < LOW_RATIO and _blocks(subject, scenario) >= FEWEST_BLOCKS:
                yield from _too_small(subject, examination, ratio)


def _blocks(subject: Subject, scenario: str) -> float:
    """About how many blocks the statements of a round looked at."""
    a_request = subject.value("queries.blocks", Scope(scenario)) or 0.0
    rate = subject.value("response.rate", Scope(scenario)) or 0.0
    seconds = [taken.seconds for taken in rounds(subject, scenario)]
    return a_request * rate * mean(seconds) if seconds else 0.0


def _too_small(subject: Subject, examination: Examination, ratio: float) -> Iterator[Advice]:
    cache = memory(examination.settings.get("shared_buffers", ""))
    size = sum(table.size for table in examination.tables)
    if cache is None or size <= cache:
        return
    reading = max(examination.endpoints(), key=lambda endpoint: examination.work(endpoint).blocks)
    most = examination.work(reading).blocks
    yield Advice(
        CacheHits.category,
        Severity.HIGH if subject.red("database.cache_hits") else Severity.LOW,
        f"only {show(ratio, Unit.RATIO)} of the blocks are found in the cache of Postgres",
        (
            f"{show(ratio, Unit.RATIO)} of about {_blocks(subject, examination.scenario):.0f} blocks in a round",
            f"tables and indexes take {show(size, Unit.BYTES)}, shared_buffers {show(cache, Unit.BYTES)}",
            f"{reading} looks at most blocks: {show(most, Unit.COUNT)} a request",
        ),
        "fewer blocks come from the operating system or the disk",
        Effort.HOURS,
        "have statements read fewer blocks first; then raise shared_buffers (a quarter of the memory of a machine "
        "that is the database's alone), here under database.settings and in production",
        Scope(examination.scenario),
        metrics=("database.cache_hits",),
    )


ADVISOR = CacheHits()
