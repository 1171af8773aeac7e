"""Sessions that wait for each other's locks, and those that a deadlock ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import ANSWERS, note, scenarios, values, weighed
from perfgate.diagnose.subject import Subject
from perfgate.model import Key, Scope, Unit
from perfgate.units import show

LONG_WAIT_S = 1.0
"""What is waited for longer is worth a word: `deadlock_timeout`, after which Postgres itself writes to its log."""

MANY_WAITING = 5
"""More sessions than this waiting at one time are a queue (pgEdge's alert for blocked sessions)."""


class Locks(Advisor):
    """Waits of over a second with who blocked whom, deadlocks, and queues of short waits."""

    category = "locks"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario in scenarios(subject, "locks.longest_wait"):
            scope = Scope(scenario)
            yield from (
                weighed(subject, advice, Key("database.deadlocks", scope)) for advice in _deadlocks(subject, scope)
            )
            waits = list(_waits(subject, scope)) or list(_queue(subject, scope))
            yield from (weighed(subject, advice, Key("locks.longest_wait", scope)) for advice in waits)


def _deadlocks(subject: Subject, scope: Scope) -> Iterator[Advice]:
    seen = values(subject, "database.deadlocks", scope)
    if not sum(seen):
        return
    times = f"{sum(seen):.0f} {'deadlock' if sum(seen) == 1 else 'deadlocks'}"
    yield Advice(
        Locks.category,
        Severity.MEDIUM,
        f"{times} under load",
        (f"Postgres ended {times} in {len(seen)} rounds, each with an error for one session", *_chain(subject, scope)),
        "no request fails, and none waits for a second, because of another one's locks",
        Effort.HOURS,
        "lock rows in one order everywhere (SELECT … ORDER BY the key FOR UPDATE before the UPDATEs), or in one "
        "statement; and send a transaction again that ends with SQLSTATE 40P01",
        scope,
        metrics=("database.deadlocks", "locks.*", "response.errors", "response.max"),
    )


def _waits(subject: Subject, scope: Scope) -> Iterator[Advice]:
    longest = values(subject, "locks.longest_wait", scope)
    if max(longest, default=0.0) <= LONG_WAIT_S:
        return
    most = max(values(subject, "locks.waiting", scope), default=0.0)
    long = sum(wait > LONG_WAIT_S for wait in longest)
    chain = _chain(subject, scope)
    idle = any("(idle in transaction" in words for words in chain)
    yield Advice(
        Locks.category,
        Severity.MEDIUM,
        f"sessions wait up to {show(max(longest), Unit.SECONDS)} for a lock",
        (
            f"waits of over {show(LONG_WAIT_S, Unit.SECONDS)} in {long} of {len(longest)} rounds",
            f"up to {most:.0f} sessions waited at one time",
            *chain,
        ),
        "whoever waits now is answered as soon as its own work is done",
        Effort.HOURS,
        "commit before anything that is not the database's work (the blocker held its lock while it was idle)"
        if idle
        else "keep the transaction that holds the lock short: take the lock last, commit right after, and move what "
        "needs no lock out of it; where a caller can do without, FOR UPDATE SKIP LOCKED or NOWAIT",
        scope,
        metrics=("locks.*", "connections.longest_query", "connections.active", *ANSWERS),
    )


def _queue(subject: Subject, scope: Scope) -> Iterator[Advice]:
    """Many who wait a little, in each round: they stand in line for one row."""
    waiting = values(subject, "locks.waiting", scope)
    if min(waiting, default=0.0) <= MANY_WAITING:
        return
    yield Advice(
        Locks.category,
        Severity.LOW,
        f"up to {max(waiting):.0f} sessions wait in line for a lock",
        (f"at least {min(waiting):.0f} sessions waited at one time in every round", *_chain(subject, scope)),
        "requests that change different things no longer wait for each other",
        Effort.HOURS,
        "do not have all requests update one row: spread a counter over several rows, or insert and add up later",
        scope,
        metrics=("locks.*",),
    )


def _chain(subject: Subject, scope: Scope) -> Iterable[str]:
    """Who waited for whom, as the collector saw it, in normalised statements."""
    said = note(subject, "locks.longest_wait", scope) or note(subject, "locks.waiting", scope)
    return (said,) if said else ()


ADVISOR = Locks()
