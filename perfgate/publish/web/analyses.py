"""Reviews of the history, which take seconds: worked out beside the requests, and kept until there is another run."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from perfgate.publish.history.reading import Window
from perfgate.publish.history.review import Review, review
from perfgate.publish.web.archive import Archive
from perfgate.publish.web.asked import Asked

KEPT = 16
PATIENCE_S = 0.5
"""A page waits so long for a review, and is shown without it then."""

Name = tuple[Asked, int, str]


def _name(asked: Asked, window: Window, newest: int) -> Name:
    return asked, newest, f"{window.until:%Y-%m-%d %H}"


class Analyses:
    """The last reviews, by what was asked, the newest run, and the hour.

    They are `slow` unless the last one took no longer than a page waits.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._found: OrderedDict[Name, Future[Review]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="perfgate-review")
        self.slow = True

    def begun(self, asked: Asked, now: datetime, newest: int) -> bool:
        """Whether somebody has asked for this review before."""
        return _name(asked, asked.window(now), newest) in self._found

    async def of(self, asked: Asked, now: datetime, newest: int) -> Review | None:
        """The review for a page, or None where it takes longer: it is gone on with, and there when asked for again."""
        return await self.review(asked, asked.window(now), newest, patience=PATIENCE_S)

    async def review(self, asked: Asked, window: Window, newest: int, *, patience: float) -> Review | None:
        """The review of a window, which `asked` stands for, where it is there within `patience` seconds."""
        future = self._begun(_name(asked, window, newest), window)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), patience)
        except TimeoutError:
            return None

    def _begun(self, name: Name, window: Window) -> Future[Review]:
        future = self._found.get(name)
        if future is None or (future.done() and future.exception() is not None):
            future = self._thread.submit(self._reviewed, window)
            self._found[name] = future
        self._found.move_to_end(name)
        while len(self._found) > KEPT:
            self._found.popitem(last=False)[1].cancel()
        return future

    def _reviewed(self, window: Window) -> Review:
        began = time.monotonic()
        found = self._archive.answer(lambda store: review(store, window))
        self.slow = time.monotonic() - began > PATIENCE_S
        return found

    def close(self) -> None:
        """Let go of what was not begun, and wait for what was."""
        self._thread.shutdown(wait=True, cancel_futures=True)
