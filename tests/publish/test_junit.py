from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from perfgate.errors import ExitCode
from perfgate.model import Status, Verdict
from perfgate.publish.digest import Digest
from perfgate.publish.report import one_line
from perfgate.publish.reports.junit import JUnit
from perfgate.result import Result

from .literals import ALL, CALLS, CART, FAILED, HOSTILE, QUIET, found, hostile


def parsed(result: Result) -> ET.Element:
    return ET.fromstring(JUnit().render(result).encode("utf-8"))


@pytest.mark.parametrize("name", ["failed", "not_measured", "passed", "warned"])
def test_there_is_one_test_case_for_each_finding(name: str) -> None:
    assert len(list(parsed(ALL[name]).iter("testcase"))) == len(Digest(ALL[name]).findings)


@pytest.mark.parametrize(
    ("status", "tag"),
    [
        (Status.FAIL, "failure"),
        (Status.MISSING, "failure"),
        (Status.INVALID, "error"),
        (Status.WARN, "system-out"),
        (Status.UNSURE, "system-out"),
        (Status.NEW, "system-out"),
        (Status.IMPROVED, None),
        (Status.PASS, None),
    ],
)
def test_a_status_becomes_what_ci_systems_know(status: Status, tag: str | None) -> None:
    finding = found(status, CALLS, CART, "because", 1, 2)
    (case,) = parsed(Result(QUIET, Verdict(status, ExitCode.PASSED, (finding,)))).iter("testcase")
    assert [child.tag for child in case] == ([tag] if tag else [])
    assert (case.get("classname"), case.get("name")) == ("browse", "queries.calls[POST /cart]")


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    root = parsed(ALL[name])
    for element in (root, *root.iter("testsuite")):
        found_here = Counter(child.tag for child in element.iter())
        counted = {key: int(element.get(key, "-1")) for key in ("tests", "failures", "errors", "skipped")}
        assert counted == {
            "tests": found_here["testcase"],
            "failures": found_here["failure"],
            "errors": found_here["error"],
            "skipped": 0,
        }


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_document_is_green_exactly_when_the_gate_is_open(name: str) -> None:
    root = parsed(ALL[name])
    green = root.get("failures") == "0" and root.get("errors") == "0"
    assert green is Digest(ALL[name]).passed


def test_several_rules_about_one_sample_have_names_of_their_own() -> None:
    findings = tuple(
        found(Status.PASS, CALLS, CART, "because", 1, 2, kind=kind) for kind in ("limit", "tolerance", "limit")
    )
    cases = parsed(Result(QUIET, Verdict(Status.PASS, ExitCode.PASSED, findings))).iter("testcase")
    assert [case.get("name") for case in cases] == [
        "queries.calls[POST /cart] limit",
        "queries.calls[POST /cart] tolerance",
        "queries.calls[POST /cart] limit 2",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    root = parsed(hostile(text))
    tags = {element.tag for element in root.iter()}
    assert tags <= {"testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-out"}
    (suite,) = root.iter("testsuite")
    assert suite.get("name") == (one_line(text) or "project")


def test_the_reason_stands_in_the_message() -> None:
    messages = [failure.get("message", "") for failure in parsed(FAILED).iter("failure")]
    assert messages[0] == "412 ms, was 298 ms in main: +38 %, at least +31 %, allowed +10 %"
