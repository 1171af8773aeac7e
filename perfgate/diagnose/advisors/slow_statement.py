"""The statements that take the database's time, by all calls and by one, and those planned on a wrong estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from statistics import median

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose import estimates, plans, wording
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.consultation import explained_by
from perfgate.diagnose.rehearsal import Rehearsal
from perfgate.diagnose.subject import Laboratory, Subject
from perfgate.errors import NotMeasured
from perfgate.examination import Counters, Examination, Request, total
from perfgate.model import Finding, Scope, Unit
from perfgate.units import show

MOST = 3
SLOW_S = 0.02
"""One call that takes so long is slow (PgHero)."""
GREAT_SHARE = 0.3
LEAST_S = 0.001
"""A statement that takes this share of the database's time, and this of a request, is worth a look."""
SEEN_SHARE = 0.3
"""The share of a request's time that a statement has to take, to explain a slow answer."""
GREW = 1.2
"""The factor by which a statement's blocks or rows have to have grown, to explain a regression."""
RESERVE_S = 3.0
GENERIC_SINCE = 16
LIMIT = "limit"

_METRICS = ("queries.time", "queries.mean_time", "cpu.database_per_request")


class SlowStatement(Advisor):
    """At most three statements: what they take, their dearest step, and where the planner was mistaken."""

    category = "slow_statement"
    tries = True

    def advise(self, subject: Subject) -> Iterable[Advice]:
        slow = [one for examined in subject.heads.values() for one in _slow(examined)]
        listed = sorted(slow, key=lambda one: (not one.reds(subject), -one.share))[:MOST]
        for one in listed:
            yield _told(subject, one)
        for scenario in sorted(subject.heads):
            yield from _misjudged(subject, subject.heads[scenario])


@dataclass(frozen=True)
class _Slow:
    """A statement and the endpoint that spends most time in it; `share` is its part of the scenario's database time.

    Times are medians over requests: the first one after a start may take a hundred times as long.
    """

    examined: Examination
    statement: str
    endpoint: str
    share: float

    @property
    def work(self) -> Counters:
        """What it costs a request of the endpoint."""
        return self.examined.per_request(self.endpoint)[self.statement]

    @property
    def call(self) -> float:
        """Seconds of one call."""
        return self.seconds * len(_asking(self.examined, self.endpoint, self.statement)) / self._calls

    @property
    def _calls(self) -> float:
        return total(r.work[self.statement] for r in _asking(self.examined, self.endpoint, self.statement)).calls

    @property
    def seconds(self) -> float:
        """What it takes of a request that sends it."""
        return _typical(self.examined, self.endpoint, self.statement)

    @property
    def request(self) -> float:
        """Seconds of a request of the endpoint."""
        return median([r.seconds for r in self.examined.requests if r.endpoint == self.endpoint])

    @property
    def scope(self) -> Scope:
        return Scope(self.examined.scenario, self.endpoint, self.statement)

    @property
    def metrics(self) -> tuple[str, ...]:
        return (*_METRICS, "response.*") if self.seconds >= SEEN_SHARE * self.request else _METRICS

    def reds(self, subject: Subject) -> list[Finding]:
        """What is red for this statement: by a limit, or because it does more than on base."""
        red = subject.red()
        about = [found for found in red if found.scope.statement in ("", self.statement)]
        found = explained_by(_advice(self, "", Severity.LOW), about)
        return [one for one in found if self._leads and (one.kind == LIMIT or self._grew(subject))]

    @property
    def _leads(self) -> bool:
        """Whether no other statement takes more of the endpoint's time."""
        others = self.examined.per_request(self.endpoint)
        return all(self.seconds >= _typical(self.examined, self.endpoint, name) for name in others)

    def _grew(self, subject: Subject) -> bool:
        base = subject.bases.get(self.examined.scenario)
        was = base.per_request(self.endpoint).get(self.statement) if base else None
        now = self.work
        return base is not None and (was is None or now.blocks > was.blocks * GREW or now.rows > was.rows * GREW)


def _asking(examined: Examination, endpoint: str, statement: str) -> list[Request]:
    """The requests of an endpoint that sent a statement."""
    return [r for r in examined.requests if r.endpoint == endpoint and statement in r.work]


def _typical(examined: Examination, endpoint: str, statement: str) -> float:
    """The seconds that a statement takes of a request that sends it."""
    return median([r.work[statement].seconds for r in _asking(examined, endpoint, statement)])


def _slow(examined: Examination) -> Iterator[_Slow]:
    """The statements of a scenario that take much of its time, or much time a call."""
    taken = {
        (endpoint, statement): _typical(examined, endpoint, statement) * len(_asking(examined, endpoint, statement))
        for endpoint in examined.endpoints()
        for statement in examined.per_request(endpoint)
        if statement in examined.statements
    }
    everything = sum(taken.values())
    for statement in sorted({statement for _, statement in taken}) if everything else ():
        by_endpoint = {endpoint: seconds for (endpoint, name), seconds in taken.items() if name == statement}
        endpoint = max(by_endpoint, key=lambda name: by_endpoint[name])
        one = _Slow(examined, statement, endpoint, sum(by_endpoint.values()) / everything)
        takes_much = GREAT_SHARE <= one.share < 1.0 and one.seconds >= LEAST_S
        if one.work.calls and (one.call >= SLOW_S or takes_much):
            yield one


