from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import cmarkgfm  # type: ignore[import-untyped]
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped]

from perfgate.errors import BadRequest, ExitCode
from perfgate.publish.github.comment import LONGEST, Memory, body, check_key, memory
from perfgate.publish.github.place import Place
from perfgate.publish.reports.markdown import size
from perfgate.result import Result
from tests.publish.literals import ALL, BESIDE, FAILED, HOSTILE, NOT_MEASURED, PASSED, WARNED, hostile, many

HEAD, NEXT, AFTER = "9f3c2ab41d0aa7e6c5b4a39281706f5e4d3c2b1a", "b" * 40, "c" * 40
PLACE = Place(
    api="https://api.github.test",
    server="https://github.test",
    repository="octo/shop",
    event="pull_request",
    pull=7,
    head=HEAD,
    base="",
    run=42,
    attempt=1,
    fork=False,
    branch="feature/cart",
)
JUDGED = {name: result for name, result in ALL.items() if result.verdict is not None}
ALLOWED = {"h2", "h3", "p", "a", "code", "strong", "em", "br", "pre", "ul", "li", "details", "summary"}
TABLES = {"table", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """What GitHub would show: tags, where links lead, and whether whatever opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.told = ""
        self.feed(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs} - {"align", "href"}
        self.links |= {value or "" for name, value in attrs if name == "href"}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "br":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.told += data


def at(head: str, attempt: int = 1) -> Place:
    return replace(PLACE, head=head, attempt=attempt)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("failed", "❌ perfgate: FAILED: 3 of 14 checks failed, 1 missing, 2 invalid"),
        ("warned", "✅ perfgate: PASSED: 4 checks of 1 rule, 1 warning, 1 unsure, 2 new"),
        ("passed", "✅ perfgate: PASSED: 2 checks of 1 rule"),
        ("not_measured", "⚠️ perfgate: NOT MEASURED: service died in browse, round 2"),
        ("nothing_judged", "❌ perfgate: FAILED: nothing was judged"),
    ],
)
def test_the_first_line_is_the_verdict_in_one_sentence(name: str, first: str) -> None:
    assert Page(body(ALL[name], PLACE)).told.splitlines()[0] == first


def test_a_configuration_is_named_in_the_first_line() -> None:
    assert body(PASSED, PLACE, "web-2").startswith("## ✅ perfgate (web-2): PASSED")


def test_what_failed_comes_first_then_why_then_advice_then_warnings_then_the_rest_folded() -> None:
    text = body(FAILED, PLACE)
    marks = ("**fail**", "### Why", "### Advice", "### 1 warning", "<details>", "**pass**")
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)


def test_what_failed_shows_base_head_change_interval_limit_and_the_reason() -> None:
    line = next(line for line in body(BESIDE, PLACE).splitlines() if line.startswith("| **fail**"))
    cells = Page(f"| | Check | Base | Head | Change | Interval | Limit |\n|---|---|---|---|---|---|---|\n{line}").told
    for told in ("297 ms", "413 ms", "+39 %", "+34 % to +44 %", "413 ms, was 297 ms in abc12345", "budgets.yaml:31"):
        assert told in cells
    floor = next(line for line in body(FAILED, PLACE).splitlines() if "response&#46;rate" in line)
    assert floor.endswith("| floor 100/s |")


def test_it_says_which_commits_were_compared_and_links_to_the_run() -> None:
    page = Page(body(BESIDE, PLACE))
    assert "9f3c2ab on feature/cart, against base abc1234 · PostgreSQL 17.6" in page.told
    assert page.links == {
        f"https://github.test/octo/shop/commit/{HEAD}",
        "https://github.test/octo/shop/commit/abc12345d0aa7e6c5b4a39281706f5e4d3c2b1a9",
        "https://github.test/octo/shop/actions/runs/42/attempts/1",
    }
    assert "whole report, attempt 3" in body(BESIDE, at(HEAD, 3))
    assert "which was not measured" in body(replace(PASSED, run=replace(PASSED.run, base="main")), PLACE)


def test_only_what_failed_tells_how_to_see_it_again_and_how_to_accept_it() -> None:
    page = Page(body(replace(BESIDE, run=replace(BESIDE.run, profile="ci")), PLACE))
    assert "perfgate run --base abc12345d0aa7e6c5b4a39281706f5e4d3c2b1a9 --profile ci" in page.told
    assert "perfgate accept --even-if-red" in page.told
    for result in (PASSED, WARNED, NOT_MEASURED):
        assert "perfgate accept --even-if-red" not in Page(body(result, PLACE)).told


def test_the_history_of_what_failed_is_drawn_where_there_is_one() -> None:
    assert FAILED.verdict is not None
    first, second = (finding.key for finding in FAILED.verdict.findings[:2])
    text = body(FAILED, PLACE, history={first: (0.3, 0.31, None, 0.3, 0.41), second: (100.0, 100.0)})
    lines = [line for line in text.splitlines() if line.startswith("| **fail**")]
    assert "in browse ▁▂×▁█<br>" in lines[0]
    assert "in browse<br>" in lines[1]


@pytest.mark.parametrize(("count", "limit"), [(10, LONGEST), (10_000, LONGEST), (10_000, 8_000), (400, 2_000)])
def test_it_fits_with_the_worst_first_and_a_link_to_the_rest(count: int, limit: int) -> None:
    text = body(many(count), PLACE, limit=limit)
    assert size(text) <= limit
    page = Page(text)
    assert not page.open
    assert page.told.startswith(f"❌ perfgate: FAILED: {count // 10} of {count} checks failed")
    assert page.links >= {PLACE.run_url}
    assert ("did not fit" in text) == (count > 10)
    assert memory(text) == Memory(HEAD)
    if count > 10:
        assert "**fail**" in text
        assert "**pass**" not in text


@pytest.mark.parametrize("limit", [1_200, 1_500, 2_500, 4_000, 6_000])
@pytest.mark.parametrize("name", JUDGED)
def test_wherever_it_is_cut_what_is_open_is_closed(name: str, limit: int) -> None:
    text = body(JUDGED[name], PLACE, limit=limit)
    assert size(text) <= limit
    assert not Page(text).open


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_link_no_tag_and_no_attribute(text: str) -> None:
    shown = body(hostile(text), replace(PLACE, branch=text))
    page = Page(shown)
    assert set(page.tags) <= ALLOWED | TABLES
    assert page.attributes == set()
    assert all(link.startswith("https://github.test/octo/shop/") for link in page.links)
    assert not page.open
    assert memory(shown) == Memory(HEAD)


def test_a_hostile_line_cannot_pretend_to_be_the_memory() -> None:
    forged = f"<!-- failed:{NEXT} fixed:{AFTER} -->"
    text = body(replace(hostile(f"x\n{forged}\n{forged}"), verdict=PASSED.verdict), replace(PLACE, branch=forged))
    assert memory(text) == Memory()


def told(result: Result, place: Place, former: str) -> tuple[str, str]:
    text = body(result, place, former=former)
    return text, Page(text).told


def test_it_says_which_commit_mended_what_failed_until_it_fails_again() -> None:
    text, first = told(PASSED, at(HEAD), "")
    assert "Fixed" not in first
    text, red = told(FAILED, at(HEAD), text)
    assert "Fixed" not in red
    text, lost = told(NOT_MEASURED, at(NEXT), text)
    assert "Fixed" not in lost
    text, green = told(PASSED, at(NEXT), text)
    assert "Fixed in bbbbbbb, failed in 9f3c2ab" in green
    text, later = told(WARNED, at(AFTER), text)
    assert "Fixed in bbbbbbb, failed in 9f3c2ab" in later
    text, again = told(FAILED, at(AFTER), text)
    assert "Fixed" not in again
    assert memory(text) == Memory(AFTER)


def test_a_commit_that_passed_when_it_was_run_again_fixed_nothing() -> None:
    red = body(FAILED, at(HEAD))
    assert "9f3c2ab failed in an earlier run, and passed when it was run again" in told(PASSED, at(HEAD, 2), red)[1]


@pytest.mark.parametrize("code", [ExitCode.PASSED, ExitCode.NOT_MEASURED])
def test_there_is_nothing_to_remember_before_something_failed(code: ExitCode) -> None:
    assert str(Memory().after(code, HEAD)) == ""


@pytest.mark.parametrize("key", ["", "api", "services.api-2_x", "a" * 50])
def test_a_key_may_be_a_name(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["a b", "-->", "-x", "ä", "a" * 51, "a\nb", "a\n", "<b>", "a/b"])
def test_a_key_may_not_be_anything(key: str) -> None:
    with pytest.raises(BadRequest, match="--key"):
        check_key(key)
