"""A pool that is too small although the server sees it idle: requests hold connections while they do something else."""

from __future__ import annotations

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.connections import ADVISOR
from perfgate.examination import Counters, Examination, Request
from perfgate.model import Sample, Side
from tests.diagnose.evidence import only, sample, told, watched
from tests.diagnose.laboratory import SCENARIO, failed

ENDPOINT = "GET /things/{id}"
HELD = {
    "connections.used": 1.0,
    "connections.active": 0.0,
    "locks.waiting": 0.0,
    "response.rate": 18.8,
    "response.mean": 0.202,
    "cpu.per_request": 0.0012,
    "cpu.database_per_request": 0.0006,
}


def samples(**changed: float) -> list[Sample]:
    """Four users of a service with one connection, but for what is given as `metric__name`."""
    values = {**HELD, **{name.replace("__", "."): value for name, value in changed.items()}}
    own = [sample(metric, value) for metric, value in values.items()]
    return [*own, sample("response.rate", values["response.rate"], endpoint=ENDPOINT)]


def alone(seconds: float = 0.052, work: float = 0.0002) -> Examination:
    """What a request takes when nobody else asks, and its statement."""
    requests = [Request(ENDPOINT, seconds + i / 1e4, {"f": Counters(calls=1, seconds=work)}) for i in range(5)]
    return Examination(SCENARIO, Side.HEAD, 18, tuple(requests))


def test_requests_that_wait_for_connections_held_idly_are_told_apart_by_how_long_one_takes_alone() -> None:
    advice = only(ADVISOR, watched(*samples(), users=4, examinations=[alone()]))
    assert advice.severity is Severity.LOW
    assert advice.title.startswith("4 users wait for 1 connection,")
    assert f"{ENDPOINT} spends at least 51.8 ms" in advice.evidence[2]


def test_the_queue_for_connections_explains_answers_that_are_red() -> None:
    subject = watched(*samples(), users=4, examinations=[alone()], red=[failed("response.p95")])
    assert only(ADVISOR, subject).severity is Severity.HIGH


@pytest.mark.parametrize(
    ("changed", "seconds", "work", "users"),
    [
        pytest.param({}, 0.052, 0.0002, 1, id="everybody has a connection"),
        pytest.param({"locks.waiting": 1.0}, 0.052, 0.0002, 4, id="they wait for a lock"),
        pytest.param({"cpu.per_request": 0.03}, 0.052, 0.0002, 4, id="they wait for the processor"),
        pytest.param({"connections.used": 2.0}, 0.052, 0.0002, 4, id="a connection is free half of the time"),
        pytest.param({"response.mean": 0.4}, 0.19, 0.0002, 4, id="more are under way than there are connections"),
        pytest.param({"response.mean": 0.07}, 0.052, 0.0002, 4, id="answers take hardly longer than alone"),
        pytest.param({}, 0.052, 0.04, 4, id="the database takes most of the time"),
    ],
)
def test_idle_connections_are_not_blamed_for_what_else_is_waited_for(
    changed: dict[str, float], seconds: float, work: float, users: int
) -> None:
    assert not told(ADVISOR, watched(*samples(**changed), users=users, examinations=[alone(seconds, work)]))


def test_without_a_closer_look_nothing_is_known_of_idle_connections() -> None:
    assert not told(ADVISOR, watched(*samples(), users=4))
