"""`SELECT *` of wide rows: columns that are read, sent and unpacked for every row, wanted or not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.plans import rows
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination, Execution
from perfgate.model import Scope, Unit
from perfgate.units import show

WIDE_BYTES = 1024
"""From that average width on a row is wide; eight of them fill a block."""

MANY_COLUMNS = 20
"""From so many columns on hardly any code uses all of them."""

FEWEST_ROWS = 10
"""Of fewer rows it does not matter."""

MOST = 5
"""So many are told of, those that send most bytes."""

_STAR = re.compile(r"(?:\b(?:SELECT|DISTINCT|ALL)|,) ?\*|\.\*")
"""A star that stands for columns in a normalised statement: that of `count(*)` and of a product do not."""


class WideRows(Advisor):
    """Statements with a star whose rows are over a KB by the planner's statistics, or have twenty columns."""

    category = "wide_rows"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        found: dict[str, tuple[float, Advice]] = {}
        for examination in subject.heads.values():
            for execution in examination.executions:
                text = examination.statements.get(execution.statement, "")
                if _STAR.search(text) and _is_wide(execution):
                    sent = rows(execution.plan) * float(execution.plan["Plan Width"])
                    if sent > found.get(execution.statement, (-1.0,))[0]:
                        found[execution.statement] = (sent, _advice(examination, execution, text))
        for _, advice in sorted(found.values(), key=lambda pair: -pair[0])[:MOST]:
            yield advice


def _is_wide(execution: Execution) -> bool:
    columns, width = len(execution.plan.get("Output", ())), float(execution.plan.get("Plan Width", 0))
    return (width >= WIDE_BYTES or columns >= MANY_COLUMNS) and rows(execution.plan) >= FEWEST_ROWS


def _advice(examination: Examination, execution: Execution, text: str) -> Advice:
    given, width = rows(execution.plan), float(execution.plan["Plan Width"])
    columns = len(execution.plan.get("Output", ()))
    return Advice(
        WideRows.category,
        Severity.LOW,
        f"{execution.endpoint} reads all columns of wide rows",
        (
            (
                f"`{shortened(text)}` gives {given:.0f} rows of {columns} columns, {show(width, Unit.BYTES)} each: "
                f"{show(given * width, Unit.BYTES)}"
            ),
        ),
        "fewer bytes to read, send and unpack for each row; maybe an index alone answers it",
        Effort.MINUTES,
        "name the columns that are used (in an ORM: only(), load_only(), select()), and leave long texts and documents "
        "to the page that shows them",
        Scope(examination.scenario, execution.endpoint, execution.statement),
        metrics=("queries.mean_time",),
    )


ADVISOR = WideRows()
