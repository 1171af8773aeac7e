"""OFFSET that skips many rows: the database reads them all for each page, and throws them away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose import plans
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.figures import ANSWERS, weighed
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination, Execution
from perfgate.model import Key, Scope, Unit
from perfgate.units import show

MANY_ROWS = 1000
"""Fewer rows are skipped in no time."""
FACTOR = 10.0
"""So many times the rows that are given have to be skipped."""
LARGE_BLOCKS = 100.0
"""Skipping that looks at so many blocks is surely worth a change, even where nothing is red."""
DEEPER = 2.0
"""The factor between the blocks of two pages that shows what their place costs."""


@dataclass(frozen=True)
class _Skip:
    """A page: the rows that are read and thrown away before it, those of it, and the blocks looked at for both."""

    execution: Execution
    skipped: float
    given: float
    blocks: float

    @property
    def is_deep(self) -> bool:
        return self.skipped >= MANY_ROWS and self.skipped >= FACTOR * self.given


class DeepOffset(Advisor):
    """At most one advice a statement, of its deepest page."""

    category = "deep_offset"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for examination in subject.heads.values():
            for statement in sorted({execution.statement for execution in examination.executions}):
                pages = [page for e in examination.of(statement) for page in _skips(e)]
                deepest = max(pages, key=lambda page: page.skipped, default=None)
                if deepest is not None and deepest.is_deep:
                    yield _advice(subject, examination, deepest, min(pages, key=lambda page: page.skipped))


def _skips(execution: Execution) -> Iterator[_Skip]:
    """A limit gives less than it is given by what its OFFSET skips: it asks for no more than it needs."""
    for node in execution.nodes():
        if node["Node Type"] == "Limit" and node.get("Plans"):
            taken, given = (float(one.get("Actual Rows", 0)) for one in (node["Plans"][0], node))
            yield _Skip(execution, taken - given, given, plans.blocks(node))


def _advice(subject: Subject, examination: Examination, deepest: _Skip, first: _Skip) -> Advice:
    execution = deepest.execution
    text = shortened(examination.statements.get(execution.statement, execution.statement))
    skipped, given = show(deepest.skipped, Unit.COUNT), show(deepest.given, Unit.COUNT)
    pages = Trial(
        "blocks of the deepest page, beside the first one seen", Unit.COUNT, deepest.blocks, first.blocks, False
    )
    advice = Advice(
        DeepOffset.category,
        Severity.MEDIUM if deepest.blocks >= LARGE_BLOCKS else Severity.LOW,
        f"{execution.endpoint} reads and skips {skipped} rows before its page",
        (f"`{text}` gives {given} rows, and looks at {show(deepest.blocks, Unit.COUNT)} blocks for them",),
        "each page costs what the first one does, however far back it is",
        Effort.HOURS,
        "begin where the last page ended: WHERE (the columns of the order) > (those of the last row seen), with the "
        "same ORDER BY and LIMIT, an index on these columns, and no OFFSET",
        Scope(examination.scenario, execution.endpoint, execution.statement),
        verified=(pages,) if deepest.blocks >= DEEPER * first.blocks else (),
        metrics=("queries.blocks", "queries.time", "queries.mean_time", "cpu.database_per_request", *ANSWERS),
    )
    return weighed(subject, advice, Key("queries.blocks", Scope(examination.scenario, execution.endpoint)))


ADVISOR = DeepOffset()
