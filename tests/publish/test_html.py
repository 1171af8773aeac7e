from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from perfgate.model import Status, Unit
from perfgate.publish.digest import Digest
from perfgate.publish.report import clean
from perfgate.publish.reports.html import Html, strip
from perfgate.result import Result

from .literals import ALL, BESIDE, FAILED, HOSTILE, hostile

WITHOUT_END = {"meta", "input", "path", "rect"}


class Page(HTMLParser):
    """The elements of a page, and what is wrong with their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        here = self.open[-1] if self.open else ""
        self.texts[here] = self.texts.get(here, "") + data


def structure(result: Result) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attributes))) for tag, attributes in Page(Html().render(result)).elements]


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_element_that_is_opened_is_closed(name: str) -> None:
    assert Page(Html().render(ALL[name])).open == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_element_and_no_attribute(text: str) -> None:
    harmless = re.sub(r"[^\s`]", "x", clean(text))
    assert structure(hostile(text)) == structure(hostile(harmless))


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_page_asks_the_network_for_nothing(name: str) -> None:
    page = Page(Html().render(ALL[name]))
    assert {"link", "img", "iframe", "object", "a", "base"}.isdisjoint(tag for tag, _ in page.elements)
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert attributes.isdisjoint(
        {"src", "href", "style", "srcset", "action"} | {a for a in attributes if a.startswith("on")}
    )
    assert not re.search(r"@import|url\(|fetch\(|https?:", page.texts["style"] + page.texts["script"])


def test_only_the_page_s_own_style_and_script_are_let_through() -> None:
    page = Page(Html().render(FAILED))
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    hashes = {
        kind: base64.b64encode(hashlib.sha256(page.texts[kind].encode()).digest()).decode()
        for kind in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_what_failed_is_open_and_what_passed_is_folded() -> None:
    text = Html().render(FAILED)
    assert text.index('class="status fail"') < text.index("<details") < text.index('class="status pass"')
    assert not any("open" in attributes for tag, attributes in Page(text).elements if tag == "details")


def test_the_filter_is_hidden_until_there_is_javascript() -> None:
    (form,) = [attributes for tag, attributes in Page(Html().render(FAILED)).elements if tag == "form"]
    assert "hidden" in form


def test_every_wide_table_can_be_scrolled_with_the_keyboard() -> None:
    page = Page(Html().render(FAILED))
    wide = [attributes for _, attributes in page.elements if attributes.get("class") == "wide"]
    assert wide
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in wide)


def test_the_rounds_are_drawn_and_told() -> None:
    (row,) = [row for row in Digest(FAILED).rows if row.status is Status.FAIL and row.base]
    drawing = strip(row, 240, 48)
    assert drawing
    assert drawing.told == "rounds: base 288 ms to 305 ms, head 398 ms to 431 ms"
    assert drawing.base.count("M") == 7
    assert drawing.gaps.count("M") == 1
    assert drawing.head.count("M") == 8


def test_a_higher_value_is_drawn_higher_and_every_dot_inside() -> None:
    (row,) = [row for row in Digest(FAILED).rows if row.status is Status.FAIL and row.unit is Unit.PER_SECOND]
    drawing = strip(row, 240, 48)
    assert drawing
    dots = [tuple(map(float, dot.split())) for dot in re.findall(r"M([\d.]+ [\d.]+)h0", drawing.head)]
    heights = dict(zip((91.0, 94.5, 93.0, 92.2, 90.8, 93.9), (y for _, y in dots), strict=True))
    assert sorted(heights) == sorted(heights, key=lambda value: -heights[value])
    assert all(0 < x < 240 and 0 < y < 48 for x, y in dots)
    assert drawing.line is not None
    assert drawing.line < min(heights.values())  # the floor of 100/s lies above them all


def test_flat_memory_is_drawn_flat() -> None:
    (row,) = [row for row in Digest(BESIDE).rows if row.finding.metric == "memory.peak"]
    flat = replace(row, head=(50.0e6, 50.1e6, 50.2e6), base=(50.0e6, 50.1e6))
    drawing = strip(flat, 120, 40, lined=False)
    assert drawing
    heights = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h0", drawing.head + drawing.base)]
    assert len(heights) == 5
    assert max(heights) - min(heights) < 0.1 * 40


def test_what_base_showed_stands_below_a_figure_and_not_beside_it() -> None:
    page = Html().render(BESIDE)
    assert "<small>base 213 MB</small>" in page
    assert ".panel .numbers small { display: block; }" in page


def test_one_value_is_not_drawn() -> None:
    (row,) = [row for row in Digest(FAILED).rows if row.head == (31.0,)]
    assert strip(row, 240, 48) is None
