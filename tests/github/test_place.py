from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perfgate.errors import BadRequest
from perfgate.publish.github.place import Place, place

PAYLOADS = Path(__file__).with_name("payloads")
MERGE_COMMIT = "1111111111111111111111111111111111111111"
PULL_HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"

Payload = dict[str, Any]
Change = Callable[[Payload], object]


def payload(name: str) -> Payload:
    text: Payload = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return text


def variables(event: str, **others: str) -> dict[str, str]:
    """What the runner sets."""
    told = {
        "GITHUB_REPOSITORY": "Codertocat/Hello-World",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_API_URL": "https://github.example.com/api/v3",
        "GITHUB_SERVER_URL": "https://github.example.com",
        "GITHUB_SHA": MERGE_COMMIT,
        "GITHUB_REF_NAME": "main",
        "GITHUB_RUN_ID": "42",
        "GITHUB_RUN_ATTEMPT": "3",
    }
    return {**told, **others}


@pytest.fixture
def at(tmp_path: Path) -> Callable[..., Place]:
    def found(event: str, told: object, **others: str) -> Place:
        path = tmp_path / "event.json"
        path.write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
        there = place(variables(event, GITHUB_EVENT_PATH=str(path), **others))
        assert there is not None
        return there

    return found


def test_outside_of_github_actions_there_is_no_place() -> None:
    assert place({}) is None
    assert place({"GITHUB_TOKEN": "t", "GITHUB_EVENT_PATH": "/nowhere"}) is None


@pytest.mark.parametrize("action", ["opened", "synchronize"])
def test_a_pull_request_is_about_its_own_commit_and_not_the_merge_commit(at: Callable[..., Place], action: str) -> None:
    assert at("pull_request", payload(f"pull_request_{action}")) == Place(
        api="https://github.example.com/api/v3",
        server="https://github.example.com",
        repository="Codertocat/Hello-World",
        event="pull_request",
        pull=2,
        head=PULL_HEAD,
        base="f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
        run=42,
        attempt=3,
        fork=False,
        branch="changes",
    )


def _of_a_fork(told: Payload) -> None:
    told["pull_request"]["head"]["repo"]["id"] = 1


def _of_a_deleted_fork(told: Payload) -> None:
    told["pull_request"]["head"].update(repo=None, label=None, user=None)


def _without_repositories(told: Payload) -> None:
    for side in ("head", "base"):
        told["pull_request"][side]["repo"] = None


@pytest.mark.parametrize("change", [_of_a_fork, _of_a_deleted_fork, _without_repositories])
def test_a_fork_is_known_even_when_it_is_gone(at: Callable[..., Place], change: Change) -> None:
    told = payload("pull_request_opened")
    change(told)
    there = at("pull_request", told)
    assert there.fork
    assert there.pull == 2


def test_a_merge_group_is_about_its_own_commit_and_is_no_pull_request(at: Callable[..., Place]) -> None:
    there = at("merge_group", payload("merge_group"))
    assert there.pull is None
    assert there.head == "2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"
    assert there.base == "380387fbc80638b734a49e1be1c4dfec1c01b33c"
    assert there.branch == "main"
    assert not there.fork


def test_a_push_is_compared_with_what_was_there_before(at: Callable[..., Place]) -> None:
    told = payload("push")
    told["before"] = "2" * 40
    there = at("push", told)
    assert (there.head, there.base, there.branch, there.pull) == (MERGE_COMMIT, "2" * 40, "main", None)
    told["before"] = "0" * 40
    assert at("push", told).base == "", "the branch is new"


@pytest.mark.parametrize("event", ["workflow_dispatch", "schedule"])
def test_other_events_are_about_the_commit_that_was_checked_out(at: Callable[..., Place], event: str) -> None:
    there = at(event, payload("workflow_dispatch") if event == "workflow_dispatch" else {"schedule": "5 4 * * *"})
    assert (there.head, there.base, there.pull, there.event) == (MERGE_COMMIT, "", None, event)


def test_no_payload_and_no_addresses_are_the_public_github() -> None:
    names = ("GITHUB_API_URL", "GITHUB_SERVER_URL", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT")
    there = place(variables("push", **dict.fromkeys(names, "")))
    assert there is not None
    assert (there.api, there.server, there.run, there.attempt) == ("https://api.github.com", "https://github.com", 1, 1)


def test_links_lead_to_the_run_and_the_commit(at: Callable[..., Place]) -> None:
    there = at("pull_request", payload("pull_request_opened"), GITHUB_SERVER_URL="https://ghe.example/")
    assert there.run_url == "https://ghe.example/Codertocat/Hello-World/actions/runs/42/attempts/3"
    assert there.commit_url(there.head) == f"https://ghe.example/Codertocat/Hello-World/commit/{PULL_HEAD}"


def test_a_workflow_that_follows_another_one_is_refused(at: Callable[..., Place]) -> None:
    with pytest.raises(BadRequest, match="commit of another workflow"):
        at("workflow_run", payload("workflow_run"))


@pytest.mark.parametrize(
    "told",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 200_000,
        "{}",
        '{"pull_request": null}',
        '{"pull_request": {"number": true, "head": {}, "base": {}}}',
        '{"pull_request": {"number": 2}}',
        '{"pull_request": {"number": 2, "head": {}, "base": {}}}',
        '{"pull_request": {"number": 2, "head": {"sha": 5, "ref": "x"}, "base": {"sha": "y"}}}',
        '{"pull_request": {"number": 2, "head": {"sha": "../..", "ref": "x"}, "base": {"sha": "y"}}}',
    ],
    ids=lambda told: told[:40],
)
def test_a_broken_event_is_a_wrong_request(at: Callable[..., Place], told: str) -> None:
    with pytest.raises(BadRequest):
        at("pull_request", told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_REPOSITORY", "owner"),
        ("GITHUB_REPOSITORY", "owner/name/../../other"),
        ("GITHUB_REPOSITORY", "owner/na me"),
        ("GITHUB_API_URL", "api.github.com"),
        ("GITHUB_API_URL", "file:///etc/passwd"),
        ("GITHUB_API_URL", "https://user:secret@github.example"),
        ("GITHUB_API_URL", "https://[github.example"),
        ("GITHUB_SERVER_URL", "https://github.example/)[x](https://evil.example"),
        ("GITHUB_SERVER_URL", "https://github.example/ x"),
        ("GITHUB_SHA", "main"),
        ("GITHUB_RUN_ID", "-1"),
        ("GITHUB_RUN_ID", "²"),
        ("GITHUB_RUN_ATTEMPT", "one"),
        ("GITHUB_EVENT_PATH", "/nowhere/event.json"),
        ("GITHUB_EVENT_PATH", "/"),
    ],
)
def test_a_variable_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(BadRequest, match=name if name != "GITHUB_SHA" else "GITHUB_SHA, or the commit in the event"):
        place(variables("push", **{name: value}))
