from __future__ import annotations

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.cache_hits import ADVISOR
from perfgate.diagnose.subject import Subject
from perfgate.examination import Counters, Examination, Request, Table
from perfgate.model import Side
from tests.diagnose.evidence import only, sample, told, watched
from tests.diagnose.laboratory import SCENARIO, failed


def reading(hits: float = 0.7, size: int = 2**28, blocks: float = 500.0, red: bool = False) -> Subject:
    requests = (Request("GET /all", 0.1, {"f": Counters(1, blocks=900)}), Request("GET /one", 0.1, {"f": Counters(1)}))
    table = Table("events", 1e6, size, 0, 0, 0, 0)
    examination = Examination(SCENARIO, Side.HEAD, 18, requests, tables=(table,), settings={"shared_buffers": "128MB"})
    given = [
        sample("database.cache_hits", hits),
        sample("queries.blocks", blocks),
        sample("response.rate", 20.0),
    ]
    return watched(*given, examinations=[examination], red=[failed("database.cache_hits")] if red else [])


def test_tables_that_do_not_fit_into_the_cache_are_told_with_who_reads_most() -> None:
    advice = only(ADVISOR, reading())
    assert advice.severity is Severity.LOW
    assert advice.evidence == (
        "70.0 % of about 20000 blocks in a round",
        "tables and indexes take 268 MB, shared_buffers 134 MB",
        "GET /all looks at most blocks: 900 a request",
    )


def test_a_small_cache_explains_a_red_share_of_hits() -> None:
    assert only(ADVISOR, reading(red=True)).severity is Severity.HIGH


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(reading(hits=0.9), id="nine in ten are found"),
        pytest.param(reading(size=2**26), id="everything fits: the cache was only cold"),
        pytest.param(reading(blocks=249.0), id="fewer than ten thousand blocks"),
    ],
)
def test_a_cold_cache_or_a_few_blocks_say_nothing(subject: Subject) -> None:
    assert not told(ADVISOR, subject)
