"""The store as pages ask it: few connections however much is asked, and nothing is written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from perfgate.errors import NotMeasured
from perfgate.publish.history.store import Store
from perfgate.publish.web import archive as archives
from perfgate.publish.web.archive import Archive, Busy, StoreLost
from tests.web import history
from tests.web.serving import entering


@pytest.fixture
def opened() -> list[Store]:
    return []


@pytest.fixture
def archive(filled: str, opened: list[Store]) -> Iterator[Archive]:
    @contextmanager
    def opening() -> Iterator[Store]:
        with entering(filled, history.PROJECT) as store:
            opened.append(store)
            yield store

    archive = Archive(opening)
    yield archive
    archive.close()
    assert all(store.connection.closed for store in opened)


def number(store: Store) -> int:
    with store.transaction() as cursor:
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_many_questions_share_few_connections(archive: Archive, opened: list[Store]) -> None:
    async def all_at_once() -> set[int]:
        return set(await asyncio.gather(*(archive.ask(number) for _ in range(archives.WAITING))))

    assert len(asyncio.run(all_at_once())) <= archives.CONNECTIONS
    assert len(opened) <= archives.CONNECTIONS


def test_who_asks_when_too_many_wait_is_turned_away(archive: Archive) -> None:
    held = threading.Event()

    async def crowd() -> None:
        waiting = [asyncio.ensure_future(archive.ask(lambda _: held.wait())) for _ in range(archives.WAITING)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(Busy):
                await archive.ask(number)
        finally:
            held.set()
        await asyncio.gather(*waiting)
        assert await archive.ask(number)

    asyncio.run(crowd())


def test_a_question_that_takes_too_long_is_given_up(archive: Archive, opened: list[Store]) -> None:
    def slow(store: Store) -> None:
        with store.transaction(patience=0.05) as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    with pytest.raises(Busy):
        asyncio.run(archive.ask(slow))
    assert archive.answer(number)
    assert len(opened) == 1


def test_nothing_can_be_written(archive: Archive) -> None:
    def write(store: Store) -> None:
        with store.transaction() as cursor:
            cursor.execute("DELETE FROM run")

    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        archive.answer(write)


def test_a_store_that_stays_away_is_told_of_once() -> None:
    said: list[str] = []

    @contextmanager
    def away() -> Iterator[Store]:
        raise NotMeasured("postgres on db.example says no", hint="a secret hint")
        yield

    archive = Archive(away, said.append)
    for _ in range(3):
        with pytest.raises(StoreLost, match="cannot be reached"):
            archive.answer(number)
    assert said == ["postgres on db.example says no"]
    archive.close()
