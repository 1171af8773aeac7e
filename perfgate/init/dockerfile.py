"""What a Dockerfile or a Procfile says: how the service starts, on which port, and how it is found to be well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from perfgate.init.commands import joined
from perfgate.init.signs import Guess, Signs, Start
from perfgate.init.tree import Tree

_ASSIGNED = re.compile(r"""(\w+)=("(?:\\.|[^"\\])*"|'[^']*'|\S+)""")
_ASKED = re.compile(r"""(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::[\w${}]+)?(/[\w./-]*)""")
_HANDS_OVER = re.compile(r"""exec\s+"?\$@"?""")
_OF_THE_IMAGE = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "PORT")
_OF_PYTHON = ("PYTHON", "PIP_", "POETRY_", "UV_", "DEBIAN_", "NPM_", "VIRTUAL_ENV")


@dataclass
class Stage:
    """One stage of a Dockerfile: its last word on each thing, with the line it stands on."""

    base: str
    name: str = ""
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    entrypoint: tuple[str, int] = ("", 0)
    command: tuple[str, int] = ("", 0)
    health: tuple[str, int] = ("", 0)


def signs(tree: Tree) -> Signs:
    """What the Dockerfile at the top of the project says."""
    name = "Dockerfile" if tree.has("Dockerfile") else next(iter(_dockerfiles(tree)), "")
    return read(tree, name) if name and "/" not in name else Signs()


def _dockerfiles(tree: Tree) -> list[str]:
    return [file for file in tree.files if PurePosixPath(file).name.startswith(("Dockerfile", "Containerfile"))]


def read(tree: Tree, name: str, target: str = "") -> Signs:
    """What this Dockerfile says of its last stage, or of the one called `target`."""
    stage = _stage(tree.text(name), target)
    if stage is None:
        return Signs()
    ready = ready_by(stage.health[0], f"{name}:{stage.health[1]} (HEALTHCHECK)")
    env = {
        key: Guess(value, f"{name} (ENV)")
        for key, value in stage.env.items()
        if key not in _OF_THE_IMAGE and not key.startswith(_OF_PYTHON) and not value.startswith("/")
    }
    return Signs(starts=tuple(_starts(stage, name, tree)), ready=ready, env=env)


def _starts(stage: Stage, name: str, tree: Tree) -> Iterator[Start]:
    """The command of a stage; an entry point that is a script stands aside for the command that it hands over to."""
    (entry, entry_line), (command, line) = stage.entrypoint, stage.command
    words, check = entry.split(), ""
    script = next(
        (file for file in tree.files if words and PurePosixPath(file).name == PurePosixPath(words[0]).name), ""
    )
    if command and script and _HANDS_OVER.search(tree.text(script)):
        entry, check = "", f"{script} is not run here, and what it does before the service starts is left out"
    whole, where = f"{entry} {command}".strip(), line or entry_line
    if whole:
        word = "CMD" if line else "ENTRYPOINT"
        yield Start(whole, f"{name}:{where} ({word})", stage.env, stage.workdir, check=check)


def ready_by(health: str, source: str) -> Guess | None:
    """The path that a health check asks for; None where it asks for none."""
    found = _ASKED.search(health)
    return Guess(found[1], source) if found else None


def _stage(text: str, target: str) -> Stage | None:
    """The stage that is built, with what it has from those it stands on."""
    stages: list[Stage] = []
    for line, word, rest in _instructions(text):
        if word == "FROM":
            parts = [part for part in rest.split() if not part.startswith("--")]
            name = parts[2] if len(parts) > 2 else ""
            below = next((stage for stage in stages if stage.name and parts and stage.name == parts[0]), None)
            stages.append(_upon(below, name) if below else Stage(parts[0] if parts else "", name))
        elif stages:
            _take(stages[-1], line, word, rest)
    wanted = [stage for stage in stages if stage.name == target] if target else stages
    return wanted[-1] if wanted else None


def _upon(below: Stage, name: str) -> Stage:
    return Stage(below.name, name, dict(below.env), below.workdir, below.entrypoint, below.command, below.health)


def _take(stage: Stage, line: int, word: str, rest: str) -> None:
    if word == "ENV":
        stage.env |= assigned(rest)
    elif word == "WORKDIR":
        stage.workdir = rest if rest.startswith("/") else f"{stage.workdir.rstrip('/')}/{rest}"
    elif word == "ENTRYPOINT":
        stage.entrypoint, stage.command = (in_shell(rest), line), ("", 0)
    elif word == "CMD":
        stage.command = (in_shell(rest), line)
    elif word == "HEALTHCHECK":
        stage.health = (rest, line)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, instruction and arguments; lines that go on are put together."""
    begin, gathered = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and gathered):
            continue
        begin = begin if gathered else number
        gathered += line.strip()
        if gathered.endswith("\\"):
            gathered = f"{gathered[:-1]} "
            continue
        word, _, rest = gathered.partition(" ")
        yield begin, word.upper(), rest.strip()
        gathered = ""


def assigned(text: str) -> Mapping[str, str]:
    """The variables of an ENV instruction, in both of its forms."""
    found = {name: value.strip("\"'") for name, value in _ASSIGNED.findall(text)}
    name, _, value = text.partition(" ")
    return found or ({name: value.strip()} if value else {})


def in_shell(text: str) -> str:
    """A command as a shell reads it, also where it is written as a list of words."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            return text
        return words_in_shell(words) if isinstance(words, list) else text
    return text


def words_in_shell(words: Sequence[object]) -> str:
    """A list of words as a shell reads it; variables in it are left to be filled in."""
    texts = [str(word) for word in words]
    return " ".join(word if "$" in word and " " not in word else joined([word]) for word in texts)


def of_procfile(tree: Tree) -> Signs:
    """The `web` process of a Procfile; its `release` prepares the database."""
    lines = [line.partition(":") for line in tree.text("Procfile").splitlines()]
    named = {name.strip(): (number, rest.strip()) for number, (name, sign, rest) in enumerate(lines, 1) if sign}
    number, command = named.get("web", (0, ""))
    line, release = named.get("release", (0, ""))
    return Signs(
        starts=(Start(command, f"Procfile:{number} (web)"),) if command else (),
        migrations=(Guess(release, f"Procfile:{line} (release)"),) if release else (),
    )
