"""Whether a stretch of load can be trusted: what the generating processes saw, turned into flaws. Pure.

When is a generator saturated, and when is the machine just busy? A generator is one thread. While it has idle time,
answers wait for it no longer than it takes to serve whoever is ahead; once it wants a CPU all the time, users queue up
inside it and its times are its own. So what counts is the CPU it used plus the time it was kept waiting for one.
Measured in 180 rounds of 1 to 8 users and of 100 to 6000 requests per second, on two cores with 0 to 4 processes that
used up whole ones: up to a share of 0.88 the medians followed the service and its neighbours; where the generator could
not keep up (an open model at 5000/s took 2 to 6 s for 5 ms), the share was 0.94 to 1.02. Kept off the CPU for half of
the time, but with idle time left, it was off by no more than the service itself was.
The delay of the event loop says the same where the kernel does not tell how long a process waited: a median above 2 ms
came with saturation in 14 of 14 runs of another measurement. Here it also came with a busy machine, as 2.4 ms beside
answers of 26 ms, so it counts only where it is a large part of what is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import median

from perfgate.measure.load.protocol import Facts, Order
from perfgate.measure.load.records import Record
from perfgate.model import Flaw, FlawKind, Unit
from perfgate.units import percent, show

BUSY = 0.95
"""Share of the time in which a generator wanted a CPU, from which on it counts as saturated."""

LAG_S = 0.002
LAG_SHARE = 0.25
"""Median delay of the event loop that spoils a round: above 2 ms, and a quarter of the median response time."""

RATE_REACHED = 0.98
LATE_S = 0.05
"""How late the last task of a window may begin without lowering the rate: one hiccup of a busy machine."""

REDIRECTED = 0.9
"""Share of an endpoint's answers from one other path, from which on that is where it leads."""

PAGES = 3
"""So many pages that lead to one other path are no landing page with an alias or two."""

SHOWN = 3


def flaws(scenario: str, order: Order, facts: Sequence[Facts], records: Sequence[Record]) -> list[Flaw]:
    """What spoils a round or counting pass, the most telling first."""
    found = chain(
        _lost(facts), _broken(facts), _unanswered(order, facts), _missing(order, facts), _elsewhere(facts, records)
    )
    if not records:
        found = chain(found, [(FlawKind.NO_REQUESTS, "no request was sent while it counted")])
    if order.index:
        found = chain(found, _saturated(facts, records), _too_slow(order, facts))
    return [Flaw(kind, because, scenario, order.index or None) for kind, because in found]


def reached(order: Order, facts: Sequence[Facts], requests: int) -> float:
    """Task starts per second in an open model, requests per second in a closed one."""
    seconds = max((part.seconds for part in facts), default=0.0)
    if not seconds:
        return 0.0
    if order.rate is None:
        return requests / seconds
    return sum(part.begun for part in facts) / (seconds + _overrun(facts))


_Found = Iterator[tuple[FlawKind, str]]


def _lost(facts: Sequence[Facts]) -> _Found:
    for part in facts:
        if part.lost:
            yield FlawKind.WORKER_LOST, f"worker {part.worker}: {part.lost}"


def _broken(facts: Sequence[Facts]) -> _Found:
    broken = _sum(part.broken for part in facts)
    if broken:
        times = f"{broken.total()} times" if broken.total() > 1 else "once"
        yield FlawKind.LOAD_FAILED, f"the locustfile failed {times}: {_some(text for text, _ in broken.most_common())}"


def _unanswered(order: Order, facts: Sequence[Facts]) -> _Found:
    unanswered = _sum(part.unanswered for part in facts)
    if unanswered:
        parts = [f"{count} to {endpoint}" for endpoint, count in unanswered.most_common()]
        number, _, rest = _some(parts).partition(" ")
        were = "request {} was" if unanswered.total() == 1 else "requests {} were"
        words = f"{number} {were.format(rest)} unanswered after {show(order.timeout, Unit.SECONDS)}"
        yield FlawKind.UNANSWERED, words


