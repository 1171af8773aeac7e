"""The nouns every room shares: plain values, in base units, with no behaviour beyond naming themselves.

A `Run` holds `Sample`s of a `Metric` in a `Scope`; rules turn them into `Finding`s; findings make a `Verdict`.
Seconds, bytes, counts, ratios (0.1 is 10 %) and per-second rates are stored as such and scaled only when formatted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Le

from perfgate.errors import ExitCode

RoundCount = Annotated[int, Ge(0), Le(10_000)]


class Unit(StrEnum):
    """The base unit a metric's values are stored in."""

    SECONDS = "s"
    BYTES = "B"
    COUNT = "count"
    RATIO = "ratio"
    PER_SECOND = "1/s"


class Better(StrEnum):
    """Which way is better: a limit is a ceiling for LOWER and a floor for HIGHER."""

    LOWER = "lower"
    HIGHER = "higher"


class Noise(StrEnum):
    """EXACT: one reading settles it. SAMPLED: only repeated rounds can tell."""

    EXACT = "exact"
    SAMPLED = "sampled"


class Comparable(StrEnum):
    """Where a stored baseline of the metric still means something."""

    ANYWHERE = "anywhere"
    SAME_POSTGRES = "same Postgres version"
    SAME_MACHINE = "same kind of machine"


class Side(StrEnum):
    """HEAD is this change, BASE what it is compared with."""

    HEAD = "head"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured. `meaning` is one sentence for people.

    `drift` is the standard deviation of ln(value) between two runs of unchanged code on one kind of machine, hours
    apart: what a comparison with a stored baseline must allow for on top of the noise between rounds.
    """

    name: str
    unit: Unit
    better: Better
    noise: Noise
    meaning: str
    comparable: Comparable = Comparable.ANYWHERE
    drift: float = 0.0


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Where a metric was measured. Empty fields do not apply: an endpoint of "" means all endpoints together."""

    scenario: str = ""
    endpoint: str = ""
    statement: str = ""
    table: str = ""
    artifact: str = ""
    process: str = ""
    benchmark: str = ""

    def details(self) -> str:
        """Everything but the scenario, most telling part last: `GET /products · 3f9c2a`."""
        named = (getattr(self, f.name) for f in fields(self) if f.name != "scenario")
        return " · ".join(part for part in named if part)

    def __str__(self) -> str:
        return " · ".join(part for part in (self.scenario, self.details()) if part)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of a sample: which metric, where."""

    metric: str
    scope: Scope

    def __str__(self) -> str:
        details = self.scope.details()
        return f"{self.metric}[{details}]" if details else self.metric


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one metric in one scope, one a round; None where a round gave none.

    `noise` repeats the metric's kind, unless the run itself showed that an exact metric is not exact here.
    `note` says why values are missing or weaker than the metric promises.
    """

    metric: str
    scope: Scope
    values: tuple[float | None, ...]
    side: Side = Side.HEAD
    noise: Noise = Noise.SAMPLED
    note: str = ""

    @property
    def key(self) -> Key:
        return Key(self.metric, self.scope)

    @property
    def present(self) -> tuple[float, ...]:
        """The values of the rounds that gave one."""
        return tuple(value for value in self.values if value is not None)


