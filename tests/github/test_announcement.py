"""From a result to GitHub: by the command line, and by the wiring alone where waiting would be long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate import announcement, resultfile
from perfgate.announcement import Announcer
from perfgate.errors import BadRequest, ExitCode
from perfgate.options import Telling
from perfgate.publish.github.api import Patience
from perfgate.publish.github.sticky import sections
from perfgate.publish.reports.markdown import size
from perfgate.result import Result
from tests.github.fake import PULL, REPOSITORY, TOKEN, Hub, serve
from tests.github.test_commands import outputs
from tests.projects import Project, visit
from tests.publish.literals import FAILED, NOT_MEASURED, PASSED, WARNED, many

HEAD, NEXT = "9f3c2ab41d0aa7e6c5b4a39281706f5e4d3c2b1a", "b" * 40
HASTY = Patience(timeout_s=5, waits_s=(0.01, 0.01), longest_s=1.0, total_s=5.0, pause_s=0.01)
ALWAYS = Telling(github=True)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as there:
        yield there


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """What the runner of GitHub Actions tells a step in a run for a pull request."""
    files = {
        "GITHUB_EVENT_PATH": "event.json",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_OUTPUT": "output",
    }
    pull_request(tmp_path)
    return {
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_API_URL": hub.url,
        "GITHUB_SERVER_URL": "https://github.test",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_TOKEN": TOKEN,
        **{name: str(tmp_path / file) for name, file in files.items()},
    }


def pull_request(folder: Path, head: str = HEAD, fork: bool = False) -> None:
    sides = {
        "head": {"sha": head, "ref": "feature", "repo": None if fork else {"id": 1}},
        "base": {"sha": "a" * 40, "ref": "main", "repo": {"id": 1}},
    }
    (folder / "event.json").write_text(json.dumps({"pull_request": {"number": PULL, **sides}}), encoding="utf-8")


def announcer(env: dict[str, str], telling: Telling = ALWAYS, **changes: str) -> Announcer:
    found = announcement.prepared(telling, Path("budgets.yaml"), {**env, **changes})
    assert found is not None
    return replace(found, patience=HASTY)


def project_in(folder: Path) -> Project:
    folder.mkdir()
    return visit(folder)


def perfgate(env: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perfgate", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )


def test_publishing_a_red_result_reaches_everything_that_a_reviewer_looks_at(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "repository/services/api"
    project.mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    resultfile.save(FAILED, project / "result.json")
    done = perfgate(env, project, "publish", "result.json", "--github", "--report", "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "::error file=services/api/budgets.yaml,line=31,title=fail%3A response.p95" in done.stdout
    (comment,) = hub.bodies()
    assert "## ❌ perfgate: FAILED" in comment
    (check,) = hub.checks.values()
    assert (check["name"], check["conclusion"], check["head_sha"]) == ("perfgate", "failure", HEAD)
    assert ("services/api/budgets.yaml", 31) in [
        (note["path"], note["start_line"]) for note in hub.annotations[check["id"]]
    ]
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## ❌ FAILED")
    assert outputs(tmp_path / "output") == {"verdict": "fail", "exit_code": "1", "report": "page.html"}


def test_a_run_tells_github_and_ends_with_its_verdict(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    project = project_in(tmp_path / "project")
    done = perfgate(env, project.folder, "run", "--github")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "## ✅ perfgate: PASSED" in hub.bodies()[0]
    project.break_limit()
    pull_request(tmp_path, NEXT)
    done = perfgate({**env, "GITHUB_RUN_ID": "43"}, project.folder, "run", "--github", "--diagnose", "never")
    assert done.returncode == 1, done.stdout + done.stderr
    (comment,) = hub.bodies()
    assert "## ❌ perfgate: FAILED" in comment


@pytest.mark.parametrize("event", ["push", "merge_group", "schedule", "workflow_dispatch"])
def test_without_a_pull_request_there_is_a_check_and_no_comment(
    hub: Hub, env: dict[str, str], tmp_path: Path, event: str
) -> None:
    group = {"merge_group": {"head_sha": HEAD, "head_ref": "refs/heads/x", "base_sha": NEXT}}
    (tmp_path / "event.json").write_text(json.dumps(group if event == "merge_group" else {}), encoding="utf-8")
    assert announcer(env, GITHUB_EVENT_NAME=event).announce(PASSED) is ExitCode.PASSED
    assert hub.bodies() == []
    assert [check["head_sha"] for check in hub.checks.values()] == [HEAD if event == "merge_group" else "1" * 40]


def test_the_same_comment_turns_green_and_says_which_commit_mended_it(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    announcer(env).announce(FAILED)
    pull_request(tmp_path, NEXT)
    announcer(env, GITHUB_RUN_ID="43").announce(PASSED)
    (comment,) = hub.bodies()
    assert "## ✅ perfgate: PASSED" in comment
    assert "**Fixed in [`bbbbbbb`]" in comment


def test_of_many_failures_the_ten_that_are_furthest_beyond_their_limits_are_annotated(
    hub: Hub, env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    announcer(env).announce(many(1_000))
    said = capfd.readouterr().out
    assert said.count("::error ") == 10
    assert "GET /things/990]" in said
    assert "GET /things/100]" not in said


def test_an_older_run_that_ends_late_leaves_the_newer_one_alone(hub: Hub, env: dict[str, str]) -> None:
    announcer(env, GITHUB_RUN_ID="43").announce(FAILED)
    assert announcer(env).announce(PASSED) is ExitCode.PASSED
    assert "FAILED" in hub.bodies()[0]


def test_configurations_share_one_comment_even_when_they_write_at_once(hub: Hub, env: dict[str, str]) -> None:
    results = {"api": FAILED, "web": PASSED, "worker": NOT_MEASURED, "batch": many(3_000)}
    with ThreadPoolExecutor() as pool:
        futures = [
            pool.submit(announcer(env, ALWAYS._replace(key=key)).announce, result) for key, result in results.items()
        ]
        assert [future.result() for future in futures] == [ExitCode.PASSED] * 4
    (comment,) = hub.bodies()
    assert set(sections(comment)) == set(results)
    assert size(comment) <= 65_536
    for key, word in {"api": "FAILED", "web": "PASSED", "worker": "NOT MEASURED", "batch": "FAILED"}.items():
        assert f"perfgate ({key}): {word}" in sections(comment)[key].text
    assert {check["name"] for check in hub.checks.values()} == {f"perfgate ({key})" for key in results}


def test_no_comment_until_something_is_red_where_that_is_asked_for(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    on_red = ALWAYS._replace(comment="red")
    announcer(env, on_red).announce(WARNED)
    assert hub.bodies() == []
    announcer(env, on_red, GITHUB_RUN_ID="43").announce(FAILED)
    pull_request(tmp_path, NEXT)
    announcer(env, on_red, GITHUB_RUN_ID="44").announce(PASSED)
    (comment,) = hub.bodies()
    assert "Fixed in" in comment


@pytest.mark.parametrize(
    ("verb", "path", "lost"), [("GET", "/comments", "the comment"), ("POST", "/check-runs", "the check")]
)
@pytest.mark.parametrize("result", [PASSED, FAILED])
def test_what_could_not_be_told_is_said_and_counts_only_where_it_is_required(
    hub: Hub,
    env: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    verb: str,
    path: str,
    lost: str,
    result: Result,
) -> None:
    hub.fail(verb, path, 502, times=1000)
    assert announcer(env).announce(result) is ExitCode.PASSED
    assert f"perfgate: {lost}: not published: " in capfd.readouterr().err
    assert announcer(env, ALWAYS._replace(required=True)).announce(result) is ExitCode.NOT_MEASURED
    assert hub.checks if lost == "the comment" else hub.bodies(), "the rest was told"


def test_publishing_that_fails_ends_with_3_where_it_is_required_but_red_stays_red(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    hub.deny("POST", "")
    project = project_in(tmp_path / "project")
    project.break_limit()
    required = ("--github", "--require-publish")
    done = perfgate(env, project.folder, "run", *required, "--diagnose", "never", "--json", "result.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not published" in done.stderr
    assert perfgate(env, project.folder, "publish", "result.json", *required).returncode == 3
    assert perfgate(env, project.folder, "publish", "result.json", "--github").returncode == 0


def test_a_server_that_is_not_there_is_a_note(env: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert announcer(env, GITHUB_API_URL="http://127.0.0.1:9").announce(PASSED) is ExitCode.PASSED
    said = capfd.readouterr().err
    assert "the comment: not published" in said
    assert "Traceback" not in said


def test_a_fork_has_its_summary_and_annotations_and_is_not_blamed(
    hub: Hub, env: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pull_request(tmp_path, fork=True)
    for verb in ("POST", "PATCH"):
        hub.deny(verb, "")
    assert announcer(env, ALWAYS._replace(required=True)).announce(FAILED) is ExitCode.PASSED
    told = capfd.readouterr()
    assert "fork" in told.err
    assert "::error file=" in told.out
    assert "FAILED" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_a_summary_that_cannot_be_written_is_a_note(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    required = announcer(env, ALWAYS._replace(required=True), GITHUB_STEP_SUMMARY=str(tmp_path))
    assert required.announce(PASSED) is ExitCode.NOT_MEASURED
    assert len(hub.bodies()) == 1


def test_the_token_is_in_nothing_that_is_said(env: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    announcer(env, GITHUB_API_URL="http://127.0.0.1:9", GITHUB_TOKEN="ghs_very-secret").announce(FAILED)
    told = capfd.readouterr()
    assert "very-secret" not in told.out + told.err


@pytest.mark.parametrize(
    ("missing", "said"),
    [("GITHUB_REPOSITORY", "GITHUB_REPOSITORY is not set"), ("GITHUB_TOKEN", "${{ github.token }}")],
)
def test_outside_of_github_actions_nothing_is_measured_for_github(
    env: dict[str, str], tmp_path: Path, missing: str, said: str
) -> None:
    project = project_in(tmp_path / "project")
    done = perfgate({**env, missing: ""}, project.folder, "run", "--github")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (project.folder / ".perfgate").exists()


@pytest.mark.parametrize("telling", [Telling(key="api"), Telling(comment="red"), Telling(required=True)])
def test_an_option_about_github_needs_github(telling: Telling) -> None:
    with pytest.raises(BadRequest, match="--github"):
        announcement.prepared(telling, Path("budgets.yaml"), {})


def test_a_key_that_is_no_name_is_refused_before_anything_is_measured(env: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="--key"):
        announcement.prepared(ALWAYS._replace(key="a b"), Path("budgets.yaml"), env)


def test_who_is_not_asked_tells_nothing() -> None:
    assert announcement.prepared(Telling(), Path("budgets.yaml"), {}) is None


def test_a_run_that_an_error_ends_does_not_leave_the_green_comment_of_the_last_commit(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    project = project_in(tmp_path / "project")
    passed = announcer(env)
    passed.announce(PASSED)
    assert "## ✅ perfgate: PASSED" in hub.bodies()[0]
    project.replace("budgets.yaml", "fail: 2 s", "fial: 2 s")
    pull_request(tmp_path, NEXT)
    done = perfgate({**env, "GITHUB_RUN_ID": "43"}, project.folder, "run", "--github")
    assert done.returncode == 2, done.stdout + done.stderr
    (comment,) = hub.bodies()
    assert "PASSED" not in comment
    assert "unknown key" in comment
    latest = list(hub.checks.values())[-1]
    assert (latest["head_sha"], latest["conclusion"]) == (NEXT, "failure")


def test_a_run_that_an_error_ends_leaves_a_result_to_publish_in_another_step(
    hub: Hub, env: dict[str, str], tmp_path: Path
) -> None:
    project = project_in(tmp_path / "project")
    project.replace("budgets.yaml", "fail: 2 s", "fial: 2 s")
    done = perfgate({}, project.folder, "run", "--json", "perfgate.json")
    assert done.returncode == 2, done.stdout + done.stderr
    done = perfgate(env, project.folder, "publish", "perfgate.json", "--github", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    (comment,) = hub.bodies()
    assert "unknown key" in comment
    (check,) = hub.checks.values()
    assert check["conclusion"] == "failure"
