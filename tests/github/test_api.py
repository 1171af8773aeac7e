from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from perfgate.publish.github.api import Api, Overtaken, Patience, Refused
from tests.github.fake import DENIED, PRIMARY, SECONDARY, Hub, serve
from tests.github.talking import QUICK, api_of, place_of

Act = Callable[[Api], object]


def an_edit(hub: Hub) -> Act:
    number = hub.write("before", token=hub.token)
    return lambda api: api.edit_comment(next(c for c in api.comments() if c.id == number), "after")


def test_comments_are_found_on_every_page(hub: Hub) -> None:
    for number in range(230):
        hub.write(f"comment {number}")
    assert [comment.body for comment in api_of(hub).comments()] == hub.bodies()
    assert len(hub.requests("GET", "/comments")) == 3


def test_pages_are_found_on_an_enterprise_server_too() -> None:
    with serve(prefix="/api/v3") as hub:
        for number in range(101):
            hub.write(f"comment {number}")
        assert len(api_of(hub).comments()) == 101


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 500}, {"drop": True}])
def test_a_comment_whose_answer_was_lost_is_not_written_again(hub: Hub, fault: dict[str, Any]) -> None:
    hub.fail("POST", "/comments", done=True, **fault)
    made = api_of(hub).create_comment("once")
    assert (hub.bodies(), made.id) == (["once"], next(iter(hub.comments)))


def test_a_comment_that_was_not_written_is_written_again(hub: Hub) -> None:
    hub.fail("POST", "/comments", 503, times=2)
    api_of(hub).create_comment("once")
    assert hub.bodies() == ["once"]


def test_what_somebody_else_wrote_word_for_word_is_not_ours(hub: Hub) -> None:
    hub.write("once", token="ghp_mallory")
    hub.fail("POST", "/comments", 502)
    api_of(hub).create_comment("once")
    assert hub.bodies() == ["once", "once"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502},
        {"status": 502, "done": True},
        {"drop": True},
        {"status": 403, "message": SECONDARY, "headers": {"Retry-After": "0"}},
        {"status": 403, "message": "You have triggered an abuse detection mechanism", "headers": {"Retry-After": "0"}},
        {"status": 429, "message": SECONDARY, "headers": {"Retry-After": "0"}},
        {"status": 403, "message": PRIMARY, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}},
    ],
    ids=["502", "answer lost", "hung up", "403 secondary", "403 abuse", "429", "403 primary"],
)
def test_an_edit_is_repeated_until_it_is_there(hub: Hub, fault: dict[str, Any]) -> None:
    act = an_edit(hub)
    hub.fail("PATCH", "/comments", **fault)
    act(api_of(hub))
    assert hub.bodies() == ["after"]


def test_a_limit_lets_a_new_comment_wait_too(hub: Hub) -> None:
    hub.fail("POST", "/comments", 429, message=SECONDARY, headers={"Retry-After": "0"}, times=2)
    api_of(hub).create_comment("once")
    assert hub.bodies() == ["once"]


def test_a_limit_that_lasts_too_long_is_not_waited_for(hub: Hub) -> None:
    hub.fail("GET", "/comments", 403, message=SECONDARY, headers={"Retry-After": "1"}, times=9)
    with pytest.raises(Refused, match="403 You have exceeded a secondary rate limit.*again in 1 s") as told:
        api_of(hub, patience=replace(QUICK, longest_s=0.9)).comments()
    assert (told.value.limited, told.value.denied, len(hub.requests("GET"))) == (True, False, 1)


def test_a_limit_without_a_time_costs_the_longest_wait(hub: Hub) -> None:
    hub.fail("GET", "/comments", 429, message=SECONDARY, times=9)
    with pytest.raises(Refused, match="again in 60 s"):
        api_of(hub, patience=replace(QUICK, longest_s=60.0)).comments()


def test_all_waits_together_have_an_end(hub: Hub) -> None:
    hub.fail("GET", "/comments", 502, times=99)
    with pytest.raises(Refused, match="cannot list the comments: 502 Server Error"):
        api_of(hub, patience=replace(QUICK, waits_s=(0.1,) * 50, total_s=0.35)).comments()
    assert len(hub.requests("GET")) == 4


def test_attempts_have_an_end(hub: Hub) -> None:
    hub.fail("POST", "/comments", 502, times=99)
    with pytest.raises(Refused, match="cannot create a comment: 502"):
        api_of(hub).create_comment("never")
    assert len(hub.requests("POST")) == len(QUICK.waits_s) + 1


def test_an_answer_that_does_not_come_is_given_up(hub: Hub) -> None:
    hub.fail("GET", "/comments", hold=threading.Event(), times=9)
    with pytest.raises(Refused, match="no answer within 1 s"):
        api_of(hub, patience=replace(QUICK, timeout_s=1, waits_s=(0.0,))).comments()
    assert len(hub.requests("GET")) == 2


