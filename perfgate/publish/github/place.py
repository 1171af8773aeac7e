"""Where on GitHub a run takes place: what the runner of GitHub Actions tells by its variables and its event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from perfgate.errors import BadRequest

LONGEST_PAYLOAD = 30_000_000
"""Bytes: GitHub sends none that are longer."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_QUEUE = re.compile(r"refs/heads/gh-readonly-queue/(.+)/pr-\d+-[0-9a-f]+")
_ELSEWHERE = {"workflow_run": "it is about the commit of another workflow"}
"""Events whose own commit is not the one that was measured."""

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A run of a workflow, and what it is about.

    `api` and `server` are addresses without a slash at the end, `repository` is `owner/name`. `head` is the commit that
    was pushed: that of the pull request, not the merge commit that is checked out for it. `base` is the commit that it
    is compared with in the event, "" where the event names none. `pull` is None for everything but a pull request.
    `fork` says that the change comes from another repository, whose runs have a token that may only read. `run` and
    `attempt` name the run: a re-run has the same number and the next attempt.
    """

    api: str
    server: str
    repository: str
    event: str
    pull: int | None
    head: str
    base: str
    run: int
    attempt: int
    fork: bool
    branch: str

    @property
    def run_url(self) -> str:
        """The page of this run, with its summary and artifacts."""
        return f"{self.server}/{self.repository}/actions/runs/{self.run}/attempts/{self.attempt}"

    def commit_url(self, commit: str) -> str:
        """The page of a commit, which has to be a full name."""
        return f"{self.server}/{self.repository}/commit/{commit}"


def place(env: Mapping[str, str]) -> Place | None:
    """Where the environment says that this is; None outside of GitHub Actions.

    Raises BadRequest where what it says cannot be.
    """
    if not env.get("GITHUB_REPOSITORY"):
        return None
    event = env.get("GITHUB_EVENT_NAME", "")
    if event in _ELSEWHERE:
        raise BadRequest(f"--github cannot publish from {event}: {_ELSEWHERE[event]}", hint="publish where it ran")
    about = _about(event, _payload(env.get("GITHUB_EVENT_PATH", "")), env)
    return Place(
        api=_address(env, "GITHUB_API_URL", "https://api.github.com"),
        server=_address(env, "GITHUB_SERVER_URL", "https://github.com"),
        repository=_matching(_REPOSITORY, env["GITHUB_REPOSITORY"], "GITHUB_REPOSITORY", "owner/name"),
        event=event,
        pull=about.pull,
        head=_matching(_COMMIT, about.head, "the commit of this event", "a full commit name"),
        base=about.base if _COMMIT.fullmatch(about.base) and about.base.strip("0") else "",
        run=_number(env, "GITHUB_RUN_ID"),
        attempt=_number(env, "GITHUB_RUN_ATTEMPT"),
        fork=about.fork,
        branch=about.branch,
    )


@dataclass(frozen=True, slots=True)
class _About:
    """What an event is about, unchecked."""

    head: str
    base: str
    branch: str
    pull: int | None = None
    fork: bool = False


def _about(event: str, payload: Payload, env: Mapping[str, str]) -> _About:
    if isinstance(payload.get("pull_request"), dict):
        return _of_pull(payload["pull_request"])
    if isinstance(payload.get("merge_group"), dict):
        group = payload["merge_group"]
        ref = _text(group, "head_ref")
        queue = _QUEUE.fullmatch(ref)
        return _About(_text(group, "head_sha"), _text(group, "base_sha"), queue[1] if queue else ref)
    if event.startswith("pull_request"):
        raise _broken("it has no pull_request")
    before = payload.get("before")
    return _About(
        head=env.get("GITHUB_SHA", ""),
        base=before if event == "push" and isinstance(before, str) else "",
        branch=env.get("GITHUB_REF_NAME", ""),
    )


def _of_pull(pull: Payload) -> _About:
    number, head, base = pull.get("number"), pull.get("head"), pull.get("base")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _broken("its pull_request has no number")
    if not isinstance(head, dict) or not isinstance(base, dict):
        raise _broken("its pull_request has no head or no base")
    return _About(
        head=_text(head, "sha"),
        base=_text(base, "sha"),
        branch=_text(head, "ref"),
        pull=number,
        fork=_identity(head) is None or _identity(head) != _identity(base),
    )


def _identity(side: Payload) -> int | None:
    """The number of the repository; None where it is gone, as a deleted fork is."""
    repository = side.get("repo")
    number = repository.get("id") if isinstance(repository, dict) else None
    return number if isinstance(number, int) else None


def _payload(path: str) -> Payload:
    """What happened, in GitHub's words; nothing where no file is named."""
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST_PAYLOAD + 1)
        payload = json.loads(text) if len(text) <= LONGEST_PAYLOAD else None
    except OSError as error:
        raise BadRequest(f"GITHUB_EVENT_PATH: {path} cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise _broken("it is not JSON") from error
    if not isinstance(payload, dict):
        raise _broken("it is too long, or no object")
    return payload


_HINT = "the runner of GitHub Actions sets it; leave --github out elsewhere"


def _broken(why: str) -> BadRequest:
    return BadRequest(f"GITHUB_EVENT_PATH does not hold an event of GitHub's: {why}", hint=_HINT)


def _text(values: Payload, key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise _broken(f"{key} is not a text")
    return value


def _matching(pattern: re.Pattern[str], value: str, name: str, meant: str) -> str:
    if not pattern.fullmatch(value):
        raise BadRequest(f"{name}: {value!r} is not {meant}", hint=_HINT)
    return value


def _number(env: Mapping[str, str], name: str) -> int:
    """A variable that counts from 1, and is 1 where the runner does not set it."""
    value = env.get(name) or "1"
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise BadRequest(f"{name}: {value!r} is not a number", hint=_HINT)
    return int(value)


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
