"""Sorts and hashes that do not fit into `work_mem`: tried with more of it."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import shortened
from perfgate.diagnose.figures import ANSWERS, laboratory, values, weighed
from perfgate.diagnose.plans import Node, walk
from perfgate.diagnose.sizes import memory
from perfgate.diagnose.subject import Subject
from perfgate.examination import Examination
from perfgate.model import Key, Scope, Unit
from perfgate.units import show

BLOCK = 8192
FEWEST_BLOCKS = 16.0
"""Temporary blocks a request, read and written, below which nobody notices."""

LARGEST = 256 * 2**20
"""More memory for each sort of each session is no remedy."""

IN_MEMORY = 3
"""Rows take up to so many times their room on disk when they are in memory."""

SPARED = 0.2
"""What share of its temporary blocks an endpoint has to be spared for a trial to prove anything."""

OF_MACHINE = 0.25
"""All sessions sorting at one time may take this share of the memory; work_mem is then set for one statement."""

_LESS = "sort fewer or narrower rows (an index in that order, a LIMIT, fewer columns)"


class TempSpill(Advisor):
    """The endpoints of a scenario that write temporary files, and how much `work_mem` spares them that."""

    category = "temp_spill"
    tries = True

    def advise(self, subject: Subject) -> Iterator[Advice]:
        for examination in subject.heads.values():
            spilling = [e for e in examination.endpoints() if examination.work(e).temp_blocks >= FEWEST_BLOCKS]
            spilling.sort(key=lambda endpoint: -examination.work(endpoint).temp_blocks)
            present = memory(examination.settings.get("work_mem", ""))
            if spilling and present is not None:
                yield from _advised(subject, examination, spilling, present)


def _advised(subject: Subject, examination: Examination, spilling: list[str], present: float) -> Iterator[Advice]:
    """One advice for each endpoint that is spared its files by the first size that spares the worst of them all.

    Where none does, by the largest that was tried.
    """
    sizes = _sizes(examination, spilling[0], present)
    tried: tuple[int, Examination] | None = None
    for size in sizes:
        after = _examined(subject, examination, size)
        tried = (size, after) if after is not None else tried
        if after is None or after.work(spilling[0]).temp_blocks < FEWEST_BLOCKS:
            break
    if tried is None:
        if sizes:
            yield _advice(subject, examination, spilling[0], present, sizes[0], [])
        return
    for endpoint in spilling:
        trials = _trials(examination, tried[1], endpoint)
        if _spared(trials):
            yield _advice(subject, examination, endpoint, present, tried[0], trials)


def _sizes(examination: Examination, endpoint: str, present: float) -> list[int]:
    """What to try, the likely need first, in whole powers of two of a MB, above the present size."""
    worst = max(
        (_written(node) for e in examination.executions if e.endpoint == endpoint for node, _ in walk(e.plan)),
        default=0.0,
    )
    need = max(worst * IN_MEMORY, 2 * present, 2.0**20)
    first = 2**20
    while first < need:
        first *= 2
    return [size for size in dict.fromkeys((first, min(4 * first, LARGEST))) if present < size <= LARGEST]


def _written(node: Node) -> float:
    """Bytes that one node spilled, by its temporary blocks without those below it."""
    below = sum(float(child.get("Temp Written Blocks", 0)) for child in node.get("Plans", ()))
    return BLOCK * max(0.0, float(node.get("Temp Written Blocks", 0)) - below)


def _examined(subject: Subject, examination: Examination, size: int) -> Examination | None:
    where = laboratory(subject)
    return where.examine(examination.scenario, [_setting(size)]) if where is not None else None


def _setting(size: int) -> str:
    """For whichever database it is run in, and for sessions that connect after."""
    return (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), "
        f"'{size // 2**20}MB'); END $$"
    )


def _trials(before: Examination, after: Examination, endpoint: str) -> list[Trial]:
    was, now = before.work(endpoint), after.work(endpoint)
    return [Trial(f"temporary blocks of {endpoint} a request", Unit.COUNT, was.temp_blocks, now.temp_blocks)]


def _spared(trials: list[Trial]) -> bool:
    return any(trial.before - trial.after >= SPARED * trial.before for trial in trials)


def _advice(
    subject: Subject, examination: Examination, endpoint: str, present: float, size: int, trials: list[Trial]
) -> Advice:
    scope = Scope(examination.scenario, endpoint)
    work = examination.per_request(endpoint)
    statement = max(work, key=lambda name: work[name].temp_blocks)
    words = shortened(examination.statements.get(statement, ""))
    sessions = max(values(subject, "connections.used", Scope(examination.scenario)), default=1.0)
    fits = sessions * size <= OF_MACHINE * subject.run.machine.memory
    advice = Advice(
        TempSpill.category,
        Severity.MEDIUM if trials else Severity.LOW,
        f"{endpoint} sorts or hashes more than work_mem holds, on disk",
        (
            f"`{words}` reads and writes {show(work[statement].temp_blocks, Unit.COUNT)} temporary blocks a request",
            f"work_mem is {show(present, Unit.BYTES)}",
        ),
        "sorts and hashes stay in memory",
        Effort.MINUTES,
        _for_all(size) if fits else _for_one(size, sessions, subject.run.machine.memory),
        scope,
        sql=(_setting(size),) if fits else (),
        safe=fits and bool(trials),
        verified=tuple(trials),
        metrics=("queries.temp_blocks", "database.temp_*", "queries.time", "queries.mean_time", *ANSWERS),
    )
    return weighed(subject, advice, Key("queries.temp_blocks", scope))


def _for_all(size: int) -> str:
    return f"give new sessions {size // 2**20}MB, or {_LESS}"


def _for_one(size: int, sessions: float, machine: int) -> str:
    share = show(sessions * size / machine, Unit.RATIO)
    return (
        f"{_LESS}; or SET LOCAL work_mem = '{size // 2**20}MB' in the transaction that needs it: {sessions:.0f} "
        f"sessions sorting at one time would take {share} of the memory"
    )


ADVISOR = TempSpill()
