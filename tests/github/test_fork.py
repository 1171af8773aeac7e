"""From a fork's run to its pull request, by the job of a second workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate.errors import BadRequest, ExitCode
from perfgate.publish.github.artifacts import followed
from perfgate.publish.github.exchange import Refused
from perfgate.publish.github.sticky import sections
from perfgate.publish.github.trigger import trigger
from perfgate.result import Result
from tests.github.fake import PULL, TOKEN
from tests.github.fake_actions import HOME, RUN
from tests.github.forking import (
    BASE,
    FORK,
    HEAD,
    LABEL,
    NEXT,
    PUBLISH,
    Following,
    archive_of,
    event,
    following,
    json_of,
    packed,
)
from tests.github.test_comment import Page
from tests.publish.literals import BESIDE, FAILED, NOT_MEASURED, PASSED


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Following]:
    with following(tmp_path) as there:
        yield there


def test_a_red_result_reaches_comment_check_and_summary_of_the_commit_that_was_pushed(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    assert job.publish(event(conclusion="failure")) is ExitCode.PASSED
    assert "## ❌ perfgate: FAILED" in job.comment
    assert (job.check["head_sha"], job.check["conclusion"]) == (HEAD, "failure")
    assert [note["path"] for note in job.hub.annotations[job.check["id"]]].count("budgets.yaml") > 1
    assert "FAILED" in job.summary.read_text(encoding="utf-8")


def test_a_pass_of_a_fork_is_told_with_a_caution_and_is_no_green_check(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    assert job.publish() is ExitCode.PASSED
    head, caution, *_ = (line for line in Page(job.comment).told.splitlines() if line)
    assert head.startswith("✅ perfgate: PASSED")
    assert caution.startswith("Measured by a fork's own run, with code and budgets that nobody here has reviewed")
    assert job.check["conclusion"] == "neutral"
    assert "nobody here has reviewed" in job.check["output"]["summary"]
    assert "nobody here has reviewed" in job.summary.read_text(encoding="utf-8")


def test_a_pull_request_of_the_repository_itself_is_told_without_a_caution(job: Following) -> None:
    home = {"id": HOME, "owner": {"login": "octo"}}
    job.hub.actions.pulls.clear()
    job.hub.actions.open_pull(PULL, "octo:faster", HEAD, source=HOME)
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    assert job.publish(event(head_repository=home)) is ExitCode.PASSED
    assert "reviewed" not in job.comment
    assert job.check["conclusion"] == "success"


def test_it_links_to_the_run_that_measured_and_to_the_commit_of_the_event_alone(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(BESIDE))
    job.publish(event(conclusion="failure", run_attempt=2))
    assert Page(job.comment).links == {
        f"https://github.test/octo/shop/commit/{HEAD}",
        f"https://github.test/octo/shop/actions/runs/{RUN}/attempts/2",
    }
    told = Page(job.comment).told
    assert f"9f3c2ab on {LABEL}, against base main" in told
    assert "perfgate run --base main" in told
    assert f"commit/{BASE}" not in job.check["output"]["summary"]


def test_the_token_is_shown_to_the_interface_and_to_nobody_else(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.publish()
    assert [asked.token for asked in job.hub.requests("GET", "/zip$")] == [TOKEN]
    (brought,) = job.hub.actions.storage.brought
    assert "Authorization" not in brought
    assert TOKEN not in str(brought)


def test_a_password_of_the_users_files_is_shown_to_nobody_either(
    job: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = job.folder / "netrc"
    netrc.write_text("default login me password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    assert job.publish() is ExitCode.PASSED
    assert "Authorization" not in job.hub.actions.storage.brought[0]


def test_a_workflow_command_is_never_printed_since_it_would_stick_to_the_default_branch(
    job: Following, capfd: pytest.CaptureFixture[str]
) -> None:
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    job.publish(event(conclusion="failure"))
    assert "::error" not in capfd.readouterr().out


def test_what_else_the_artifact_holds_is_left_in_it(job: Following) -> None:
    files = (("perfgate.json", json_of(PASSED)), ("report.html", b"<script>"), ("logs/run.json", b"{"))
    job.hub.actions.upload("perfgate", packed(*files))
    assert job.publish() is ExitCode.PASSED
    assert "PASSED" in job.comment
    assert {path.name for path in job.folder.iterdir()} == {"event.json", "summary.md", "output"}


def test_each_configuration_is_taken_from_its_own_artifact_into_its_own_section(job: Following) -> None:
    job.hub.actions.upload("perfgate-api", archive_of(FAILED))
    job.hub.actions.upload("perfgate-web", archive_of(PASSED))
    for key, conclusion in (("web", "failure"), ("api", "failure")):
        assert job.publish(event(conclusion=conclusion), PUBLISH._replace(key=key)) is ExitCode.PASSED
    found = sections(job.comment)
    assert "FAILED" in found["api"].text
    assert "NOT MEASURED" in found["web"].text, "the run that says it passed did not"
    assert {check["name"] for check in job.hub.checks.values()} == {"perfgate (api)", "perfgate (web)"}


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "neutral", "stale", "unheard_of"])
def test_a_pass_counts_for_nothing_where_its_run_did_not_succeed(job: Following, conclusion: str) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    assert job.publish(event(conclusion=conclusion)) is ExitCode.PASSED
    assert job.check["conclusion"] == "failure"
    assert (
        f"NOT MEASURED: the result says that it passed, but its run ended with '{conclusion}'" in Page(job.comment).told
    )


@pytest.mark.parametrize("result", [FAILED, NOT_MEASURED])
def test_what_failed_stays_so_in_a_run_that_succeeded_all_the_same(job: Following, result: Result) -> None:
    job.hub.actions.upload("perfgate", archive_of(result))
    job.publish()
    assert job.check["conclusion"] == "failure"


def test_a_run_without_a_result_is_told_as_not_measured_and_does_not_look_like_a_pass(job: Following) -> None:
    job.hub.actions.upload("perfgate-other", archive_of(PASSED))
    job.hub.actions.upload("perfgate", archive_of(PASSED), run=RUN + 1)
    assert job.publish(event(conclusion="failure")) is ExitCode.NOT_MEASURED
    told = Page(job.comment).told
    assert "⚠️ perfgate: NOT MEASURED: the run has uploaded no artifact named 'perfgate'" in told
    assert "the run ended with 'failure'" in told
    assert job.check["conclusion"] == "failure"


@pytest.mark.parametrize("conclusion", ["skipped", "action_required"])
def test_of_a_run_that_waits_for_approval_or_was_skipped_nothing_is_told(
    job: Following, capfd: pytest.CaptureFixture[str], conclusion: str
) -> None:
    assert job.publish(event(conclusion=conclusion)) is ExitCode.PASSED
    assert f"it ended with '{conclusion}', and measured nothing" in capfd.readouterr().err
    assert not job.hub.asked


def test_an_artifact_that_has_expired_is_named(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED), expired=True)
    assert job.publish() is ExitCode.NOT_MEASURED
    assert "has expired" in Page(job.comment).told


def test_a_re_run_that_uploads_nothing_is_not_told_by_what_the_first_attempt_had(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    again = event(run_attempt=2, run_started_at="2026-11-22T11:00:00Z")
    assert job.publish(again) is ExitCode.NOT_MEASURED
    job.hub.actions.upload("perfgate", archive_of(FAILED), created="2026-11-22T11:05:00Z")
    assert job.publish(again) is ExitCode.PASSED
    assert "FAILED" in job.comment


def test_an_older_run_that_is_published_late_leaves_the_newer_one_alone(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(FAILED), run=RUN + 1)
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.publish(event(id=RUN + 1, conclusion="failure"))
    job.publish()
    assert "FAILED" in job.comment


def test_a_pull_request_with_a_newer_commit_is_left_alone(job: Following, capfd: pytest.CaptureFixture[str]) -> None:
    job.hub.actions.pulls[0]["head"]["sha"] = NEXT
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    assert job.publish() is ExitCode.PASSED
    assert "has moved on from 9f3c2ab41d" in capfd.readouterr().err
    assert not job.hub.bodies()
    assert not job.hub.checks


def test_a_pull_request_that_was_closed_is_left_alone(job: Following, capfd: pytest.CaptureFixture[str]) -> None:
    job.hub.actions.pulls.clear()
    assert job.publish() is ExitCode.PASSED
    assert f"no pull request from {LABEL} is open any more" in capfd.readouterr().err
    assert not job.hub.checks


@pytest.mark.parametrize("source", [FORK + 1, None], ids=["another fork of that owner", "a fork that is gone"])
def test_the_branch_of_another_repository_is_not_taken_for_it(job: Following, source: int | None) -> None:
    job.hub.actions.pulls.clear()
    job.hub.actions.open_pull(PULL, LABEL, HEAD, source=source)
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    assert job.publish() is ExitCode.PASSED
    assert not job.hub.bodies()
    if source is None:
        job.hub.breaches.clear()  # GitHub's description does not know that a fork can be gone; its recorded answers do


def test_a_pull_request_into_another_repository_is_not_taken_for_it(job: Following) -> None:
    job.hub.actions.pulls[0]["base"]["repo"]["id"] = HOME + 1
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    job.publish()
    assert not job.hub.bodies()


def test_two_pull_requests_with_one_head_have_nothing_published_and_that_is_no_success(
    job: Following, capfd: pytest.CaptureFixture[str]
) -> None:
    job.hub.actions.open_pull(PULL + 1, LABEL, HEAD, source=FORK, base="release")
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    assert job.publish() is ExitCode.NOT_MEASURED
    assert "2 open pull requests have 9f3c2ab41d of stranger:faster as head" in capfd.readouterr().err
    assert not job.hub.checks


def test_a_fork_that_is_deleted_is_said_to_be(job: Following, capfd: pytest.CaptureFixture[str]) -> None:
    assert job.publish(event(head_repository=None)) is ExitCode.NOT_MEASURED
    assert "is gone" in capfd.readouterr().err
    assert not job.hub.requests("POST")


def test_a_storage_that_is_busy_is_asked_again_by_a_new_address(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.hub.actions.storage.broken = 2
    job.hub.fail("GET", "/zip$", 502)
    assert job.publish() is ExitCode.PASSED
    assert len(job.hub.requests("GET", "/zip$")) == 4
    assert "PASSED" in job.comment


@pytest.mark.parametrize("status", [403, 404, 502])
def test_a_result_that_github_does_not_hand_out_is_told_as_not_measured(job: Following, status: int) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.hub.fail("GET", "/zip$", status, times=1000)
    assert job.publish() is ExitCode.NOT_MEASURED
    assert f"cannot download the artifact: {status}" in Page(job.comment).told
    assert job.check["conclusion"] == "failure"


def test_the_address_of_the_storage_is_a_secret_that_no_error_tells(
    job: Following, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    monkeypatch.setattr(job.hub.actions.storage, "address", lambda _: "http://127.0.0.1:9/1.zip?sig=only-this-opens-it")
    assert job.publish() is ExitCode.NOT_MEASURED
    told = capfd.readouterr()
    assert "only-this-opens-it" not in job.comment + job.check["output"]["summary"] + told.err + told.out


def test_an_encrypted_address_never_leads_to_one_that_is_not() -> None:
    with pytest.raises(Refused, match="not encrypted"):
        followed("https://api.github.test/zip", "http://storage.test/1")
    assert followed("https://api.github.test/x/zip", "/1?s=2") == "https://api.github.test/1?s=2"
    assert followed("http://127.0.0.1/zip", "https://storage.test/1") == "https://storage.test/1"


@pytest.mark.parametrize(("verb", "path"), [("POST", "/comments"), ("POST", "(check-runs|statuses)")])
def test_a_token_that_may_not_publish_is_no_success_here(
    job: Following, capfd: pytest.CaptureFixture[str], verb: str, path: str
) -> None:
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.hub.deny(verb, path)
    assert job.publish() is ExitCode.NOT_MEASURED
    assert "not published" in capfd.readouterr().err


def test_a_github_that_does_not_say_which_pull_request_it_is_ends_with_3(
    job: Following, capfd: pytest.CaptureFixture[str]
) -> None:
    job.hub.fail("GET", "/pulls$", 502, times=1000)
    assert job.publish() is ExitCode.NOT_MEASURED
    assert f"nothing is published of run {RUN}: cannot list the pull requests: 502" in capfd.readouterr().err


def perfgate(job: Following, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perfgate", *arguments]
    variables = {**os.environ, **job.env, **env}
    return subprocess.run(
        command, cwd=job.folder, env=variables, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_publishes_without_a_result_without_a_budgets_file_and_without_a_checkout(job: Following) -> None:
    job.hub.actions.upload("perfgate", archive_of(FAILED))
    job.write(event(conclusion="failure"))
    done = perfgate(job, "publish", "--github", "--config", "services/api/budgets.yaml", "--report", "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("FAILED")
    paths = [note["path"] for note in job.hub.annotations[job.check["id"]]]
    assert "services/api/budgets.yaml" in paths
    assert (job.folder / "page.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("publish",), {}, "the RESULT is missing"),
        (("publish", "--github"), {"GITHUB_EVENT_NAME": "push"}, "the RESULT is missing"),
        (("publish", "--github"), {"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
        (("publish", "--github", "--key", "a b"), {}, "--key"),
        (("publish", "perfgate.json", "--github"), {}, "without a RESULT"),
    ],
)
def test_a_request_that_cannot_be_is_one_before_anything_is_asked(
    job: Following, arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    job.write()
    (job.folder / "perfgate.json").write_bytes(json_of(PASSED))
    done = perfgate(job, *arguments, **env)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not job.hub.asked


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({**event(), "action": "requested"}, r"only requested yet"),
        (event(event="push"), r"one for 'push', and publishes by itself"),
        (event(event="pull_request_target"), r"publishes by itself"),
        (event(repository={"id": HOME + 1}), "not one of this repository"),
        ({"action": "completed"}, "has no workflow_run"),
        (event(id=True), "id is not a number"),
        (event(run_attempt=0), "run_attempt is not a number"),
        (event(head_sha="../../x"), "not a full commit name"),
        (event(conclusion=None), "conclusion is not a text"),
        (event(head_branch=None), "head_branch is not a text"),
        (event(head_repository={"id": FORK, "owner": {}}), "login is not a text"),
    ],
)
def test_an_event_that_is_none_to_publish_for_is_a_wrong_request(
    job: Following, told: dict[str, object], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        job.publish(told)
    assert not job.hub.asked


def test_it_is_told_where_the_fork_measured_and_not_where_it_is_published(job: Following) -> None:
    job.write()
    found = trigger(job.env)
    assert found is not None
    place = found.place(PULL)
    assert (place.run, place.head, place.pull, place.branch, place.relayed) == (RUN, HEAD, PULL, LABEL, True)
    assert replace(found, source_id=HOME).place(PULL).branch == "faster"
