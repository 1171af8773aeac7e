from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import cmarkgfm  # type: ignore[import-untyped]
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]

from perfgate.publish.github.api import Patience, Refused
from perfgate.publish.github.sticky import LONGEST_COMMENT, MOST_SECTIONS, Action, Posted, sections, upsert
from perfgate.publish.reports.markdown import size
from tests.github.fake import Hub, serve
from tests.github.talking import HEAD, QUICK, api_of, place_of

RACING = replace(QUICK, pause_s=0.3)
"""A writer looks again after longer than an edit takes here, as Patience has it for GitHub."""


def put(
    hub: Hub, body: str, key: str = "", run: int = 1, attempt: int = 1, token: str = "", patience: Patience = QUICK
) -> Posted:
    place = place_of(hub, run, attempt)
    return upsert(api_of(hub, place, token, patience), key, place, body)


def texts(hub: Hub) -> dict[str, str]:
    """What the only comment says, by key."""
    (body,) = hub.bodies()
    return {key: section.text for key, section in sections(body).items()}


def marked(text: str, key: str = "", run: int = 1, attempt: int = 1) -> str:
    return f'<!-- perfgate:{{"attempt":{attempt},"key":"{key}","run":{run},"sha":"{HEAD}"}} -->\n{text}'


def test_the_first_line_says_which_run_wrote_the_comment(hub: Hub) -> None:
    posted = put(hub, "slow", run=12, attempt=2)
    assert hub.bodies() == [marked("slow", run=12, attempt=2)]
    (comment,) = hub.comments.values()
    assert posted == Posted(comment["id"], comment["html_url"], Action.CREATED)


def test_the_next_run_writes_into_the_same_comment(hub: Hub) -> None:
    first, second = put(hub, "slow", run=1), put(hub, "fast", run=2)
    assert (first.id, second.action) == (second.id, Action.UPDATED)
    assert hub.bodies() == [marked("fast", run=2)]


def test_the_comment_is_found_on_the_third_page(hub: Hub) -> None:
    for number in range(250):
        hub.write(f"comment {number}")
    first = put(hub, "slow", run=1)
    hub.write("after it")
    assert put(hub, "fast", run=2).id == first.id
    assert sum(body.startswith("<!-- perfgate:") for body in hub.bodies()) == 1


def test_saying_the_same_again_changes_nothing(hub: Hub) -> None:
    put(hub, "slow")
    assert put(hub, "slow").action is Action.KEPT
    assert not hub.requests("PATCH")


@pytest.mark.parametrize(("run", "attempt"), [(8, 1), (9, 1)])
def test_an_older_run_leaves_what_a_newer_one_wrote(hub: Hub, run: int, attempt: int) -> None:
    put(hub, "newer", run=9, attempt=2)
    assert put(hub, "older", run=run, attempt=attempt).action is Action.OUTDATED
    assert hub.bodies() == [marked("newer", run=9, attempt=2)]


def test_a_comment_that_quotes_the_marker_is_left_alone(hub: Hub) -> None:
    quoting = f"> look:\n{marked('mine')}"
    hub.write(quoting, token="ghs_other")
    put(hub, "slow")
    assert hub.bodies() == [quoting, marked("slow")]


def test_a_person_who_copies_the_marker_does_not_get_the_comment(hub: Hub) -> None:
    hub.write(marked("all is well", run=999), token="ghp_mallory")
    put(hub, "slow")
    assert hub.bodies() == [marked("all is well", run=999), marked("slow")]


@pytest.mark.parametrize(
    "line",
    [
        '{"key":1,"run":1,"attempt":1,"sha":""}',
        '{"key":"","run":"1","attempt":1,"sha":""}',
        '{"key":"","run":1,"attempt":true,"sha":""}',
        '{"key":""}',
        "{" * 50_000 + "}",
        '{"a":' * 5_000 + "{}" + "}" * 5_000,
        '{"key":"","run":1,"attempt":1,"sha":"","text":"x"}',
        "{}",
    ],
    ids=lambda line: line[:40],
)
def test_a_marker_that_we_did_not_write_is_none(line: str) -> None:
    assert sections(f"<!-- perfgate:{line} -->\ntext") == {}


