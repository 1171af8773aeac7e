"""Sessions of the service: leaked, too many or too few of them, or held without use.

The server sees sessions and not the pool behind them. So a pool is called too small only where all sessions that were
ever seen are busy at nearly all looks, more users than that wait, and the database itself has little to do; or where as
many requests are under way as there are sessions, however idle those seem, and answers take longer than alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from perfgate.advice import Advice, Effort, Severity
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.figures import ANSWERS, rounds, scenarios, values, weighed
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.model import Key, Scope, Unit
from perfgate.stats import mean, percentile
from perfgate.units import show

FEWEST_LEAKING_ROUNDS = 4
"""A pool that opens connections as it needs them stops before; a leak adds some in each round of a process."""

MUCH_OF_MAXIMUM = 0.8
"""From this share of `max_connections` on the next peak may fail (pgEdge alerts at 80 %)."""
NEARLY_MAXIMUM = 0.9

BUSY = 0.9
"""From this share of the sessions on, all are in use."""
IDLE_CORES = 0.5
"""A database that uses less of a core than this would do more if it were asked."""
WAITING_FACTOR = 3.0
"""Answers take so many times what their statements take, where requests wait for a connection."""

UNDER_WAY = (0.8, 1.25)
"""As many requests are under way as there are sessions: from this share of their number to that."""
QUEUED_FACTOR = 1.5
"""Answers take so many times what they take when nobody else asks, where requests wait for each other."""

MANY = 20
"""Fewer idle sessions cost the server nothing that is worth a word: HikariCP's advice is 2 x cores + 1."""
UNUSED = 0.3
"""Sessions busy for less than this share of the time are more than are needed."""
USERS_FACTOR = 2
"""A user waits for one answer at a time: more sessions than users are spare."""

HELD = 0.5
"""From this share of the sessions on, idle transactions are no moments between two statements."""
OUTSIDE_S = 0.02
"""What a request does beside the database for longer than this belongs outside of its transaction."""

OPENED_SHARE = 0.5
"""Connections opened for each request of a round; a pool opens a few in all, and those in its warm-up."""

GREW_BY = 5
GREW_FACTOR = 1.5
"""By so many sessions, and this factor, a service holds more than base or baseline did."""


@dataclass(frozen=True)
class Seen:
    """What was seen of one scenario's sessions; `users` is None in an open model."""

    scope: Scope
    used: tuple[float, ...]
    active: float | None
    users: int | None

    @property
    def most(self) -> float:
        return max(self.used)

    @property
    def loaded(self) -> str:
        """Who sent the requests."""
        return f"{self.users} users" if self.users is not None else "an open model"


class Connections(Advisor):
    """At most one advice a scenario, of what is worst: what is said of a leak explains all the rest."""

    category = "connections"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for scenario in scenarios(subject, "connections.used"):
            scope = Scope(scenario)
            asked = subject.run.loads.get(scenario)
            active = values(subject, "connections.active", scope)
            seen = Seen(
                scope,
                values(subject, "connections.used", scope),
                mean(active) if active else None,
                asked.users if asked else None,
            )
            for look in (_leaked, _near_maximum, _opened, _held, _too_small, _queued, _more, _too_large):
                if (advice := look(subject, seen)) is not None:
                    yield advice
                    break


def _leaked(subject: Subject, seen: Seen) -> Advice | None:
    taken = rounds(subject, seen.scope.scenario)
    if len(taken) != len(seen.used):
        return None
    starts = groupby(zip(taken, seen.used, strict=True), key=lambda pair: pair[0].start)
    lists = [[used for _, used in own] for _, own in starts]
    longest = max(lists, key=len)
    grows = all(later > earlier for earlier, later in pairwise(longest))
    enough = longest[-1] > (seen.users if seen.users is not None else USERS_FACTOR * longest[0])
    if len(longest) < FEWEST_LEAKING_ROUNDS or not grows or not enough:
        return None
    counts = ", ".join(f"{used:.0f}" for used in longest)
    return Advice(
        Connections.category,
        Severity.HIGH,
        f"connections are never given back: {longest[0]:.0f} became {longest[-1]:.0f} in {len(longest)} rounds",
        (f"{counts} sessions in successive rounds of one process, with {seen.loaded}",),
        "the service keeps the connections that it needs, and goes on when it has run for a day",
        Effort.HOURS,
        "give each connection back on every path, errors and time-outs too: use the pool's context manager "
        "(`with pool.connection()`), and let the pool have a maximum",
        seen.scope,
        metrics=("connections.*", "response.errors", "process.open_files"),
    )


