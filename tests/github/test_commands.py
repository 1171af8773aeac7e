from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate.model import Level
from perfgate.publish.github import commands
from perfgate.publish.github.annotations import Annotation, annotate
from perfgate.result import Result
from tests.publish.literals import ALL, BESIDE, FAILED, HOSTILE, NOT_JUDGED, PASSED, hostile, many

COMMAND = re.compile(r"::(error|warning) (?:file=([^:,]*),line=(\d+),)?title=([^:,]*)::(.*)")


def annotation(level: Level = Level.FAIL, message: str = "m", title: str = "t", path: str = "a.py") -> Annotation:
    return Annotation(path, 3, level, title, message)


def test_a_budget_is_annotated_where_it_stands_and_a_cause_in_the_code() -> None:
    lines = list(commands.commands(annotate(FAILED, "services/api")))
    assert lines[0] == (
        "::error file=services/api/budgets.yaml,line=31,title=fail%3A response.p95[GET /products] in browse::"
        "412 ms, was 298 ms in main: +38 %25, at least +31 %25, allowed +10 %25"
    )
    in_code = [line for line in lines if "catalogue.py" in line]
    assert len(in_code) == 1, "the advice tells what the cause would"
    assert in_code[0].startswith(
        "::warning file=services/api/shop/catalogue.py,line=41,title=GET /products sends one statement again"
    )
    without_advice = list(commands.commands(annotate(replace(FAILED, advice=()))))
    assert any(
        line.startswith("::warning file=shop/catalogue.py,line=41,title=why GET /products") for line in without_advice
    )


def test_what_has_no_place_in_a_file_is_told_without_one() -> None:
    missing = next(one for one in annotate(FAILED) if one.title.startswith("missing"))
    assert missing.path == ""
    assert next(commands.commands([missing])).startswith("::error title=missing%3A response.p95[GET /health]")


@pytest.mark.parametrize(
    "code",
    ["/usr/lib/python3/json/decoder.py:1", "../../other/a.py:1", "no place", "a.py", "a.py:0", "a.py:1\n::error"],
)
def test_a_place_outside_of_the_repository_is_none(code: str) -> None:
    advice = tuple(replace(one, code=code) for one in FAILED.advice)
    paths = {one.path for one in annotate(replace(FAILED, advice=advice, causes=()), "services/api")}
    assert paths == {"", "services/api/budgets.yaml"}


@pytest.mark.parametrize("result", [PASSED, NOT_JUDGED])
def test_there_is_nothing_to_remark_where_nothing_needs_attention(result: Result) -> None:
    assert annotate(result) == ()


def test_failures_come_first_and_ten_of_each_kind_are_shown() -> None:
    given = [annotation(Level.FAIL, f"f{i}") for i in range(30)] + [annotation(Level.WARN, f"w{i}") for i in range(12)]
    lines = list(commands.commands([*given, annotation(Level.INFO)]))
    assert [line.rpartition("::")[2] for line in lines] == [f"f{i}" for i in range(10)] + [f"w{i}" for i in range(10)]
    levels = [one.level for one in annotate(FAILED)]
    assert levels == sorted(levels, key=[Level.FAIL, Level.WARN, Level.INFO].index)


def test_thousands_of_findings_are_annotated_in_a_moment() -> None:
    assert len(list(commands.commands(annotate(many(10_000))))) == 10


@pytest.mark.parametrize(
    ("text", "data", "value"),
    [
        ("plain", "plain", "plain"),
        ("50 %", "50 %25", "50 %25"),
        ("%0A", "%250A", "%250A"),
        ("a\nb", "a%0Ab", "a%0Ab"),
        ("a:b,c", "a:b,c", "a%3Ab%2Cc"),
        ("::error::x", "::error::x", "%3A%3Aerror%3A%3Ax"),
    ],
)
def test_texts_are_escaped_as_the_toolkit_of_actions_does(text: str, data: str, value: str) -> None:
    (line,) = commands.commands([annotation(message=text, title=text, path=text)])
    assert line == f"::error file={value},line=3,title={value}::{data}"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_one_command_a_line_and_none_of_its_own(text: str) -> None:
    for line in commands.commands(annotate(hostile(text))):
        assert COMMAND.fullmatch(line), line
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", line)


def test_the_summary_holds_the_report_beside_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("# Build\n", encoding="utf-8")
    commands.add_summary({"GITHUB_STEP_SUMMARY": str(file)}, FAILED)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Build\n## ❌ FAILED")
    assert "did not fit" not in text


@pytest.mark.parametrize("there", [0, 500_000, 1024 * 1024 - 2000, 1024 * 1024])
def test_the_summary_of_a_step_stays_below_the_limit(tmp_path: Path, there: int) -> None:
    file = tmp_path / "summary.md"
    file.write_bytes(b"x" * there)
    commands.add_summary({"GITHUB_STEP_SUMMARY": str(file)}, many(7_000))
    assert there <= file.stat().st_size <= 1024 * 1024
    assert ("FAILED" in file.read_text(encoding="utf-8")) == (there < 1024 * 1024)


def test_a_summary_of_wide_characters_is_counted_in_bytes() -> None:
    assert len(commands.summary(hostile("名" * 400), 9_000).encode()) <= 9_000


def test_outputs_hold_any_text_and_define_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "output"
    values = {"verdict": "fail", "report": "a\nexit_code=0\nexit_code<<EOF\n0\nEOF\n"}
    commands.add_outputs({"GITHUB_OUTPUT": str(file)}, values)
    assert outputs(file) == values


def outputs(file: Path) -> dict[str, str]:
    """As the runner reads them: `name<<end`, lines, and `end` on a line of its own."""
    found, lines = {}, iter(file.read_text(encoding="utf-8").split("\n"))
    for line in lines:
        if line:
            name, _, end = line.partition("<<")
            value = []
            while (inner := next(lines)) != end:
                value.append(inner)
            found[name] = "\n".join(value)
    return found


def test_nothing_is_written_where_the_runner_names_no_file() -> None:
    commands.add_summary({}, PASSED)
    commands.add_outputs({"GITHUB_OUTPUT": ""}, {"verdict": "pass"})


@pytest.mark.parametrize("name", ALL)
def test_every_result_can_be_annotated(name: str) -> None:
    assert all(one.title and one.message for one in annotate(ALL[name]))
    assert all(one.line > 0 for one in annotate(BESIDE) if one.path)
