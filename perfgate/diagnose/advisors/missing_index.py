"""Indexes that are missing: each was made in a copy, the scenario driven again, and what does not pay is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose import plans, references
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.candidates import is_covered
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.consultation import explained_by
from perfgate.diagnose.indexing import Chosen, Search, pays
from perfgate.diagnose.subject import Laboratory, Subject
from perfgate.errors import NotMeasured
from perfgate.examination import Counters, Examination, Index
from perfgate.model import Finding, Key, Scope, Unit
from perfgate.units import percent, show

LEAST_BLOCKS = 10.0
"""What an index has to spare a request of some endpoint, and a fifth of what it was."""
LARGE_BLOCKS, LARGE_SHARE = 100.0, 0.5
"""A gain that surely pays, even where nothing is red."""
SEEN_SHARE = 0.15
"""The share of a request's time that the database has to save, for the index to explain a slow answer."""
TIME_SHARE = 0.1
NEWS_SHARE = 0.3
"""The share of what an endpoint's blocks grew by that an index has to save, to explain a regression."""
LIMIT = "limit"
"""The kind of finding that compares with an absolute limit, which does not ask what is news."""
EXAMINATION_S = 4.0

_METRICS = ("queries.blocks", "tables.sequential_*")
_TIMES = ("queries.time", "queries.mean_time", "cpu.database_per_request")

REMEDY = (
    "Add it in a migration. On a live database write CREATE INDEX CONCURRENTLY, outside of a transaction: "
    "it takes longer, and writes go on meanwhile."
)


class MissingIndex(Advisor):
    """Indexes that spare the scenario's requests a good part of the blocks they look at."""

    category = "missing_index"
    tries = True

    def advise(self, subject: Subject) -> Iterable[Advice]:
        if subject.laboratory is None:
            return
        for scenario, examined in sorted(subject.heads.items()):
            base = subject.bases.get(scenario)
            taken = [index.name for e in (examined, base) if e is not None for index in e.indexes]
            yield from _verified(subject, subject.laboratory, examined, Search(examined, subject.laboratory, taken))


def _verified(subject: Subject, laboratory: Laboratory, examined: Examination, search: Search) -> Iterator[Advice]:
    """What the whole scenario gained by each index that was found, with those before it that paid in place."""
    kept: list[str] = []
    before = examined
    try:
        found = search.chosen()
    except NotMeasured:  # there is no copy to try anything in
        return
    with suppress(NotMeasured):  # what was found without them stays found
        found += references.chosen(examined, laboratory, search.taken, found)
    for chosen in found:
        if laboratory.seconds_left() < EXAMINATION_S:
            return
        try:
            after = laboratory.examine(examined.scenario, [*kept, chosen.sql])
        except NotMeasured:
            continue
        if advice := _advice(subject, chosen, before, after):
            yield advice
            kept, before = [*kept, chosen.sql], after


def _advice(subject: Subject, chosen: Chosen, before: Examination, after: Examination) -> Advice | None:
    """What is said of an index: nothing where it pays for no endpoint, or costs the others as much."""
    made = next((index for index in after.indexes if plans.parts(index.name)[1] == chosen.name), None)
    red = subject.red()
    gains = [
        _Gain(endpoint, before, after, chosen, _reference(subject, before.scenario, endpoint))
        for endpoint in before.endpoints()
    ]
    paying = sorted((gain for gain in gains if gain.pays), key=lambda gain: gain.importance(red))
    if made is None or not paying or sum(gain.saved_by_all for gain in gains) <= 0:
        return None
    return _told(subject, chosen, made, paying, [gain for gain in gains if gain.costs])


def _reference(subject: Subject, scenario: str, endpoint: str) -> float | None:
    """The blocks of a request of base, or of the baseline."""
    base = subject.bases.get(scenario)
    if base is not None and endpoint in base.endpoints():
        return base.work(endpoint).blocks
    return subject.references.get(Key("queries.blocks", Scope(scenario, endpoint)))


