"""Writes the golden files anew, to be read and committed: `python -m tests.publish.write_golden`."""

from __future__ import annotations

from pathlib import Path

from perfgate.publish.report import Report
from perfgate.publish.reports.junit import JUnit
from perfgate.publish.reports.markdown import Markdown
from perfgate.publish.reports.terminal import Terminal

from .literals import ALL

FOLDER = Path(__file__).parent / "golden"
REPORTS: tuple[Report, ...] = (Terminal(80), Markdown(), JUnit())
CASES = [(name, report) for name in sorted(ALL) for report in REPORTS]


def file_of(name: str, report: Report) -> Path:
    return FOLDER / f"{name}{report.suffix}"


if __name__ == "__main__":
    for name, report in CASES:
        file_of(name, report).write_text(report.render(ALL[name]), encoding="utf-8")
