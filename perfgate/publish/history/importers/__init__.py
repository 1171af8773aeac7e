"""Histories of other tools, read as runs: one file a format, found by looking in this folder.

Packages add their own through the entry point group `perfgate.importers`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from perfgate.errors import BadRequest
from perfgate.model import Run
from perfgate.publish.history.importer import Importer, Origin, Source
from perfgate.publish.report import one_line

ENTRY_POINTS = "perfgate.importers"
MOST_TOLD = 5
"""Broken entries that are told one by one."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The runs of a file, in its order, the name of its format, and what is wrong with each entry that was left out."""

    format: str
    runs: tuple[Run, ...]
    broken: tuple[str, ...] = ()


def _found() -> Iterator[Importer]:
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").IMPORTER
    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()


@cache
def known() -> tuple[Importer, ...]:
    """All importers, by name; the names are unique, or the later one is left out."""
    by_name: dict[str, Importer] = {}
    for importer in _found():
        by_name.setdefault(importer.name, importer)
    return tuple(by_name[name] for name in sorted(by_name))


def detect(path: Path) -> Importer:
    """The importer of a file or folder, told by its content. Raises BadRequest with what was looked for."""
    return _importer_of(Source(path))


def read(path: Path, origin: Origin | None = None, *, skip_broken: bool = False) -> Imported:
    """All runs of a file or folder. Raises BadRequest with file and place for what is broken.

    One broken entry spoils the import: a history with a hole in it looks like a whole one. With `skip_broken` such
    entries are left out and named.
    """
    origin = _checked(origin or Origin())
    source = Source(path)
    importer = _importer_of(source)
    runs, broken = [], []
    for entry in importer.entries(source, origin):
        try:
            runs.append(entry.make())
        except BadRequest as error:
            broken.append(f"{path}: {_placed(one_line(str(error)), entry.place)}")
    if broken and not skip_broken:
        raise BadRequest(_told(broken), hint="mend the file, or leave what is broken out with --skip-broken")
    if not runs:
        raise BadRequest(_told(broken) or f"{path}: has no runs in it", hint=f"it is a file of {importer.name}")
    return Imported(importer.name, tuple(runs), tuple(broken))


def _importer_of(source: Source) -> Importer:
    if not source.path.exists():
        raise BadRequest(f"{source.path}: there is no such file", hint="name a file or folder to import")
    found = next((importer for importer in known() if importer.recognises(source)), None)
    if found is None:
        looked = "; ".join(f"{importer.name} ({importer.looks_for})" for importer in known())
        raise BadRequest(f"{source.path}: is of no format that can be imported", hint=f"looked for: {looked}")
    return found


def _checked(origin: Origin) -> Origin:
    from perfgate.publish.history.importer import Node, moment

    if origin.commit:
        Node(origin.commit, "--commit").commit()
    try:
        moment(origin.started or "2000-01-01")
    except ValueError as error:
        raise BadRequest(
            f"--started: {origin.started!r} is no time", hint="write it like 2026-01-31T12:00:00Z"
        ) from error
    return origin


def _placed(message: str, place: str) -> str:
    """What is wrong with a value says itself where it stands."""
    return message if not place or message.startswith(place) else f"{place}: {message}"


def _told(broken: list[str]) -> str:
    more = len(broken) - MOST_TOLD
    return "\n".join([*broken[:MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])
