"""Which reports a result is told in: the terminal, and a file for each `--report`."""

from __future__ import annotations

from pathlib import Path

from perfgate import files
from perfgate.errors import BadRequest, suggestion
from perfgate.model import Result
from perfgate.publish import reports as shelf
from perfgate.publish.report import Report


def publish(result: Result, wanted: tuple[str, ...], *, quiet: bool) -> None:
    """Print the verdict, and write the reports. Raises BadRequest for a format that nobody writes."""
    chosen = [_chosen(text) for text in wanted]
    for report, path in chosen:
        files.write(path, report.render(result))
    shelf.print_to_terminal(result, quiet=quiet)


def _chosen(text: str) -> tuple[Report, Path]:
    """The report and the path that `html=page.htm`, or `page.html` alone, mean."""
    known = {report.name: report for report in shelf.known()}
    name, equals, path = text.partition("=")
    if equals and name in known:
        return known[name], Path(path)
    for report in known.values():
        if text.endswith(report.suffix):
            return report, Path(text)
    endings = [report.suffix for report in known.values()]
    raise BadRequest(
        f"--report {text}: no report is written like that; endings: {', '.join(endings)}",
        hint=f"or NAME=PATH; {suggestion(name, known)}",
    )
