"""Histories that come and go as files: imports, exports, and run files on a git branch. Wires formats to the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate import keeping
from perfgate.errors import BadRequest
from perfgate.keeping import Place

if TYPE_CHECKING:
    from perfgate.publish.history.entry import Entry
    from perfgate.publish.history.importer import Origin
    from perfgate.result import Result


@dataclass(frozen=True, slots=True)
class Taken:
    """How many runs came, how many of them the store did not have yet, and what was left out of them, in sentences."""

    runs: int
    stored: int
    left_out: tuple[str, ...] = ()


def take_files(where: Place, paths: tuple[Path, ...], origin: Origin, *, trunk: bool, skip_broken: bool) -> Taken:
    """Store the runs in files of other tools. With `trunk` they are of the project's own line.

    Nothing is stored where one of the files cannot be read.
    """
    from perfgate.publish.history import importers
    from perfgate.publish.history.entry import Entry
    from perfgate.result import Result

    read = [importers.read(path, origin, skip_broken=skip_broken) for path in paths]
    entries = [Entry(Result(run), trunk and not run.dirty) for imported in read for run in imported.runs]
    left_out = tuple(told for imported in read for told in imported.broken)
    return Taken(len(entries), keeping.add(where, entries), left_out)


def pull(where: Place, branch: str, remote: str) -> Taken:
    """Store the runs of the git branch that the store does not have. What cannot be read or stored is left out."""
    from perfgate.publish.history import branch as git
    from perfgate.publish.history.restoring import digests

    with keeping.reporting(), keeping.opened(where) as store:
        known = digests(store)
    broken: list[BadRequest] = []
    results = list(git.pull(where.root, branch, remote, since=known, broken=broken.append))
    lines = keeping.trunks(where.root)
    stored, refused = keeping.add_good(where, [_pulled(result, lines) for result in results])
    return Taken(len(results) - len(refused), stored, (*(str(error.args[0]) for error in broken), *refused))


def _pulled(result: Result, lines: tuple[str, ...]) -> Entry:
    """What another check-out measured is of the project's line by its own branch; this one's says nothing of it."""
    from perfgate.publish.history.entry import Entry

    return Entry(result, result.run.branch in lines and not result.run.dirty)
