"""Statements that head's database executes in another way than base's, and with more work: a tie that flips is none.

The planner's costs decide nothing here. A plan has changed when none of base's executions had its shape, and it counts
when the executions look at more blocks, or write temporary files that base does not need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose import plans, wording
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.consultation import explained_by
from perfgate.diagnose.plans import Node, Shape
from perfgate.diagnose.subject import Subject
from perfgate.examination import Counters, Examination, Execution, Index
from perfgate.model import Scope, Unit
from perfgate.units import percent, show

LEAST_GROWTH = 0.2
LEAST_BLOCKS = 10.0
"""By how much an execution's blocks have to grow."""
LEAST_SPILLED = 10.0
"""The blocks of temporary files of a call from which on a sort or hash has spilled."""
LARGE_BLOCKS, LARGE_GROWTH = 100.0, 1.0
"""More blocks a request, and a growth of a statement, that surely cost something."""
PART = 0.3
"""The part that the statement has in what its endpoint's blocks grew by, to explain a regression of it."""
SEEN_SHARE = 0.15
"""The share of a request's time that the growth has to take, to explain a slow answer."""


class PlanChange(Advisor):
    """Executions of the same statement by the same endpoint, on head and on base."""

    category = "plan_change"

    def advise(self, subject: Subject) -> Iterable[Advice]:
        for scenario, head in sorted(subject.heads.items()):
            base = subject.bases.get(scenario)
            for change in _changes(head, base) if base is not None else ():
                yield _told(subject, change)


@dataclass(frozen=True)
class _Change:
    """A statement of an endpoint on both sides, by its most frequent shape on head and its dearest execution of it."""

    head: Examination
    base: Examination
    endpoint: str
    statement: str

    @property
    def requests(self) -> tuple[Counters, Counters]:
        """What it cost a request on base, and on head."""
        was, now = (e.per_request(self.endpoint)[self.statement] for e in (self.base, self.head))
        return was, now

    @property
    def calls(self) -> tuple[Counters, Counters]:
        """What one call cost on base, and on head."""
        was, now = (Counters(*(c / work.calls for c in work)) for work in self.requests)
        return was, now

    @property
    def reads_more(self) -> bool:
        was, now = self.calls
        return now.blocks - was.blocks > max(LEAST_BLOCKS, LEAST_GROWTH * was.blocks)

    @property
    def spills(self) -> bool:
        was, now = self.calls
        return now.temp_blocks >= LEAST_SPILLED and not was.temp_blocks

    @property
    def plans(self) -> tuple[Node, Node]:
        """The plans of base's and of head's usual shape that looked at most blocks."""
        was, now = (_usual(e.of(self.statement, self.endpoint)) for e in (self.base, self.head))
        return was.plan, now.plan

    @property
    def shapes(self) -> tuple[Shape, Shape]:
        was, now = (plans.shape(plan) for plan in self.plans)
        return was, now

    @property
    def has_new_shape(self) -> bool:
        """Whether the usual shape on head is one that base's executions never had."""
        return self.shapes[1] not in {plans.shape(e.plan) for e in self.base.of(self.statement, self.endpoint)}

    @property
    def scope(self) -> Scope:
        return Scope(self.head.scenario, self.endpoint, self.statement)


def _changes(head: Examination, base: Examination) -> Iterator[_Change]:
    for endpoint in sorted(set(head.endpoints()) & set(base.endpoints())):
        for statement in sorted(head.per_request(endpoint).keys() & base.per_request(endpoint).keys()):
            change = _Change(head, base, endpoint, statement)
            seen = all(examined.of(statement, endpoint) for examined in (head, base))
            counted = all(work.calls for work in change.requests)
            if seen and counted and ((change.reads_more and change.has_new_shape) or change.spills):
                yield change


def _usual(executions: Iterable[Execution]) -> Execution:
    """The execution of the most frequent shape that looked at most blocks."""
    sent = list(executions)
    frequent = Counter(plans.shape(execution.plan) for execution in sent).most_common(1)[0][0]
    return max((e for e in sent if plans.shape(e.plan) == frequent), key=lambda e: plans.blocks(e.plan))


def _told(subject: Subject, change: _Change) -> Advice:
    was, now = change.calls
    text = shortened(change.head.statements.get(change.statement, change.statement))
    grown = percent(now.blocks / was.blocks - 1.0) if was.blocks else "from zero"
    read = f"{show(was.blocks, Unit.COUNT)} blocks a call on base, {show(now.blocks, Unit.COUNT)} on head ({grown})"
    advice = Advice(
        "plan_change",
        Severity.LOW,
        _title(change),
        (f"`{text}`: {read}", *_differences(change)),
        f"with base's plan, a call looks at {show(was.blocks, Unit.COUNT)} blocks",
        Effort.HOURS,
        _remedy(change),
        change.scope,
        verified=tuple(_trials(change)),
        metrics=_metrics(change),
    )
    return replace(advice, severity=_severity(subject, change, advice))