def _opened(subject: Subject, seen: Seen) -> Advice | None:
    """Whether requests open connections of their own, most of them: a pool opens a few, and then none."""
    taken = [facts for facts in rounds(subject, seen.scope.scenario) if facts.requests]
    opened = values(subject, "connections.opened", seen.scope)
    if not taken or not opened:
        return None
    requests = mean([float(facts.requests) for facts in taken])
    if mean(opened) < OPENED_SHARE * requests:
        return None
    cpu = subject.value("cpu.database_per_request", seen.scope)
    costs = (f"Postgres takes {show(cpu, Unit.SECONDS)} of CPU time for a request",) if cpu else ()
    advice = Advice(
        Connections.category,
        Severity.MEDIUM,
        "requests open connections of their own",
        (f"{mean(opened):.0f} connections were opened in a round of {requests:.0f} requests", *costs),
        "no request waits for a process of Postgres to start and for a password to be checked",
        Effort.HOURS,
        "let the service have a pool, and lend each request a connection of it; where every process may have few, put "
        "PgBouncer between",
        seen.scope,
        metrics=("response.*", "cpu.database_per_request", "connections.*"),
    )
    return weighed(subject, advice, Key("connections.opened", seen.scope))


def _near_maximum(subject: Subject, seen: Seen) -> Advice | None:
    share = max(values(subject, "connections.share", seen.scope), default=0.0)
    if share <= MUCH_OF_MAXIMUM:
        return None
    advice = Advice(
        Connections.category,
        Severity.MEDIUM if share > NEARLY_MAXIMUM else Severity.LOW,
        f"{show(share, Unit.RATIO)} of the connections that the server allows are taken",
        (f"{seen.most:.0f} of {seen.most / share:.0f} at one time, with {seen.loaded}",),
        "a second instance of the service, a migration or a person can still connect",
        Effort.HOURS,
        "let the pools of all processes together have less than max_connections, or put a pooler such as PgBouncer "
        "between; raise max_connections last",
        seen.scope,
        metrics=("connections.*", "response.errors"),
    )
    return weighed(subject, advice, Key("connections.used", seen.scope))


def _held(subject: Subject, seen: Seen) -> Advice | None:
    """Transactions open while the service does something else, of which the closer look saw the time."""
    idle = values(subject, "connections.idle_in_transaction", seen.scope)
    examination = subject.heads.get(seen.scope.scenario)
    if examination is None or min(idle, default=0.0) < max(1.0, HELD * seen.most):
        return None
    outside = [(seconds, endpoint) for endpoint, seconds in _outside(examination) if seconds > OUTSIDE_S]
    if not outside:
        return None
    seconds, endpoint = max(outside)
    waited = max(values(subject, "locks.waiting", seen.scope), default=0.0)
    all_held = min(idle) >= BUSY * seen.most and (seen.users or 0) > seen.most
    others_wait = bool(waited) or all_held
    advice = Advice(
        Connections.category,
        Severity.MEDIUM if others_wait else Severity.LOW,
        f"{min(idle):.0f} of {seen.most:.0f} connections sit idle in open transactions",
        (
            f"at least {min(idle):.0f} sessions were idle in a transaction at one time in every round",
            f"{endpoint} spends at least {show(seconds, Unit.SECONDS)} of each request outside of the database",
            *([f"up to {waited:.0f} sessions waited for a lock meanwhile"] if waited else []),
        ),
        "connections and locks are free while the service works on its answer",
        Effort.HOURS,
        "commit before calling other services or making the answer; set idle_in_transaction_session_timeout",
        seen.scope,
        metrics=("connections.idle_in_transaction", *(("locks.*", *ANSWERS) if others_wait else ())),
    )
    return weighed(subject, advice, Key("connections.idle_in_transaction", seen.scope))


def _outside(examination: Examination) -> Iterator[tuple[str, float]]:
    """For each endpoint that asked the database at all, the least that one of its requests took beside it, in seconds.

    The least, because whatever disturbs a request makes it longer.
    """
    for endpoint in examination.endpoints():
        own = [request for request in examination.requests if request.endpoint == endpoint and request.work]
        if own:
            yield endpoint, min(r.seconds - sum(counters.seconds for counters in r.work.values()) for r in own)


def _too_small(subject: Subject, seen: Seen) -> Advice | None:
    rate, cpu = subject.value("response.rate", seen.scope), subject.value("cpu.database_per_request", seen.scope)
    answer, queries = subject.value("response.p50", seen.scope), subject.value("queries.time", seen.scope)
    if rate is None or cpu is None or answer is None or queries is None or seen.users is None:
        return None
    waits_for_locks = any(values(subject, "locks.waiting", seen.scope))
    if seen.active is None or seen.users <= seen.most or seen.active < BUSY * seen.most or waits_for_locks:
        return None
    if rate * cpu >= IDLE_CORES or answer < WAITING_FACTOR * queries:
        return None
    advice = Advice(
        Connections.category,
        Severity.MEDIUM,
        f"{seen.users} users wait for {seen.most:.0f} connections",
        (
            (
                f"{seen.active:.1f} of {seen.most:.0f} connections were running a statement on average, "
                f"the database used {rate * cpu:.2f} cores"
            ),
            (
                f"half of the answers took longer than {show(answer, Unit.SECONDS)}, "
                f"their statements {show(queries, Unit.SECONDS)}"
            ),
        ),
        "requests reach the database at once, which has room for them",
        Effort.MINUTES,
        f"let the pool have more than {seen.most:.0f} connections, and less than the server allows; measure again "
        "with twice as many",
        seen.scope,
        metrics=("connections.active", *ANSWERS),
    )
    return weighed(subject, advice)


