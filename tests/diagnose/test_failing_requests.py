"""Requests that fail: how many, how, and whether they fail again one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.failing_requests import ADVISOR
from perfgate.diagnose.consultation import explained_by
from perfgate.model import Finding, Sample, Scope
from perfgate.profiled import SecondPass
from tests.diagnose.laboratory import SCENARIO, failed, subject_of

ITEM = "GET /products/{id}"
NOTE = "14 times 500 Internal Server Error, 2 times 404 Not Found"
SAMPLES = [
    Sample("response.errors", Scope(SCENARIO), (0.02, 0.02), note=f"14 times {ITEM}: 500 Internal Server Error"),
    Sample("response.errors", Scope(SCENARIO, ITEM), (0.05, 0.07), note=NOTE),
]
AGAIN = SecondPass(
    SCENARIO,
    asked={ITEM: 60, "GET /products": 60},
    failed={ITEM: 3},
    failures={ITEM: {"500 Internal Server Error": 3}},
    log=".perfgate/logs/head-service.log",
)
RED = failed("response.errors", ITEM)
ALL_RED = failed("response.errors")


def advice(*red: Finding, again: SecondPass | None = None) -> list[Advice]:
    subject = subject_of(red=red, samples=SAMPLES)
    return list(ADVISOR.advise(replace(subject, passes={SCENARIO: again} if again else {})))


def test_the_endpoint_that_fails_is_told_with_its_failure_and_the_scenario_is_not_told_again() -> None:
    (found,) = advice(ALL_RED, RED, again=AGAIN)
    assert (found.severity, found.scope.endpoint) == (Severity.HIGH, ITEM)
    assert found.title == "6 % of GET /products/{id} fails: 500 Internal Server Error"
    assert found.evidence == (
        f"seen under load: {NOTE}",
        "sent one at a time to a fresh service, 3 of 60 failed again: 3 times 500 Internal Server Error",
    )
    assert (found.verified[0].before, found.verified[0].after) == pytest.approx((0.06, 0.05))
    assert ".perfgate/logs/head-service.log" in found.remedy
    assert len(list(explained_by(found, [RED, ALL_RED]))) == 2


def test_what_fails_under_load_alone_is_said_to_do_so() -> None:
    (found,) = advice(RED, again=replace(AGAIN, failed={}, failures={}))
    assert found.evidence[1] == ("sent one at a time to a fresh service, none of 60 failed: it takes load, or longer")
    assert found.verified[0].after == 0


def test_a_scenario_whose_endpoints_are_not_red_is_told_as_a_whole() -> None:
    (found,) = advice(ALL_RED, again=AGAIN)
    assert found.title == f"2 % of requests fail: {ITEM}: 500 Internal Server Error"
    assert found.evidence[1].endswith(f"3 of 120 failed again: 3 times {ITEM}: 500 Internal Server Error")


def test_without_a_second_pass_there_is_what_the_run_has_seen() -> None:
    (found,) = advice(RED)
    assert (len(found.evidence), found.verified) == (1, ())


def test_where_no_share_of_failures_is_red_nothing_is_said() -> None:
    assert not advice(failed("response.p95", ITEM), again=AGAIN)
