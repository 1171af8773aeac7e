"""Two versions of Postgres for what reads its own views: they change from one to the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from perfgate.measure import database as databases
from perfgate.measure.database import Server, installation
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

VERSIONS = ("preferred", "another")


@contextmanager
def version(which: str, preferred: Server, owner: Owner) -> Iterator[Server]:
    """The server that all tests share, or one from the next installation on this machine; skips where there is none."""
    if which == VERSIONS[0]:
        yield preferred
        return
    others = [found for found in installation.candidates() if isinstance(found, installation.Installation)][1:]
    if not others:
        assert "PERFGATE_REQUIRE_DEBIAN_POSTGRES" not in os.environ, "Debian's Postgres has to be installed here"
        pytest.skip("there is only one PostgreSQL on this machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(installation, "find", lambda: others[0])
        started = databases.start(Database(provider="embedded"), owner, print)
        with started as server:
            yield server
