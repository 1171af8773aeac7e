"""What an advisor may know, and what it may try: everything happens in databases that perfgate made to throw away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from perfgate.examination import Examination
from perfgate.model import Finding, Key, Level, Run, Sample, Scope, Side, Status, Verdict
from perfgate.profiled import Profile, SecondPass, ShippedFile
from perfgate.stats import mean

if TYPE_CHECKING:
    import psycopg


class Laboratory(Protocol):
    """Where things are tried on head: its database as it was filled, altered, until the next thing is tried."""

    def seconds_left(self) -> float:
        """What is left of the allowance: an advisor that needs more says nothing, or says it unverified."""

    def altered(self, scenario: str, statements: Sequence[str] = ()) -> AbstractContextManager[psycopg.Connection]:
        """A connection in autocommit to head's database as it was filled, with `statements` done to it and analysed.

        Raises NotMeasured where one of them fails, or one that is sent through the connection.
        """

    def examine(
        self, scenario: str, statements: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Examination:
        """The scenario's tasks on the altered database, each with a fresh service; takes two or three seconds.

        Raises NotMeasured where the service or the load fails on it.
        """


@dataclass(frozen=True)
class Subject:
    """One run to be explained.

    `heads` and `bases` are examinations by scenario; a scenario may be missing in either. `references` holds what
    samples of head are compared with, where anything: the mean of base's, or of the accepted baseline's. `laboratory`
    is None where nothing can be tried. `options` are what the user set for advisors, by category.

    `profiles` are of Python services, by scenario; `passes` repeat scenarios in which something failed; `shipped` are
    the files of artifacts whose size is red, by artifact.
    """

    run: Run
    verdict: Verdict
    heads: Mapping[str, Examination] = field(default_factory=dict)
    bases: Mapping[str, Examination] = field(default_factory=dict)
    references: Mapping[Key, float] = field(default_factory=dict)
    laboratory: Laboratory | None = None
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    profiles: Mapping[Side, Mapping[str, Profile]] = field(default_factory=dict)
    passes: Mapping[str, SecondPass] = field(default_factory=dict)
    shipped: Mapping[Side, Mapping[str, tuple[ShippedFile, ...]]] = field(default_factory=dict)

    def profile(self, scenario: str, side: Side = Side.HEAD) -> Profile | None:
        """The profile of a scenario, if one was taken."""
        return self.profiles.get(side, {}).get(scenario)

    def red(self, *metrics: str) -> list[Finding]:
        """The findings that failed, or warned, of these metrics; of all without any."""
        return [
            found
            for found in self.verdict.findings
            if found.level in (Level.FAIL, Level.WARN)
            and found.status in (Status.FAIL, Status.WARN)
            and (not metrics or found.metric in metrics)
        ]

    def sample(self, metric: str, scope: Scope, side: Side = Side.HEAD) -> Sample | None:
        """The sample of this metric and scope, if it has any value."""
        key = Key(metric, scope)
        return next((s for s in self.run.samples if s.side is side and s.key == key and s.present), None)

    def value(self, metric: str, scope: Scope) -> float | None:
        """The mean of head's sample over its rounds or passes."""
        found = self.sample(metric, scope)
        return mean(found.present) if found else None