def test_nobody_at_the_address_is_told_in_one_line() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        place = replace(place_of(Hub("")), api=f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(
            Refused, match=r"cannot list the comments at http://127.0.0.1:\d+: Connection refused$"
        ) as told:
            Api(place, "ghs_x", QUICK).comments()
    assert "\n" not in told.value.reason


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "Bad credentials", "the token is wrong or has expired"),
        (403, DENIED, "403 Resource not accessible by integration; the token may not do that"),
        (404, "Not Found", "cannot create a comment: 404 Not Found"),
        (410, "This issue was deleted", "410 This issue was deleted"),
        (422, "Body is too long (maximum is 65536 characters)", "422 Body is too long"),
    ],
)
def test_a_refusal_is_told_at_once_in_githubs_words(hub: Hub, status: int, message: str, words: str) -> None:
    hub.fail("POST", "/comments", status, message=message, times=9)
    with pytest.raises(Refused, match=words.replace("(", r"\(")) as told:
        api_of(hub).create_comment("never")
    assert (told.value.status, told.value.denied) == (status, status in (403, 404))
    assert len(hub.requests("POST")) == 1


def test_an_answer_that_is_none_of_githubs_is_no_traceback(hub: Hub) -> None:
    hub.fail("GET", "/comments", 200, message="<html>Log in</html>")
    with pytest.raises(Refused, match="<html>Log in</html>; was the repository renamed"):
        api_of(hub).comments()


def test_the_token_is_not_sent_to_another_host(hub: Hub) -> None:
    with serve() as other:
        page = f'<{other.url.replace("127.0.0.1", "localhost")}/steal>; rel="next"'
        hub.link = lambda asked: page  # type: ignore[method-assign]
        with pytest.raises(Refused, match="leads elsewhere"):
            api_of(hub).comments()
        assert not other.asked


@pytest.mark.parametrize("token", ["", "two words", "line\n", "naïve"])
def test_a_token_that_can_be_none_is_refused_and_not_shown(hub: Hub, token: str) -> None:
    with pytest.raises(Refused) as told:
        Api(place_of(hub), token)
    assert not token or token not in str(told.value)


def test_a_comment_that_is_gone_counts_as_deleted(hub: Hub) -> None:
    number = hub.write("spare", token=hub.token)
    hub.fail("DELETE", "/comments", 502, done=True)
    api_of(hub).delete_comment(number)
    assert hub.bodies() == []


def test_an_edit_sees_that_somebody_was_faster(hub: Hub) -> None:
    hub.write("before", token=hub.token)
    api = api_of(hub)
    (comment,) = api.comments()
    api_of(hub).edit_comment(comment, "theirs")
    with pytest.raises(Overtaken):
        api.edit_comment(comment, "ours")
    assert hub.bodies() == ["theirs"]


def test_an_edit_that_waited_looks_again_before_it_is_repeated(hub: Hub) -> None:
    hub.write("before", token=hub.token)
    api, other = api_of(hub, patience=replace(QUICK, waits_s=(1.0, 1.0))), api_of(hub)
    (comment,) = api.comments()
    hub.fail("PATCH", "/comments", 503)
    refused = threading.Event()
    hub.fail("GET", "/issues/comments/", hold=refused)  # the look before the edit that is refused

    def meanwhile() -> None:
        refused.set()
        while not hub.requests("PATCH"):
            refused.wait(0.01)
        other.edit_comment(comment, "theirs")

    thread = threading.Thread(target=meanwhile)
    thread.start()
    with pytest.raises(Overtaken):
        api.edit_comment(comment, "ours")
    thread.join()
    assert hub.bodies() == ["theirs"]


def test_a_person_knows_their_own_comments_and_a_job_those_of_bots(hub: Hub) -> None:
    for token in ("ghp_alice", "ghp_bob", "ghs_job"):
        hub.write(token, token=token)
    for token, ours in [("ghp_alice", ["ghp_alice"]), ("ghs_any", ["ghs_job"])]:
        api = api_of(hub, token=token)
        assert [comment.body for comment in api.comments() if api.is_ours(comment)] == ours


def test_a_token_without_a_name_is_known_by_what_it_wrote(hub: Hub) -> None:
    hub.deny("GET", "/user")
    api = api_of(hub, token="ghp_nameless")
    assert api.is_ours(api.create_comment("mine"))


def test_a_check_whose_answer_was_lost_is_made_once(hub: Hub) -> None:
    hub.fail("POST", "/check-runs", 502, done=True)
    made = api_of(hub).create_check("perfgate", "run 1", {"conclusion": "success"})
    assert list(hub.checks) == [made.id]


def test_the_check_of_another_run_is_not_taken_for_ours(hub: Hub) -> None:
    api = api_of(hub)
    first = api.create_check("perfgate", "run 1", {"conclusion": "success"})
    hub.fail("POST", "/check-runs", 502)
    assert api.create_check("perfgate", "run 2", {"conclusion": "failure"}).id != first.id
    assert len(hub.checks) == 2


def test_without_a_pull_request_there_is_nothing_to_comment_on(hub: Hub) -> None:
    with pytest.raises(Refused, match="no pull request to comment on: the event is push"):
        api_of(hub, place_of(hub, pull=None)).comments()


def test_patience_as_shipped_ends_within_minutes() -> None:
    patience = Patience()
    attempts = len(patience.waits_s) + 1
    assert attempts * patience.timeout_s + patience.total_s <= 300
