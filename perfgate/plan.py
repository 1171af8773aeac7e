"""What `budgets.yaml` asks for, as types: past the door nobody sees a raw mapping.

The classes mirror the file's keys one to one, in base units; `perfgate.settings` reads the file into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

from perfgate.model import Metric, Side, Unit
from perfgate.units import Quantity, show

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class PlainText:
    """Marks a text that YAML may have read as a number or a truth value (`PORT: 80`, `jit: off`)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._text, core_schema.str_schema())

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}

    def _text(self, value: object) -> object:
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int | float) else value


class WholeNumber:
    """Marks a number of things, which YAML's `true` and `yes` are not, although Python takes them for 1."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.int_schema(strict=True)


Seconds = Annotated[float, Quantity("s"), Le(86_400)]
PositiveSeconds = Annotated[float, Quantity("s"), Gt(0), Le(86_400)]
PerSecond = Annotated[float, Quantity("1/s"), Gt(0), Le(100_000)]
Text = Annotated[str, PlainText()]
Named = Annotated[str, MinLen(1)]
Count = Annotated[int, WholeNumber(), Ge(0), Le(10_000)]
AtLeastOne = Annotated[int, WholeNumber(), Ge(1), Le(10_000)]

TESTS = "pytest"
"""The scenario that holds what tests add under `pytest --perfgate`: benchmarks and metrics of their own."""

DEFAULT_TIME_S = 300.0
"""How long a run may take rounds to decide what is undecided."""

STRICT: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True)
class Service:
    """How the service is built, started and found to be ready.

    `{port}`, `{url}`, `{database_url}`, `{database_host}`, `{database_port}`, `{database_name}`, `{database_user}` and
    `{database_password}` are filled in, in `command` and `env`. `build` runs before there is any of them.

    `counting_env` is added for counting passes. By default it asks for one worker, as gunicorn, uvicorn and others
    understand it: with several, whichever answers first has caches of its own, and counts do not repeat.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    command: Named
    ready: Named = "/"
    build: str = ""
    env: Mapping[str, Text] = field(default_factory=dict)
    counting_env: Mapping[str, Text] = field(default_factory=lambda: {"WEB_CONCURRENCY": "1"})
    cwd: str = "."
    ready_timeout: PositiveSeconds = 60.0
    stop_timeout: Seconds = 5.0


@dataclass(frozen=True)
class Database:
    """Where the Postgres comes from and how it is filled.

    `setup` takes SQL files and commands, run on the empty database; `prepare` takes commands that run once the service
    is ready. The database so made is the template of every counting pass and round.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    provider: Literal["auto", "docker", "embedded", "url"] = "auto"
    image: str = "postgres:17"
    url: str = ""
    setup: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    settings: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One kind of load: a Locust file, how many users (closed model) or what rate (open model), and for how long.

    A `round` is made longer, up to 3 s, where that gives every endpoint 200 requests. `rounds` are always taken; up to
    `max_rounds` while a rule is undecided and time is left. Beside base, a round is a pair: one on each side.
    `counting` is how often the counting pass repeats each task (0 leaves it out). A request unanswered after `timeout`
    spoils the round. `workers` are local Locust processes; with `master` (host:port to listen on) the load comes from
    `expect_workers` that connect to it.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    locustfile: Named
    users: AtLeastOne | None = None
    rate: PerSecond | None = None
    warmup: Seconds = 2.0
    round: PositiveSeconds = 2.0
    rounds: Annotated[int, WholeNumber(), Ge(3), Le(10_000)] = 6
    max_rounds: AtLeastOne = 20
    counting: Count = 5
    timeout: PositiveSeconds = 10.0
    seed: Annotated[int, WholeNumber()] = 1
    workers: AtLeastOne = 1
    master: str = ""
    expect_workers: Count = 0

    @property
    def pairs_a_start(self) -> int:
        """Pairs of rounds between fresh starts of both sides: the luck of a start must not decide.

        One is best; two where a warm-up is so long that starting would take most of the time.
        """
        return 1 if self.warmup <= 2 * self.round else 2


@dataclass(frozen=True)
class Selector:
    """Which samples a rule is about: case-sensitive globs, where "" says nothing of a field.

    An `endpoint` of "together" means all endpoints together, and none of them alone. `statement` matches a statement's
    fingerprint or its normalised text; samples of single statements are judged only by rules that name one.
    """

    metric: str
    scenario: str = ""
    endpoint: str = ""
    statement: str = ""
    table: str = ""
    artifact: str = ""
    process: str = ""
    benchmark: str = ""


@dataclass(frozen=True)
class Multiple:
    """`factor` times what the metric was in base or baseline, but at least and at most so much (metric's unit)."""

    factor: float
    at_least: float | None = None
    at_most: float | None = None

    def text(self, unit: Unit) -> str:
        """As it is written in the file: `1.5 x baseline, at least 300 ms`."""
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return f"{self.factor:g} x baseline" + "".join(
            f", {word} {show(value, unit)}" for word, value in bounds if value is not None
        )


@dataclass(frozen=True)
class Limit:
    """A budget, in the metric's unit: a ceiling or a floor, by the metric's `better`; `side` is whose rule it is."""

    selector: Selector
    warn: float | Multiple | None
    fail: float | Multiple | None
    where: str
    side: Side = Side.HEAD


@dataclass(frozen=True)
class Tolerance:
    """How far a metric may move from its reference, relative, once it moved more than `floor` (metric's unit).

    `side` is whose rule it is.
    """

    selector: Selector
    warn: float | None
    fail: float | None
    floor: float
    where: str
    side: Side = Side.HEAD


Rule = Limit | Tolerance


@dataclass(frozen=True)
class Plan:
    """Everything `budgets.yaml` asks for. Paths in it are relative to `root`, the folder of the file.

    `profile` names the profile of the file that it follows, "" for none. `left_out` names the scenarios of the file
    that this run was asked to leave out, or that other profiles have. Once `time` (seconds) has gone by since the run
    began, no rounds are taken that are not required. `rules_of` says whose rules judge a pull request that this file is
    the base of.
    """

    root: Path
    file: Path
    service: Service | None
    database: Database | None
    scenarios: Mapping[str, Scenario]
    artifacts: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    collectors: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    advisors: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    time: float = DEFAULT_TIME_S
    profile: str = ""
    rules_of: Side = Side.BASE
