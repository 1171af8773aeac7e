"""A stranger's fork whose run has ended: the event that follows, what the run uploaded, and publishing it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from perfgate import runfile
from perfgate.errors import ExitCode
from perfgate.options import Telling
from perfgate.relay import relay
from perfgate.result import Result
from tests.github.fake import PULL, REPOSITORY, TOKEN, Hub, serve
from tests.github.fake_actions import HOME, RUN, STARTED
from tests.github.talking import QUICK
from tests.publish.literals import PASSED

FORK = 777
HEAD, NEXT, BASE = "9f3c2ab41d0aa7e6c5b4a39281706f5e4d3c2b1a", "b" * 40, "abc12345d0aa7e6c5b4a39281706f5e4d3c2b1a9"
LABEL = "stranger:faster"
PUBLISH = Telling(github=True)
LOADS = PASSED.run.loads


def event(**changes: Any) -> dict[str, Any]:
    """The end of a run for a pull request from a fork; `changes` are to the run."""
    run = {
        "id": RUN,
        "run_attempt": 1,
        "run_started_at": STARTED,
        "event": "pull_request",
        "conclusion": "success",
        "head_sha": HEAD,
        "head_branch": "faster",
        "head_repository": {"id": FORK, "full_name": "stranger/shop", "owner": {"login": "stranger"}},
        "repository": {"id": HOME, "full_name": REPOSITORY},
        "pull_requests": [],
    }
    return {"action": "completed", "repository": {"id": HOME}, "workflow_run": {**run, **changes}}


def json_of(result: Result) -> bytes:
    """The result as a file; of scenarios that it says nothing of, the usual load was asked."""
    scenarios = {sample.scope.scenario for sample in result.run.samples} - {""}
    loads = {**dict.fromkeys(scenarios, LOADS["browse"]), **result.run.loads}
    return runfile.dump_result(replace(result, run=replace(result.run, loads=loads))).encode()


def packed(*files: tuple[str, bytes]) -> bytes:
    """An archive of files."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return whole.getvalue()


def archive_of(result: Result) -> bytes:
    """What the first workflow uploads."""
    return packed(("perfgate.json", json_of(result)))


class Following:
    """The job of the second workflow, in its own folder, and the GitHub that it talks to."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.summary = folder / "summary.md"
        self.env = {
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": "workflow_run",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_API_URL": hub.url,
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_SHA": "1" * 40,
            "GITHUB_RUN_ID": "9999",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_WORKSPACE": str(folder),
            "GITHUB_TOKEN": TOKEN,
        }

    def publish(self, told: dict[str, Any] | None = None, telling: Telling = PUBLISH) -> ExitCode:
        """Publish what the run of the event has uploaded."""
        self.write(told)
        return relay(telling, self.folder / "budgets.yaml", env=self.env, patience=QUICK)

    def write(self, told: dict[str, Any] | None = None) -> None:
        """Put the event where the runner puts it."""
        (self.folder / "event.json").write_text(json.dumps(told or event()), encoding="utf-8")

    @property
    def check(self) -> dict[str, Any]:
        """The one check that there is."""
        (check,) = self.hub.checks.values()
        return check

    @property
    def comment(self) -> str:
        """The one comment that there is."""
        (comment,) = self.hub.bodies()
        return comment


@contextmanager
def following(folder: Path) -> Iterator[Following]:
    """A GitHub with a pull request from a fork, whose run has uploaded nothing yet."""
    with serve() as hub:
        hub.actions.open_pull(PULL, LABEL, HEAD, source=FORK)
        yield Following(hub, folder)
