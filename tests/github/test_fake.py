from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from tests.github.fake import DENIED, PULL, REPOSITORY, Hub, serve
from tests.github.fake_actions import RUN

COMMENTS = f"/repos/{REPOSITORY}/issues/{PULL}/comments"
CHECKS = f"/repos/{REPOSITORY}/check-runs"
CHECK = {"name": "perfgate", "head_sha": "abc"}


def ask(hub: Hub, verb: str, path: str, body: object = None, token: str = "ghs_x", **how: Any) -> requests.Response:
    headers = {"Authorization": f"token {token}"} if token else {}
    return requests.request(verb, hub.url + path, json=body, headers=headers, timeout=30, **how)


def notes(count: int) -> list[dict[str, object]]:
    one = {"path": "a.py", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "slow"}
    return [one] * count


def with_output(**output: object) -> dict[str, object]:
    return {**CHECK, "output": {"title": "t", "summary": "s", **output}}


def test_a_comment_is_written_changed_and_deleted(hub: Hub) -> None:
    made = ask(hub, "POST", COMMENTS, {"body": "one"})
    assert (made.status_code, made.json()["user"]["login"]) == (201, "github-actions[bot]")
    one = f"/repos/{REPOSITORY}/issues/comments/{made.json()['id']}"
    assert ask(hub, "PATCH", one, {"body": "two"}).json()["body"] == "two"
    assert ask(hub, "GET", one).json()["body"] == "two"
    assert hub.bodies() == ["two"]
    assert ask(hub, "DELETE", one).status_code == 204
    assert ask(hub, "GET", one).status_code == 404


def test_comments_come_in_pages_that_name_the_next_one(hub: Hub) -> None:
    for number in range(5):
        hub.write(f"comment {number}")
    first = ask(hub, "GET", COMMENTS, params={"per_page": 2})
    third = ask(hub, "GET", COMMENTS, params={"per_page": 2, "page": 3})
    assert [len(first.json()), len(third.json())] == [2, 1]
    assert first.links["next"]["url"] == f"{hub.url}{COMMENTS}?per_page=2&page=2"
    assert "next" not in third.links


