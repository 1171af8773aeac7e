"""A command as it stands in a container or on a platform, as perfgate can run it: on this machine, without a shell.

The port becomes `{port}` and the address 127.0.0.1. What runs before the service, as migrations do, is told apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from perfgate.init.signs import Start
from perfgate.init.tree import Tree

HERE = "127.0.0.1"
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
_ADDRESS = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|localhost|\[::\]|\*)?:(\d{2,5}|\{port\})")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NEEDS_SHELL = re.compile(r"(?:^|\s)(?:\||[12&]?>|<)|\$")
"""What is left for a shell to do, once the variables that are known are filled in."""
_PREPARES = re.compile(r"alembic|migrat|db upgrade|createdb|loaddata|seed|collectstatic|prisma|init_db|initdb")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
"""What no program can be told: JSON can write it all the same."""
_PLACEHOLDER = re.compile(r"(\{\w+\})")
_RUNNERS = (("poetry", "run"), ("uv", "run"), ("pipenv", "run"), ("npx",), ("python", "-m"), ("python3", "-m"))
_IN_DEVELOPMENT = ("--reload", "--debug", "--watch", "--access-log")

_OPTIONS: Mapping[str, Sequence[str]] = {
    "uvicorn": ("--port", "{port}"),
    "hypercorn": ("--bind", f"{HERE}:{{port}}"),
    "gunicorn": ("--bind", f"{HERE}:{{port}}"),
    "daphne": ("-p", "{port}"),
    "granian": ("--port", "{port}"),
    "fastapi": ("--port", "{port}"),
    "flask": ("--port", "{port}"),
    "waitress-serve": (f"--listen={HERE}:{{port}}",),
    "runserver": (f"{HERE}:{{port}}",),
}
"""How programs are told their port, where the command does not say it."""

_PORT_OPTIONS = ("--port", "-p")
_ADDRESS_OPTIONS = ("--bind", "-b", "--listen")
_HOST_OPTIONS = ("--host", "-h")


@dataclass(frozen=True)
class Hosted:
    """A start command for this machine, what its environment has to hold, and what ran before it."""

    command: str
    env: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    checks: Sequence[str] = ()


def hosted(start: Start, tree: Tree) -> Hosted | None:
    """The command for this machine; None where nothing is left of it, or nothing that can be run."""
    *before, last = _parts(_unwrapped(start.command)) or [""]
    last = _filled(last, start.env)
    words, env = (["sh", "-c", last], {}) if _NEEDS_SHELL.search(last) else _split_env(last)
    words = [_at_home(word, start.workdir, tree) for word in words if word not in _IN_DEVELOPMENT]
    if not words or not last or _NO_TEXT.search(start.command):
        return None
    told = list(_with_port(words))
    checks = [start.check] if start.check else []
    if not any("{port}" in word for word in told):
        told, more = _appended(told)
        env |= more
        if more:
            checks.append("the command names no port: the service has to listen on the variable PORT")
    prepared = [one for one in before if _PREPARES.search(one)]
    checks += [f"left out, since it is no migration: `{one}`" for one in before if one not in prepared]
    return Hosted(joined(told), env, [joined(_split_env(_filled(one, start.env))[0]) for one in prepared], checks)


def _unwrapped(command: str) -> str:
    """What `sh -c '…'` runs."""
    words = _split(command)
    shells = ("sh", "bash", "/bin/sh", "/bin/bash")
    if len(words) == 3 and words[0] in shells and words[1].startswith("-") and words[1].endswith("c"):
        return words[2]
    return command


def _parts(command: str) -> list[str]:
    """The commands that follow each other."""
    found = re.split(r"\s*(?:&&|;|\n)\s*", command.strip())
    return [re.sub(r"^exec\s+", "", part) for part in found if part]


def _filled(command: str, env: Mapping[str, str]) -> str:
    """The command with its variables replaced by what is known of them; PORT is ours."""

    def value(match: re.Match[str]) -> str:
        name, usual = match[1] or match[3], match[2]
        if name in ("PORT", "APP_PORT", "WEB_PORT"):
            return "{port}"
        return env.get(name, usual if usual is not None else match[0])

    return _VARIABLE.sub(value, command)


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _split_env(command: str) -> tuple[list[str], dict[str, str]]:
    """The words, without the assignments before them."""
    words, env = _split(command), {}
    while words and (_ASSIGNMENT.match(words[0]) or words[0] in ("exec", "env")):
        name, sign, value = words.pop(0).partition("=")
        if sign:
            env[name] = value
    return words, env


def _at_home(word: str, workdir: str, tree: Tree) -> str:
    """A path in the container as one in the project; a program of the container's environment by its name."""
    if not word.startswith("/"):
        return word
    inside = word.removeprefix(workdir.rstrip("/") + "/") if workdir else word.lstrip("/")
    if tree.has(inside):
        return inside
    return PurePosixPath(word).name if "/bin/" in word else word


def _with_port(words: Sequence[str]) -> Iterator[str]:
    """The words with `{port}` for the port and 127.0.0.1 for the address, where they are there."""
    before = ""
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name in (*_ADDRESS_OPTIONS, *_HOST_OPTIONS, *_PORT_OPTIONS):
            yield f"{name}={_value(name, value)}"
        else:
            yield _value(before, word)
        before = word


def _value(option: str, word: str) -> str:
    """What the option takes here; a word after no such option as it is, unless it is an address with a port."""
    if option in _ADDRESS_OPTIONS or _ADDRESS.fullmatch(word):
        return f"{HERE}:{{port}}"
    if option in _HOST_OPTIONS:
        return HERE
    if option in _PORT_OPTIONS and (word.isdigit() or word == "{port}"):
        return "{port}"
    return word


def program(words: Sequence[str]) -> str:
    """What a command runs, whatever starts it: `uvicorn` for `poetry run uvicorn …`; `runserver` for Django's."""
    rest = list(words)
    for runner in _RUNNERS:
        if tuple(PurePosixPath(word).name for word in rest[: len(runner)]) == runner:
            rest = rest[len(runner) :]
    if "runserver" in rest:
        return "runserver"
    return PurePosixPath(rest[0]).name if rest else ""


def _appended(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words with the port added as their program takes it, or the variable PORT for one that is not known."""
    name = program(words)
    if name not in _OPTIONS:
        return list(words), {"PORT": "{port}"}
    bare = [word for word in words if not (name == "runserver" and word.isdigit())]
    return [*bare, *_OPTIONS[name]], {}


def joined(words: Sequence[str]) -> str:
    """The words as one line that is split again into the same words; placeholders need no quotes."""
    return " ".join(word if _is_plain(word) else shlex.quote(word) for word in words)


def _is_plain(word: str) -> bool:
    rest = _PLACEHOLDER.sub("x", word)
    return shlex.quote(rest) == rest