def _missing(order: Order, facts: Sequence[Facts]) -> _Found:
    if order.rate is not None or not order.users:
        return
    users, ended = sum(part.users for part in facts), sum(part.ended for part in facts)
    lost = any(part.lost for part in facts)
    if users < order.users and not lost:
        yield FlawKind.USERS_MISSING, f"{order.users - users} of {order.users} users had begun no task when it counted"
    if ended:
        yield FlawKind.USERS_MISSING, f"{ended} of {order.users} users ended before the round was over"


def _elsewhere(facts: Sequence[Facts], records: Sequence[Record]) -> _Found:
    """Most pages are answered by one and the same other page, such as the one to log in.

    Only what is fetched counts: that several forms lead back to one page is how forms are made. One page that leads
    on is no sign of anything, and two are one only where nothing else is fetched.
    """
    answers = Counter(record.endpoint for record in records if record.ok and record.endpoint.startswith("GET "))
    for path, pages in _leading(facts, answers).items():
        others = answers.keys() - {f"GET {path}"}
        most = len(pages) >= PAGES and 2 * len(pages) > len(others)
        if most or (len(pages) > 1 and len(pages) == len(answers)):
            words = f"{len(pages)} of {len(answers)} pages ended on {path} instead ({_some(sorted(pages))})"
            yield FlawKind.LOAD_FAILED, f"{words}: is the locustfile logged in? If {path} is meant, ask for it directly"


def _leading(facts: Sequence[Facts], answers: Mapping[str, int]) -> dict[str, list[str]]:
    """The paths to which pages lead nearly always, with those pages."""
    found: dict[str, list[str]] = {}
    for page, times in answers.items():
        for path, count in _sum(part.elsewhere.get(page, {}) for part in facts).items():
            if count >= REDIRECTED * times and page != f"GET {path}":
                found.setdefault(path, []).append(page)
    return found


def _saturated(facts: Sequence[Facts], records: Sequence[Record]) -> _Found:
    typical = median(record.seconds for record in records) if records else 0.0
    for part in facts:
        busy = part.cpu + part.waited
        if busy > BUSY or (part.lag > LAG_S and part.lag > LAG_SHARE * typical):
            yield FlawKind.GENERATOR_SATURATED, _saturation(part, typical)
            return


def _saturation(part: Facts, typical: float) -> str:
    cpu, waited = percent(part.cpu).lstrip("+"), percent(part.waited).lstrip("+")
    late = f"its event loop was {show(part.lag, Unit.SECONDS)} late, and answers took {show(typical, Unit.SECONDS)}"
    if part.waited > part.cpu / 2:
        return f"other processes kept the load generator off the CPU for {waited} of the time, it ran for {cpu}; {late}"
    remedy = "use fewer users, a lower rate, or `workers: 2`"
    return f"the load generator itself was saturated: it ran for {cpu} of the time; {late}; {remedy}"


def _too_slow(order: Order, facts: Sequence[Facts]) -> _Found:
    due, begun = sum(part.due for part in facts), sum(part.begun for part in facts)
    if order.rate is None or not due or any(part.unanswered for part in facts):
        return
    seconds = max(part.seconds for part in facts)
    share = begun / due * seconds / (seconds + _overrun(facts))
    if share < RATE_REACHED:
        asked, got = show(order.rate, Unit.PER_SECOND), show(order.rate * share, Unit.PER_SECOND)
        yield FlawKind.RATE_NOT_REACHED, f"{got} of the {asked} asked for were begun; ask for less, or use `workers: 2`"


def _overrun(facts: Sequence[Facts]) -> float:
    return max(0.0, max((part.overrun for part in facts), default=0.0) - LATE_S)


def _sum(counts: Iterator[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in counts:
        total.update(part)
    return total


def _some(texts: Iterator[str] | list[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
