"""Pages as they are sent: made in the archive's threads, and kept for as long as nothing is added to the history."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from perfgate.publish.history.reading import Window
from perfgate.publish.history.review import Review
from perfgate.publish.history.store import Store
from perfgate.publish.web import pages, points
from perfgate.publish.web.analyses import Analyses
from perfgate.publish.web.archive import Archive
from perfgate.publish.web.asked import Asked
from perfgate.publish.web.rendering import Frame, html

KEPT = 64
REVIEWED = ("overview", "series", "endpoint", "statement", "resources", "connections")
"""Pages that show what a review says, by how their names begin."""
LIGHT = 4
"""How hard a page is packed: a tenth of the work of the hardest, for nine tenths of what it saves."""

Name = tuple[str, Asked, int, str, bool]


@dataclass(frozen=True)
class Sheet:
    """A page in bytes. `pending` says that there is soon more to it."""

    body: bytes
    pending: bool

    @cached_property
    def packed(self) -> bytes:
        """For browsers that take gzip, as all do."""
        return gzip.compress(self.body, LIGHT, mtime=0)


class Book:
    """The pages of one project."""

    def __init__(self, archive: Archive, analyses: Analyses, project: str, *, secured: bool) -> None:
        self._archive, self._analyses, self._project, self._secured = archive, analyses, project, secured
        self._kept: OrderedDict[Name, Sheet] = OrderedDict()

    async def page(self, name: str, asked: Asked) -> Sheet | None:
        """The page of this name, None where there is none. Raises BadRequest, StoreLost and Busy."""
        now = datetime.now(UTC)
        window = asked.window(now)
        newest = await self._archive.ask(points.newest)
        reviewed = name.startswith(REVIEWED)
        review = await self._analyses.of(asked, now, newest) if reviewed and newest else None
        kept = (name, asked, newest, f"{now:%Y-%m-%d %H}", review is not None)
        if kept not in self._kept:
            sheet = await self._archive.ask(lambda store: self._made(store, name, asked, window, review))
            if sheet is None:
                return None
            self._keep(kept, sheet)
        return self._kept[kept]

    def _made(self, store: Store, name: str, asked: Asked, window: Window, review: Review | None) -> Sheet | None:
        page = pages.named(pages.View(store, window, review), name)
        if page is None:
            return None
        found = pages.choices(store)
        frame = Frame(self._project, asked, found.scenarios, found.branches, secured=self._secured)
        sheet = Sheet(html(page, frame).encode(), page.pending)
        sheet.packed  # noqa: B018 - here, and not while everybody waits
        return sheet

    def _keep(self, name: Name, sheet: Sheet) -> None:
        self._kept[name] = sheet
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
