"""What reports tell of a history that is known, of one that is real, and of names that want to be more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markdown_it import MarkdownIt

from perfgate.publish.history import notices, writing
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.periodic import wording
from perfgate.publish.periodic.account import Account, account, measured
from perfgate.publish.periodic.sheet import sheet
from perfgate.publish.periodic.spans import Kind, between, calendar, moment
from perfgate.publish.report import clean
from perfgate.result import Result
from perfgate.trend.drift import Direction
from perfgate.trend.health import Health, Part
from tests.periodic import shop, written
from tests.periodic.written import CASES, FOLDER, NOW, as_html, as_markdown, told
from tests.publish.literals import HOSTILE
from tests.publish.test_html import Page

LAST = datetime(2026, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize("name", CASES)
def test_reports_are_written_as_the_golden_files_have_them(store: Store, name: str) -> None:
    assert as_markdown(told(store, name)) == (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_the_same_history_gives_the_same_page(store: Store) -> None:
    assert as_html(told(store, "october")) == as_html(told(store, "october"))


def test_a_month_tells_what_it_did_and_not_what_came_later(store: Store) -> None:
    found = told(store, "october").changes
    leads = [(str(change.lead.shift.key), bool(change.standing)) for change in found.worse]
    assert leads == [("queries.calls[GET /products]", True), ("response.p95[GET /products]", False)]
    assert not found.better
    (mended,) = (change for change in found.worse if not change.standing)
    assert {one.shift.key.metric for one in mended.episodes} == {"response.p95", "cpu.per_request"}
    assert all(one.by and one.by.bad == shop.commit(shop.SLOW_SEARCH[1]) for one in mended.episodes)
    assert mended.bad == shop.commit(shop.SLOW_SEARCH[0])


def test_no_two_weeks_tell_the_same_change(store: Store) -> None:
    weeks = [calendar(Kind.WEEKLY, NOW, shop.BEGIN + timedelta(weeks=number)) for number in range(11)]
    found = [account(store, "shop", week).changes for week in weeks]
    tales = [change.bad for one in found for change in (*one.worse, *one.better)]
    assert len(tales) == len(set(tales))
    happened = (*shop.SLOW_SEARCH, shop.MORE_CALLS, shop.SMALL_BUNDLE, shop.SLOW_CART)
    assert {shop.commit(when) for when in happened} <= set(tales)


def test_a_slow_drift_is_told_though_nothing_shifted(store: Store) -> None:
    (memory,) = told(store, "week").creeping
    assert (memory.key.metric, memory.creeping) == ("memory.peak", Direction.DEGRADING)


def test_a_scenario_that_nobody_runs_any_more_is_told_and_has_no_say_in_anything_else(store: Store) -> None:
    found = told(store, "week")
    (gap,) = found.gaps
    assert [(key.metric, key.scope.scenario) for key in gap.keys] == [("response.p95", "checkout")]
    assert gap.lately
    assert gap.last == shop.CHECKOUT_ENDS - shop.EVERY
    assert all(one.course.key != gap.keys[0] for one in found.vitals)
    assert "is not measured any more" in as_markdown(found)
    assert [gap.lately for gap in told(store, "day").gaps] == [False]


def test_runs_are_counted_by_how_they_ended(store: Store) -> None:
    found = told(store, "october")
    assert (found.trunk.runs, found.trunk.red, found.trunk.unmeasured) == (124, 27, 2)
    assert (found.branches.runs, found.branches.red) == (18, 4)


def test_health_fell_as_it_got_worse_and_is_the_sum_of_its_parts(store: Store) -> None:
    found = told(store, "october")
    assert found.health
    assert found.former
    assert found.health.score < found.former.score
    assert sum(part.points for part in found.health.parts) == pytest.approx(found.health.score)


def test_between_releases_what_is_worse_is_so_since_the_first(store: Store) -> None:
    found = told(store, "between")
    assert found.health
    (part,) = (part for part in found.health.parts if part.name == "release")
    assert part.points < part.worth
    assert [change.bad for change in found.changes.better] == [shop.commit(shop.SMALL_BUNDLE)]
    assert all(change.bad != shop.commit(shop.SLOW_CART) for change in found.changes.worse)


def test_a_release_is_measured_when_the_last_of_its_jobs_was_and_before_anything_else_was(url: str) -> None:
    minute = timedelta(minutes=1)
    with closing(connect(url)) as connection:
        place = open_store(connection, "octo/jobs")
        (job,) = (one for one in shop.entries(shop.Names()) if one.trunk and one.started == shop.BEGIN)
        for number, (after, made_by) in enumerate([(0, "a"), (9, "a"), (20, "b"), (21, "a"), (200, "b"), (300, "c")]):
            when = shop.BEGIN + after * minute
            run = replace(job.run, commit=made_by, started=when.isoformat(), seed=number)
            writing.write(place, [Entry(Result(run), trunk=True)])
        notices.add_releases(place, [notices.Release(name, name, shop.BEGIN) for name in "abd"])
        found = {name: (when - shop.BEGIN) / minute for name, when in measured(place).items()}
    assert found == {"a": 9, "b": 20}


def test_where_nothing_was_measured_nothing_is_praised(store: Store) -> None:
    quiet = account(store, "shop", calendar(Kind.HOURLY, NOW, moment("2026-11-15T13")))
    text = as_markdown(quiet)
    assert quiet.health is None
    assert "not measured in this time" in text
    assert "perfgate run" not in text
    assert not re.search("green|Health|got worse|better", text)


def test_a_project_without_runs_is_told_so(empty: Store) -> None:
    found = account(empty, "nobody/nothing", calendar(Kind.MONTHLY, NOW))
    assert "The trunk was not measured in this time" in as_markdown(found)
    assert "<code>perfgate run</code> keeps" in as_markdown(found)
    assert "Mon" not in as_markdown(found)
    assert Page(as_html(found)).open == []


def test_too_short_a_history_is_said_to_be_too_short(url: str) -> None:
    with closing(connect(url)) as connection:
        young = open_store(connection, "octo/young")
        runs = [one for one in shop.entries(shop.Names()) if one.trunk][:3]
        writing.write(young, [Entry(one.result, trunk=True) for one in runs])
        text = as_markdown(account(young, "octo/young", calendar(Kind.DAILY, NOW, shop.BEGIN)))
    assert "Too little history to tell a change" in text
    assert "all green" in text


def test_a_real_history_tells_its_known_regression(pypdf: str) -> None:
    with closing(connect(pypdf)) as connection:
        place = open_store(connection, "py-pdf/pypdf")
        span = between(notices.releases(place), measured(place), LAST, "6.5.0", "6.6.0")
        found = account(place, "py-pdf/pypdf", span)
    (change,) = found.changes.worse
    assert str(change.lead.shift.key) == "benchmark.rate[tests/bench.py::test_page_operations]"
    assert change.lead.shift.change == pytest.approx(-0.19, abs=0.02)
    assert not change.late
    assert found.trunk.unjudged == found.trunk.runs > 0
    assert "none was judged" in as_markdown(found)


def renamed(value: Any, old: dict[str, str]) -> Any:
    """A value with other names in it, wherever in it they stand."""
    if isinstance(value, str) and type(value) is str:
        return old.get(value, value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(renamed(item, old) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: renamed(getattr(value, one.name), old) for one in fields(value) if one.init}
        return replace(value, **changed)
    return value


@pytest.fixture
def whole(store: Store) -> Account:
    return told(store, "between")


def hostile(found: Account, text: str) -> Account:
    """The account with this text for every name."""
    commits = [shop.commit(shop.BEGIN + number * shop.EVERY) for number in range(320)]
    names = ["octo/shop", "GET /products", "browse", "checkout", "storefront", "v1.0", "v1.1", "v1.2", *commits]
    titles = [text for one in found.opportunities for text in (one.title, one.because)]
    changed: Account = renamed(found, dict.fromkeys([*names, *titles, found.span.title], text))
    return changed


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_change_no_element_of_the_page(whole: Account, text: str) -> None:
    harmless = re.sub(r"[^\s]", "x", clean(text))
    assert structure(hostile(whole, text)) == structure(hostile(whole, harmless))


def structure(found: Account) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attributes))) for tag, attributes in Page(as_html(found)).elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_make_no_markup(whole: Account, text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(as_markdown(hostile(whole, text)))
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    assert not kinds & {"link_open", "image", "fence", "code_block", "code_inline", "blockquote_open", "hr"}
    inside = {c.content for t in tokens for c in t.children or [] if c.type == "html_inline"}
    assert inside <= {"<br>", "<code>", "</code>", "<!-- -->", "<sub>", "</sub>"}
    blocks = {token.content.strip() for token in tokens if token.type == "html_block"}
    assert all(re.fullmatch(r"<details><summary>.*</summary>|</details>|<sub>.*</sub>", one, re.S) for one in blocks)


@pytest.mark.parametrize("name", CASES)
def test_the_page_needs_no_network_no_script_and_no_style_but_its_own(store: Store, name: str) -> None:
    text = as_html(told(store, name))
    page = Page(text)
    assert page.open == []
    assert {"script", "link", "img", "iframe", "object", "a", "base", "form"}.isdisjoint(
        tag for tag, _ in page.elements
    )
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert attributes.isdisjoint({"src", "href", "style", "srcset", "action"})
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(page.texts["style"].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"@import|url\(|https?:", page.texts["style"])


def test_changes_are_drawn_with_their_runs_levels_and_releases(store: Store) -> None:
    page = Page(as_html(told(store, "between")))
    classes = [attributes.get("class", "") for _, attributes in page.elements]
    assert {"chart", "runs", "levels", "release", "at worse", "at better", "span"} <= set(classes)
    assert {"v1.0", "v1.1", "v1.2"} <= set(re.findall(r"v1\.\d", page.texts["text"]))


def test_a_year_of_runs_is_drawn_in_no_more_strokes_than_there_is_room_for(store: Store) -> None:
    text = as_html(told(store, "week"))
    paths = re.findall(r'class="runs" d="([^"]*)"', text)
    assert max(path.count("M") for path in paths) <= 300
    assert len(text) < 200_000


def test_every_case_has_its_golden_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(CASES)
    assert written.CASES


def test_an_empty_sheet_has_no_sections_without_words(empty: Store) -> None:
    found = sheet(account(empty, "nobody/nothing", calendar(Kind.MONTHLY, NOW)))
    assert all(one.sentences or one.items or one.table for one in found.sections)


def test_health_that_limits_came_to_since_is_compared_by_what_both_have() -> None:
    before = Health(90.0, (Part("release", 30.0, 30.0, ""), Part("drift", 20.0, 20.0, "")))
    parts = (Part("limits", 20.0, 40.0, ""), Part("release", 30.0, 30.0, ""), Part("drift", 12.0, 20.0, ""))
    dropped = wording._dropped(Health(62.0, parts), before)
    assert dropped is not None
    assert dropped.name == "drift"