def _advice(one: _Slow, title: str, severity: Severity) -> Advice:
    return Advice("slow_statement", severity, title, (), "", Effort.HOURS, "", one.scope, metrics=one.metrics)


def _told(subject: Subject, one: _Slow) -> Advice:
    severity = Severity.MEDIUM if one.reds(subject) else Severity.LOW
    share = show(one.share, Unit.RATIO)
    return replace(
        _advice(one, f"one statement takes {share} of the database's time in {one.examined.scenario}", severity),
        evidence=(_time(one), *_plan(subject, one)),
        effect=f"{one.endpoint} spends {show(one.seconds, Unit.SECONDS)} a request in it, at most so much less",
        remedy=(
            "Ask it for less, or less often: narrower conditions, fewer columns and rows, an index for its dearest "
            "step, or an answer that is kept. EXPLAIN (ANALYZE, BUFFERS) shows all its steps."
        ),
    )


def _time(one: _Slow) -> str:
    text = shortened(one.examined.statements[one.statement])
    calls, call = show(one.work.calls, Unit.COUNT), show(one.call, Unit.SECONDS)
    words = "call" if one.work.calls == 1 else "calls"
    return f"`{text}`: {calls} {words} a request of {one.endpoint}, {call} each"


def _plan(subject: Subject, one: _Slow) -> Iterator[str]:
    """Its dearest step, as it ran, or as the planner would do it for any parameters where no execution was seen."""
    sent = one.examined.of(one.statement, one.endpoint)
    if not sent:
        yield from _generic(subject.laboratory, one)
        return
    node = wording.dearest(max(sent, key=lambda execution: plans.blocks(execution.plan)).plan)
    yield f"its dearest step is a {wording.step(node)}: it {wording.costs(node)}"


def _generic(laboratory: Laboratory | None, one: _Slow) -> Iterator[str]:
    examined = one.examined
    if laboratory is None or examined.version < GENERIC_SINCE or laboratory.seconds_left() < RESERVE_S:
        return
    numbers = count(1)
    text = "".join(f"${next(numbers)}" if letter == "?" else letter for letter in examined.statements[one.statement])
    try:
        with laboratory.altered(examined.scenario) as connection, Rehearsal.of(connection, examined) as rehearsal:
            plan = rehearsal.generic(text)
    except NotMeasured:
        return
    if plan is not None:
        node = max((node for node, _ in plans.walk(plan)), key=plans.own_cost)
        rows = show(float(node["Plan Rows"]), Unit.COUNT)
        yield f"its dearest step is a {wording.step(node)} by the planner's estimate, which expects {rows} rows of it"


def _misjudged(subject: Subject, examined: Examination) -> Iterator[Advice]:
    """Statistics that correct an estimate, and with it spare blocks: what only looks better is left out."""
    wrong = [found for name in sorted(examined.statements) if (found := estimates.misjudged(examined, name))]
    laboratory = subject.laboratory
    if not wrong or laboratory is None or laboratory.seconds_left() < RESERVE_S:
        return
    worst = sorted(wrong, key=lambda one: -one.factor)[:MOST]
    try:
        with laboratory.altered(examined.scenario) as connection, Rehearsal.of(connection, examined) as rehearsal:
            tried = [(one, estimates.remedy(examined, one, rehearsal)) for one in worst]
    except NotMeasured:
        return
    yield from (_corrected(examined, one, found) for one, found in tried if found)


def _corrected(examined: Examination, one: estimates.Misjudged, found: estimates.Remedy) -> Advice:
    node, table, execution = one.scan.node, one.scan.table.name, one.execution
    expected, came = wording.count(float(node["Plan Rows"])), wording.count(float(node["Actual Rows"]))
    text = shortened(examined.statements.get(execution.statement, execution.statement))
    saves = found.blocks_before - found.blocks_after
    better = f", and reads {wording.count(saves)} blocks less" if saves > 0 else ""
    return Advice(
        "slow_statement",
        Severity.LOW,
        f"the planner misjudges {table} by a factor of {found.before:.0f}",
        (f"`{text}`: it expected {expected} rows of {table} and {came} came",),
        f"it is wrong by a factor of {found.after:.1f} then{better}",
        Effort.MINUTES,
        "Make these statistics in a migration, and ANALYZE the table once after it.",
        Scope(examined.scenario, execution.endpoint, execution.statement, table),
        (found.sql, f"ANALYZE {plans.written(table)}"),
        safe=True,
        verified=(
            Trial(f"rows expected of {table} against rows found, factor", Unit.COUNT, found.before, found.after),
            Trial("blocks of one call of the statement", Unit.COUNT, found.blocks_before, found.blocks_after),
        ),
    )


ADVISOR = SlowStatement()