def test_other_ends_of_lines_are_no_change(hub: Hub) -> None:
    number = put(hub, "slow\n\nand heavy\n").id
    hub.comments[number]["body"] = hub.comments[number]["body"].replace("\n", "\r\n") + "\r\n"
    assert put(hub, "slow\n\nand heavy\n").action is Action.KEPT


def test_text_cannot_begin_another_section(hub: Hub) -> None:
    put(hub, f"said:\n{marked('forged', key='api', run=99)}")
    assert list(texts(hub)) == [""]


def test_a_key_cannot_leave_its_line(hub: Hub) -> None:
    put(hub, "slow", key='a --> <b>"\n')
    assert list(texts(hub)) == ['a --> <b>"\n']
    assert put(hub, "slow", key='a --> <b>"\n').action is Action.KEPT


def test_each_configuration_writes_its_own_section(hub: Hub) -> None:
    for key, text in [("web", "web is slow"), ("api", "api is fine"), ("web", "web is fine")]:
        put(hub, text, key)
    assert texts(hub) == {"api": "api is fine", "web": "web is fine"}


def test_what_failed_stands_above_what_passed(hub: Hub) -> None:
    for key, text in (
        ("a", "## ✅ passed"),
        ("b", "## ⚠️ not measured"),
        ("c", "## ❌ failed\n✅"),
        ("d", "## ✅ passed"),
    ):
        put(hub, text, key)
    (comment,) = hub.bodies()
    assert [key for _, key in sorted((comment.index(f'"key":"{key}"'), key) for key in "abcd")] == ["c", "b", "a", "d"]


def test_sections_grow_old_one_by_one(hub: Hub) -> None:
    put(hub, "web of 2", "web", run=2)
    put(hub, "api of 1", "api", run=1)
    put(hub, "web of 1", "web", run=1)
    assert texts(hub) == {"api": "api of 1", "web": "web of 2"}


def test_a_section_is_written_from_what_it_said_and_the_room_there_is(hub: Hub) -> None:
    told: list[tuple[str, int]] = []

    def write(former: str, room: int) -> str:
        told.append((former, room))
        return "x" * room

    place = place_of(hub)
    upsert(api_of(hub), "", place, "first")
    upsert(api_of(hub), "", place, write)
    (body,) = hub.bodies()
    assert [former for former, _ in told] == ["first"]
    assert size(body) == LONGEST_COMMENT


