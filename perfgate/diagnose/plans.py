"""Reading plans as EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) gives them: their nodes, scans, work and shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from perfgate.examination import Table

Node = Mapping[str, Any]

_PARTS = re.compile(r'"(?:[^"]|"")*"|[^."]+')


def walk(plan: Node) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Every node with those above it, the nearest first; parents before children."""
    waiting: list[tuple[Node, tuple[Node, ...]]] = [(plan, ())]
    while waiting:
        node, above = waiting.pop()
        yield node, above
        waiting.extend((child, (node, *above)) for child in reversed(node.get("Plans", ())))


def rows(node: Node) -> float:
    """What a node gave in all its loops together: Postgres shows the mean of a loop."""
    return float(node.get("Actual Rows", 0)) * loops(node)


def loops(node: Node) -> float:
    """How often a node ran."""
    return float(node.get("Actual Loops", 1))


def discarded(node: Node) -> float:
    """The rows that a node read and threw away, in all its loops."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
    return sum(float(node.get(name, 0)) for name in removed) * loops(node)


def blocks(node: Node) -> float:
    """The blocks that a node and those below it looked at, cached or not."""
    return float(node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0))


def own_blocks(node: Node) -> float:
    """The blocks that a node looked at itself."""
    return blocks(node) - sum(blocks(child) for child in node.get("Plans", ()))


def own_cost(node: Node) -> float:
    """What the planner thinks a node costs itself."""
    return float(node["Total Cost"]) - sum(float(child["Total Cost"]) for child in node.get("Plans", ()))


def temp_blocks(node: Node) -> float:
    """The blocks of temporary files that a node and those below it wrote: what did not fit into work_mem."""
    return float(node.get("Temp Written Blocks", 0))


def parts(name: str) -> tuple[str, str]:
    """Schema and name of a table or index as one writes it in SQL, without quotes; the schema of most is public."""
    found = [p[1:-1].replace('""', '"') if p[0] == '"' else p for p in _PARTS.findall(name)]
    return (found[0], found[1]) if len(found) > 1 else ("public", found[0])


def quoted(name: str) -> str:
    """An identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def written(name: str) -> str:
    """A table or index as one writes it in SQL, all quoted."""
    schema, own = parts(name)
    return quoted(own) if schema == "public" else f"{quoted(schema)}.{quoted(own)}"


def relation(node: Node) -> tuple[str, str]:
    """Schema and name of the table that a node reads or changes; ("", "") where it is about none."""
    return str(node.get("Schema", "")), str(node.get("Relation Name", ""))


@dataclass(frozen=True)
class Scan:
    """A node that reads a table, and the nodes above it, the nearest first."""

    node: Node
    above: tuple[Node, ...]
    table: Table

    @property
    def alias(self) -> str:
        return str(self.node.get("Alias", self.node["Relation Name"]))


def scans(plan: Node, tables: Iterable[Table]) -> Iterator[Scan]:
    """The scans of these tables."""
    known = {parts(table.name): table for table in tables}
    for node, above in walk(plan):
        if str(node.get("Node Type", "")).endswith("Scan") and (table := known.get(relation(node))) is not None:
            yield Scan(node, above, table)


@dataclass(frozen=True)
class Shape:
    """What kind of plan it is, whatever it cost: each node's type with what it reads, in depth-first order."""

    steps: tuple[tuple[int, str, str, str], ...]

    @property
    def indexes(self) -> frozenset[str]:
        """The names of the indexes that are used."""
        return frozenset(index for _, _, _, index in self.steps if index)


def shape(plan: Node) -> Shape:
    """The shape of a plan."""
    return Shape(
        tuple(
            (len(above), _kind(node), str(node.get("Relation Name", "")), str(node.get("Index Name", "")))
            for node, above in walk(plan)
        )
    )


def _kind(node: Node) -> str:
    parallel = "Parallel " if node.get("Parallel Aware") else ""
    return " ".join(
        str(p) for p in (parallel + str(node["Node Type"]), node.get("Join Type"), node.get("Strategy")) if p
    )
