"""Runs in formats of other tools: one file a format, found by looking in this folder.

Packages add their own through the entry point group `perfgate.exporters`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured, suggestion
from perfgate.model import Run
from perfgate.publish.history.exporter import Exporter

ENTRY_POINTS = "perfgate.exporters"


def _found() -> Iterator[Exporter]:
    for module in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{module.name}").EXPORTER
    for entry in entry_points(group=ENTRY_POINTS):
        yield entry.load()


@cache
def known() -> tuple[Exporter, ...]:
    """All exporters, by name; the names are unique, or the later one is left out."""
    by_name: dict[str, Exporter] = {}
    for exporter in _found():
        by_name.setdefault(exporter.name, exporter)
    return tuple(by_name[name] for name in sorted(by_name))


def named(name: str) -> Exporter:
    """The exporter of that name; BadRequest with the names there are when there is none."""
    by_name = {exporter.name: exporter for exporter in known()}
    if name not in by_name:
        raise BadRequest(f"there is no format {name!r}", hint=suggestion(name, by_name))
    return by_name[name]


def chosen(path: Path, name: str = "") -> Exporter:
    """The exporter that is asked for by name, else the one whose files end like `path`. Raises BadRequest for none."""
    if name:
        return named(name)
    found = next((one for one in known() if path.name.endswith(one.suffix)), None)
    if found is None:
        known_suffixes = ", ".join(f"{one.suffix} ({one.name})" for one in known())
        raise BadRequest(f"{path}: its name tells no format", hint=f"name the format, or end it with {known_suffixes}")
    return found


def write(runs: Iterable[Run], path: Path, name: str = "") -> None:
    """Write the runs to a file, which is there as a whole or not at all.

    Raises BadRequest where the format does not fit, NotMeasured where the disk refuses.
    """
    exporter = chosen(path, name)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                exporter.write(runs, out)
            Path(temporary).chmod(0o666 & ~_mask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NotMeasured(f"{path}: cannot be written: {error.strerror or error}", hint="free or grant room") from error


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
