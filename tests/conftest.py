"""What many tests share: a real Postgres, started once for each worker, and a database of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

import pytest

from perfgate.measure import database as databases
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
from perfgate.worktree import BRANCHES_OF_PULL_REQUESTS

_labels = count()


def pytest_configure() -> None:
    """Forget what would have every run of the gate measure a base, take a profile or tell GitHub of it.

    And that these tests may share a session of xdist, which runs of pytest that they start have no part in.
    """
    told = ("PERFGATE_BASE", "PERFGATE_PROFILE", "PERFGATE_HISTORY", "PERFGATE_PROJECT", "STOREFRONT_FAULT")
    named = (*BRANCHES_OF_PULL_REQUESTS, *told)
    for name in {*named, *(name for name in os.environ if name.startswith(("GITHUB_", "PYTEST_XDIST_")))}:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def owner() -> Iterator[Owner]:
    """Owns what tests start, until the last one is over."""
    with Owner() as owner:
        yield owner


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """An embedded Postgres. Tests that stop it or change its settings start one of their own."""
    with Owner() as owner, databases.start(Database(provider="embedded"), owner, print) as server:
        yield server


@pytest.fixture
def database(server: Server) -> Iterator[ServiceDatabase]:
    """An empty database on `server`; dropped after the test."""
    database = server.create(f"test_{next(_labels)}")
    yield database
    for name in (database.name, database.template):
        server.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
