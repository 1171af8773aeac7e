"""A store for each test, on the preferred Postgres and on another version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import psycopg
import pytest

from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from perfgate.publish.history.store import Store, connect, open_store
from tests.measure.servers import VERSIONS, version

_labels = count()


@pytest.fixture(scope="session", params=VERSIONS)
def history_server(request: pytest.FixtureRequest, server: Server, owner: Owner) -> Iterator[Server]:
    """A server of each version."""
    with version(request.param, server, owner) as found:
        yield found


@pytest.fixture
def url(history_server: Server) -> Iterator[str]:
    """A superuser's URL of an empty database."""
    database = history_server.create(f"history_{next(_labels)}")
    yield database.url
    history_server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection]:
    with closing(connect(url)) as connection:
        yield connection


@pytest.fixture
def store(connection: psycopg.Connection) -> Store:
    """A project's place in a fresh store."""
    return open_store(connection, "shop")
