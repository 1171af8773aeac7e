"""Indexes that might spare what the plans of one scenario threw away: by what was measured, not by how it is written.

The rows that executions read and discarded say where an index may help (the way of pg_qualstats); the conditions,
joins and orders there say which. Equal columns come first, then the one of the range or the order.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from perfgate.diagnose import plans
from perfgate.diagnose.plans import Node, Scan
from perfgate.diagnose.predicates import Condition, Kind, columns, conditions, order
from perfgate.examination import Examination, Execution, Index, Table

FEWEST_ROWS = 1000
"""Smaller tables are read whole as fast as through an index."""
FEWEST_DISCARDED = 500
"""An execution that throws away fewer rows gains little by any index."""
MOST_KEYS = 3
MOST_INCLUDED = 4
MOST_EXECUTIONS = 12
LONGEST_NAME = 63

_SUBQUERIES = ("SubPlan", "InitPlan")
_JOINING = ("Hash Cond", "Merge Cond", "Join Filter")
_GROUPING = frozenset({"Aggregate", "WindowAgg", "Unique", "SetOp", "Group"})
_EXTREME = re.compile(r"(?:min|max)\((?P<of>.+)\)")
_PLAIN = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Candidate:
    """An index that might be made: `keys` as SQL in their order, with DESC where it has to be.

    `literals` are the strings and numbers in its predicate: they are shown only if the schema has them anyway.
    """

    table: str
    keys: tuple[str, ...]
    method: str = "btree"
    include: tuple[str, ...] = ()
    predicate: str = ""
    literals: tuple[str, ...] = ()

    @property
    def plainness(self) -> tuple[int, ...]:
        """Less is plainer: of two that spare about the same, the plainer one is better."""
        return len(self.keys) + len(self.include), len(self.include), bool(self.predicate), self.method != "btree"

    def sql(self, name: str) -> str:
        """The statement that makes it; `name` is not quoted yet."""
        using = "" if self.method == "btree" else f" USING {self.method}"
        include = f" INCLUDE ({', '.join(map(plans.quoted, self.include))})" if self.include else ""
        predicate = f" WHERE {self.predicate}" if self.predicate else ""
        made = f"{plans.written(self.table)}{using} ({', '.join(self.keys)}){include}{predicate}"
        return f"CREATE INDEX {plans.quoted(name)} ON {made}"

    def name(self, taken: Iterable[str]) -> str:
        """A name in the way of Postgres, `order_items_order_id_idx`, that is none of `taken`."""
        words = [plans.parts(self.table)[1], *(word for key in self.keys for word in _PLAIN.findall(key))]
        stem = re.sub(r"\W+", "_", "_".join(words))[: LONGEST_NAME - 8]
        used = {plans.parts(name)[1] for name in taken}
        names = (f"{stem}_idx{number or ''}" for number in range(len(used) + 1))
        return next(name for name in names if name not in used)


@dataclass(frozen=True)
class Wish:
    """A candidate with the statements that it might help, and the rows that they threw away in the pass.

    `needed` are the columns that they take from the table: an index that has them all spares the table itself.
    """

    candidate: Candidate
    discarded: Mapping[str, float]
    needed: frozenset[str]

    @property
    def weight(self) -> float:
        """What may be spared at most, to look at the greatest first."""
        return sum(self.discarded.values())

    def covering(self) -> Candidate | None:
        """The candidate with what else is taken from its table, if that is little."""
        keys = {name for key in self.candidate.keys for name in _PLAIN.findall(key)}
        extra = tuple(sorted(self.needed - keys))
        fits = not self.candidate.include and 0 < len(extra) <= MOST_INCLUDED and self.candidate.method == "btree"
        return replace(self.candidate, include=extra) if fits else None


def wishes(examined: Examination) -> list[Wish]:
    """All candidates for the executions of an examination, those that might spare most first."""
    discarded: dict[Candidate, dict[str, float]] = defaultdict(dict)
    needed: dict[Candidate, set[str]] = defaultdict(set)
    known = {table.name: table for table in examined.tables}
    for statement in sorted({e.statement for e in examined.executions}):
        sent = examined.of(statement)
        looked = _Looked(spread(sent))
        for execution in looked.executions:
            for scan in plans.scans(execution.plan, known.values()):
                waste = _Waste(scan)
                if scan.table.rows < FEWEST_ROWS or waste.rows < FEWEST_DISCARDED:
                    continue
                for candidate in _candidates(waste, looked):
                    share = waste.rows / len(looked.executions) * len(sent)
                    discarded[candidate][statement] = discarded[candidate].get(statement, 0.0) + share
                    needed[candidate] |= waste.needed
    made = [Wish(c, by, frozenset(needed[c])) for c, by in discarded.items() if not is_covered(c, examined.indexes)]
    return sorted(made, key=lambda wish: (-wish.weight, wish.candidate.plainness, wish.candidate.keys))


def spread(executions: Sequence[Execution], most: int = MOST_EXECUTIONS) -> list[Execution]:
    """At most so many of the executions, from all over the pass."""
    step = max(1.0, len(executions) / most)
    return [executions[int(place * step)] for place in range(min(most, len(executions)))]


def is_covered(candidate: Candidate, indexes: Iterable[Index]) -> bool:
    """Whether an index begins with the candidate's keys: what the planner left unused would be so again."""
    return any(
        index.table == candidate.table
        and index.valid
        and index.method == candidate.method
        and _begins(candidate, index)
        for index in indexes
    )