def _title(change: _Change) -> str:
    lost = _lost(change)
    if lost:
        return f"{change.endpoint}: a statement no longer uses the index {lost[0].name}"
    if change.spills and not change.has_new_shape:
        return f"{change.endpoint}: a statement writes temporary files that it did not need on base"
    return f"{change.endpoint}: a statement is executed by another plan than on base"


def _lost(change: _Change) -> list[Index]:
    """The indexes that base's plan uses and head's does not; one of another name may be the same."""
    was, now = change.shapes
    used = {_content(index) for index in _used(change.head, now)}
    return [index for index in _used(change.base, was) if _content(index) not in used]


def _used(examined: Examination, shape: Shape) -> list[Index]:
    return [index for index in examined.indexes if plans.parts(index.name)[1] in shape.indexes]


def _content(index: Index) -> tuple[object, ...]:
    return index.table, index.method, index.columns, index.include, index.predicate


def _differences(change: _Change) -> Iterator[str]:
    """What is not as it was: indexes, ways to read a table, ways to join, spilling."""
    present = {index.name for index in change.head.indexes}
    for index in _lost(change):
        why = "which is still there" if index.name in present else "which is gone from head's database"
        yield f"base reads {index.table} through {index.name} ({', '.join(index.columns)}), {why}"
    was, now = (_reads(plan) for plan in change.plans)
    for table in sorted(was.keys() & now.keys()):
        for step in sorted(set(now[table]) - set(was[table])):
            yield f"head does a {step}"
    joined = [_joins(plan) for plan in change.plans]
    if joined[0] != joined[1]:
        yield f"joins: {_listed(joined[0])} on base, {_listed(joined[1])} on head"
    if change.spills:
        blocks = show(change.calls[1].temp_blocks, Unit.COUNT)
        yield f"{_spilling(change.plans[1])} goes to disk on head: {blocks} blocks of temporary files a call"


def _reads(plan: Node) -> dict[str, list[str]]:
    """How each table is read, in words."""
    found: dict[str, list[str]] = {}
    for node, _ in plans.walk(plan):
        if str(node["Node Type"]).endswith("Scan") and "Relation Name" in node:
            found.setdefault(str(node["Relation Name"]), []).append(wording.step(node))
    return found


def _joins(plan: Node) -> tuple[str, ...]:
    """The joins and what they join first, from the outside in."""
    return tuple(str(node["Node Type"]).lower() for node, _ in plans.walk(plan) if "Join Type" in node)


def _listed(joins: Iterable[str]) -> str:
    return ", ".join(joins) or "none"


def _spilling(plan: Node) -> str:
    """The lowest step that writes temporary files."""
    found = [node for node, _ in plans.walk(plan) if plans.temp_blocks(node)]
    return f"a {wording.step(found[-1])}" if found else "a step"


def _remedy(change: _Change) -> str:
    lost = _lost(change)
    present = {index.name for index in change.head.indexes}
    if any(index.name not in present for index in lost):
        names = ", ".join(index.name for index in lost if index.name not in present)
        return f"Put the index back that base has: {names}."
    if change.spills:
        return "Let the statement sort or hash fewer and narrower rows, or raise work_mem for it."
    return (
        "Compare both plans with EXPLAIN (ANALYZE, BUFFERS): what changed is the statement's parameters, the amount of "
        "data, an index, or a setting of the planner."
    )


def _trials(change: _Change) -> Iterator[Trial]:
    was, now = change.calls
    yield Trial("blocks of one call, on base and on head", Unit.COUNT, was.blocks, now.blocks, tried=False)
    if change.spills:
        yield Trial(
            "blocks of temporary files of one call, on base and on head",
            Unit.COUNT,
            was.temp_blocks,
            now.temp_blocks,
            tried=False,
        )


def _metrics(change: _Change) -> tuple[str, ...]:
    """What is explained: answers only where what was added is a good part of their time."""
    was, now = change.requests
    lasted = [request.seconds for request in change.head.requests if request.endpoint == change.endpoint]
    answers = (now.seconds - was.seconds) * len(lasted) >= SEEN_SHARE * sum(lasted)
    return (
        *(("queries.blocks",) if change.reads_more else ()),
        *(("queries.temp_blocks",) if change.spills else ()),
        *(("queries.time", "queries.mean_time", "cpu.database_per_request") if now.seconds > was.seconds else ()),
        *(("response.*",) if answers else ()),
    )


def _severity(subject: Subject, change: _Change, advice: Advice) -> Severity:
    was, now = change.requests
    about = [found for found in subject.red() if found.scope.statement in ("", change.statement)]
    if any(explained_by(advice, about)) and (change.spills or _leads(change)):
        return Severity.HIGH
    grown = now.blocks - was.blocks
    large = grown >= LARGE_BLOCKS and grown >= LARGE_GROWTH * was.blocks
    return Severity.MEDIUM if large else Severity.LOW


def _leads(change: _Change) -> bool:
    """Whether a good part of what the endpoint's blocks grew by is this statement's."""
    was, now = change.requests
    endpoint = change.head.work(change.endpoint).blocks - change.base.work(change.endpoint).blocks
    return now.blocks - was.blocks >= PART * endpoint


ADVISOR = PlanChange()
