"""Tables that a scenario fills with dead rows faster than vacuuming can follow.

perfgate vacuums before each pass and not in it, so all dead rows are the pass's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.figures import weighed
from perfgate.diagnose.plans import parts, relation, rows, written
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination, Table
from perfgate.model import Key, Scope, Unit
from perfgate.units import show

DEAD_SHARE = 0.10
"""Above that share of dead rows scans read noticeably more (pgEdge; half of autovacuum's own 20 %)."""

FEWEST_ROWS = 1000
"""Of smaller tables the share says nothing (pgEdge)."""

WHOLESALE = 0.10
"""A request that leaves this share of the table dead does so whatever the table's size: it is not the test's data."""


class Vacuum(Advisor):
    """Tables of which the closer look left more than a tenth dead, and the statement that did it."""

    category = "vacuum"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for examination in subject.heads.values():
            for table in examination.tables:
                if table.rows >= FEWEST_ROWS and table.dead_rows > DEAD_SHARE * (table.rows + table.dead_rows):
                    yield _dead(subject, examination, table)


def _dead(subject: Subject, examination: Examination, table: Table) -> Advice:
    share = table.dead_rows / (table.rows + table.dead_rows)
    done = _rewritten(examination, table)
    statement, most = done.most_common(1)[0] if done else ("", 0.0)
    endpoints = examination.asked_by(statement)
    scope = Scope(examination.scenario, endpoints[0] if endpoints else "", table=table.name)
    words = shortened(examination.statements.get(statement, ""))
    advice = Advice(
        Vacuum.category,
        Severity.MEDIUM if most > WHOLESALE * table.rows else Severity.LOW,
        f"{show(share, Unit.RATIO)} of {table.name} are dead rows after {len(examination.requests)} requests",
        (
            f"{table.dead_rows} dead beside {table.rows:.0f} live rows",
            *([f"one call of `{words}` replaces or deletes {most:.0f} of them"] if words else []),
            f"the table and its indexes take {show(table.size, Unit.BYTES)}",
        ),
        "scans read fewer dead rows, and the table stays as small as its content",
        Effort.HOURS,
        "change only the rows that differ (AND column IS DISTINCT FROM the new value), and keep what changes often in "
        "a narrow table of its own; where so many must change, have autovacuum come sooner",
        scope,
        sql=(
            (
                f"ALTER TABLE {written(table.name)} "
                "SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"
            ),
        ),
        metrics=("tables.dead_rows", "tables.growth", "queries.wal_records"),
    )
    return weighed(subject, advice, Key("tables.dead_rows", Scope(scope.scenario, table=_plain(table.name))))


def _plain(name: str) -> str:
    """The table as samples name it: without quotes."""
    schema, own = parts(name)
    return own if schema == "public" else f"{schema}.{own}"


def _rewritten(examination: Examination, table: Table) -> Counter[str]:
    """The most rows of a table that one execution of each statement changed or deleted."""
    found = Counter[str]()
    for execution in examination.executions:
        for node in execution.nodes():
            if node.get("Operation") in ("Update", "Delete", "Merge") and relation(node) == parts(table.name):
                changed = sum(rows(child) for child in node.get("Plans", ()))
                found[execution.statement] = max(found[execution.statement], round(changed))
    return found


ADVISOR = Vacuum()
