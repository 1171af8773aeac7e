"""Stores that are filled once: what reports tell of them is told by many tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perfgate.measure.database import Server
from perfgate.publish.history import importers, notices, rollups, writing
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.result import Result
from tests.periodic import shop

PYPDF = Path(__file__).parent / "pypdf.data.js.gz"
"""What pypdf's continuous integration measured from October 2025 to May 2026, as it published it (BSD-3-Clause)."""


@pytest.fixture(scope="session")
def url(server: Server) -> Iterator[str]:
    """A store with the projects `octo/shop` and `py-pdf/pypdf`."""
    database = server.create("reports")
    with closing(connect(database.url)) as connection:
        shop.fill(open_store(connection, "octo/shop"))
    yield database.url
    server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The shop's place in the store."""
    with closing(connect(url)) as connection:
        yield open_store(connection, "octo/shop")


@pytest.fixture
def empty(url: str) -> Iterator[Store]:
    """The place of a project that was never measured."""
    with closing(connect(url)) as connection:
        yield open_store(connection, "nobody/nothing")


@pytest.fixture(scope="session")
def pypdf(url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The store's URL, with the project `py-pdf/pypdf` in it."""
    plain = tmp_path_factory.mktemp("pypdf") / "data.js"
    plain.write_bytes(gzip.decompress(PYPDF.read_bytes()))
    found = [Entry(Result(run), trunk=True) for run in importers.read(plain).runs]
    with closing(connect(url)) as connection:
        place = open_store(connection, "py-pdf/pypdf")
        notices.add_releases(place, _releases(plain))
        writing.write(place, found)
        rollups.refresh(place)
    return url


def _releases(plain: Path) -> list[notices.Release]:
    """The commits that say which release they make."""
    document = json.loads(plain.read_text(encoding="utf-8").partition("=")[2])
    entries = document["entries"]["CPython Benchmark"]
    return [
        notices.Release(
            entry["commit"]["message"].removeprefix("REL: "),
            entry["commit"]["id"],
            datetime.fromtimestamp(entry["date"] / 1000, UTC),
        )
        for entry in entries
        if entry["commit"]["message"]
    ]
