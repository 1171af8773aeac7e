"""The reports: every module here with a `REPORT`, and those that others register as entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from perfgate.errors import BadRequest, suggestion
from perfgate.publish.report import Report

ENTRY_POINTS = "perfgate.reports"


def _found() -> Iterator[Report]:
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").REPORT
    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()


@cache
def known() -> tuple[Report, ...]:
    """All reports, by name; the names are unique, or the later one is left out."""
    by_name: dict[str, Report] = {}
    for report in _found():
        by_name.setdefault(report.name, report)
    return tuple(by_name[name] for name in sorted(by_name))


def named(name: str) -> Report:
    """The report of that name; BadRequest with the names there are when there is none."""
    by_name = {report.name: report for report in known()}
    if name not in by_name:
        raise BadRequest(f"there is no report {name!r}", hint=suggestion(name, by_name))
    return by_name[name]
