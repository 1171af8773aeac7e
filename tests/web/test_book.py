"""Pages are made anew for who looks at them, and for nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from perfgate.measure.database import Server
from perfgate.publish.web import book as books
from perfgate.publish.web.analyses import Analyses
from perfgate.publish.web.archive import Archive
from perfgate.publish.web.asked import Asked
from perfgate.publish.web.book import Book
from tests.web import history
from tests.web.serving import TIMEOUT_S, entering


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has to come, and let others work meanwhile."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.02)


def test_a_page_that_is_looked_at_is_made_anew_after_a_run_before_anybody_asks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "WARM_S", 0.05)
    database = server.create("web_warm")

    async def looked() -> None:
        archive = Archive(lambda: entering(database.url, "shop"), print)
        analyses = Analyses(archive)
        book = Book(archive, analyses, "shop", secured=False)
        warming = asyncio.create_task(book.keep_warm())
        everything = Asked(period="all")

        def made(asked: Asked) -> set[int]:
            return {name[2] for name in book._kept if name[:2] == ("overview", asked)}

        try:
            await until(lambda: len(made(Asked())) == 1)
            assert made(everything) == set()
            await book.page("overview", everything)
            with entering(database.url, "shop") as store:
                history.fill(store, 4)
            await until(lambda: len(made(everything)) == 2 and len(made(Asked())) == 2)
        finally:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
            analyses.close()
            archive.close()

    asyncio.run(looked())


def test_where_reviews_take_long_the_first_visitor_gets_the_page_before_one_is_begun(server: Server) -> None:
    database = server.create("web_slow")
    with entering(database.url, "shop") as store:
        history.fill(store, 8)

    async def looked() -> None:
        archive = Archive(lambda: entering(database.url, "shop"), print)
        analyses = Analyses(archive)
        book, everything = Book(archive, analyses, "shop", secured=False), Asked(period="all")
        try:
            analyses.slow = True
            first = await book.page("overview", everything)
            assert first is not None
            assert first.pending
            assert not analyses._found
            await book.page("overview", everything)
            assert len(analyses._found) == 1
        finally:
            analyses.close()
            archive.close()

    asyncio.run(looked())
