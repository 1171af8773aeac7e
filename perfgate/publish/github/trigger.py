"""The run of another workflow that this one follows (`workflow_run`), as GitHub itself tells of it.

What a pull request brings along decides what that run does and which files it leaves behind, but none of what stands
here: which repository, branch and commit it ran for, and how it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perfgate.errors import BadRequest
from perfgate.publish.github import environment
from perfgate.publish.github.environment import Payload, broken, identity, text
from perfgate.publish.github.place import FOLLOWING, Place

MEASURED_FOR = "pull_request"
"""The event of runs whose token may be one that cannot publish; every other run publishes by itself."""

SUCCESS = "success"
NOTHING_RAN = ("action_required", "skipped")
"""How a run ends that waits for somebody's approval, and one whose jobs all have conditions that are not met."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A run that has ended.

    `api` and `server` are addresses, `repository` is `owner/name` with the number `repository_id`. `run` and `attempt`
    name the run, `started` is when that attempt began (ISO 8601), `conclusion` how it ended in GitHub's word. `head` is
    the commit that was pushed, to `branch` of the repository `source_id` (None where it is gone) of `owner`.
    """

    api: str
    server: str
    repository: str
    repository_id: int
    run: int
    attempt: int
    started: str
    conclusion: str
    head: str
    branch: str
    owner: str
    source_id: int | None

    @property
    def fork(self) -> bool:
        """Whether the change comes from another repository."""
        return self.source_id != self.repository_id

    @property
    def passed(self) -> bool:
        """Whether every job of the run that had to succeed did."""
        return self.conclusion == SUCCESS

    @property
    def ran(self) -> bool:
        """Whether there was anything that could have measured."""
        return self.conclusion not in NOTHING_RAN

    def place(self, pull: int) -> Place:
        """Where to tell of what the run measured, once its pull request is known: as if it had done so itself."""
        return Place(
            api=self.api,
            server=self.server,
            repository=self.repository,
            event=FOLLOWING,
            pull=pull,
            head=self.head,
            base="",
            run=self.run,
            attempt=self.attempt,
            fork=False,  # whoever follows has a token of the repository itself
            branch=f"{self.owner}:{self.branch}" if self.fork else self.branch,
        )


def trigger(env: Mapping[str, str]) -> Trigger | None:
    """The run that this job follows, None where it follows none.

    Raises BadRequest where the run is not one to publish for, or the event cannot be.
    """
    if env.get("GITHUB_EVENT_NAME") != FOLLOWING:
        return None
    payload = environment.payload(env)
    run = payload.get(FOLLOWING)
    if not isinstance(run, dict):
        raise broken(f"it has no {FOLLOWING}")
    _check_kind(text(payload, "action"), text(run, "event"))
    home = identity(payload, "repository")
    if home is None or identity(run, "repository") != home:
        raise broken("its run is not one of this repository")
    return Trigger(
        api=environment.api(env),
        server=environment.server(env),
        repository=environment.repository(env),
        repository_id=home,
        run=_count(run, "id"),
        attempt=_count(run, "run_attempt"),
        started=text(run, "run_started_at"),
        conclusion=text(run, "conclusion"),
        head=environment.commit(text(run, "head_sha")),
        branch=text(run, "head_branch"),
        owner=_owner(run),
        source_id=identity(run, "head_repository"),
    )


def _check_kind(action: str, event: str) -> None:
    if action != "completed":
        raise BadRequest(f"the run that this one follows is only {action} yet", hint=f"on {FOLLOWING}: [completed]")
    if event != MEASURED_FOR:
        raise BadRequest(
            f"the run that this one follows is one for {event!r}, and publishes by itself",
            hint=f"add to the job: if: github.event.{FOLLOWING}.event == '{MEASURED_FOR}'",
        )


def _owner(run: Payload) -> str:
    """Whose the repository with the branch is; "" where it is gone."""
    repository = run.get("head_repository")
    owner = repository.get("owner") if isinstance(repository, dict) else None
    return text(owner, "login") if isinstance(owner, dict) else ""


def _count(run: Payload, key: str) -> int:
    number = run.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise broken(f"{key} is not a number")
    return number
