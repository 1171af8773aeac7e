"""The search for the indexes that pay: candidates made in a copy one after the other, and the executions run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from perfgate.diagnose import plans
from perfgate.diagnose.candidates import Candidate, Wish, spread, wishes
from perfgate.diagnose.rehearsal import Rehearsal
from perfgate.diagnose.subject import Laboratory
from perfgate.examination import Examination, Execution

MOST_CHOSEN = 3
MOST_FOR_A_STATEMENT = 8
MOST_EXECUTIONS = 5
LEAST_SAVED = 0.2
LEAST_SAVED_BLOCKS = 5.0
"""What an index has to spare an execution of some statement, in all and as a share, to be looked at closer."""
ABOUT_EQUAL = 1.25
"""Of two indexes that leave about the same number of blocks to be looked at, the plainer one is taken."""
SPECIAL = 0.5
"""A covering index costs every write more: it has to leave half of an ordinary one's blocks, and 100 less a call."""
SPECIAL_BLOCKS = 100.0
SMALL = 0.25
"""A partial index of this share of an ordinary one's size is better, where it spares as much."""
RESERVE_S = 8.0
"""What must be left of the allowance to begin: the copy, the trials in it, and one examination."""

Costs = Mapping[str, float]
"""Mean blocks of an execution, by statement."""


@dataclass(frozen=True)
class Chosen:
    """An index worth an examination; `wal` are the WAL records of a row inserted into its table before and with it.

    `reason` says what it is wanted for, where no plan shows that.
    """

    candidate: Candidate
    name: str
    wal: tuple[float, float] | None
    reason: str = ""

    @property
    def sql(self) -> str:
        """What makes it."""
        return self.candidate.sql(self.name)


@dataclass(frozen=True)
class _Tried:
    """A candidate that was made.

    `costs` are those of the statements that it may help, which have `calls` executions in the pass; `left` are the
    blocks that all statements together then look at in the pass; `size` are the bytes of the index.
    """

    wish: Wish
    costs: Costs
    left: float
    calls: int
    size: int

    @property
    def candidate(self) -> Candidate:
        return self.wish.candidate


