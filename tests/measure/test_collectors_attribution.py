"""How much of a round's work in the database single requests account for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from perfgate.measure.collector import Target
from perfgate.measure.collectors.attribution import Attribution
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.fingerprint import fingerprint, normalise
from perfgate.measure.ownership import Owner
from perfgate.model import Side
from tests.measure.servers import VERSIONS, version

KNOWN = "SELECT count(*) FROM pg_class"
JOB = "SELECT count(*), 'secret' FROM generate_series(1, 200000)"


@pytest.fixture(scope="module", params=VERSIONS)
def server(server: Server, owner: Owner, request: pytest.FixtureRequest) -> Iterator[Server]:
    with version(request.param, server, owner) as chosen:
        yield chosen


@pytest.fixture
def target(database: ServiceDatabase) -> Target:
    text = normalise(KNOWN)
    return Target(Path(), "browse", Side.HEAD, database=database, statements={fingerprint(text): text})


def attributed(target: Target, *statements: str) -> tuple[float | None, str]:
    """The share, and what is said of the rest, of a round in which the service sends these."""
    assert target.database is not None
    collector = Attribution()
    with psycopg.connect(target.database.url, autocommit=True) as service:
        service.execute(JOB)  # before the round
        collector.begin(target)
        for statement in statements:
            service.execute(statement.encode())
        readings = collector.finish(target)
    return (readings[0].value, readings[0].note) if readings else (None, "")


def test_everything_is_attributed_where_requests_alone_send_it(target: Target) -> None:
    assert attributed(target, KNOWN, "BEGIN", "COMMIT", KNOWN) == (1.0, "")


def test_what_no_request_sends_is_not_and_is_named_without_its_values(target: Target) -> None:
    share, note = attributed(target, KNOWN, JOB)
    assert share is not None
    assert 0.0 < share < 0.5
    assert note == "no request that was asked alone sends `SELECT count(*), ? FROM generate_series(?, ?)`"


def test_a_round_without_statements_or_without_a_counting_pass_has_no_share(target: Target) -> None:
    assert attributed(target) == (None, "")
    target.statements.clear()
    assert attributed(target, KNOWN) == (None, "")