class FlawKind(StrEnum):
    """Why a measurement cannot be trusted."""

    GENERATOR_SATURATED = "generator saturated"
    RATE_NOT_REACHED = "rate not reached"
    NO_REQUESTS = "no requests"
    USERS_MISSING = "users missing"
    WORKER_LOST = "worker lost"
    UNANSWERED = "unanswered requests"
    LOAD_FAILED = "load failed"
    NOT_MEASURED = "not measured"
    TOO_FEW_ROUNDS = "too few rounds"
    SERVICE_DIED = "service died"
    SERVICE_RESTARTED = "service restarted"
    DATABASE_LOST = "database lost"
    SETTINGS_CHANGED = "settings changed"
    STATEMENTS_EVICTED = "statements evicted"
    COLLECTOR_FAILED = "collector failed"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A reason not to trust a round (`round` counts from 1), or a whole scenario where `round` is None.

    `metrics` are globs of the metrics that it spoils, none for all; `detail` keeps what helps to mend it, such as the
    last lines of a log.
    """

    kind: FlawKind
    because: str
    scenario: str = ""
    round: int | None = None
    side: Side = Side.HEAD
    metrics: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """How one stretch of load went: whether it counts, and what measuring it cost.

    `generator_cpu` and `sampler_cpu` are shares of one core; `lag` is the generator's median event-loop delay in
    seconds; `asked` and `reached` are requests per second (`asked` is None for a closed model). `others` is how many
    cores went to other processes and to other machines on the same host; a round with more of that than usual is
    `disturbed` and was taken again, whatever it had measured. Rounds of both sides with one index are a pair; those of
    one `start` (from 1) ran in the same processes.
    """

    scenario: str
    index: int
    seconds: float
    requests: int
    reached: float
    generator_cpu: float
    lag: float
    sampler_cpu: float
    side: Side = Side.HEAD
    asked: float | None = None
    valid: bool = True
    others: float = 0.0
    disturbed: bool = False
    start: int = 0


@dataclass(frozen=True, slots=True)
class Repeatability:
    """How well a metric repeats on this machine: base against base, in rounds that follow each other.

    `sd` is the standard deviation of the logarithm of the ratio of two rounds, over `pairs` of them.
    """

    scenario: str
    metric: str
    sd: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The load that was asked of a scenario; `rounds` is 0 where there were none to take. Times are in seconds.

    `pairs_a_start` is how many pairs of rounds were taken between fresh starts of both sides.
    """

    locustfile: str = ""
    users: int | None = None
    rate: float | None = None
    warmup: float = 0.0
    round: float = 0.0
    rounds: RoundCount = 0
    max_rounds: RoundCount = 0
    counting: int = 0
    timeout: float = 0.0
    seed: int = 0
    workers: int = 1
    pairs_a_start: Annotated[int, Ge(1), Le(100)] = 1


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine a run took place on. Runs are comparable by time and memory when `kind` is equal."""

    cpu: str
    cores: int
    memory: int
    system: str
    python: str

    @property
    def kind(self) -> str:
        return f"{self.cpu} x{self.cores}, {round(self.memory / 2**30)} GiB"


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server of a run: how it was had, its version (`18.6`), and the settings that differ from its defaults."""

    provider: str
    version: str
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything measured once, and all that is needed to judge it again.

    `base` is the commit that was measured beside head, "" where none was. `repeatability` is the machine's own noise.
    `started` is ISO 8601 in UTC; `phases` maps what the time went into to seconds; `loads` keeps what was asked of each
    scenario, `left_out` names the scenarios that were not asked for, `profile` the profile of budgets.yaml that asked;
    `statements` maps fingerprints to normalised texts; `notes` are sentences for the reader,
    and so is what this change allows that its base does not (`loosened`).
    """

    commit: str
    branch: str
    dirty: bool
    base: str
    machine: Machine
    started: str
    seconds: float
    version: str
    seed: int
    postgres: Postgres | None = None
    loads: Mapping[str, Asked] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    profile: str = ""
    metrics: tuple[Metric, ...] = ()
    samples: tuple[Sample, ...] = ()
    rounds: tuple[Round, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    repeatability: tuple[Repeatability, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    statements: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    loosened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A run that was accepted, for one scenario ("" for what belongs to the whole project): what later runs must match.

    `accepted` is ISO 8601 in UTC; samples keep every round's value, so that a comparison knows its own noise.
    """

    scenario: str
    commit: str
    accepted: str
    by: str
    reason: str
    machine: Machine
    postgres: Postgres | None = None
    metrics: tuple[Metric, ...] = ()
    samples: tuple[Sample, ...] = ()
    statements: Mapping[str, str] = field(default_factory=dict)


class Status(StrEnum):
    """What one rule says of one sample, from best to worst. Only PASS and IMPROVED were earned by a comparison."""

    IMPROVED = "improved"
    PASS = "pass"
    NEW = "new"
    UNSURE = "unsure"
    WARN = "warn"
    INVALID = "invalid"
    MISSING = "missing"
    FAIL = "fail"


class Level(StrEnum):
    """How much a finding weighs."""

    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule applied to one sample.

    `reference` is the limit, or the value of the base or baseline; `change` is relative (0.1 is +10 %); `interval` is
    the confidence interval of what was compared, in the metric's unit for limits and relative for tolerances.
    `rule` says where the rule stands (`budgets.yaml:31`), `kind` which sort of rule it is. `needed` is how many rounds
    in all would probably decide what is undecided; 0 where no number of them is known to. `confirming` is an alarm that
    further rounds are asked to confirm. `against` says what the reference is: "limit", "baseline", "base", "history" or
    "". `adjusted` values are not those of the rounds: what the machine made of them is taken out.
    """

    metric: str
    scope: Scope
    unit: Unit
    status: Status
    level: Level
    because: str
    kind: str
    rule: str = ""
    observed: float | None = None
    reference: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    rounds: int = 0
    needed: int = 0
    confirming: bool = False
    against: str = ""
    adjusted: bool = False

    @property
    def key(self) -> Key:
        return Key(self.metric, self.scope)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, worst first, and the exit code that they imply."""

    status: Status
    exit_code: ExitCode
    findings: tuple[Finding, ...]
