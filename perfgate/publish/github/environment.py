"""What the runner of GitHub Actions tells by its variables and its event file, checked as it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from perfgate.errors import BadRequest

LONGEST_PAYLOAD = 30_000_000
"""Bytes: GitHub sends none that are longer."""

Payload = Mapping[str, Any]

_HINT = "the runner of GitHub Actions sets it; leave --github out elsewhere"
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def payload(env: Mapping[str, str]) -> Payload:
    """What happened, in GitHub's words; nothing where no file is named."""
    path = env.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST_PAYLOAD + 1)
        told = json.loads(text) if len(text) <= LONGEST_PAYLOAD else None
    except OSError as error:
        raise BadRequest(f"GITHUB_EVENT_PATH: {path} cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise broken("it is not JSON") from error
    if not isinstance(told, dict):
        raise broken("it is too long, or no object")
    return told


def broken(why: str) -> BadRequest:
    """The error for an event that is none."""
    return BadRequest(f"GITHUB_EVENT_PATH does not hold an event of GitHub's: {why}", hint=_HINT)


def text(values: Payload, key: str) -> str:
    """A text of the event."""
    value = values.get(key)
    if not isinstance(value, str):
        raise broken(f"{key} is not a text")
    return value


def identity(values: Payload, key: str) -> int | None:
    """The number of a repository in the event; None where it is gone, as a deleted fork is."""
    repository = values.get(key)
    number = repository.get("id") if isinstance(repository, dict) else None
    return number if isinstance(number, int) else None


def repository(env: Mapping[str, str]) -> str:
    """`owner/name`."""
    return _matching(_REPOSITORY, env.get("GITHUB_REPOSITORY", ""), "GITHUB_REPOSITORY", "owner/name")


def commit(value: str) -> str:
    """The commit that the event is about."""
    return _matching(_COMMIT, value, "GITHUB_SHA, or the commit in the event", "a full commit name")


def is_commit(value: str) -> bool:
    """Whether it is the full name of a commit that exists: GitHub writes zeros for none."""
    return bool(_COMMIT.fullmatch(value) and value.strip("0"))


def _matching(pattern: re.Pattern[str], value: str, name: str, meant: str) -> str:
    if not pattern.fullmatch(value):
        raise BadRequest(f"{name}: {value!r} is not {meant}", hint=_HINT)
    return value


def number(env: Mapping[str, str], name: str) -> int:
    """A variable that counts from 1, and is 1 where the runner does not set it."""
    value = env.get(name) or "1"
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise BadRequest(f"{name}: {value!r} is not a number", hint=_HINT)
    return int(value)


def api(env: Mapping[str, str]) -> str:
    """The address of the REST interface, without a slash at the end."""
    return _address(env, "GITHUB_API_URL", "https://api.github.com")


def server(env: Mapping[str, str]) -> str:
    """The address of the pages, without a slash at the end."""
    return _address(env, "GITHUB_SERVER_URL", "https://github.com")


def _address(env: Mapping[str, str], name: str, otherwise: str) -> str:
    value = (env.get(name) or otherwise).rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", value) or re.search(r"[<>()\[\]\"'`\\?#]", value):
        raise BadRequest(f"{name}: {value!r} is no address", hint=_HINT)
    return value
