"""Statements that read a large table from one end to the other because they ask for most of it.

What an index may spare is tried by the advisor of missing indexes, so nothing is said here of rows that are discarded.
"""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.plans import Node, Scan, discarded, loops, rows, scans
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination, Execution
from perfgate.model import Scope, Unit
from perfgate.units import show

LARGE_ROWS = 10_000
"""From so many rows on a table is large (PgHero)."""

WANTED = 0.5
"""What share of the rows that it reads a scan, and each join above it, has to keep for an index to be of no use."""

MOST = 5
"""So many are told of, those that read most rows."""


class SequentialScan(Advisor):
    """Scans of large tables whose rows are really wanted: more than a page of an answer shows."""

    category = "sequential_scan"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        found: dict[tuple[str, str], tuple[float, Advice]] = {}
        for examination in subject.heads.values():
            for execution in examination.executions:
                for scan in scans(execution.plan, examination.tables):
                    if _is_whole(scan):
                        key = execution.statement, scan.table.name
                        found.setdefault(key, (rows(scan.node), _advice(examination, execution, scan)))
        for _, advice in sorted(found.values(), key=lambda pair: -pair[0])[:MOST]:
            yield advice


def _is_whole(scan: Scan) -> bool:
    """Whether one execution reads the table whole, and needs what it reads."""
    read = rows(scan.node) + discarded(scan.node)
    if scan.node["Node Type"] != "Seq Scan" or read < LARGE_ROWS * max(1.0, loops(scan.node)):
        return False
    return rows(scan.node) >= WANTED * read and all(_keeps(node, rows(scan.node)) for node in scan.above)


def _keeps(node: Node, read: float) -> bool:
    """Whether a node passes on what it is given: not a limit, and no join that throws most of it away."""
    if node["Node Type"] == "Limit":
        return False
    return "Join Type" not in node or rows(node) >= WANTED * read


def _advice(examination: Examination, execution: Execution, scan: Scan) -> Advice:
    words = shortened(examination.statements.get(execution.statement, ""))
    times = f", {loops(scan.node):.0f} times" if loops(scan.node) > 1 else ""
    given = rows(execution.plan)
    return Advice(
        SequentialScan.category,
        Severity.LOW,
        f"{execution.endpoint} reads the whole of {scan.table.name}",
        (
            f"`{words}` reads {rows(scan.node):.0f} rows of {scan.table.name}{times}, and returns {given:.0f}",
            f"the table and its indexes take {show(scan.table.size, Unit.BYTES)}",
        ),
        "the work of a request no longer grows with the table",
        Effort.HOURS,
        "ask for a page of it (WHERE the key is beyond the last one, ORDER BY the key, LIMIT), or keep the sums that "
        "are asked for in a table of their own or a materialized view",
        Scope(examination.scenario, execution.endpoint, table=scan.table.name),
        metrics=("tables.sequential_scans", "tables.sequential_rows"),
    )


ADVISOR = SequentialScan()
