"""Steps of plans in words: what kind, of which table, how much; never a condition, for those have literals."""

from __future__ import annotations

from perfgate.diagnose import plans
from perfgate.diagnose.plans import Node
from perfgate.model import Unit
from perfgate.units import show

_KINDS = {
    "Seq Scan": "sequential scan of",
    "Index Scan": "index scan of",
    "Index Only Scan": "index-only scan of",
    "Bitmap Heap Scan": "bitmap scan of",
    "ModifyTable": "change of",
}


def step(node: Node) -> str:
    """`sequential scan of orders`, `sort`."""
    kind, table = str(node["Node Type"]), str(node.get("Relation Name", ""))
    if not table:
        return kind.lower()
    index = f" through {node['Index Name']}" if "Index Name" in node else ""
    return f"{_KINDS.get(kind, kind.lower() + ' of')} {table}{index}"


def costs(node: Node) -> str:
    """`looks at 14200 blocks, keeps 12 rows and throws 71988 away`."""
    given, thrown = plans.rows(node), plans.discarded(node)
    words = [f"looks at {count(plans.own_blocks(node))} blocks", f"gives {count(given)} rows"]
    if thrown:
        words.append(f"throws {count(thrown)} away")
    if spilled := plans.temp_blocks(node):
        words.append(f"writes {count(spilled)} blocks of temporary files")
    return f"{', '.join(words[:-1])} and {words[-1]}"


def count(value: float) -> str:
    """A number of things."""
    return show(value, Unit.COUNT)


def dearest(plan: Node) -> Node:
    """The step that looks at most blocks itself, and of those that look at equally many, the one with most rows."""
    return max(
        (node for node, _ in plans.walk(plan)),
        key=lambda node: (plans.own_blocks(node), plans.rows(node) + plans.discarded(node)),
    )
