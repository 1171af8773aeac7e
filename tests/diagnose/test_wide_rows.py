from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.wide_rows import ADVISOR
from perfgate.measure.database import Server
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import Bench, Sent, subject_of

SCHEMA = f"""
    CREATE TABLE many AS SELECT {", ".join(f"n AS column_{i}" for i in range(20))} FROM generate_series(1, 50) AS n;
    CREATE TABLE wide AS SELECT n AS id, repeat('x', 1500) AS body FROM generate_series(1, 50) AS n;
    CREATE TABLE narrow AS SELECT n AS id, 'x' AS body FROM generate_series(1, 50) AS n;
"""


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    with laboratory.opened(server, SCHEMA, []) as bench:
        yield bench


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM many WHERE column_0 > 0",
        "select wide . * from wide",
        "SELECT id, * FROM wide",
        "SELECT DISTINCT * FROM wide",
    ],
)
def test_a_star_over_wide_rows_is_a_hint(bench: Bench, statement: str) -> None:
    bench.sent = [Sent("GET /list", statement)] * 2
    advice = only(ADVISOR, subject_of(bench.examine()))
    assert advice.severity is Severity.LOW
    assert "50 rows" in advice.evidence[0]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("SELECT * FROM narrow", id="narrow rows"),
        pytest.param("SELECT * FROM wide LIMIT 9", id="nine rows"),
        pytest.param("SELECT count(*) FROM wide", id="a count"),
        pytest.param("SELECT id * 2, body FROM wide", id="a product"),
        pytest.param("SELECT id, body FROM wide", id="columns by name"),
        pytest.param("SELECT id FROM (SELECT * FROM wide) AS inside", id="a star within"),
        pytest.param("SELECT id FROM narrow WHERE EXISTS (SELECT * FROM wide)", id="a star that is not read"),
    ],
)
def test_what_is_narrow_or_asked_for_by_name_is_not(bench: Bench, statement: str) -> None:
    bench.sent = [Sent("GET /list", statement)]
    assert not told(ADVISOR, subject_of(bench.examine()))
