"""The advisors: every module here with an `ADVISOR`, and those that others register as entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from perfgate.diagnose.advisor import Advisor

ENTRY_POINTS = "perfgate.advisors"


def _found() -> Iterator[Advisor]:
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").ADVISOR
    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()


@cache
def known() -> tuple[Advisor, ...]:
    """All advisors, in the order in which they are asked; a later one of the same category is left out."""
    by_category: dict[str, Advisor] = {}
    for advisor in _found():
        by_category.setdefault(advisor.category, advisor)
    return tuple(sorted(by_category.values(), key=lambda advisor: (advisor.tries, advisor.category)))