@dataclass
class Search:
    """One search in one scenario's copy. `taken` are names that no index may get."""

    examined: Examination
    laboratory: Laboratory
    taken: Sequence[str] = ()
    _executions: dict[str, list[Execution]] = field(default_factory=dict)

    def chosen(self) -> list[Chosen]:
        """The indexes that spare most, each with those before it in place; the allowance may end the search."""
        listed = wishes(self.examined)
        if not listed or self.laboratory.seconds_left() < RESERVE_S:
            return []
        with (
            self.laboratory.altered(self.examined.scenario) as connection,
            Rehearsal.of(connection, self.examined) as rehearsal,
        ):
            return list(self._found(rehearsal, self._shortened(listed, rehearsal)))

    def _shortened(self, listed: Sequence[Wish], rehearsal: Rehearsal) -> list[Wish]:
        """The first for each statement, without those whose literals may not be shown."""
        room: dict[str, int] = {}
        kept = []
        for wish in listed:
            candidate = wish.candidate
            if any(room.get(name, 0) < MOST_FOR_A_STATEMENT for name in wish.discarded) and (
                not candidate.literals or rehearsal.says(candidate.table, candidate.literals)
            ):
                kept.append(wish)
                room |= {name: room.get(name, 0) + 1 for name in wish.discarded}
        return kept

    def _found(self, rehearsal: Rehearsal, listed: Sequence[Wish]) -> Iterator[Chosen]:
        """Choose the best again and again, until none of those left spares enough."""
        for name in {name for wish in listed for name in wish.discarded}:
            self._executions[name] = spread(self.examined.of(name), MOST_EXECUTIONS)
        costs = self._costs(rehearsal, sorted(self._executions))
        for _ in range(MOST_CHOSEN):
            best = self._best(rehearsal, listed, costs)
            if best is None:
                return
            table = best.candidate.table
            name = best.candidate.name((*self.taken, *rehearsal.present))
            before = rehearsal.wal_per_row(table)
            rehearsal.attempt(best.candidate.sql(name))
            after = rehearsal.wal_per_row(table)
            self.taken = (*self.taken, name)
            listed = [wish for wish in listed if not _served(wish, best, costs)]
            costs = {**costs, **best.costs}
            yield Chosen(best.candidate, name, (before, after) if before and after else None)

    def _best(self, rehearsal: Rehearsal, listed: Sequence[Wish], costs: Costs) -> _Tried | None:
        """The candidate that leaves least to be looked at, or a plainer one that leaves about the same."""
        tried = [found for wish in listed if (found := self._useful(rehearsal, wish, costs))]
        if not tried:
            return None
        least = min(tried, key=lambda t: t.left)
        covering = least.wish.covering()
        special = self._tried(rehearsal, least.wish, covering, costs) if covering else None
        return _preferred([*tried, *([special] if special else [])])

    def _useful(self, rehearsal: Rehearsal, wish: Wish, costs: Costs) -> _Tried | None:
        """The candidate, or what it takes to spare the table itself where the candidate alone spares too little."""
        if found := self._tried(rehearsal, wish, wish.candidate, costs):
            return found
        covering = wish.covering()
        return self._tried(rehearsal, wish, covering, costs) if covering else None

    @cached_property
    def _executed(self) -> dict[str, int]:
        """How often each statement was executed in the pass."""
        return {name: len(self.examined.of(name)) for name in self._executions}

    def _tried(self, rehearsal: Rehearsal, wish: Wish, candidate: Candidate, costs: Costs) -> _Tried | None:
        """What a candidate spares, if it can be made and spares enough for any statement."""
        statements = [candidate.sql("perfgate_tried")]
        if self.laboratory.seconds_left() < RESERVE_S:
            return None
        if any(key.startswith("(") for key in candidate.keys):  # only ANALYZE tells how selective an expression is
            statements.append(f"ANALYZE {plans.written(candidate.table)}")
        with rehearsal.trying(statements) as made:
            if not made:
                return None
            now = self._costs(rehearsal, [name for name in wish.discarded if name in costs])
            size = rehearsal.size(candidate.table, "perfgate_tried")
        if not any(pays(costs[name], cost, LEAST_SAVED_BLOCKS) for name, cost in now.items()):
            return None
        left = sum(cost * self._executed[name] for name, cost in {**costs, **now}.items())
        return _Tried(replace(wish, candidate=candidate), now, left, sum(self._executed[name] for name in now), size)

    def _costs(self, rehearsal: Rehearsal, statements: Sequence[str]) -> dict[str, float]:
        """The mean blocks of these statements' executions, of those that can be run again."""
        found = {}
        for name in statements:
            seen = [b for e in self._executions[name] if (b := rehearsal.blocks(e)) is not None]
            if seen:
                found[name] = sum(seen) / len(seen)
        return found


def pays(before: float, after: float, least: float) -> bool:
    """Whether fewer blocks are looked at, by enough of them and by enough of what it was."""
    return before - after >= least and before - after >= LEAST_SAVED * before


def _served(wish: Wish, made: _Tried, costs: Costs) -> bool:
    """Whether all that a candidate might help has been helped by an index of the same table."""
    helped = {name for name, cost in made.costs.items() if pays(costs[name], cost, LEAST_SAVED_BLOCKS)}
    return wish.candidate.table == made.candidate.table and wish.discarded.keys() <= helped


def _preferred(tried: Sequence[_Tried]) -> _Tried:
    plain = [t for t in tried if not (t.candidate.include or t.candidate.predicate)] or tried
    least = min(plain, key=lambda t: t.left)
    allowed = least.left * ABOUT_EQUAL + LEAST_SAVED_BLOCKS * least.calls
    choice = min((t for t in plain if t.left <= allowed), key=lambda t: (*t.candidate.plainness, t.left, t.size))
    return min((t for t in tried if _outdoes(t, choice)), key=lambda t: (t.left, t.size), default=choice)


def _outdoes(special: _Tried, plain: _Tried) -> bool:
    """Whether a covering index is far better than the plain one, or a partial one as good and far smaller."""
    if special.candidate.predicate and not special.candidate.include and special.size <= plain.size * SMALL:
        return special.left <= plain.left * ABOUT_EQUAL
    spared = plain.left - special.left
    return spared >= SPECIAL_BLOCKS * special.calls and spared >= SPECIAL * plain.left
