"""Foreign keys without an index, where rows that they refer to are deleted: the server reads the whole table each time.

The plan of a DELETE shows nothing of that. The blocks that the statement looked at beyond those of its plan do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfgate.diagnose import plans
from perfgate.diagnose.candidates import FEWEST_ROWS, Candidate, is_covered
from perfgate.diagnose.indexing import RESERVE_S, Chosen
from perfgate.diagnose.rehearsal import NAME, Rehearsal
from perfgate.diagnose.subject import Laboratory
from perfgate.examination import Examination

if TYPE_CHECKING:
    import psycopg

HIDDEN_BLOCKS = 10.0
"""What a call of a statement looks at beyond its plan, if what it sets off is worth a look."""
MOST = 2

# Deleting a row deletes those that refer to it with ON DELETE CASCADE ('c'), and for them the search begins again.
_REFERRING = f"""
WITH RECURSIVE deleted (oid) AS (
    SELECT to_regclass(%s)::oid
    UNION
    SELECT conrelid FROM pg_constraint JOIN deleted ON confrelid = deleted.oid
     WHERE contype = 'f' AND confdeltype = 'c'
)
SELECT {NAME} AS name, conname,
       ARRAY(SELECT attname::text
               FROM unnest(conkey) WITH ORDINALITY AS key (number, place)
               JOIN pg_attribute ON attrelid = conrelid AND attnum = number
              ORDER BY place)
  FROM pg_constraint
  JOIN deleted ON confrelid = deleted.oid
  JOIN pg_class ON pg_class.oid = conrelid
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE contype = 'f'
 ORDER BY name, conname
"""


@dataclass(frozen=True)
class _Reference:
    """A foreign key of `table` to rows that are deleted, or that go with those."""

    table: str
    constraint: str
    columns: tuple[str, ...]
    deleted: str

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.table, tuple(map(plans.quoted, self.columns)))

    @property
    def reason(self) -> str:
        rows = f"rows of {self.table} that refer to it"
        return f"for each row deleted from {self.deleted}, the server looks for {rows} (constraint {self.constraint})"


def chosen(
    examined: Examination, laboratory: Laboratory, taken: Sequence[str], beside: Sequence[Chosen]
) -> list[Chosen]:
    """The indexes worth an examination, those of the largest tables first; what `beside` has is left out.

    `taken` are names that no index may get. Raises NotMeasured where there is no copy to look into.
    """
    deleted = sorted(_deleted(examined))
    if not deleted or laboratory.seconds_left() < RESERVE_S:
        return []
    found = []
    with laboratory.altered(examined.scenario) as connection, Rehearsal.of(connection, examined) as rehearsal:
        references = {one.candidate: one for name in deleted for one in _referring(connection, name)}
        listed = [one for one in references.values() if _is_wanted(one.candidate, examined, beside)]
        for one in sorted(listed, key=lambda one: -_rows(examined, one.table))[:MOST]:
            name = one.candidate.name((*taken, *rehearsal.present))
            before = rehearsal.wal_per_row(one.table)
            rehearsal.attempt(one.candidate.sql(name))
            after = rehearsal.wal_per_row(one.table)
            taken = (*taken, name)
            found.append(Chosen(one.candidate, name, (before, after) if before and after else None, one.reason))
    return found


def _deleted(examined: Examination) -> set[str]:
    """The tables of which rows are deleted by statements that do more than their plans show."""
    known = {plans.parts(table.name): table.name for table in examined.tables}
    doing_more = {s for s in {e.statement for e in examined.executions} if _hidden(examined, s) >= HIDDEN_BLOCKS}
    deleting = (
        plans.relation(node)
        for execution in examined.executions
        if execution.statement in doing_more
        for node in execution.nodes()
        if node.get("Operation") == "Delete"
    )
    return {known[relation] for relation in deleting if relation in known}


def _hidden(examined: Examination, statement: str) -> float:
    """The blocks of a call beyond those of its plan."""
    sent = examined.of(statement)
    work = [request.work[statement] for request in examined.requests if statement in request.work]
    calls = sum(counters.calls for counters in work)
    if not calls:
        return 0.0
    return sum(counters.blocks for counters in work) / calls - sum(plans.blocks(e.plan) for e in sent) / len(sent)


def _referring(connection: psycopg.Connection, name: str) -> Iterator[_Reference]:
    for table, constraint, columns in connection.execute(_REFERRING.encode(), [plans.written(name)]):
        yield _Reference(str(table), str(constraint), tuple(columns), name)


def _is_wanted(candidate: Candidate, examined: Examination, beside: Sequence[Chosen]) -> bool:
    others = (one.candidate for one in beside if one.candidate.table == candidate.table)
    is_chosen = any(other.keys[: len(candidate.keys)] == candidate.keys for other in others)
    small = _rows(examined, candidate.table) < FEWEST_ROWS
    return not (small or is_chosen or is_covered(candidate, examined.indexes))


def _rows(examined: Examination, name: str) -> float:
    table = examined.table(name)
    return table.rows if table else 0.0
