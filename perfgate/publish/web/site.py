"""The pages as a folder of files: for GitHub Pages or any other place that serves files, from any sub-path of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from perfgate.errors import BadRequest
from perfgate.publish.history import overviews, reading
from perfgate.publish.history.reading import Window
from perfgate.publish.history.review import review
from perfgate.publish.history.store import Store
from perfgate.publish.web import pages
from perfgate.publish.web.asked import Asked
from perfgate.publish.web.pages import View
from perfgate.publish.web.rendering import SECTIONS, STATIC, Frame, html, place_name

MOST_RUNS = 200
"""The newest have pages; points of others lead nowhere."""
MOST_SERIES = 1_000
MOST_POINTS = 20_000
"""On one page: a site is looked at from afar, and stored whole."""
MARK = ".perfgate-site"
"""Lies in every site, so that no folder of another kind is ever replaced by one, and lists what is of the site."""


@dataclass(frozen=True, slots=True)
class Site:
    """What was written."""

    pages: int
    size: int


def write(store: Store, project: str, folder: Path, asked: Asked, now: datetime) -> Site:
    """Write the pages, in place of a former site only. Raises BadRequest for a folder of another kind, and OSError.

    The site is made beside the folder and then moved, so that nobody sees half of one. What somebody else put into the
    former one, `.git` or `CNAME`, stays.
    """
    _check(folder)
    _settle(folder)
    making = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    try:
        shutil.copytree(STATIC, making / "static")
        (making / ".nojekyll").touch()
        for name, page in _pages(store, project, asked, now):
            (making / name).write_text(page, encoding="utf-8")
        names = sorted({MARK, *(path.name for path in making.iterdir())})
        (making / MARK).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        _replace(folder, making)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    files = [path for name in names for path in (folder / name, *(folder / name).rglob("*")) if path.is_file()]
    return Site(sum(path.suffix == ".html" for path in files), sum(path.stat().st_size for path in files))


def _check(folder: Path) -> None:
    if not folder.exists() or (folder / MARK).exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BadRequest(f"{folder} is there, and no site of perfgate", hint="name a new folder, or empty this one")


def _replace(folder: Path, making: Path) -> None:
    if folder.exists():
        folder.rename(_former(folder))
    making.rename(folder)
    _settle(folder)


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.former")


def _settle(folder: Path) -> None:
    """Take over what is not of the former site, and remove that; also where somebody was killed while replacing it."""
    former = _former(folder)
    if not (former / MARK).exists():
        return
    if not folder.exists():
        former.rename(folder)
        return
    own = (former / MARK).read_text(encoding="utf-8").splitlines()
    for path in former.iterdir():
        if path.name not in own and not (folder / path.name).exists():
            path.rename(folder / path.name)
    shutil.rmtree(former, ignore_errors=True)


def _pages(store: Store, project: str, asked: Asked, now: datetime) -> Iterator[tuple[str, str]]:
    """The name of each file, and what is in it."""
    window = asked.window(now)
    view = View(store, window, review(store, window), MOST_POINTS)
    known = frozenset(_names(store, window))
    frame = Frame(project, asked, files=True, known=known)
    for name in sorted(known):
        page = pages.named(view, name)
        if page is not None:
            yield frame.link(name), html(page, frame)


def _names(store: Store, window: Window) -> Iterator[str]:
    yield from SECTIONS
    yield from _of_series(store, window)
    yield from (f"run-{one.number}" for one in reading.runs(store, window, limit=MOST_RUNS))


def _of_series(store: Store, window: Window) -> Iterable[str]:
    """The pages of series, endpoints and statements that tables lead to."""
    stored = reading.series(store, scenario=window.scenario)
    whole = [one for one in stored if not (one.key.scope.statement or one.key.scope.table)]
    slow = {(one.scenario, one.endpoint, one.fingerprint) for one in overviews.slow_statements(store, window)}
    yield from (f"series-{one.number}" for one in whole[:MOST_SERIES])
    yield from {f"endpoint-{place_name(one.key.scope)}" for one in whole if one.key.scope.endpoint}
    for one in stored:
        scope = one.key.scope
        if (scope.scenario, scope.endpoint, scope.statement) in slow:
            yield f"statement-{place_name(scope)}"
