"""The report that CI systems show as tests: a test case for each finding, a suite for each scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar
from xml.etree import ElementTree as ET

from perfgate.model import Level, Status
from perfgate.publish.digest import Digest
from perfgate.publish.report import one_line
from perfgate.publish.rows import WITHOUT_SCENARIO, Row
from perfgate.result import Result


class JUnit:
    """JUnit XML as CI systems read it.

    What fails the gate is a failure, what could not be trusted an error; warnings, unsure and new findings pass with
    a word in `system-out`. A run that did not pass without any finding to blame has a test case that says so.
    """

    name: ClassVar[str] = "junit"
    suffix: ClassVar[str] = ".xml"

    def render(self, result: Result) -> str:
        """The whole document."""
        digest = Digest(result)
        root = ET.Element("testsuites", name="perfgate")
        for scenario, rows in _by_scenario(digest.rows).items():
            _suite(root, digest, scenario, rows)
        if not digest.passed and not digest.failures:
            _unblamed(root, digest)
        _count(root, list(root))
        ET.indent(root)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


REPORT = JUnit()


def _by_scenario(rows: Iterable[Row]) -> dict[str, list[Row]]:
    suites: dict[str, list[Row]] = {}
    for row in rows:
        suites.setdefault(row.scenario or WITHOUT_SCENARIO, []).append(row)
    return suites


def _suite(root: ET.Element, digest: Digest, scenario: str, rows: list[Row]) -> None:
    suite = ET.SubElement(root, "testsuite", name=scenario, timestamp=_timestamp(digest))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(digest):
        ET.SubElement(properties, "property", name=name, value=value)
    for name, row in _named(rows):
        _case(suite, scenario, name, row)
    _count(suite, [suite])


def _timestamp(digest: Digest) -> str:
    """The start of the run, without the time zone that the format has no room for."""
    return one_line(digest.run.started)[:19]


def _properties(digest: Digest) -> Iterator[tuple[str, str]]:
    yield "verdict", digest.headline
    yield "subject", digest.subject
    yield from digest.facts


def _named(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Each finding with a name of its own: several rules about one sample are told apart by kind, then by number."""
    rows = list(rows)
    keys = Counter(row.name for row in rows)
    taken: Counter[str] = Counter()
    for row in rows:
        name = row.name if keys[row.name] == 1 else f"{row.name} {one_line(row.finding.kind)}"
        taken[name] += 1
        yield (name if taken[name] == 1 else f"{name} {taken[name]}"), row


def _case(suite: ET.Element, scenario: str, name: str, row: Row) -> None:
    case = ET.SubElement(suite, "testcase", classname=scenario, name=name, time="0")
    compared = "" if row.explained else row.compared
    told = "\n".join(filter(None, (row.because, compared, row.certainty, row.needed, row.statement, row.rule)))
    if row.level is Level.FAIL:
        tag = "error" if row.status is Status.INVALID else "failure"
        ET.SubElement(case, tag, type=row.status, message=row.because).text = told
    elif row.level is Level.WARN:
        ET.SubElement(case, "system-out").text = f"{row.status}: {told}"


def _unblamed(root: ET.Element, digest: Digest) -> None:
    suite = ET.SubElement(root, "testsuite", name="perfgate", timestamp=_timestamp(digest))
    case = ET.SubElement(suite, "testcase", classname="perfgate", name="verdict", time="0")
    lines = (f"{trouble.title}: {trouble.because}" for trouble in digest.troubles)
    ET.SubElement(case, "error", type="verdict", message=digest.headline).text = "\n".join(lines)
    _count(suite, [suite])


def _count(element: ET.Element, below: list[ET.Element]) -> None:
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        element.set(name, str(sum(1 for suite in below for _ in suite.iter(tag))))
    element.set("skipped", "0")