@pytest.mark.parametrize(("size", "status"), [(65_536, 201), (65_537, 422)])
def test_a_comment_has_at_most_65536_characters(hub: Hub, size: int, status: int) -> None:
    assert ask(hub, "POST", COMMENTS, {"body": "x" * size}).status_code == status
    assert ask(hub, "POST", COMMENTS, {"body": "𝛑" * (size // 2) + "x" * (size % 2)}).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        with_output(annotations=notes(51)),
        with_output(summary="x" * 65_536),
        {**CHECK, "conclusion": "passed"},
        {**CHECK, "output": {"title": "t"}},
        {"name": "perfgate"},
    ],
    ids=["51 annotations", "long summary", "wrong conclusion", "no summary", "no commit"],
)
def test_what_github_would_not_take_is_refused_and_told_at_the_end(body: object) -> None:
    with pytest.raises(AssertionError, match="asked POST .*check-runs"), serve() as hub:
        assert ask(hub, "POST", CHECKS, body).status_code == 422
        assert not hub.checks


def test_what_github_would_not_answer_is_told_at_the_end() -> None:
    with pytest.raises(AssertionError, match="answered GET .*comments"), serve() as hub:
        del hub.comments[hub.write("one")]["created_at"]
        ask(hub, "GET", COMMENTS)


def test_a_check_does_not_end_without_a_conclusion(hub: Hub) -> None:
    assert ask(hub, "POST", CHECKS, {**CHECK, "status": "completed"}).status_code == 422
    assert not hub.checks


def test_annotations_add_up(hub: Hub) -> None:
    made = ask(hub, "POST", CHECKS, with_output(annotations=notes(50))).json()
    changed = ask(hub, "PATCH", f"{CHECKS}/{made['id']}", with_output(annotations=notes(3))).json()
    assert changed["output"]["annotations_count"] == 53
    listed = ask(hub, "GET", f"/repos/{REPOSITORY}/commits/abc/check-runs", params={"check_name": "perfgate"}).json()
    assert [check["id"] for check in listed["check_runs"]] == [made["id"]]


def test_a_job_has_no_name_and_a_person_has(hub: Hub) -> None:
    assert ask(hub, "GET", "/user").json()["message"] == DENIED
    assert ask(hub, "GET", "/user", token="ghp_alice").json()["login"] == "alice"
    assert ask(hub, "GET", "/user", token="").status_code == 401


def test_a_lost_answer_was_carried_out_and_a_refusal_was_not(hub: Hub) -> None:
    hub.fail("POST", "/comments", 502, done=True)
    hub.fail("POST", "/comments", 502)
    assert [ask(hub, "POST", COMMENTS, {"body": body}).status_code for body in ("lost", "refused", "third")] == [
        502,
        502,
        201,
    ]
    assert hub.bodies() == ["lost", "third"]


def test_a_dropped_connection_gives_no_answer(hub: Hub) -> None:
    hub.fail("POST", "/comments", drop=True, done=True)
    with pytest.raises(requests.ConnectionError):
        ask(hub, "POST", COMMENTS, {"body": "one"})
    assert hub.bodies() == ["one"]


def test_what_is_held_waits_for_its_event(hub: Hub) -> None:
    go = threading.Event()
    hub.fail("POST", "/comments", hold=go)
    asking = threading.Thread(target=ask, args=(hub, "POST", COMMENTS, {"body": "held"}))
    asking.start()
    while not hub.asked:
        go.wait(0.01)
    ask(hub, "POST", COMMENTS, {"body": "free"})
    go.set()
    asking.join()
    assert hub.bodies() == ["free", "held"]


PULLS = f"/repos/{REPOSITORY}/pulls"
ARTIFACTS = f"/repos/{REPOSITORY}/actions/runs/{RUN}/artifacts"


def test_pull_requests_are_found_by_owner_and_branch_together(hub: Hub) -> None:
    for number, label in ((7, "ada:faster"), (8, "bob:faster"), (9, "ada:slower")):
        hub.actions.open_pull(number, label, "a" * 40, source=number)
    found = ask(hub, "GET", PULLS, params={"state": "open", "head": "bob:faster"}).json()
    assert [(pull["number"], pull["head"]["repo"]["id"]) for pull in found] == [(8, 8)]
    assert len(ask(hub, "GET", PULLS).json()) == 3


def test_artifacts_are_those_of_the_run_with_that_name_newest_first(hub: Hub) -> None:
    first, second = (hub.actions.upload("perfgate", b"zip") for _ in range(2))
    hub.actions.upload("logs", b"zip")
    hub.actions.upload("perfgate", b"zip", run=RUN + 1)
    found = ask(hub, "GET", ARTIFACTS, params={"name": "perfgate"}).json()
    assert [artifact["id"] for artifact in found["artifacts"]] == [second, first]


def test_an_artifact_lies_with_another_host_that_takes_no_token_but_the_address(hub: Hub) -> None:
    number = hub.actions.upload("perfgate", b"zip")
    zipped = f"/repos/{REPOSITORY}/actions/artifacts/{number}/zip"
    led = ask(hub, "GET", zipped, allow_redirects=False)
    assert (led.status_code, led.content) == (302, b"")
    address = led.headers["Location"]
    assert not address.startswith(hub.url)
    assert requests.get(address, timeout=30).content == b"zip"
    assert requests.get(address.partition("?")[0], timeout=30).status_code == 403
    assert ask(hub, "GET", zipped.replace(str(number), "99")).status_code == 404
    expired = hub.actions.upload("perfgate", b"zip", expired=True)
    assert ask(hub, "GET", zipped.replace(f"/{number}/", f"/{expired}/")).status_code == 410


def test_an_enterprise_server_answers_below_its_prefix() -> None:
    with serve(prefix="/api/v3") as hub:
        assert ask(hub, "POST", COMMENTS, {"body": "one"}).json()["url"].startswith(f"{hub.url}/repos/")
        assert hub.url.endswith("/api/v3")
