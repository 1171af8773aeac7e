"""Which reports a result is told in: the terminal, and a file for each `--report`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from perfgate import files
from perfgate.errors import BadRequest, suggestion
from perfgate.publish import reports as shelf
from perfgate.publish.report import Report
from perfgate.publish.reports.terminal import Terminal
from perfgate.publish.stream import Steady
from perfgate.result import Result

Chosen = tuple[Report, Path]


def choose(wanted: Iterable[str]) -> list[Chosen]:
    """The reports that are asked for, and their files, cleared of older ones. BadRequest for a format nobody writes."""
    chosen = [_chosen(text) for text in wanted]
    for _, path in chosen:
        files.clear(path)
    return chosen


def publish(result: Result, chosen: Iterable[Chosen], *, quiet: bool) -> None:
    """Write the reports and print the verdict."""
    for report, path in chosen:
        files.write(path, report.render(result))
    text = Terminal.on(sys.stdout).render(result)
    Steady(sys.stdout).write(text.partition("\n")[0] + "\n" if quiet else text)


def _chosen(text: str) -> Chosen:
    """The report and the path that `html=page.htm`, or `page.html` alone, mean."""
    known = {report.name: report for report in shelf.known()}
    name, equals, path = text.partition("=")
    if equals and name in known:
        return known[name], Path(path)
    for report in known.values():
        if text.endswith(report.suffix) and not (equals and name.isidentifier()):
            return report, Path(text)
    endings = [report.suffix for report in known.values()]
    raise BadRequest(
        f"--report {text}: no report is written like that; endings: {', '.join(endings)}",
        hint=f"or NAME=PATH; {suggestion(name, known)}",
    )
