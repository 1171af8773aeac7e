from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from perfgate.publish.report import one_line, quoted
from perfgate.publish.reports.markdown import Markdown, code, prose

from .literals import ALL, FAILED, HOSTILE, hostile, many

OURS = {"<br>", "<code>", "</code>", "<!-- -->"}


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def inline(text: str) -> list[Token]:
    """What stands in the second cell of a table row that has `text` in it."""
    tokens = parsed(f"| a | b |\n|---|---|\n| x | {text} |\n")
    cells = [token.children or [] for token in tokens if token.type == "inline"]
    assert len(cells) == 4, "the table broke"
    return cells[3]


def shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "text_special"))


@pytest.mark.parametrize("write", [code, prose])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(write: object, text: str) -> None:
    check(code if write is code else prose, one_line(text))


@settings(max_examples=500)
@given(st.text(alphabet=st.sampled_from("ab1 \\`*_{}[]()<>#+-.!|~&;:@/\"'$=^?%,\n")))
def test_any_punctuation_stays_text(text: str) -> None:
    check(code, one_line(text))
    check(prose, one_line(text))


def check(write: object, text: str) -> None:
    tokens = inline(code(text) if write is code else prose(text))
    assert {token.type for token in tokens} <= {"text", "text_special", "html_inline"}
    assert {token.content for token in tokens if token.type == "html_inline"} <= OURS
    assert shown(tokens).strip() == (text if write is code else "".join(quoted(text))).strip()


@pytest.mark.parametrize(
    "word", ["@everyone", "me@evil.example", "#1", "a/b#1", "www.evil.example", "http://evil.example"]
)
def test_what_would_become_a_link_is_shown_as_code(word: str) -> None:
    assert prose(f"see {word} now") == f"see {code(word)} now"


def test_a_mail_address_is_torn_where_github_would_see_it() -> None:
    assert [token.content for token in inline(code("me@evil.example"))] == [
        "<code>",
        "me@",
        "<!-- -->",
        "evil.example",
        "</code>",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_link_image_or_heading_to_the_report(text: str) -> None:
    tokens = parsed(Markdown().render(hostile(text)))
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    assert not kinds & {"link_open", "image", "fence", "code_block", "code_inline", "blockquote_open", "hr"}
    inside = {c.content for t in tokens for c in t.children or [] if c.type == "html_inline"}
    assert inside <= OURS
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings == ["h2", "h3", "h3", "h3"]


def test_what_passed_is_folded_and_what_failed_is_not() -> None:
    text = Markdown().render(FAILED)
    assert text.index("**missing**") < text.index("<details>") < text.index("**pass**")
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("limit", [300, 1_000, 3_000, 10_000, 65_536])
@pytest.mark.parametrize("name", ["failed", "not_measured", "many", "wide"])
def test_a_report_that_is_too_long_ends_between_two_lines_and_says_so(name: str, limit: int) -> None:
    result = {"many": many(2_000), "wide": hostile("𝄞" * 300)}.get(name) or ALL[name]
    whole, cut = Markdown().render(result), Markdown(limit).render(result)
    assert len(cut.encode("utf-16-le")) // 2 <= limit
    if cut != whole:
        assert "did not fit" in cut
        assert cut.count("<details>") == cut.count("</details>")
        kept = [line for line in cut.split("\n") if "did not fit" not in line]
        assert set(kept) <= set(whole.split("\n"))


def test_the_worst_is_kept_when_not_everything_fits() -> None:
    cut = Markdown(4_000).render(many(2_000))
    assert cut.startswith("## ❌ FAILED&#58; 200 of 2000 checks failed")
    assert cut.count("| **fail** |") > 5
    assert "**pass**" not in cut
