"""What a collector is: one file that reads one kind of number, and everything it may look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from perfgate.model import Flaw, Metric, Scope, Side

if TYPE_CHECKING:
    from perfgate.measure.database import ServiceDatabase
    from perfgate.measure.load import Load
    from perfgate.measure.service import RunningService
    from perfgate.measure.usage import Usage


class Stretch(StrEnum):
    """When a collector reads: in the counting pass, in each timed round, or once for the whole project."""

    COUNTING = "counting"
    ROUND = "round"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric from one stretch. `value` None says that there was none, and `note` why.

    The scope needs no scenario: whoever drives the stretch fills it in.
    """

    metric: Metric
    value: float | None
    scope: Scope = field(default_factory=Scope)
    note: str = ""


@dataclass
class Target:
    """Everything a collector may look at during one stretch on one side.

    `load` and `usage` are known when the stretch is over. `statements` maps fingerprints to normalised texts and is
    filled by whoever names a statement. `options` are the keys under `collectors:` for this collector.
    """

    root: Path
    scenario: str = ""
    side: Side = Side.HEAD
    service: RunningService | None = None
    database: ServiceDatabase | None = None
    artifacts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    load: Load | None = None
    usage: Usage | None = None
    statements: dict[str, str] = field(default_factory=dict)


class Collector:
    """Base of all collectors: hooks that do nothing until a collector needs them.

    `options` maps each option's name to its default; its type is the default's type. One instance serves a whole run,
    one stretch after the other, so what `begin` notes is for the `finish` that follows it. After `finish`, `flaws` says
    why the readings of that stretch cannot be trusted.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    stretch: ClassVar[Stretch]
    options: ClassVar[Mapping[str, object]] = {}
    flaws: tuple[Flaw, ...] = ()

    def begin(self, target: Target) -> None:
        """Called right before the stretch."""

    def observe(self, target: Target, endpoint: str) -> None:
        """Called in a counting pass after each answered request, while nothing else is sent."""

    def finish(self, target: Target) -> Iterable[Reading]:  # noqa: ARG002 - for those that override it
        """Called right after the stretch: its readings."""
        return ()
