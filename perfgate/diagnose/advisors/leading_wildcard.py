"""LIKE '%…': a pattern that begins with a wildcard, which only an index of trigrams can find. Tried with one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose import plans
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.figures import ANSWERS, laboratory, weighed
from perfgate.diagnose.patterns import patterns
from perfgate.diagnose.subject import Subject
from perfgate.errors import NotMeasured
from perfgate.examination import Examination, Execution, Table
from perfgate.model import Key, Scope, Unit
from perfgate.units import show

FEWEST_ROWS = 1000
"""Smaller tables are read whole as fast as through an index."""

WANTED = 0.5
"""A scan that keeps this share of its rows or more reads them anyway."""

SPARED_SHARE = 0.2
SPARED_BLOCKS = 10.0
"""What the endpoint has to be spared at least, as for any other index."""

EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Search:
    """A column, or an expression, of a table that an endpoint searches by patterns with a wildcard in front."""

    endpoint: str
    statement: str
    table: Table
    key: str
    read: float
    found: float

    def index(self, taken: set[str]) -> str:
        """The statement that makes the index."""
        words = [plans.parts(self.table.name)[1], *re.findall(r"\w+", self.key), "trgm"]
        stem = "_".join(words)[: _LONGEST_NAME - 4]
        name = next(n for n in (stem, *(f"{stem}_{i}" for i in range(len(taken) + 1))) if n not in taken)
        table = plans.written(self.table.name)
        return f"CREATE INDEX {plans.quoted(name)} ON {table} USING gin ({self.key} gin_trgm_ops)"


class LeadingWildcard(Advisor):
    """Searches of large tables by `LIKE '%…'` and `ILIKE '%…'` that read them from one end to the other."""

    category = "leading_wildcard"
    tries = True

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for examination in subject.heads.values():
            by_key = {
                (s.endpoint, s.table.name, s.key): s for e in examination.executions for s in _searches(examination, e)
            }
            for search in by_key.values():
                if (advice := _advised(subject, examination, search)) is not None:
                    yield advice


def _searches(examination: Examination, execution: Execution) -> Iterator[Search]:
    for scan in plans.scans(execution.plan, examination.tables):
        kept, read = plans.rows(scan.node), plans.rows(scan.node) + plans.discarded(scan.node)
        if scan.node["Node Type"] != "Seq Scan" or read < FEWEST_ROWS or kept >= WANTED * read:
            continue
        for pattern in patterns(str(scan.node.get("Filter", "")), scan.alias, execution):
            if pattern.leads:
                yield Search(execution.endpoint, execution.statement, scan.table, pattern.key, read, kept)


def _advised(subject: Subject, examination: Examination, search: Search) -> Advice | None:
    """None where trying it gained nothing."""
    taken = {plans.parts(index.name)[1] for index in examination.indexes}
    sql = (EXTENSION, search.index(taken))
    where = laboratory(subject)
    if where is None:
        return _advice(subject, examination, search, sql, [])
    try:
        after = where.examine(examination.scenario, sql)
    except NotMeasured:  # a server without the extension: elsewhere there may be one
        return _advice(subject, examination, search, sql, [])
    trial = _compared(examination, after, search.endpoint)
    spared = trial.before - trial.after
    if spared < SPARED_BLOCKS or spared < SPARED_SHARE * trial.before:
        return None
    return _advice(subject, examination, search, sql, [trial])


def _compared(before: Examination, after: Examination, endpoint: str) -> Trial:
    was, now = before.work(endpoint).blocks, after.work(endpoint).blocks
    return Trial(f"blocks of {endpoint} a request", Unit.COUNT, was, now)


def _advice(
    subject: Subject, examination: Examination, search: Search, sql: tuple[str, ...], trials: list[Trial]
) -> Advice:
    scope = Scope(examination.scenario, search.endpoint)
    words = shortened(examination.statements.get(search.statement, ""))
    advice = Advice(
        LeadingWildcard.category,
        Severity.MEDIUM if trials else Severity.LOW,
        f"{search.endpoint} searches {search.table.name} by a pattern that begins with a wildcard",
        (
            f"`{words}` read {search.read:.0f} rows of {search.table.name} to find {search.found:.0f}",
            f"{show(examination.work(search.endpoint).blocks, Unit.COUNT)} blocks a request",
        ),
        "an index of trigrams finds the few rows that may match; patterns of less than three letters stay slow",
        Effort.MINUTES,
        "make an index of trigrams (on a live database, CONCURRENTLY), or search by words with to_tsvector and @@; "
        "where only the end is looked for, index reverse() of the column",
        scope,
        sql=sql,
        safe=bool(trials),
        verified=tuple(trials),
        metrics=("queries.blocks", "queries.time", "queries.mean_time", "cpu.database_per_request", *ANSWERS),
    )
    return weighed(subject, advice, Key("queries.blocks", scope))


ADVISOR = LeadingWildcard()
