"""Indexes that no scenario reads, and that every write keeps up."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.indexes import redundant
from perfgate.diagnose.plans import written
from perfgate.diagnose.subject import Subject
from perfgate.examination import Index
from perfgate.model import Scope, Unit
from perfgate.units import show

FEWEST_ROWS = 1000
"""Of smaller tables the planner reads no index, whatever it is good for."""

MOST = 5
"""More of them are told of in one number: a scenario that leaves most of a schema alone says little of it."""


class UnusedIndex(Advisor):
    """Indexes of tables that are read and written under load, of no use to any of it.

    Says nothing where a scenario was left out or could not be looked at: that one may be what an index is for.
    """

    category = "unused_index"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        unseen = {*subject.run.loads} - {*subject.heads}
        if not subject.heads or subject.run.left_out or unseen:
            return
        unused = sorted(_unused(subject), key=lambda index: (-index.size, index.name))
        for index in unused[:MOST]:
            yield _advice(index, subject, more=len(unused) - MOST if index is unused[0] else 0)


def _unused(subject: Subject) -> Iterator[Index]:
    heads = list(subject.heads.values())
    used = {index.name for head in heads for index in head.indexes if index.scans}
    busy = {t.name for head in heads for t in head.tables if t.written and t.rows >= FEWEST_ROWS}
    # of two that serve alike one is read and the other is not: which of them may go is another advisor's to try
    twins = {i.name for head in heads for double in redundant(head.indexes) for i in (double.index, double.beside)}
    every = {index.name: index for head in heads for index in head.indexes}
    for index in every.values():
        if index.table in busy and index.name not in used | twins and not index.enforces and index.valid:
            yield index


def _advice(index: Index, subject: Subject, more: int) -> Advice:
    changed = sum(t.written for head in subject.heads.values() for t in head.tables if t.name == index.table)
    changes = f"{changed} {'row' if changed == 1 else 'rows'} of {index.table} came or went"
    return Advice(
        UnusedIndex.category,
        Severity.LOW,
        f"index {index.name} of {index.table} is read by no statement of the scenarios",
        (
            f"not one scan in {', '.join(sorted(subject.heads))}, while {changes}",
            f"it takes {show(index.size, Unit.BYTES)}",
            *([f"{more} more indexes were not read either"] if more > 0 else []),
        ),
        "each row that is inserted writes one record less to the write-ahead log",
        Effort.MINUTES,
        "drop it if nothing else reads it: jobs, reports, deletes of rows that others refer to. In production "
        "pg_stat_user_indexes.idx_scan tells; there, drop it CONCURRENTLY",
        Scope(table=index.table),
        sql=(f"DROP INDEX {written(index.name)}",),
        metrics=("indexes.unused",),
    )


ADVISOR = UnusedIndex()
