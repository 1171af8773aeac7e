"""The shipped action and workflows, run by GitHub's engine against the fake GitHub: what README.md says is replaced."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from perfgate import resultfile
from perfgate.model import Status
from tests.actions.acting import FORK, STRANGER, Job, Workshop, end_of_a_fork_s_run, pull_request, push
from tests.github.fake import PULL, Hub, serve

pytestmark = pytest.mark.xdist_group("act")

GREEN = ("README.md", "# perfgate", "# Perfgate")
RED = ("scenarios/storefront/faults.py", '"STOREFRONT_FAULT", ""', '"STOREFRONT_FAULT", "n_plus_one"')


@dataclass(frozen=True)
class Told:
    """A commit, the job that ran for it, and the GitHub that was told."""

    head: str
    job: Job
    hub: Hub

    @property
    def conclusions(self) -> list[tuple[str, str, str]]:
        return [(check["head_sha"], check["name"], check["conclusion"]) for check in self.hub.checks.values()]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    yield Workshop(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def green(workshop: Workshop) -> Iterator[Told]:
    head = workshop.branch("change", "Another headline", *GREEN)
    with serve() as hub:
        job = workshop.act("pull_request", "perfgate.yml", pull_request(head, workshop.main), hub, hub.token)
        yield Told(head, job, hub)


@pytest.fixture(scope="module")
def red(workshop: Workshop) -> Iterator[Told]:
    head = workshop.branch("change", "One query for each order", *RED)
    with serve() as hub:
        job = workshop.act("pull_request", "perfgate.yml", pull_request(head, workshop.main), hub, hub.token)
        yield Told(head, job, hub)


@pytest.fixture(scope="module")
def fork(workshop: Workshop) -> Iterator[Told]:
    head = workshop.branch("change", "Another headline", *GREEN)
    with serve() as hub:
        for verb in ("POST", "PATCH", "DELETE"):
            hub.fail(verb, "/", 403, message="Resource not accessible by integration", token="ghs_fork", times=1000)
        job = workshop.act("pull_request", "perfgate.yml", pull_request(head, workshop.main, FORK), hub, "ghs_fork")
        yield Told(head, job, hub)


def files_in(artifacts: Path) -> list[str]:
    with zipfile.ZipFile(artifacts / "perfgate.zip") as archive:
        return sorted(archive.namelist())


def test_a_green_pull_request_ends_its_job_well(green: Told) -> None:
    assert (green.job.exit_code, green.job.failed_steps) == (0, []), green.job.log


def test_a_green_pull_request_gets_one_comment_and_a_check_on_the_commit_that_was_pushed(green: Told) -> None:
    (comment,) = green.hub.bodies()
    assert "✅ perfgate: PASSED" in comment
    assert green.conclusions == [(green.head, "perfgate", "success")], comment


def test_a_pull_request_is_measured_beside_the_commit_where_it_left_its_branch(green: Told, workshop: Workshop) -> None:
    assert workshop.main in green.hub.bodies()[0]


def test_the_action_tells_later_steps_how_it_ended(green: Told) -> None:
    for output in ("verdict=pass", "exit_code=0"):
        assert f"::set-output:: {output}\n" in green.job.log, green.hub.bodies()
    for output, file in (("result", "perfgate.json"), ("report", "report.html")):
        assert f"::set-output:: {output}=" in green.job.log
        assert f"/{file}\n" in green.job.log


def test_no_pull_request_leaves_downloads_to_others(green: Told) -> None:
    assert not (green.job.artifacts / "cache.txt").exists()


def test_a_red_pull_request_fails_its_job_in_the_step_of_the_verdict(red: Told) -> None:
    assert red.job.exit_code != 0
    assert red.job.failed_steps == ["The verdict", "./"], red.job.log


def test_a_red_pull_request_gets_one_comment_and_a_check_that_say_why(red: Told) -> None:
    (comment,) = red.hub.bodies()
    assert "❌ perfgate: FAILED" in comment
    assert red.conclusions == [(red.head, "perfgate", "failure")]


def test_the_result_is_kept_although_the_gate_is_red(red: Told, tmp_path: Path) -> None:
    assert files_in(red.job.artifacts) == ["perfgate.json", "report.html"]
    with zipfile.ZipFile(red.job.artifacts / "perfgate.zip") as archive:
        result = resultfile.read(Path(archive.extract("perfgate.json", tmp_path)))
    assert result.verdict is not None
    assert result.verdict.status is Status.FAIL


def test_the_token_of_a_fork_writes_nothing_and_the_job_ends_by_the_verdict_all_the_same(fork: Told) -> None:
    assert (fork.job.exit_code, fork.job.failed_steps) == (0, []), fork.job.log
    assert fork.job.log.count("not published, since this is a fork's pull request") == 2
    assert files_in(fork.job.artifacts) == ["perfgate.json", "report.html"]


def test_what_a_fork_measured_is_published_by_the_workflow_that_follows(fork: Told, workshop: Workshop) -> None:
    assert not fork.hub.bodies()
    assert not fork.hub.checks
    fork.hub.actions.open_pull(PULL, f"{STRANGER}:change", fork.head, source=FORK)
    fork.hub.actions.upload("perfgate", (fork.job.artifacts / "perfgate.zip").read_bytes())
    ended = end_of_a_fork_s_run(fork.head, "success")

    job = workshop.act("workflow_run", "perfgate-publish.yml", ended, fork.hub, fork.hub.token)

    assert (job.exit_code, job.failed_steps) == (0, []), job.log
    (comment,) = fork.hub.bodies()
    assert "✅ perfgate: PASSED" in comment
    assert "Measured by a fork's own run" in comment
    assert fork.conclusions == [(fork.head, "perfgate", "neutral")], "never success"


def test_the_workflow_that_follows_leaves_runs_of_our_own_branches_alone(workshop: Workshop) -> None:
    ended = end_of_a_fork_s_run(workshop.main, "success")
    ended["workflow_run"]["head_repository"] = ended["repository"]
    with serve() as hub:
        job = workshop.act("workflow_run", "perfgate-publish.yml", ended, hub, hub.token)
        assert job.exit_code == 0
        assert not hub.asked


def test_a_wrong_request_fails_the_job_and_the_check_says_why(workshop: Workshop) -> None:
    head = workshop.branch("main", "No such version", "budgets.yaml", "version: 1\n", "version: 99\n")
    with serve() as hub:
        job = workshop.act("push", "perfgate.yml", push(head, workshop.main), hub, hub.token)
        assert job.failed_steps == ["The verdict", "./"], job.log
        assert "::set-output:: exit_code=2\n" in job.log
        (check,) = hub.checks.values()
        assert (check["head_sha"], check["conclusion"]) == (head, "failure")
        assert "version" in check["output"]["summary"]
    assert re.fullmatch(
        r"perfgate-Linux-X64-3\.\d+-[0-9a-f]{64}\n", (job.artifacts / "cache.txt").read_text(encoding="utf-8")
    ), "a push to the default branch keeps the downloads, before anything of the project has run"
