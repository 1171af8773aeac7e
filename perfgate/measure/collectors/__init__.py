"""The collectors: every module here with a `COLLECTOR`, and those that others register as entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from perfgate.measure.collector import Collector

ENTRY_POINTS = "perfgate.collectors"


def _found() -> Iterator[Collector]:
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").COLLECTOR
    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()


@cache
def known() -> tuple[Collector, ...]:
    """All collectors, by name; the names are unique, or the later one is left out."""
    by_name: dict[str, Collector] = {}
    for collector in _found():
        by_name.setdefault(collector.name, collector)
    return tuple(by_name[name] for name in sorted(by_name))