@dataclass(frozen=True)
class _Gain:
    """One endpoint's requests without and with the index; `reference` is what blocks a request are compared with."""

    endpoint: str
    examined: Examination
    after: Examination
    chosen: Chosen
    reference: float | None

    @property
    def work(self) -> tuple[Counters, Counters]:
        """What an average request cost the database before, and after."""
        return self.examined.work(self.endpoint), self.after.work(self.endpoint)

    @property
    def saved(self) -> float:
        before, after = self.work
        return before.blocks - after.blocks

    @property
    def saved_by_all(self) -> float:
        """What all requests of the endpoint in the pass saved."""
        return self.saved * sum(request.endpoint == self.endpoint for request in self.examined.requests)

    @property
    def pays(self) -> bool:
        before, after = self.work
        return pays(before.blocks, after.blocks, LEAST_BLOCKS)

    @property
    def costs(self) -> bool:
        """Whether the endpoint is worse off."""
        before, after = self.work
        return pays(after.blocks, before.blocks, LEAST_BLOCKS)

    @property
    def is_large(self) -> bool:
        return self.saved >= LARGE_BLOCKS and self.saved >= LARGE_SHARE * self.work[0].blocks

    @property
    def statement(self) -> str:
        """The statement of this endpoint that gains most."""
        before, after = self.examined.per_request(self.endpoint), self.after.per_request(self.endpoint)
        return max(before, key=lambda name: before[name].blocks - after.get(name, Counters()).blocks)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is explained: times only where a good part of them is saved."""
        before, after = self.work
        saved = before.seconds - after.seconds
        lasted = [request.seconds for request in self.examined.requests if request.endpoint == self.endpoint]
        times = _TIMES if saved >= TIME_SHARE * before.seconds else ()
        answers = ("response.*",) if saved * len(lasted) >= SEEN_SHARE * sum(lasted) else ()
        return (*_METRICS, *times, *answers)

    @property
    def scope(self) -> Scope:
        return Scope(self.examined.scenario, self.endpoint, self.statement, self.chosen.candidate.table)

    def explains(self, red: Iterable[Finding]) -> bool:
        """Whether something that is red is so for want of the index."""
        table = self.chosen.candidate.table
        about = [found for found in red if found.scope.table in ("", table)]
        return any(
            found.kind == LIMIT or self.is_news for found in explained_by(_bare(self.scope, self.metrics), about)
        )

    @property
    def is_news(self) -> bool:
        """Whether the index spares a good part of what grew: what base does without as well explains no change."""
        before, _ = self.work
        if self.reference is None:
            return True
        grown = before.blocks - self.reference
        return grown >= LEAST_BLOCKS and self.saved >= NEWS_SHARE * grown

    def importance(self, red: Iterable[Finding]) -> tuple[bool, float]:
        """What is red first, then what gains most."""
        return not self.explains(red), -self.saved

    def trials(self, made: Index) -> Iterator[Trial]:
        """Both sides of the gain, and what it costs."""
        before, after = self.work
        calls, now = (e.per_request(self.endpoint).get(self.statement) for e in (self.examined, self.after))
        yield Trial(f"blocks of {self.endpoint} a request", Unit.COUNT, before.blocks, after.blocks)
        if calls and now and calls.calls and now.calls:
            yield Trial(
                "blocks of one call of the statement",
                Unit.COUNT,
                calls.blocks / calls.calls,
                now.blocks / now.calls,
            )
        yield Trial(f"time the database takes for {self.endpoint}", Unit.SECONDS, before.seconds, after.seconds)
        if self.chosen.wal:
            yield Trial(f"WAL records a row inserted into {made.table}", Unit.COUNT, *self.chosen.wal)
        yield Trial("size of the index", Unit.BYTES, 0.0, float(made.size))


def _bare(scope: Scope, metrics: tuple[str, ...]) -> Advice:
    return Advice("missing_index", Severity.LOW, "", (), "", Effort.MINUTES, "", scope, metrics=metrics)


def _told(subject: Subject, chosen: Chosen, made: Index, paying: list[_Gain], costing: list[_Gain]) -> Advice:
    best = paying[0]
    before, after = best.work
    change = percent(after.blocks / before.blocks - 1)
    return replace(
        _bare(best.scope, best.metrics),
        severity=_severity(subject, paying),
        title=f"{made.table} has no index on {described(chosen)}",
        evidence=(*_evidence(subject, chosen, paying), *map(_price, costing)),
        effect=f"{best.endpoint} looks at {show(after.blocks, Unit.COUNT)} blocks a request ({change})",
        remedy=REMEDY,
        sql=(chosen.sql,),
        safe=True,
        verified=tuple(best.trials(made)),
    )


def _severity(subject: Subject, paying: list[_Gain]) -> Severity:
    if any(gain.explains(subject.red()) for gain in paying):
        return Severity.HIGH
    return Severity.MEDIUM if any(gain.is_large for gain in paying) else Severity.LOW


def described(chosen: Chosen) -> str:
    """`(customer_id, placed_at)`, and what else is particular."""
    candidate = chosen.candidate
    keys = ", ".join(key.replace('"', "") for key in candidate.keys)
    method = "" if candidate.method == "btree" else f", {candidate.method}"
    include = f" that includes {', '.join(candidate.include)}" if candidate.include else ""
    return f"({keys}{method}){include}{' for part of its rows' if candidate.predicate else ''}"


def _evidence(subject: Subject, chosen: Chosen, paying: list[_Gain]) -> Iterator[str]:
    """What was seen: how much is read in vain, for whom, and whether base has what head has not."""
    best = paying[0]
    if chosen.reason:
        yield chosen.reason
    yield from _waste(best)
    words = show(best.work[0].blocks, Unit.COUNT)
    yield f"a request of {best.endpoint} looks at {words} blocks, {show(best.saved, Unit.COUNT)} of them in vain"
    for other in paying[1:]:
        was, now = other.work
        change = percent(now.blocks / was.blocks - 1)
        yield f"with it, {other.endpoint} looks at {show(now.blocks, Unit.COUNT)} blocks a request ({change}) too"
    if best.examined is not subject.heads.get(best.examined.scenario):
        yield "this was measured with the other indexes in place that are recommended here"
    base = subject.bases.get(best.examined.scenario)
    for index in base.indexes if base else ():
        if is_covered(chosen.candidate, [index]) and index.name not in {i.name for i in best.examined.indexes}:
            yield f"base has such an index, {index.name}; it is gone from head"


def _price(gain: _Gain) -> str:
    """What another endpoint pays for the index."""
    return f"with it, {gain.endpoint} looks at {show(-gain.saved, Unit.COUNT)} blocks a request more"


def _waste(gain: _Gain) -> Iterator[str]:
    """How the table is read by the statement that gains most, in its dearest execution."""
    sent = gain.examined.of(gain.statement, gain.endpoint)
    table = gain.examined.table(gain.chosen.candidate.table)
    if not sent or table is None:
        return
    dearest = max(sent, key=lambda execution: plans.blocks(execution.plan))
    scans = [scan.node for scan in plans.scans(dearest.plan, [table])]
    if scans:
        node = max(scans, key=plans.own_blocks)
        given, thrown = plans.rows(node), plans.discarded(node)
        text = shortened(gain.examined.statements.get(gain.statement, gain.statement))
        away = f" and throws {show(thrown, Unit.COUNT)} of them away at once" if thrown else ""
        kind = str(node["Node Type"]).lower()
        yield f"`{text}` reads {show(given + thrown, Unit.COUNT)} rows of {table.name} in one call ({kind}){away}"


ADVISOR = MissingIndex()
