"""New runs as they come: one look at the store every few seconds, for all who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

from perfgate.publish.history import reading
from perfgate.publish.history.reading import StoredRun, Window
from perfgate.publish.history.store import Store
from perfgate.publish.web import points
from perfgate.publish.web.archive import Archive, Busy, StoreLost

POLL_S = 2.0
MOST_LISTENERS = 100
MOST_TOLD = 100
"""Of the runs that came between two looks; an import of thousands is not told one by one."""
BACKLOG = 200
"""Runs that wait for a listener who does not take them; then it is let go."""
AHEAD = timedelta(days=2)


class TooMany(Exception):
    """As many listen as may."""


class Feed:
    """Tells listeners of runs that are stored from now on."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._listeners: set[asyncio.Queue[StoredRun | None]] = set()
        self._watching: asyncio.Task[None] | None = None

    async def runs(self) -> AsyncIterator[StoredRun]:
        """Every run that is stored from now on, until the listener goes or cannot keep up. Raises TooMany."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooMany(f"{MOST_LISTENERS} are listening already")
        queue: asyncio.Queue[StoredRun | None] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            while (run := await queue.get()) is not None:
                yield run
        finally:
            self._listeners.discard(queue)

    async def _watch(self) -> None:
        """Look as long as anybody listens. A store that is lost is looked for again."""
        seen: int | None = None
        while self._listeners:
            try:
                newest = await self._archive.ask(points.newest)
                if seen is not None and newest > seen:
                    self._tell(await self._archive.ask(partial(_since, number=seen)))
                seen = newest
            except (StoreLost, Busy):
                pass
            await asyncio.sleep(POLL_S)

    def _tell(self, runs: tuple[StoredRun, ...]) -> None:
        for queue in list(self._listeners):
            for run in runs:
                if queue.full():
                    self._listeners.discard(queue)
                    queue.get_nowait()
                    queue.put_nowait(None)
                    break
                queue.put_nowait(run)

    async def close(self) -> None:
        """Let all listeners go."""
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)


def _since(store: Store, number: int) -> tuple[StoredRun, ...]:
    """The runs that were stored after the one of this number, in that order."""
    window = Window(until=datetime.now(UTC) + AHEAD)
    found = [one for one in reading.runs(store, window, limit=MOST_TOLD) if one.number > number]
    return tuple(sorted(found, key=lambda one: one.number))
