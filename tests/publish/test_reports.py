from __future__ import annotations

import re
import sys
import time
import unicodedata
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from perfgate.errors import BadRequest, ExitCode
from perfgate.model import Level, Status, Verdict
from perfgate.publish import reports
from perfgate.publish.digest import Digest
from perfgate.publish.report import Report, clean, inert, last_lines, one_line
from perfgate.result import Result

from . import literals
from .write_golden import CASES, file_of

# JSON is for programs: it keeps every character, those that nobody sees as escapes
FOR_PEOPLE = [report for report in reports.known() if report.name != "json"]


class Postcard:
    name: ClassVar[str] = "postcard"
    suffix: ClassVar[str] = ".txt"

    def render(self, result: Result) -> str:
        return f"greetings from {result.run.branch}"


REPORT = Postcard()


@pytest.mark.parametrize(("name", "report"), CASES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_a_report_says_what_its_golden_file_says(name: str, report: Report) -> None:
    assert report.render(literals.ALL[name]) == file_of(name, report).read_text(encoding="utf-8")


def test_every_status_stands_in_a_golden_result() -> None:
    findings = literals.FAILED.verdict.findings if literals.FAILED.verdict else ()
    assert {finding.status for finding in findings} == set(Status)


def test_every_file_in_the_folder_is_a_report() -> None:
    folder = Path(reports.__file__).parent
    assert {"terminal", "markdown", "html", "junit"} <= {report.name for report in reports.known()}
    assert len(reports.known()) == len([file for file in folder.glob("*.py") if file.name != "__init__.py"])


def test_an_entry_point_adds_a_report_and_takes_no_name_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(group: str) -> list[EntryPoint]:
        assert group == "perfgate.reports"
        return [
            EntryPoint("postcard", f"{__name__}:REPORT", group),
            EntryPoint("html", f"{__name__}:Impostor", group),
        ]

    monkeypatch.setattr(reports, "entry_points", found)
    monkeypatch.setattr(
        sys.modules[__name__], "Impostor", type("Impostor", (Postcard,), {"name": "html"}), raising=False
    )
    reports.known.cache_clear()
    try:
        assert reports.named("postcard") is REPORT
        assert type(reports.named("html")).__name__ == "Html"
    finally:
        reports.known.cache_clear()


def test_an_unknown_report_is_refused_with_a_suggestion() -> None:
    with pytest.raises(BadRequest, match="did you mean 'markdown'"):
        reports.named("markdwon")


@pytest.mark.parametrize("report", reports.known(), ids=lambda report: str(report.name))
def test_ten_thousand_findings_take_time_in_proportion(report: Report) -> None:
    began = time.process_time()
    text = report.render(literals.many(10_000))
    assert len(set(re.findall(r"things\W+(?:47;)?(\d+)", text))) == 10_000
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", literals.HOSTILE)
@pytest.mark.parametrize("report", FOR_PEOPLE, ids=lambda report: str(report.name))
def test_no_report_lets_a_hidden_character_through(report: Report, text: str) -> None:
    rendered = report.render(literals.hostile(text))
    hidden = {c for c in rendered if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\n"}
    assert not hidden
    rendered.encode("utf-8")


def test_every_control_format_and_surrogate_character_is_replaced() -> None:
    kept = {"\n", "\t", "\r"}  # line breaks and tabs have a meaning of their own
    unseen = (chr(i) for i in range(sys.maxunicode + 1))
    hidden = [c for c in unseen if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in kept]
    # a single control can begin an escape sequence, so each stands between two letters that are in none
    assert [c for c in hidden if clean(f"é{c} é") != "é\ufffd é"] == []


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x9b2Jgone", "gone"),
        ("bell\x07", "bell\ufffd"),
        ("a\u202eb", "a\ufffdb"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\tb", "a    b"),
        ("名前 äµ−≤", "名前 äµ−≤"),
    ],
)
def test_text_from_outside_keeps_its_letters_and_loses_its_commands(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_line_is_one_line_and_not_longer_than_it_may_be() -> None:
    assert one_line("  a\n b\x85c ") == "a b\ufffdc"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"


def test_of_a_log_the_end_is_kept() -> None:
    assert last_lines("\n".join(map(str, range(1000))) + "\n")[-2:] == ("998", "999")
    assert len(last_lines("\n".join(map(str, range(1000))))) == 40
    assert last_lines("\n \n") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("::error::x", ": :error::x"),
        ("  ::error::x", "  : :error::x"),
        ("a\n\t::x", "a\n\t: :x"),
        ("a ##[x]", "a ## [x]"),
    ],
)
def test_a_log_cannot_command_the_runner_that_shows_it(text: str, told: str) -> None:
    assert inert(text) == told


def test_findings_that_share_a_reason_are_told_together() -> None:
    (new,) = [group for group in Digest(literals.FAILED).attention if group.status is Status.NEW]
    assert [row.observed for row in new.rows] == ["4", "1250"]


def test_an_undecided_rule_that_must_be_decided_keeps_the_gate_shut() -> None:
    finding = literals.found(Status.UNSURE, literals.P95, literals.CART, "too few rounds")
    strict = Verdict(Status.UNSURE, ExitCode.FAILED, (replace(finding, level=Level.FAIL),))
    digest = Digest(Result(literals.QUIET, strict))
    assert digest.headline == "FAILED: 1 of 1 check unsure"
    assert [group.status for group in digest.failures] == [Status.UNSURE]
