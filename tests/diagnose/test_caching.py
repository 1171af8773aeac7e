from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.caching import ADVISOR
from perfgate.examination import Examination
from perfgate.measure.database import Server
from tests.diagnose import laboratory
from tests.diagnose.evidence import sample, told, watched
from tests.diagnose.laboratory import Sent

SCHEMA = """
    CREATE TABLE sales AS SELECT n AS id, n % 7 AS region, n AS cents FROM generate_series(1, 2000) AS n;
    CREATE TABLE visits (at timestamptz);
"""
REPORT = "SELECT sum(cents) FROM sales WHERE region = %s"
SAME = [Sent("GET /report", REPORT, [3])] * 4
SLOW = 0.8
OFTEN = 15.0


def examined(server: Server, sent: Sequence[Sent]) -> Examination:
    with laboratory.opened(server, SCHEMA, sent) as bench:
        return bench.examine()


def advice(examination: Examination, time: float = SLOW, rate: float = OFTEN, **options: object) -> list[Advice]:
    """What is said of answers that take so long and are asked for so often, in twelve seconds of rounds."""
    given = [
        sample("response.p50", time, endpoint="GET /report"),
        sample("response.rate", rate, endpoint="GET /report"),
    ]
    return told(ADVISOR, replace(watched(*given, examinations=[examination]), options={"caching": options}))


@pytest.fixture(scope="module")
def repeated(server: Server) -> Examination:
    return examined(server, SAME)


def test_a_slow_answer_that_is_read_again_each_time_is_worth_keeping(repeated: Examination) -> None:
    (one,) = advice(repeated)
    assert one.severity is Severity.MEDIUM
    assert one.title == "GET /report reads the same again for every answer"
    assert one.evidence[0] == "about 180 requests, half of which took longer than 800 ms"
    assert one.evidence[1].startswith("4 of 4 requests looked at sent the same statements with the same parameters")
    assert one.evidence[2] == "nothing in the scenario wrote to what they read: sales"


@pytest.mark.parametrize(("seconds", "rate", "said"), [(0.5, 15, False), (0.8, 8, False), (0.51, 8.4, True)])
def test_a_fast_or_rare_answer_is_not(repeated: Examination, seconds: float, rate: float, said: bool) -> None:
    assert bool(advice(repeated, seconds, rate)) is said


def test_what_is_slow_and_often_can_be_set(repeated: Examination) -> None:
    assert advice(repeated, 0.2, 4, seconds=0.1, requests=40)
    assert not advice(repeated, 0.2, 4, seconds=0.1)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([Sent("GET /report", REPORT, [n]) for n in range(4)], id="asks for something else each time"),
        pytest.param([*SAME, Sent("POST /sale", "UPDATE sales SET cents = 1 WHERE id = 1")], id="somebody writes it"),
        pytest.param([Sent("GET /report", [REPORT % 3, "INSERT INTO visits VALUES (now())"])] * 4, id="writes itself"),
        pytest.param([Sent("GET /report", "SELECT * FROM sales WHERE id = 3 FOR UPDATE")] * 4, id="locks rows"),
        pytest.param([Sent("GET /report", "SELECT count(*) FROM generate_series(1, 9)")] * 4, id="reads no table"),
    ],
)
def test_answers_that_differ_or_write_are_not_worth_keeping(server: Server, sent: Sequence[Sent]) -> None:
    assert not advice(examined(server, sent))


def test_nothing_is_known_without_the_servers_log(repeated: Examination) -> None:
    assert not advice(replace(repeated, executions=()))