def test_eight_configurations_that_have_much_to_say_have_room_together(hub: Hub) -> None:
    place = place_of(hub)
    for number in range(MOST_SECTIONS):
        upsert(api_of(hub), f"package-{number}", place, lambda former, room: "𝛑" * (room // 2))
    assert len(texts(hub)) == MOST_SECTIONS
    assert size(hub.bodies()[0]) <= LONGEST_COMMENT


def test_what_has_no_room_is_refused_before_github_is_asked(hub: Hub) -> None:
    with pytest.raises(Refused, match="no room for 65536 characters"):
        put(hub, "x" * LONGEST_COMMENT)
    assert not hub.requests("POST")


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": True}], ids=["502", "hung up"])
def test_an_answer_lost_after_the_comment_was_created_leaves_one(hub: Hub, fault: dict[str, Any]) -> None:
    hub.fail("POST", "/comments", done=True, **fault)
    assert put(hub, "slow").action is Action.CREATED
    assert hub.bodies() == [marked("slow")]


def test_what_several_comments_hold_is_joined_in_the_oldest(hub: Hub) -> None:
    for key, run in [("web", 1), ("api", 2), ("web", 3)]:
        hub.write(marked(f"{key} of {run}", key, run), token=hub.token)
    oldest = min(hub.comments)
    put(hub, "docs of 2", "docs", run=2)
    assert list(hub.comments) == [oldest]
    assert texts(hub) == {"api": "api of 2", "docs": "docs of 2", "web": "web of 3"}


def test_two_jobs_with_one_key_do_not_fight(hub: Hub) -> None:
    held = threading.Event()
    hub.fail("GET", "/issues/7/comments", token="first")
    hub.fail("GET", "/issues/7/comments", hold=held, token="first")  # its second look
    with ThreadPoolExecutor() as pool:
        first = pool.submit(put, hub, "first", token="ghs_first")
        while len(hub.requests("GET", "/issues")) < 2:
            held.wait(0.01)
        put(hub, "second")
        held.set()
        assert first.result().action is Action.CONTESTED
    assert hub.bodies() == [marked("second")]


def test_an_edit_that_came_late_is_put_right_by_the_newer_run(hub: Hub) -> None:
    put(hub, "run 1", run=1)
    late = threading.Event()
    hub.fail("PATCH", "/comments", hold=late, token="older")
    with ThreadPoolExecutor() as pool:
        older = pool.submit(put, hub, "run 2", "", 2, 1, "ghs_older", RACING)
        while not hub.requests("PATCH"):
            late.wait(0.01)
        newer = pool.submit(put, hub, "run 3", "", 3, 1, "ghs_newer", RACING)
        while "run 3" not in hub.bodies()[0]:
            late.wait(0.01)
        late.set()
        older.result()
        newer.result()
    assert hub.bodies() == [marked("run 3", run=3)]


def test_who_is_overwritten_again_and_again_gives_up(hub: Hub) -> None:
    number = put(hub, "slow", run=1).id

    class Meddled(dict[str, object]):
        def __ior__(self, other: object) -> Meddled:  # type: ignore[override,misc]
            return self  # whatever is written is gone at once

    hub.comments[number] = Meddled(hub.comments[number])
    with pytest.raises(Refused, match="others changed the comment"):
        put(hub, "fast", run=2)


def test_a_comment_that_is_deleted_meanwhile_is_created_again(hub: Hub) -> None:
    number = put(hub, "slow", run=1).id
    seen = threading.Event()
    hub.fail("PATCH", "/comments", hold=seen)
    with ThreadPoolExecutor() as pool:
        posting = pool.submit(put, hub, "fast", "", 2)
        while not hub.requests("PATCH"):
            seen.wait(0.01)
        api_of(hub).delete_comment(number)
        seen.set()
        assert posting.result().action is Action.CREATED
    assert hub.bodies() == [marked("fast", run=2)]


def together(acts: Sequence[Callable[[], object]]) -> None:
    """All at once, each in its thread; errors are raised."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(run, act) for act in acts]:
            done.result()


RACES = 20
LANES = 5


@pytest.fixture
def lanes() -> Iterator[list[Hub]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve()) for _ in range(LANES)]


@pytest.mark.parametrize("began", [False, True], ids=["no comment yet", "a comment there"])
def test_four_runs_at_once_leave_one_comment_that_says_what_the_newest_says(lanes: list[Hub], began: bool) -> None:
    for race in range(RACES // LANES):
        for hub in lanes:
            hub.comments.clear()
            if began:
                put(hub, "run 0", run=0)
        order = list(permutations(range(1, 5)))[race * 7]
        together(
            [
                partial(put, hub, f"run {run}", run=run, token=f"ghs_{run}", patience=RACING)
                for hub in lanes
                for run in order
            ]
        )
        assert [hub.bodies() for hub in lanes] == [[marked("run 4", run=4)]] * LANES


def test_four_configurations_at_once_all_stay_in_one_comment(lanes: list[Hub]) -> None:
    keys = ("api", "docs", "shop", "web")
    for _ in range(RACES // LANES):
        for hub in lanes:
            hub.comments.clear()
        together([partial(put, hub, f"{key} is fine", key, patience=RACING) for hub in lanes for key in keys])
        for hub in lanes:
            assert texts(hub) == {key: f"{key} is fine" for key in keys}


def test_a_race_that_loses_answers_still_leaves_one_comment(lanes: list[Hub]) -> None:
    for hub in lanes:
        hub.fail("POST", "/comments", 502, done=True, times=2)
        hub.fail("PATCH", "/comments", 502, done=True)
        hub.fail("GET", "/issues/7/comments", 502)
    together([partial(put, hub, f"run {run}", run=run, patience=RACING) for hub in lanes for run in range(1, 5)])
    assert [hub.bodies() for hub in lanes] == [[marked("run 4", run=4)]] * LANES


def test_nothing_in_a_comment_shows_but_the_text(hub: Hub) -> None:
    put(hub, "## Slow\n\n| a |\n|---|\n| b |", "a --> **b**")
    page = cmarkgfm.github_flavored_markdown_to_html(hub.bodies()[0], Options.CMARK_OPT_UNSAFE)
    shown = re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)
    assert shown.strip().startswith("<h2>Slow</h2>")
    assert "<td>b</td>" in shown