@dataclass(frozen=True)
class Queue:
    """Requests that wait for each other while nobody is busy; seconds of one request, and numbers at one time.

    `answer` is what an answer takes, `alone` what it takes when nobody else asks; `under_way` requests are there at one
    time without those that wait, and `cores` in use. `outside` is what one of `endpoint` takes beside the database.
    """

    answer: float
    alone: float
    under_way: float
    cores: float
    endpoint: str
    outside: float

    def is_for(self, sessions: float) -> bool:
        """Whether it is as many sessions that they wait for."""
        least, most = UNDER_WAY
        waits = self.answer >= QUEUED_FACTOR * self.alone and self.cores < IDLE_CORES
        return waits and self.outside > OUTSIDE_S and least * sessions <= self.under_way <= most * sessions


def _queue(subject: Subject, scope: Scope) -> Queue | None:
    """By Little's law: what is answered in a second, times what one answer takes alone, is under way at one time."""
    examination, answer = subject.heads.get(scope.scenario), subject.value("response.mean", scope)
    rate, cpu = subject.value("response.rate", scope), subject.value("cpu.per_request", scope)
    database = subject.value("cpu.database_per_request", scope)
    outside = dict(_outside(examination)) if examination else {}
    if examination is None or not outside or answer is None or not rate or cpu is None or database is None:
        return None
    under_way = sum(_under_way(subject, examination, Scope(scope.scenario, endpoint)) for endpoint in outside)
    endpoint = max(outside, key=lambda name: outside[name])
    return Queue(answer, under_way / rate, under_way, rate * (cpu + database), endpoint, outside[endpoint])


def _under_way(subject: Subject, examination: Examination, scope: Scope) -> float:
    """How many requests of an endpoint there are at one time, if none waits for another one."""
    alone = sorted(request.seconds for request in examination.requests if request.endpoint == scope.endpoint)
    return (subject.value("response.rate", scope) or 0.0) * percentile(alone, 0.5)


def _queued(subject: Subject, seen: Seen) -> Advice | None:
    """Connections that requests hold while they do something else: idle in the eyes of the server, and waited for."""
    queue = _queue(subject, seen.scope)
    if queue is None or not queue.is_for(seen.most) or (seen.users or 0) <= seen.most:
        return None
    if any(values(subject, "locks.waiting", seen.scope)):
        return None
    advice = Advice(
        Connections.category,
        Severity.LOW,
        f"{seen.users} users wait for {seen.most:.0f} connection{'' if seen.most == 1 else 's'}, held without use",
        (
            (
                f"{queue.under_way:.1f} requests are under way at one time, as many as there are connections, while "
                f"{queue.cores:.2f} cores are in use"
            ),
            (
                f"an answer takes {show(queue.answer, Unit.SECONDS)} with {seen.loaded}, "
                f"and {show(queue.alone, Unit.SECONDS)} when nobody else asks"
            ),
            f"{queue.endpoint} spends at least {show(queue.outside, Unit.SECONDS)} of a request beside the database",
        ),
        "requests no longer wait for each other",
        Effort.HOURS,
        "give the connection back before calling other services; or let the pool have more connections, and the "
        "service more workers, where those are as few",
        seen.scope,
        metrics=ANSWERS,
    )
    return weighed(subject, advice)


def _more(subject: Subject, seen: Seen) -> Advice | None:
    """Many more than before, and more than anybody can use at one time."""
    was = subject.references.get(Key("connections.used", seen.scope))
    if was is None or seen.most < was * GREW_FACTOR or seen.most - was < GREW_BY or seen.most <= (seen.users or 0):
        return None
    advice = Advice(
        Connections.category,
        Severity.LOW,
        f"the service holds {seen.most:.0f} connections where it held {was:.0f}",
        (f"up to {seen.most:.0f} sessions at one time, with {seen.loaded}; {was:.0f} in what it is compared with",),
        "the server keeps no sessions that nobody uses",
        Effort.HOURS,
        "if the pool was not made larger on purpose, look for a path on which a connection is not given back",
        seen.scope,
        metrics=("connections.*",),
    )
    return weighed(subject, advice, Key("connections.used", seen.scope))


def _too_large(subject: Subject, seen: Seen) -> Advice | None:
    spare = seen.users is None or seen.most >= USERS_FACTOR * seen.users
    if seen.active is None or seen.most < MANY or seen.active >= UNUSED * seen.most or not spare:
        return None
    cores = subject.run.machine.cores
    return Advice(
        Connections.category,
        Severity.LOW,
        f"{show(seen.active / seen.most, Unit.RATIO)} of {seen.most:.0f} connections are in use",
        (f"{seen.active:.1f} of {seen.most:.0f} connections were running a statement on average, with {seen.loaded}",),
        "less memory on the server, and room for more instances of the service",
        Effort.MINUTES,
        f"make the pool smaller: twice the server's cores and one more is enough for most ({2 * cores + 1} here)",
        seen.scope,
    )


ADVISOR = Connections()
