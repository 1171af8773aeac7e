"""Where on GitHub a run takes place: what the runner of GitHub Actions tells by its variables and its event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.errors import BadRequest
from perfgate.publish.github import environment
from perfgate.publish.github.environment import Payload, broken, identity, text

FOLLOWING = "workflow_run"
"""The event of a workflow that runs after another one, whose own commit is not the one that was measured."""

_QUEUE = re.compile(r"refs/heads/gh-readonly-queue/(.+)/pr-\d+-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A run of a workflow, and what it is about.

    `api` and `server` are addresses without a slash at the end, `repository` is `owner/name`. `head` is the commit that
    was pushed: that of the pull request, not the merge commit that is checked out for it. `base` is the commit that it
    is compared with in the event, "" where the event names none. `pull` is None for everything but a pull request.
    `fork` says that the change comes from another repository, whose runs have a token that may only read. `run` and
    `attempt` name the run that measured: a re-run has the same number and the next attempt.
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
    def relayed(self) -> bool:
        """Whether it is another run than this one that measured."""
        return self.event == FOLLOWING

    @property
    def run_url(self) -> str:
        """The page of the run, with its summary and artifacts."""
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
    if event == FOLLOWING:
        raise BadRequest(
            f"--github: {FOLLOWING} is about the commit of another workflow, whose run has the result",
            hint="`perfgate publish --github`, without a RESULT, takes it from there",
        )
    about = _about(event, environment.payload(env), env)
    return Place(
        api=environment.api(env),
        server=environment.server(env),
        repository=environment.repository(env),
        event=event,
        pull=about.pull,
        head=environment.commit(about.head),
        base=about.base if environment.is_commit(about.base) else "",
        run=environment.number(env, "GITHUB_RUN_ID"),
        attempt=environment.number(env, "GITHUB_RUN_ATTEMPT"),
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
        ref = text(group, "head_ref")
        queue = _QUEUE.fullmatch(ref)
        return _About(text(group, "head_sha"), text(group, "base_sha"), queue[1] if queue else ref)
    if event.startswith("pull_request"):
        raise broken("it has no pull_request")
    before = payload.get("before")
    return _About(
        head=env.get("GITHUB_SHA", ""),
        base=before if event == "push" and isinstance(before, str) else "",
        branch=env.get("GITHUB_REF_NAME", ""),
    )


def _of_pull(pull: Payload) -> _About:
    number, head, base = pull.get("number"), pull.get("head"), pull.get("base")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise broken("its pull_request has no number")
    if not isinstance(head, dict) or not isinstance(base, dict):
        raise broken("its pull_request has no head or no base")
    return _About(
        head=text(head, "sha"),
        base=text(base, "sha"),
        branch=text(head, "ref"),
        pull=number,
        fork=identity(head, "repo") is None or identity(head, "repo") != identity(base, "repo"),
    )
