from __future__ import annotations

from collections.abc import Iterator

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.deep_offset import ADVISOR
from perfgate.measure.database import Server
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, told
from tests.diagnose.laboratory import Bench, Sent, failed, subject_of

SCHEMA = """
    CREATE TABLE lines (id int PRIMARY KEY, text text NOT NULL);
    INSERT INTO lines SELECT n, repeat('x', 100) FROM generate_series(1, 20000) AS n;
"""
ENDPOINT = "GET /lines"
PAGE = "SELECT id, text FROM lines ORDER BY id LIMIT 20 OFFSET %s"


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    with laboratory.opened(server, SCHEMA, []) as bench:
        yield bench


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        pytest.param(PAGE, 20, id="a page"),
        pytest.param(
            "SELECT id, text FROM lines ORDER BY text, id DESC LIMIT 20 OFFSET %s", 20, id="of what is sorted"
        ),
        pytest.param("SELECT id, text FROM lines WHERE id < 15010 ORDER BY id OFFSET %s", 9, id="without a limit"),
        pytest.param(
            "SELECT max(text) FROM (SELECT text FROM lines LIMIT 20 OFFSET %s) AS page", 20, id="within another"
        ),
    ],
)
def test_rows_that_are_skipped_before_a_page_are_told(bench: Bench, statement: str, given: int) -> None:
    bench.sent = [Sent(ENDPOINT, statement, [15000])] * 2
    advice = only(ADVISOR, subject_of(bench.examine()))
    assert advice.severity is Severity.MEDIUM
    assert "skips 15000 rows" in advice.title.replace(",", "")
    assert f"gives {given} rows" in advice.evidence[0]


def test_the_first_page_that_was_seen_shows_what_the_place_of_a_page_costs(bench: Bench) -> None:
    bench.sent = [Sent(ENDPOINT, PAGE, [offset]) for offset in (9000, 0, 15000)]
    (trial,) = only(ADVISOR, subject_of(bench.examine())).verified
    assert not trial.tried
    assert trial.after < 10 < 200 < trial.before


def test_it_explains_red_blocks(bench: Bench) -> None:
    bench.sent = [Sent(ENDPOINT, PAGE, [15000])] * 2
    red = [failed("queries.blocks", ENDPOINT)]
    assert only(ADVISOR, subject_of(bench.examine(), red=red)).severity is Severity.HIGH


def test_what_looks_at_few_blocks_is_a_hint(bench: Bench) -> None:
    bench.sent = [Sent(ENDPOINT, "SELECT id FROM lines ORDER BY id LIMIT 20 OFFSET %s", [2500])] * 2
    assert only(ADVISOR, subject_of(bench.examine())).severity is Severity.LOW


@pytest.mark.parametrize(
    ("statement", "offset"),
    [
        pytest.param(PAGE, 0, id="the first page"),
        pytest.param(PAGE, 900, id="a few rows"),
        pytest.param(
            "SELECT id FROM lines WHERE id > %s ORDER BY id LIMIT 20", 15000, id="from where the last one ended"
        ),
        pytest.param(
            "SELECT id FROM lines WHERE text <> 'y' ORDER BY text LIMIT 20 + 0 * %s", 1, id="sorted for a few"
        ),
        pytest.param("SELECT id FROM lines ORDER BY id OFFSET %s", 2000, id="most of the rows are wanted"),
    ],
)
def test_nothing_is_said_where_few_rows_are_skipped(bench: Bench, statement: str, offset: int) -> None:
    bench.sent = [Sent(ENDPOINT, statement, [offset])] * 2
    assert not told(ADVISOR, subject_of(bench.examine()))
