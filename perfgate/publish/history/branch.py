"""The history on a git branch, for teams without a server: runs are pushed to it and pulled from it by any checkout.

The branch only ever grows, by one file a run (`runs/2026-11/<id>.json.gz`). Whoever is overtaken by another fetches
again and tries once more, so nobody's run is lost. `compact` packs them by month and starts the branch anew with one
commit, so that clones stay small.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured
from perfgate.publish.history import runfiles
from perfgate.publish.history.exchange import Exchange, File, exchange
from perfgate.publish.history.runfiles import Kept
from perfgate.result import Result

BRANCH = "perfgate-history"
REMOTE = "origin"
PATIENCE_S = 120.0
MANY_LOOSE = 500
"""Files of single runs from which on `compact` is worth its while."""

MOST_FILES = 100_000
"""Files on the branch: more are not perfgate's doing."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0
_MOST_TOLD = 5
_README = b"""# Runs of perfgate

This branch is written by `perfgate history push` and read by `perfgate history pull`.
It has nothing in common with the code, is never merged, and must not be edited.
`perfgate history compact` packs it and drops its past.
"""

Told = Callable[[BadRequest], None]


@dataclass(frozen=True, slots=True)
class Pushed:
    """How many runs were added, how many were there already, and how many now have a file of their own."""

    added: int
    known: int
    loose: int

    @property
    def wants_compacting(self) -> bool:
        return self.loose >= MANY_LOOSE


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many runs were packed that had a file of their own, and what is wrong with what was left as it is."""

    packed: int
    broken: tuple[str, ...] = ()


def push(
    repository: Path,
    results: Sequence[Result],
    branch: str = BRANCH,
    remote: str = REMOTE,
    patience: float = PATIENCE_S,
) -> Pushed:
    """Add the results to the branch, which is made if need be; a run that is there already is left as it is.

    Nothing in the repository changes. Raises BadRequest for names that do not fit and for results that are too large,
    NotMeasured where the remote refuses, or where others were quicker for `patience` seconds.
    """
    files = {run.id: (runfiles.path_of(month, run), run) for month, run in map(runfiles.kept, results)}
    if not files:
        return Pushed(0, 0, 0)
    with exchange(repository, remote, branch) as there:
        for _ in _tries(branch, patience):
            tip = there.fetch(contents=False)
            paths = there.files(tip) if tip else []
            months = {path.split("/")[1] for path, _ in files.values()}
            known = files.keys() & _names(there, paths, months)
            lacking = {path: runfiles.compressed(run) for name, (path, run) in files.items() if name not in known}
            loose = len(lacking) + sum(runfiles.loose(file.path) is not None for file in paths)
            added = lacking if tip else {"README.md": _README, **lacking}
            message = f"{len(lacking)} run{'s' * (len(lacking) > 1)}"
            if not lacking or there.push(there.commit(message, added, parent=tip)):
                return Pushed(len(lacking), len(known), loose)
    raise AssertionError("unreachable")


def pull(
    repository: Path,
    branch: str = BRANCH,
    remote: str = REMOTE,
    since: Collection[str] = (),
    broken: Told | None = None,
) -> Iterator[Result]:
    """Every run of the branch but those in `since`, which are named as `runfiles.identity` does; each of them once.

    What is damaged, too large or no result is told to `broken`, and the rest is read. Without somebody to tell it to,
    BadRequest is raised for it when all else was read. Raises BadRequest, too, where there is no such branch.
    """
    problems: list[BadRequest] = []
    with exchange(repository, remote, branch) as there:
        tip = there.fetch(contents=True)
        if not tip:
            raise BadRequest(f"the remote {remote!r} has no branch {branch!r}", hint="`perfgate history push` makes it")
        seen = set(since)
        for place, run in _runs(there, tip, seen, broken or problems.append):
            try:
                result = run.result(place)
            except BadRequest as error:
                (broken or problems.append)(error)
                continue
            seen.add(run.id)  # not before: what cannot be read must not hide what can
            yield result
    if problems:
        raise BadRequest(_told(problems), hint="the rest was read; these files are not perfgate's, or damaged")


def compact(repository: Path, branch: str = BRANCH, remote: str = REMOTE, patience: float = PATIENCE_S) -> Compacted:
    """Pack the runs of each month into one file, and start the branch anew with one commit.

    Nothing is lost to somebody who pushes meanwhile: one of the two is overtaken, and does it again on what the other
    made. Files that are broken stay as they are. Raises as `push` does.
    """
    with exchange(repository, remote, branch) as there:
        for _ in _tries(branch, patience):
            tip = there.fetch(contents=True)
            if not tip:
                raise BadRequest(f"the remote {remote!r} has no branch {branch!r}", hint="there is nothing to compact")
            problems: list[BadRequest] = []
            added, removed = _repacked(there, tip, problems.append)
            found = Compacted(len(removed), tuple(map(str, problems)))
            if not removed and there.is_root(tip):
                return found
            if there.push(there.commit("packed", added, kept=tip, removed=removed), instead_of=tip):
                return found
    raise AssertionError("unreachable")


def _tries(branch: str, patience: float) -> Iterator[None]:
    """Once more and once more, with waits that grow and differ, since those who are overtaken at once would meet again.

    Raises NotMeasured when the patience is over.
    """
    end = time.monotonic() + patience
    longest = _FIRST_WAIT_S
    while True:
        yield
        if time.monotonic() > end:
            raise NotMeasured(
                f"the branch {branch} moved on for {patience:.0f} s, and nothing was pushed", hint="try again"
            )
        time.sleep(random.uniform(0, longest))
        longest = min(2 * longest, _LONGEST_WAIT_S)


def _names(there: Exchange, files: Sequence[File], months: Collection[str]) -> set[str]:
    """The runs on the branch: all that have a file of their own, and those in the packs of these months."""
    names = {found[1] for file in files if (found := runfiles.loose(file.path))}
    lists = {runfiles.list_of(month) for month in months}
    for _, content in there.contents(file for file in files if file.path in lists and file.is_plain):
        names.update(content.decode(errors="replace").split())
    return names


def _runs(there: Exchange, tip: str, seen: Collection[str], broken: Told) -> Iterator[tuple[str, Kept]]:
    """Every run that was not seen, with its place; packs first, since they are the older ones. `seen` may grow."""
    files = _readable(there, tip, broken)
    packs = [file for file in files if runfiles.pack_month(file.path)]
    for file, content in there.contents(packs):
        yield from ((file.path, run) for run in _of_pack(content, file.path, broken) if run.id not in seen)
    own = [file for file in files if (found := runfiles.loose(file.path)) and found[1] not in seen]
    for file, content in there.contents(own):
        yield from ((file.path, run) for run in _of_file(content, file.path, broken) if run.id not in seen)


def _of_pack(content: bytes, path: str, broken: Told) -> Iterator[Kept]:
    try:
        for found in runfiles.unpacked(content, path):
            if isinstance(found, BadRequest):
                broken(found)
            else:
                yield found
    except BadRequest as error:
        broken(error)


def _of_file(content: bytes, path: str, broken: Told) -> Iterator[Kept]:
    try:
        yield runfiles.opened(content, path)
    except BadRequest as error:
        broken(error)


def _readable(there: Exchange, tip: str, broken: Told) -> list[File]:
    """The files of runs and packs that are files, and not too large. Others are told where only ours belong."""
    files = there.files(tip, sizes=True)
    if len(files) > MOST_FILES:
        raise BadRequest(f"{there.branch}: has {len(files)} files", hint=f"{MOST_FILES} are the most; compact it")
    good = []
    for file in files:
        is_pack = bool(runfiles.pack_month(file.path))
        largest = runfiles.LARGEST_PACK if is_pack else runfiles.LARGEST_FILE
        if runfiles.is_stranger(file.path):
            broken(BadRequest(f"{file.path!r}: is neither a run nor a pack"))
        elif (is_pack or runfiles.loose(file.path)) and not (file.is_plain and 0 <= (file.size or 0) <= largest):
            broken(BadRequest(f"{file.path}: is no file, or larger than {largest} bytes"))
        elif is_pack or runfiles.loose(file.path):
            good.append(file)
    return good


def _repacked(there: Exchange, tip: str, broken: Told) -> tuple[dict[str, bytes], list[str]]:
    """The packs of the months that have loose files, and the files that go into them.

    A month whose pack is damaged, or would become too large, stays as it is.
    """
    files = _readable(there, tip, broken)
    by_month: dict[str, list[File]] = {}
    for file in files:
        if found := runfiles.loose(file.path):
            by_month.setdefault(found[0], []).append(file)
    taken = {runfiles.pack_month(file.path): file for file in files if runfiles.pack_month(file.path)}
    present = {file.path for file in there.files(tip)}
    added: dict[str, bytes] = {}
    removed: list[str] = []
    for month, own in sorted(by_month.items()):
        if month not in taken and runfiles.pack_of(month) in present:
            continue  # it is there, and cannot be read
        old = taken.get(month)
        wrong: list[BadRequest] = []
        gone: list[str] = []
        content, names = runfiles.packed(_merged(there, old, own, wrong.append, gone.append))
        for error in wrong:
            broken(error)
        if not (old and any(old.path in str(error) for error in wrong)) and len(content) <= runfiles.LARGEST_PACK:
            added[runfiles.pack_of(month)] = content
            added[runfiles.list_of(month)] = "".join(f"{name}\n" for name in names).encode()
            removed += gone
    return added, removed


def _merged(
    there: Exchange, old: File | None, own: Sequence[File], broken: Told, gone: Callable[[str], None]
) -> Iterator[Kept]:
    """The runs of a pack, and behind them those of the loose files, whose paths are given to `gone`."""
    for file, content in there.contents([old] if old else []):
        yield from _of_pack(content, file.path, broken)
    for file, content in there.contents(own):
        for run in _of_file(content, file.path, broken):
            gone(file.path)
            yield run


def _told(problems: Sequence[BadRequest]) -> str:
    more = len(problems) - _MOST_TOLD
    lines = [str(problem).replace("\n ", ";") for problem in problems[:_MOST_TOLD]]
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
