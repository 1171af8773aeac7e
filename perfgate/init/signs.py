"""What the files of a project say about it: guesses, each with the place it was read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PARAMETER = re.compile(r"\{(\w+)\}")
HEALTH = re.compile(r"/(api/)?(_?health(z|check|-check|_check)?|_?ready(z)?|_?live(z|ness)?|ping|up|status)/?")
"""The paths that tell whether a service is well, and nothing of what it costs."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One thing read from a project, where it stands there, and what a reader should check, if anything."""

    value: str
    source: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """A command that starts the service where the project runs now: in a container, or on a platform.

    `env` is what the command finds in its environment there; `workdir` is its folder in the container.
    """

    command: str
    source: str
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = ""
    cwd: str = "."
    check: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route of the service, with `{name}` for each parameter; `example` is a path to ask for, "" if none is known."""

    method: str
    path: str
    source: str
    example: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def tells_health(self) -> bool:
        return HEALTH.fullmatch(self.path) is not None


@dataclass(frozen=True, slots=True)
class Signs:
    """What one kind of file says. `database` is an image of Postgres, or "" where only its use was seen.

    `scripts` run in an empty database before anything else; `migrations` make the tables, or else `schema` does.
    """

    starts: tuple[Start, ...] = ()
    env: Mapping[str, Guess] = field(default_factory=dict)
    ready: Guess | None = None
    database: Guess | None = None
    scripts: tuple[Guess, ...] = ()
    schema: tuple[Guess, ...] = ()
    migrations: tuple[Guess, ...] = ()
    seeds: tuple[Guess, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    locustfiles: tuple[Guess, ...] = ()
    artifacts: Mapping[str, Guess] = field(default_factory=dict)
    installs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def merged(found: Iterable[Signs]) -> Signs:
    """All signs together; where only one thing can be true, the first says it."""
    signs = list(found)
    databases = [one.database for one in signs if one.database]
    return Signs(
        starts=tuple(start for one in signs for start in one.starts),
        env={name: guess for one in reversed(signs) for name, guess in one.env.items()},
        ready=next((one.ready for one in signs if one.ready), None),
        database=next((guess for guess in databases if guess.value), databases[0] if databases else None),
        scripts=_once(guess for one in signs for guess in one.scripts),
        schema=_once(guess for one in signs for guess in one.schema),
        migrations=_once(guess for one in signs for guess in one.migrations),
        seeds=_once(guess for one in signs for guess in one.seeds),
        endpoints=tuple({(e.method, e.path): e for one in reversed(signs) for e in reversed(one.endpoints)}.values())[
            ::-1
        ],
        locustfiles=_once(guess for one in signs for guess in one.locustfiles),
        artifacts={name: guess for one in reversed(signs) for name, guess in one.artifacts.items()},
        installs=tuple(dict.fromkeys(step for one in signs for step in one.installs)),
        remarks=tuple(remark for one in signs for remark in one.remarks),
    )


def _once(guesses: Iterable[Guess]) -> tuple[Guess, ...]:
    found: dict[str, Guess] = {}
    for guess in guesses:
        found.setdefault(guess.value, guess)
    return tuple(found.values())


def example_of(path: str, numbers: Iterable[str]) -> str:
    """The path with 1 for each parameter that is a number, or that is called as one; "" where another is in it."""
    known = set(numbers)

    def is_number(name: str) -> bool:
        return name in known or name.lower() in ("id", "pk", "page") or name.lower().endswith(("_id", "_pk"))

    names = PARAMETER.findall(path)
    return PARAMETER.sub("1", path) if all(map(is_number, names)) else ""
