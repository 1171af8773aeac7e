from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose import estimates
from perfgate.diagnose.advisors.slow_statement import ADVISOR
from perfgate.examination import Counters, Examination, Request
from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from perfgate.model import Finding, Side
from tests.diagnose.laboratory import Bench, Sent, failed, opened, subject_of
from tests.measure import servers

SCHEMA = """
CREATE TABLE places (id integer PRIMARY KEY, city integer NOT NULL, zip integer NOT NULL, name text NOT NULL);
INSERT INTO places SELECT i, i % 100, i % 100, 'place ' || i FROM generate_series(1, 20000) i;
"""
ENDPOINT = "GET /places"
SLOW = Sent(ENDPOINT, "SELECT pg_sleep(0.03), count(*) FROM places WHERE name <> %s", ["secret"])
QUICK = Sent("GET /place", "SELECT name FROM places WHERE id = %s", [7])


@pytest.fixture(scope="module", params=servers.VERSIONS)
def bench(request: pytest.FixtureRequest, server: Server, owner: Owner) -> Iterator[Bench]:
    with servers.version(request.param, server, owner) as chosen, opened(chosen, SCHEMA, []) as bench:
        yield bench


def asked(bench: Bench, *examinations: Examination, red: Sequence[Finding] = ()) -> list[Advice]:
    return list(ADVISOR.advise(subject_of(*examinations, laboratory=bench, red=red)))


def test_the_statement_that_takes_the_time_is_shown_with_its_dearest_step(bench: Bench) -> None:
    bench = replace(bench, sent=[QUICK, SLOW, QUICK, SLOW])
    (advice,) = asked(bench, bench.examine())
    assert advice.severity is Severity.LOW
    assert advice.title.startswith("one statement takes 9")
    assert "sequential scan of places" in advice.evidence[1]
    assert "20000 rows" in advice.evidence[1]
    assert "secret" not in repr(advice)


def test_a_planner_is_asked_where_no_execution_was_seen(bench: Bench) -> None:
    bench = replace(bench, sent=[QUICK, SLOW])
    examined = replace(bench.examine(), executions=())
    (advice,) = asked(bench, examined)
    if examined.version >= 16:
        assert "sequential scan of places by the planner's estimate" in advice.evidence[1]
    else:
        assert len(advice.evidence) == 1


@pytest.mark.parametrize("wrong", ["city = %s AND zip = %s", "zip = %s AND city = %s AND id > 0"])
def test_statistics_that_correct_an_estimate_are_tried(bench: Bench, wrong: str) -> None:
    sent = Sent(ENDPOINT, f"SELECT count(name) FROM places WHERE {wrong}", [7, 7])
    bench = replace(bench, sent=[sent] * 3)
    (advice,) = asked(bench, bench.examine())
    assert advice.safe
    assert advice.sql[0].startswith("CREATE STATISTICS")
    factor, _ = advice.verified
    assert factor.before > 50
    assert factor.after < 2


def test_an_estimate_that_a_limit_cut_short_is_not_wrong(bench: Bench) -> None:
    bench = replace(bench, sent=[Sent(ENDPOINT, "SELECT name FROM places WHERE city < %s LIMIT 3", [50])])
    examined = bench.examine()
    assert [estimates.misjudged(examined, name) for name in examined.statements] == [None]


def examination(seconds: float, blocks: float, side: Side = Side.HEAD, other: float = 0.0005) -> Examination:
    """Two requests: one of a statement that takes `seconds`, one of another that takes `other`."""
    own = {"s": Counters(calls=1, seconds=seconds, blocks=blocks)}
    requests = (Request(ENDPOINT, 0.01, own), Request("GET /else", 0.5, {"t": Counters(calls=100, seconds=other)}))
    return Examination("shop", side, 18, requests, statements={"s": "SELECT ?", "t": "SELECT x"})


@pytest.mark.parametrize(
    ("seconds", "other", "said"),
    [
        pytest.param(0.0009, 0.0005, False, id="most of little time"),
        pytest.param(0.0011, 0.0005, True, id="most of the time"),
        pytest.param(0.0011, 0.0026, False, id="less than a third of the time"),
        pytest.param(0.0199, 1.0, False, id="little of the time"),
        pytest.param(0.0201, 1.0, True, id="long for one call"),
        pytest.param(0.0101, 0.0, False, id="all of it, being alone"),
    ],
)
def test_a_statement_is_slow_by_its_part_of_the_time_or_by_one_call(seconds: float, other: float, said: bool) -> None:
    advice = ADVISOR.advise(subject_of(examination(seconds, 10, other=other)))
    assert ("s" in {one.scope.statement for one in advice}) is said


@pytest.mark.parametrize(
    ("metric", "before", "kind", "expected"),
    [
        pytest.param("queries.time", 5.0, "tolerance", Severity.MEDIUM, id="it does more than on base"),
        pytest.param("queries.time", 10.0, "tolerance", Severity.LOW, id="it does as much as on base"),
        pytest.param("queries.time", 10.0, "limit", Severity.MEDIUM, id="it is over a limit"),
        pytest.param("response.p95", 5.0, "tolerance", Severity.MEDIUM, id="it is half of the answer"),
        pytest.param("queries.calls", 5.0, "tolerance", Severity.LOW, id="something else is red"),
    ],
)
def test_a_slow_statement_matters_where_it_explains_something_red(
    metric: str, before: float, kind: str, expected: Severity
) -> None:
    both = examination(0.005, 10.0), examination(0.005, before, Side.BASE)
    subject = subject_of(*both, red=[replace(failed(metric, ENDPOINT), kind=kind)])
    assert [advice.severity for advice in ADVISOR.advise(subject)] == [expected]
