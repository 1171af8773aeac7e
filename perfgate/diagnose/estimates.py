"""Where the planner was wrong about how many rows come, and statistics that would have told it: tried in a copy.

A database that perfgate examines was analysed when it was filled, so that its statistics are never merely old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from perfgate.diagnose import plans
from perfgate.diagnose.candidates import spread
from perfgate.diagnose.plans import Node, Scan
from perfgate.diagnose.predicates import Condition, Kind, conditions
from perfgate.diagnose.rehearsal import Rehearsal
from perfgate.examination import Examination, Execution

LEAST_FACTOR = 10.0
LEAST_ROWS = 100.0
"""An estimate is wrong that is ten times too high or too low (q-error), where there are 100 rows (pgexplain)."""
BETTER = 3.0
"""By what factor statistics have to improve an estimate."""
EXPRESSIONS_SINCE = 14

# Above these a plan stops reading before all rows have come, and a count of rows says nothing about the estimate.
_STOPPING = frozenset({"Limit", "Merge Join", "Unique"})
_STOPPING_JOINS = frozenset({"Semi", "Anti"})


@dataclass(frozen=True)
class Misjudged:
    """A scan whose rows the planner misjudged, in one execution."""

    execution: Execution
    scan: Scan

    @property
    def factor(self) -> float:
        """How many times too high or too low."""
        return error(self.scan.node)


@dataclass(frozen=True)
class Remedy:
    """Statistics that make the estimate better: the factors by which it was, and would be, wrong; blocks of a call."""

    sql: str
    before: float
    after: float
    blocks_before: float
    blocks_after: float


def error(node: Node) -> float:
    """The factor between rows expected and found in a loop, at least 1 (Moerkotte, Neumann, Steidl: VLDB 2009)."""
    expected, found = max(1.0, float(node.get("Plan Rows", 1))), max(1.0, float(node.get("Actual Rows", 1)))
    return max(expected / found, found / expected)


def misjudged(examined: Examination, statement: str) -> Misjudged | None:
    """The scan of a statement whose estimate is most wrong, if any is wrong enough."""
    found = [
        Misjudged(execution, scan)
        for execution in spread(examined.of(statement))
        for scan in plans.scans(execution.plan, examined.tables)
        if _is_wrong(scan)
    ]
    return max(found, key=lambda one: one.factor, default=None)


def _is_wrong(scan: Scan) -> bool:
    node = scan.node
    expected, found = float(node.get("Plan Rows", 1)), float(node.get("Actual Rows", 1))
    if plans.loops(node) < 1 or error(node) < LEAST_FACTOR or max(expected, found) < LEAST_ROWS:
        return False
    return found > expected or not any(_stops(above) for above in scan.above)


def _stops(node: Node) -> bool:
    return node["Node Type"] in _STOPPING or node.get("Join Type") in _STOPPING_JOINS


def remedy(examined: Examination, wrong: Misjudged, rehearsal: Rehearsal) -> Remedy | None:
    """Extended statistics about the scan's conditions, if they improve the estimate of the same execution."""
    before = rehearsal.plan(wrong.execution)
    if before is None:
        return None
    for sql in _statistics(examined, wrong.scan):
        with rehearsal.trying([sql, f"ANALYZE {plans.written(wrong.scan.table.name)}"]) as made:
            after = rehearsal.plan(wrong.execution) if made else None
        if after is None:
            continue
        was, now = (_factor(plan, wrong.scan, examined) for plan in (before, after))
        if was and now and was >= LEAST_FACTOR and now * BETTER <= was:
            return Remedy(sql, was, now, plans.blocks(before), plans.blocks(after))
    return None


def _factor(plan: Node, scan: Scan, examined: Examination) -> float | None:
    """How wrong the estimate of the same table is in another plan."""
    same = (error(s.node) for s in plans.scans(plan, examined.tables) if s.alias == scan.alias)
    return max(same, default=None)


def _statistics(examined: Examination, scan: Scan) -> Iterator[str]:
    """What may be made for a scan: of the columns that it compares together, or of an expression."""
    texts = [str(scan.node.get(name, "")) for name in ("Index Cond", "Recheck Cond", "Filter")]
    found = [c for text in texts if text for c in conditions(text, scan.alias)]
    together = _unique(c.key for c in found if c.kind is Kind.EQUAL and c.key.startswith('"'))
    target = plans.written(scan.table.name)
    if len(together) > 1:
        yield f"CREATE STATISTICS {_name(scan, found)} (dependencies, mcv) ON {', '.join(together)} FROM {target}"
    expressions = _unique(c.key for c in found if c.key.startswith("(") and not c.constants)
    if expressions and examined.version >= EXPRESSIONS_SINCE:
        yield f"CREATE STATISTICS {_name(scan, found)} ON {expressions[0]} FROM {target}"


def _unique(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))


def _name(scan: Scan, found: Iterable[Condition]) -> str:
    words = [plans.parts(scan.table.name)[1], *_unique(column for c in found for column in c.columns)]
    return plans.quoted("_".join(words)[:55] + "_stat")