def _begins(candidate: Candidate, index: Index) -> bool:
    if candidate.predicate or candidate.include or index.predicate:
        return False
    ours = [key.replace('"', "") for key in candidate.keys]
    theirs = [column.replace('"', "") for column in index.columns[: len(ours)]]
    return ours == theirs


@dataclass(frozen=True)
class _Looked:
    """The executions of one statement that are looked at, and what in them is the program's and no user's."""

    executions: Sequence[Execution]

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(execution.text for execution in self.executions)

    def is_code(self, literals: Iterable[str]) -> bool:
        """Whether strings and numbers stand in the program's text, where values are sent apart or seen to change."""
        apart = all(execution.parameters for execution in self.executions)
        return all(
            (apart or len(self.texts) >= 3) and all(literal in text for text in self.texts) for literal in literals
        )


@dataclass(frozen=True)
class _Waste:
    """A scan that reads more than is wanted of it, and the conditions that say what is wanted."""

    scan: Scan

    @cached_property
    def own(self) -> list[Condition]:
        texts = [str(self.scan.node.get(name, "")) for name in ("Index Cond", "Recheck Cond", "Filter")]
        return [c for text in texts if text for c in conditions(text, self.scan.alias)]

    @cached_property
    def near(self) -> tuple[Node, ...]:
        """The nodes above within the same query: what a subplan is used for is another matter."""
        chain = (self.scan.node, *self.scan.above)
        crossed = (place for place, node in enumerate(chain) if node.get("Parent Relationship") in _SUBQUERIES)
        return self.scan.above[: next(crossed, len(chain))]

    @cached_property
    def join(self) -> Node | None:
        """The join right above a scan that reads its table whole."""
        whole = self.scan.node["Node Type"] in ("Seq Scan", "Index Only Scan")
        return next((node for node in self.near if "Join Type" in node), None) if whole else None

    @cached_property
    def joined(self) -> list[Condition]:
        """What the join compares with other tables."""
        texts = [str(self.join[name]) for name in _JOINING if name in self.join] if self.join else []
        return [c for text in texts for c in conditions(text, self.scan.alias, joins=True)]

    @cached_property
    def sorted(self) -> tuple[str, ...]:
        """The order of a sort of which the first rows alone are taken, or of the least or greatest value."""
        below = [node["Node Type"] for node in self.near]
        if below[:1] == ["Aggregate"]:
            return self._extreme(self.near[0])
        place = next((place for place, kind in enumerate(below) if kind in ("Sort", "Incremental Sort")), None)
        if place is None or "Limit" not in below[place:] or _GROUPING & set(below[:place]):
            return ()
        sort = self.near[place]
        few = plans.rows(sort) < self._given / 2
        return order([str(key) for key in sort.get("Sort Key", ())], self.scan.alias) if few else ()

    def _extreme(self, aggregate: Node) -> tuple[str, ...]:
        found = [_EXTREME.fullmatch(str(output)) for output in aggregate.get("Output", ())]
        wanted = {match["of"] if match else "" for match in found}
        if len(wanted) != 1 or "" in wanted or "Group Key" in aggregate:
            return ()
        of = wanted.pop()
        return order([f"{plans.quoted(self.scan.alias)}.{of}" if of.isidentifier() else of], self.scan.alias)

    @property
    def _given(self) -> float:
        return plans.rows(self.scan.node)

    @cached_property
    def rows(self) -> float:
        """The rows that one execution read without need: discarded at once, by the join above, or by a limit."""
        wasted = plans.discarded(self.scan.node)
        if self.join is not None and self.joined:
            wasted += max(0.0, self._given - plans.rows(self.join))
        if self.sorted:
            wasted += self._given
        return wasted

    @cached_property
    def needed(self) -> frozenset[str]:
        """The columns that the plan takes from the table; none where that cannot be read."""
        passing = ("Sort", "Incremental Sort", "Hash", "Limit", "Materialize", "Memoize", "Gather", "Gather Merge")
        parent = self.scan.above[0] if self.scan.above else self.scan.node
        asked = self.scan.node if parent["Node Type"] in passing else parent
        texts = [str(text) for name in ("Output", "Sort Key", "Group Key") for text in asked.get(name, ())]
        texts += [str(asked[name]) for name in _JOINING if name in asked]
        named = [plans.parts(column)[1] for column in self.scan.table.columns]
        found = columns(texts, self.scan.alias, named) | {c for one in self.own for c in one.columns}
        return frozenset(found & set(named))


