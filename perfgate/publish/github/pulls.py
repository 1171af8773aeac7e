"""Which pull request a run was for: GitHub leaves that out of the event where the change comes from a fork."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from perfgate.publish.github.exchange import Exchange, Refused
from perfgate.publish.github.trigger import Trigger
from perfgate.publish.report import one_line


@dataclass(frozen=True, slots=True)
class Pull:
    """An open pull request: its number, and the branch that it is to go to."""

    number: int
    base: str


class NoPull(Exception):
    """There is no pull request to tell of the run, for a `reason` in one sentence.

    `excused` where that is in order: it was closed, or something newer was pushed to it.
    """

    def __init__(self, reason: str, *, excused: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.excused = excused


def find(exchange: Exchange, trigger: Trigger) -> Pull:
    """The one open pull request whose head is repository, branch and commit of the run.

    Raises `NoPull` where there is none or more than one, `Refused` where GitHub does not say.
    """
    if trigger.source_id is None:
        raise NoPull("the repository that the change comes from is gone, and its pull request unknown", excused=False)
    label = f"{trigger.owner}:{trigger.branch}"
    path = f"/repos/{quote(trigger.repository, safe='/')}/pulls"
    listed = exchange.pages("list the pull requests", path, _list, {"state": "open", "head": label})
    there = [pull for pull in listed if _sides(pull) == (trigger.source_id, trigger.repository_id)]
    meant = [pull for pull in there if pull["head"].get("sha") == trigger.head]
    if len(meant) == 1 and isinstance(meant[0].get("number"), int):
        return Pull(meant[0]["number"], str(meant[0]["base"].get("ref")))
    told = one_line(label, 100)
    if meant:
        raise NoPull(f"{len(meant)} open pull requests have {trigger.head[:10]} of {told} as head", excused=False)
    if there:
        raise NoPull(f"the pull request from {told} has moved on from {trigger.head[:10]}", excused=True)
    raise NoPull(f"no pull request from {told} is open any more", excused=True)


def _sides(pull: object) -> tuple[int | None, int | None]:
    """The numbers of the repositories that the change comes from and goes to."""
    head, base = (_part(pull, side) for side in ("head", "base"))
    return _part(head, "repo").get("id"), _part(base, "repo").get("id")


def _part(data: object, name: str) -> Mapping[str, Any]:
    part = data.get(name) if isinstance(data, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _list(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise Refused("cannot list the pull requests: the answer is no list")
    return data
