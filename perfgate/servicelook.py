"""The part of a closer look that is about the service itself: what is worth looking at, and in which order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfgate.errors import NotMeasured, PerfgateError
from perfgate.measure.examine import Theatre
from perfgate.measure.profile import Mode, profile
from perfgate.measure.secondpass import second_pass
from perfgate.measure.shipped import shipped
from perfgate.model import Finding, FlawKind, Level, Run, Side, Status, Verdict
from perfgate.profiled import Profile, SecondPass, ShippedFile

CPU = ("cpu.", "response.", "queries.calls")
MEMORY = ("memory.",)
FAILURES = "response.errors"
STOPPED = (FlawKind.SERVICE_DIED, FlawKind.SERVICE_RESTARTED, FlawKind.UNANSWERED)


@dataclass
class ServiceLook:
    """What was found of the service, for `perfgate.diagnose.subject.Subject`.

    CPU time is looked at where something is red that it may explain, and everywhere if `always`, which a run that has
    passed is looked at for in any case.
    """

    theatres: Mapping[Side, Mapping[str, Theatre]]
    run: Run
    verdict: Verdict
    until: float
    note: Callable[[str], None]
    always: bool = False
    profiles: dict[Side, dict[str, Profile]] = field(default_factory=lambda: {side: {} for side in Side})
    passes: dict[str, SecondPass] = field(default_factory=dict)
    shipped: dict[Side, dict[str, tuple[ShippedFile, ...]]] = field(default_factory=lambda: {side: {} for side in Side})

    def __post_init__(self) -> None:
        self.always = self.always or not self.verdict.exit_code

    def take(self) -> None:
        """Profiles of head and base, and second passes over what failed, while there is time."""
        for side, own in self.theatres.items():
            for name, theatre in own.items():
                for mode in self._modes(name):
                    self._trying(theatre, lambda theatre=theatre, mode=mode: self._profile(theatre, mode))  # type: ignore[misc]
                if side is Side.HEAD and self._failed(name):
                    self._trying(theatre, lambda theatre=theatre: self._again(theatre))  # type: ignore[misc]

    def weigh(self, artifacts: Mapping[str, Sequence[str]], roots: Mapping[Side, Path]) -> None:
        """The files of the artifacts whose size is red, on each side."""
        red = {found.scope.artifact for found in self._red("bundle.")}
        for name in red & artifacts.keys():
            for side, root in roots.items():
                try:
                    self.shipped[side][name] = shipped(root, artifacts[name])
                except NotMeasured as error:
                    self.note(f"artifact {name} could not be looked into on {side}: {error.args[0]}")

    def _trying(self, theatre: Theatre, look: Callable[[], None]) -> None:
        what = f"the service of scenario {theatre.scenario}"
        if time.monotonic() > self.until:
            self.note(f"{what} was not looked into on {theatre.stand.side}: the time for it is over")
            return
        try:
            look()
        except PerfgateError as error:
            self.note(f"{what} could not be looked into on {theatre.stand.side}: {error.args[0]}")

    def _profile(self, theatre: Theatre, mode: Mode) -> None:
        side = theatre.stand.side
        before, taken = self.profiles[side].get(theatre.scenario), profile(theatre, mode)
        self.profiles[side][theatre.scenario] = replace(before, grown=taken.grown) if before else taken

    def _again(self, theatre: Theatre) -> None:
        self.passes[theatre.scenario] = second_pass(theatre)

    def _modes(self, scenario: str) -> Iterator[Mode]:
        red = {found.metric for found in self._red("") if found.scope.scenario in (scenario, "")}
        if any(metric.startswith(CPU) and metric != FAILURES for metric in red) or self.always:
            yield Mode.CPU
        if any(metric.startswith(MEMORY) for metric in red):
            yield Mode.MEMORY

    def _failed(self, scenario: str) -> bool:
        stopped = any(
            flaw.kind in STOPPED and flaw.scenario == scenario and flaw.side is Side.HEAD for flaw in self.run.flaws
        )
        return stopped or any(found.scope.scenario == scenario for found in self._red(FAILURES))

    def _red(self, prefix: str) -> Iterator[Finding]:
        for found in self.verdict.findings:
            is_red = found.status in (Status.FAIL, Status.WARN) and found.level is not Level.INFO
            if is_red and found.metric.startswith(prefix):
                yield found
