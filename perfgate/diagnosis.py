"""The closer look that follows a verdict: examinations on the stands, advisors asked, causes told."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING

from perfgate.advice import Advice, Cause
from perfgate.diagnose import advisors
from perfgate.diagnose.causes import causes
from perfgate.diagnose.consultation import consult, distinct
from perfgate.diagnose.subject import Subject
from perfgate.errors import NotMeasured, PerfgateError
from perfgate.examination import Examination
from perfgate.measure import load
from perfgate.measure.database.access import said
from perfgate.measure.examine import Theatre
from perfgate.measure.stand import Stand
from perfgate.model import Baseline, Key, Run, Side, Verdict
from perfgate.plan import Plan
from perfgate.servicelook import ServiceLook
from perfgate.stats import mean

if TYPE_CHECKING:
    import psycopg

ALLOWANCE_S = 90.0
"""How long examinations and trials may begin; what has begun is finished."""


TRIAL_TIMEOUT_MS = 10_000
"""A statement of the service that takes longer when it is tried again is given up."""


class Diagnose(StrEnum):
    """When causes are looked for: when the run is not green, in any case, or not at all."""

    RED = "red"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Diagnosis:
    """What a closer look found; `notes` say what could not be looked at."""

    advice: tuple[Advice, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Laboratory:
    """Trials on head's stand, within an allowance of seconds; see `perfgate.diagnose.subject.Laboratory`."""

    theatres: Mapping[str, Theatre]
    until: float

    def seconds_left(self) -> float:
        return self.until - time.monotonic()

    @contextmanager
    def altered(self, scenario: str, statements: Sequence[str] = ()) -> Iterator[psycopg.Connection]:
        import psycopg

        with self.theatres[scenario].altered(statements) as database, database.connect() as connection:
            connection.execute(f"SET statement_timeout = {TRIAL_TIMEOUT_MS}".encode())
            try:
                yield connection
            except psycopg.Error as error:
                raise NotMeasured(f"a statement cannot be tried again: {said(error)}") from error

    def examine(
        self, scenario: str, statements: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Examination:
        return self.theatres[scenario].examine(statements, env)


@dataclass
class CloserLook:
    """One closer look at a judged run, on the stands that measured it; `always` looks where nothing is red, too."""

    plan: Plan
    run: Run
    verdict: Verdict
    baselines: Mapping[str, Baseline]
    say: Callable[[str], None]
    always: bool = False
    notes: list[str] = field(default_factory=list)

    def take(self, stands: Sequence[Stand]) -> Diagnosis:
        """Examine every scenario on every stand, and ask all advisors. What goes wrong is noted: it is no verdict."""
        try:
            return self._taken(stands)
        except PerfgateError as error:
            self._note(f"the closer look could not be finished: {error.args[0]}")
        except Exception as error:  # a bug of ours
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{PurePath(frame.filename).name}:{frame.lineno}"
            self._note(f"the closer look failed at {where} ({type(error).__name__}): this is a bug in it")
        return Diagnosis(notes=tuple(self.notes))

    def _taken(self, stands: Sequence[Stand]) -> Diagnosis:
        until = time.monotonic() + ALLOWANCE_S
        with ExitStack() as stack:
            theatres = open_theatres(self.plan, stands, stack)
            examined = {side: self._examined(own, until) for side, own in theatres.items()}
            service = self._service(theatres, stands, until)
            subject = Subject(
                self.run,
                self.verdict,
                examined.get(Side.HEAD, {}),
                examined.get(Side.BASE, {}),
                references(self.run, self.baselines),
                Laboratory(theatres[Side.HEAD], until) if examined.get(Side.HEAD) else None,
                options=self.plan.advisors,
                profiles=service.profiles,
                passes=service.passes,
                shipped=service.shipped,
            )
            advice = consult(advisors.known(), subject, self._note)
            if not advice:
                self._note(f"a closer look was taken, and none of {len(advisors.known())} advisors had anything to say")
        return Diagnosis(tuple(distinct(advice)), tuple(causes(subject, advice)), tuple(self.notes))

    def _service(
        self, theatres: Mapping[Side, Mapping[str, Theatre]], stands: Sequence[Stand], until: float
    ) -> ServiceLook:
        look = ServiceLook(theatres, self.run, self.verdict, until, self._note, self.always)
        look.take()
        look.weigh(self.plan.artifacts, {Side.HEAD: self.plan.root, **{stand.side: stand.root for stand in stands}})
        return look

    def _examined(self, theatres: Mapping[str, Theatre], until: float) -> dict[str, Examination]:
        """The examinations that can be had: what fails on one scenario is noted."""
        found = {}
        for name, theatre in theatres.items():
            if theatre.stand.database is None:
                continue
            if time.monotonic() > until:
                self._note(f"scenario {name} was not looked at on {theatre.stand.side}: the time for it is over")
                continue
            try:
                found[name] = theatre.examine()
            except PerfgateError as error:  # a locustfile may load once and not again
                self._note(f"scenario {name} could not be looked at on {theatre.stand.side}: {error.args[0]}")
        return found

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.say(text)


def open_theatres(plan: Plan, stands: Sequence[Stand], stack: ExitStack) -> dict[Side, dict[str, Theatre]]:
    """Theatres of all sides and scenarios; `stack` ends their load. Load from elsewhere cannot be examined."""
    found: dict[Side, dict[str, Theatre]] = {stand.side: {} for stand in stands}
    for name, scenario in plan.scenarios.items():
        if stands and scenario.counting and not scenario.master:
            owner = stands[0].owner
            generator = stack.enter_context(load.start(name, scenario, plan.root, owner, owner.folder(f"look-{name}")))
            for stand in stands:
                found[stand.side][name] = Theatre(name, stand, generator, stand.service.counting_env)
    return found


def references(run: Run, baselines: Mapping[str, Baseline]) -> dict[Key, float]:
    """What samples of head are compared with: the means of the baselines' samples, and of base's where it has them."""
    stored = (sample for baseline in baselines.values() for sample in baseline.samples)
    beside = (sample for sample in run.samples if sample.side is Side.BASE)
    return {sample.key: mean(sample.present) for sample in (*stored, *beside) if sample.present}
