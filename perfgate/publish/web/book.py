"""Pages as they are sent: made in the archive's threads, and kept for as long as nothing is added to the history."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from perfgate.errors import PerfgateError
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

WARM_S = 3.0
"""So often it is seen whether there is another run, or the review that a page lacked."""
REMEMBERED_S = 1800.0
"""Pages that nobody asked for in so long are made again when somebody does."""
MOST_REMEMBERED = 4

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
        self._remembered: OrderedDict[tuple[str, Asked], float] = OrderedDict()

    async def page(self, name: str, asked: Asked) -> Sheet | None:
        """The page of this name, None where there is none. Raises BadRequest, StoreLost and Busy."""
        found = await self._page(name, asked)
        if found is not None:
            self._remember(name, asked)
        return found

    def _remember(self, name: str, asked: Asked) -> None:
        self._remembered[name, asked] = time.monotonic()
        self._remembered.move_to_end((name, asked))
        while len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    async def keep_warm(self) -> None:
        """Make the pages that people look at as soon as there is another run, before they look again. Never ends."""
        self._remember("overview", Asked())
        while True:
            for (name, asked), when in tuple(self._remembered.items()):
                if time.monotonic() - when < REMEMBERED_S:
                    with contextlib.suppress(PerfgateError):  # it is told to whoever asks
                        await self._page(name, asked)
            await asyncio.sleep(WARM_S)

    async def _page(self, name: str, asked: Asked) -> Sheet | None:
        now = datetime.now(UTC)
        window = asked.window(now)
        newest = await self._archive.ask(points.newest)
        reviewed = name.startswith(REVIEWED)
        # where a review takes long, the first visitor gets the page before it is begun: both at once take twice as long
        later = self._analyses.slow and self._is_first(name, asked, now, newest)
        review = await self._analyses.of(asked, now, newest) if reviewed and newest and not later else None
        kept = (name, asked, newest, f"{now:%Y-%m-%d %H}", review is not None)
        if kept not in self._kept:
            sheet = await self._archive.ask(lambda store: self._made(store, name, asked, window, review))
            if sheet is None:
                return None
            self._keep(kept, sheet)
        return self._kept[kept]

    def _is_first(self, name: str, asked: Asked, now: datetime, newest: int) -> bool:
        """Whether nobody has asked for this page, or for what its review says, since the newest run."""
        kept = any(one[:3] == (name, asked, newest) for one in self._kept)
        return not kept and not self._analyses.begun(asked, now, newest)

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
