from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.sequential_scan import ADVISOR
from perfgate.measure.database import Server
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import Bench, Sent, subject_of

SCHEMA = """
    CREATE TABLE events AS SELECT n AS id, n % 1000 AS kind FROM generate_series(1, 12000) AS n;
    CREATE TABLE small AS SELECT n AS id FROM generate_series(1, 9000) AS n;
    CREATE TABLE few AS SELECT 3 AS kind;
"""


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    with laboratory.opened(server, SCHEMA, []) as bench:
        yield bench


def test_a_large_table_that_is_read_whole_because_it_is_wanted_is_a_hint(bench: Bench) -> None:
    bench.sent = [Sent("GET /report", "SELECT kind, count(*) FROM events WHERE id > 7 GROUP BY kind")] * 2
    advice = only(ADVISOR, subject_of(bench.examine()))
    assert advice.severity is Severity.LOW
    assert advice.title == "GET /report reads the whole of events"
    assert "reads 11993 rows of events, and returns 1000" in advice.evidence[0]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("SELECT sum(id) FROM small", id="a small table"),
        pytest.param("SELECT id FROM events WHERE kind = 3", id="an index may help"),
        pytest.param("SELECT id FROM events LIMIT 20", id="a page of it"),
        pytest.param("SELECT id FROM events ORDER BY kind LIMIT 20", id="an index may give the order"),
        pytest.param("SELECT events.id FROM few JOIN events USING (kind)", id="an index may help the join"),
        pytest.param("SELECT sum(id) FROM events WHERE (SELECT kind FROM few) = 4", id="never begun"),
    ],
)
def test_a_scan_that_is_small_or_that_an_index_may_spare_is_not(bench: Bench, statement: str) -> None:
    bench.sent = [Sent("GET /report", statement)]
    assert not told(ADVISOR, subject_of(bench.examine()))


def test_the_statements_that_read_most_are_told_and_no_more_than_five(bench: Bench) -> None:
    columns: Sequence[str] = ("id", "kind", "id + 1", "id + kind", "kind, id", "id, kind, id")
    bench.sent = [Sent("GET /report", f"SELECT {column} FROM events") for column in columns]
    assert len(told(ADVISOR, subject_of(bench.examine()))) == 5