def _candidates(waste: _Waste, looked: _Looked) -> Iterator[Candidate]:
    """Every index that might spare the waste of one scan."""
    table = waste.scan.table
    usable = [c for c in waste.own if looked.is_code(c.constants)]
    equal = _keys(usable, Kind.EQUAL)
    for keys in _key_lists(equal, _keys(usable, Kind.RANGE), waste):
        yield Candidate(table.name, keys)
    for key in _keys(usable, Kind.PREFIX)[:1]:
        yield Candidate(table.name, (*equal[: MOST_KEYS - 1], f"{key} text_pattern_ops"))
    for key in _keys(usable, Kind.WORDS):
        yield Candidate(table.name, (key,), "gin")
    yield from _partial(table, usable, waste, looked)


def _key_lists(equal: Sequence[str], ranged: Sequence[str], waste: _Waste) -> Iterator[tuple[str, ...]]:
    """The lists of keys of ordinary indexes, without any twice."""
    joined = [key for key in _keys(waste.joined, Kind.EQUAL) if key not in equal]
    lists: list[tuple[str, ...]] = [tuple(equal[:MOST_KEYS]), *((key,) for key in equal)]
    lists += [(*equal[: MOST_KEYS - 1], key) for key in ranged[:2]]
    lists += [(key,) for key in (*ranged[:2], *joined)]
    lists += [(*equal[: MOST_KEYS - 1], key) for key in joined] + [(key, *equal[: MOST_KEYS - 1]) for key in joined]
    if waste.sorted:
        lists += [(*equal[:MOST_KEYS], *(key for key in waste.sorted if key not in equal)), waste.sorted]
    yield from dict.fromkeys(keys for keys in lists if keys)


def _keys(found: Iterable[Condition], kind: Kind) -> list[str]:
    return list(dict.fromkeys(condition.key for condition in found if condition.kind is kind))


def _partial(table: Table, usable: Sequence[Condition], waste: _Waste, looked: _Looked) -> Iterator[Candidate]:
    """Indexes of the rows alone that a condition of the program asks for, by what else it asks."""
    for fixed in usable:
        if not fixed.whole or fixed.kind not in (Kind.EQUAL, Kind.TRUTH) or not looked.is_code(fixed.values):
            continue
        others = [c for c in usable if c.key != fixed.key]
        equal, ranged = _keys(others, Kind.EQUAL)[: MOST_KEYS - 1], _keys(others, Kind.RANGE)[:1]
        last = [key for key in waste.sorted if key not in (*equal, fixed.key)] or ranged
        yield Candidate(table.name, tuple([*equal, *last] or [fixed.key]), predicate=fixed.whole, literals=fixed.values)
