"""Indexes that another index makes superfluous: dropped in a copy, to see what writes save and whether reads lose."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import laboratory, weighed
from perfgate.diagnose.indexes import Redundant, redundant
from perfgate.diagnose.plans import parts, written
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.model import Scope, Unit
from perfgate.units import show

MOST = 5
"""So many are told of, the largest."""

FEWEST_ROWS = 1000
"""An index of a smaller table costs next to nothing."""

SAVED_RECORDS = 0.5
SAVED_SHARE = 0.01
"""What a request has to save to be worth more than a hint: half a record of WAL, and more than their own spread."""

LOST_SHARE = 0.10
LOST_BLOCKS = 10.0
"""Reads that look at more blocks than this without the index had a use for it."""


class DuplicateIndex(Advisor):
    """Indexes with the same columns, classes, directions and predicate as the beginning of another one."""

    category = "duplicate_index"
    tries = True

    def advise(self, subject: Subject) -> Iterator[Advice]:
        large = {t.name for head in subject.heads.values() for t in head.tables if t.rows >= FEWEST_ROWS}
        every = {i.name: i for head in subject.heads.values() for i in head.indexes if i.table in large}
        doubles = sorted(redundant(list(every.values())), key=lambda double: -double.index.size)
        for double in doubles[:MOST]:
            saved, reads = _tried(subject, double)
            if not any(_lost(trial) for trial in reads):
                advice = _advice(double, saved, reads)
                yield advice if _was_there(subject, double) else weighed(subject, advice)


def _was_there(subject: Subject, double: Redundant) -> bool:
    """Whether base had the index as well: then it explains nothing that is red."""
    return any(i.name == double.index.name for base in subject.bases.values() for i in base.indexes)


def _tried(subject: Subject, double: Redundant) -> tuple[list[Trial], list[Trial]]:
    """What dropping the index saves writes, and what it does to reads, in each scenario that it matters to."""
    saved: list[Trial] = []
    reads: list[Trial] = []
    for scenario, before in subject.heads.items():
        uses = any(i.name == double.index.name and i.scans for i in before.indexes)
        writes = any(t.name == double.index.table and t.written for t in before.tables)
        where = laboratory(subject)
        if where is not None and (uses or writes):
            after = where.examine(scenario, [_drop(double)])
            saved += _saved(before, after)
            reads += _reads(before, after, double)
    return saved, reads


def _saved(before: Examination, after: Examination) -> Iterator[Trial]:
    """The endpoints that write less WAL."""
    for endpoint in before.endpoints():
        was, now = before.work(endpoint).wal_records, after.work(endpoint).wal_records
        if was - now >= max(SAVED_RECORDS, SAVED_SHARE * was):
            yield Trial(f"WAL records of {endpoint} a request", Unit.COUNT, was, now)


def _reads(before: Examination, after: Examination, double: Redundant) -> Iterator[Trial]:
    """The blocks of endpoints that used the index."""
    name = parts(double.index.name)[1]
    using = {e.endpoint for e in before.executions for node in e.nodes() if node.get("Index Name") == name}
    for endpoint in sorted(using):
        was, now = before.work(endpoint).blocks, after.work(endpoint).blocks
        yield Trial(f"blocks of {endpoint} a request", Unit.COUNT, was, now)


def _lost(trial: Trial) -> bool:
    return trial.after - trial.before > max(LOST_BLOCKS, LOST_SHARE * trial.before)


def _drop(double: Redundant) -> str:
    return f"DROP INDEX {written(double.index.name)}"


def _advice(double: Redundant, saved: list[Trial], reads: list[Trial]) -> Advice:
    index, beside = double.index, double.beside
    how = "has the same columns as" if double.exact else "has the first columns of"
    return Advice(
        DuplicateIndex.category,
        Severity.MEDIUM if saved else Severity.LOW,
        f"index {index.name} of {index.table} {how} {beside.name}",
        (
            (
                f"{index.name} ({', '.join(index.columns)}) beside {beside.name} ({', '.join(beside.columns)}), "
                f"both {index.method}"
            ),
            f"it takes {show(index.size, Unit.BYTES)}",
        ),
        "each row that is inserted writes one record less to the write-ahead log, and reads use the other index",
        Effort.MINUTES,
        f"drop it: {beside.name} serves whatever it is read for; on a live database, CONCURRENTLY",
        Scope(table=index.table),
        sql=(_drop(double),),
        safe=bool(saved or reads),
        verified=(*saved, *reads),
        metrics=("queries.wal_records",),
    )


ADVISOR = DuplicateIndex()
