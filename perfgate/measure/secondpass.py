"""A scenario that failed, driven once more on a fresh service: whether it fails again, at which request, and where."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from perfgate.errors import NotMeasured
from perfgate.measure.examine import Theatre
from perfgate.measure.load import Load
from perfgate.measure.profile import Mode, with_agent
from perfgate.measure.profiler.reports import Spot, Written
from perfgate.measure.service import RunningService
from perfgate.profiled import SecondPass, Stop

NAME = "second-pass"
TRYOUT_CYCLES = 2
CYCLES = 60
SECONDS = 15.0
"""Each task is repeated so many times, unless that takes longer than so many seconds."""

LAST_LOOKS = 4
"""Of so many looks at the end, two in a row must find code waiting at one place for it to be what does not answer.

The very last one may come after the client has gone, and the service has noticed.
"""


def second_pass(theatre: Theatre) -> SecondPass:
    """Drive all tasks, one request at a time, until the service fails or `CYCLES` are done."""
    with with_agent(theatre, Mode.CPU, NAME) as (service, reports):
        family = service.snapshot()
        reports.mark()
        began = time.time()
        loads = _loads(theatre, service)
        died = _died(service, family)
        reports.mark()
        stop = _stop(reports.read(theatre.stand.root), began, died) if died or loads[-1].unanswered else None
    log = theatre.stand.log(f"service-{NAME}-{theatre.scenario}")
    return _told(theatre.scenario, loads, died, stop, os.path.relpath(log, theatre.stand.root))


def _loads(theatre: Theatre, service: RunningService) -> list[Load]:
    """A short pass that tells how long one takes, and the one that fits into the time, unless the first one failed."""
    began = time.monotonic()
    first = theatre.generator.count(service.url, lambda _: None, cycles=TRYOUT_CYCLES)
    a_cycle = (time.monotonic() - began) / (TRYOUT_CYCLES + 1)
    if first.flaws or not service.alive():
        return [first]
    cycles = max(TRYOUT_CYCLES, min(CYCLES, int(SECONDS / a_cycle)))
    return [first, theatre.generator.count(service.url, lambda _: None, cycles=cycles)]


def _died(service: RunningService, family: Mapping[int, float]) -> str:
    """How the service, or one of its processes, ended; "" when all are there."""
    try:
        service.check()
    except NotMeasured as error:
        return str(error.args[0]).removeprefix("the service ")
    gone = service.lost(family)
    return f"lost {gone[0]}" if gone else ""


def _told(scenario: str, loads: Sequence[Load], died: str, stop: Stop | None, log: str) -> SecondPass:
    records = [record for load in loads for record in sorted(load.records, key=lambda record: record.started)]
    bad = next((index for index, record in enumerate(records) if not record.ok), len(records))
    unanswered = next(iter(loads[-1].unanswered), "")
    last = unanswered or (records[bad].endpoint if died and bad < len(records) else "")
    return SecondPass(
        scenario,
        asked=Counter(record.endpoint for record in records),
        failed=Counter(record.endpoint for record in records if not record.ok),
        failures=_failures(loads),
        died=died,
        unanswered=unanswered,
        answered=bad if died else len(records),
        last=last,
        stop=stop,
        log=log,
    )


def _failures(loads: Sequence[Load]) -> dict[str, Counter[str]]:
    """The texts of failures by endpoint."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for load in loads:
        for text, count in load.errors.items():
            endpoint, _, words = text.partition(": ")
            found[endpoint][words] += count
    return found


def _stop(written: Sequence[Written], began: float, died: str) -> Stop | None:
    """Where code of the project ended the process; or where it waits now and did not before the load `began`."""
    for own in reversed(written):
        if died and own.ended:
            return _as_stop(own.ended, waits=False)
        idle = {spot for moment, spots in own.waiting if moment <= began for spot in spots}
        looks = [spots - idle for moment, spots in own.waiting if moment > began]
        for earlier, later in reversed(list(pairwise(looks[-LAST_LOOKS:]))):
            if not died and earlier & later:
                return _as_stop(min(earlier & later), waits=True)
    return None


def _as_stop(spot: Spot, *, waits: bool) -> Stop:
    return Stop(spot.path, spot.line, spot.function, waits)
