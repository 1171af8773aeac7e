from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.connections import ADVISOR
from perfgate.examination import Counters, Examination, Request
from perfgate.model import Sample, Side
from tests.diagnose.evidence import only, sample, taken, told, watched
from tests.diagnose.laboratory import SCENARIO, failed

LEAKING = (9.0, 12.0, 15.0, 18.0, 21.0, 24.0)
WAITING = {
    "connections.used": 2.0,
    "connections.active": 1.95,
    "locks.waiting": 0.0,
    "response.rate": 90.0,
    "cpu.database_per_request": 0.0005,
    "response.p50": 0.16,
    "queries.time": 0.02,
}


def samples(**changed: float) -> list[Sample]:
    """Of a service whose users wait for its pool, but for what is given as `metric__name`."""
    given = {name.replace("__", "."): value for name, value in changed.items()}
    return [sample(metric, value) for metric, value in {**WAITING, **given}.items()]


def holding(seconds: float) -> Examination:
    work = {"f": Counters(calls=2, seconds=0.002)}
    return Examination(SCENARIO, Side.HEAD, 18, tuple(Request("POST /pay", seconds + i, work) for i in (0.0, 0.1)))


def test_connections_that_grow_in_every_round_of_a_process_are_leaked() -> None:
    advice = only(ADVISOR, watched(sample("connections.used", *LEAKING)))
    assert advice.severity is Severity.HIGH
    assert "9 became 24 in 6 rounds" in advice.title
    assert "9, 12, 15, 18, 21, 24 sessions" in advice.evidence[0]


@pytest.mark.parametrize(
    ("used", "starts", "users"),
    [
        pytest.param((2, 5, 7, 8, 8, 8), (1,) * 6, 1, id="a pool that opened what it needs"),
        pytest.param((2, 3, 4, 5, 6, 7), (1,) * 6, 8, id="no more than the users need"),
        pytest.param(LEAKING, (1, 2, 3, 4, 5, 6), 8, id="each round has fresh processes"),
        pytest.param((9, 12, 15), (1, 1, 1), 8, id="three rounds are too few"),
        pytest.param(LEAKING, (1,) * 5, 8, id="rounds and values do not belong to each other"),
    ],
)
def test_connections_that_came_to_a_halt_or_started_afresh_are_no_leak(
    used: tuple[float, ...], starts: tuple[int, ...], users: int
) -> None:
    assert not told(ADVISOR, watched(sample("connections.used", *used), users=users, rounds=taken(starts)))


def test_rounds_that_were_taken_again_are_left_out_of_a_leak() -> None:
    first, *rest = taken((1,) * 7)
    subject = watched(sample("connections.used", *LEAKING), rounds=[replace(first, disturbed=True), *rest])
    assert "9 became 24" in only(ADVISOR, subject).title


def test_users_that_wait_for_busy_connections_to_an_idle_database_need_a_larger_pool() -> None:
    advice = only(ADVISOR, watched(*samples(), users=16))
    assert advice.severity is Severity.MEDIUM
    assert advice.title == "16 users wait for 2 connections"
    assert "0.04 cores" in advice.evidence[0]


def test_a_small_pool_explains_response_times_that_are_red() -> None:
    subject = watched(*samples(), users=16, red=[failed("response.p95")])
    assert only(ADVISOR, subject).severity is Severity.HIGH


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"cpu.database_per_request": 0.02}, id="the database is busy itself"),
        pytest.param({"locks.waiting": 1.0}, id="they wait for a lock"),
        pytest.param({"response.p50": 0.03}, id="answers take no longer than their statements"),
        pytest.param({"connections.active": 1.0}, id="half of the connections are free"),
        pytest.param({"connections.used": 16.0, "connections.active": 16.0}, id="everybody has a connection"),
    ],
)
def test_a_pool_is_not_called_small_where_something_else_is_waited_for(changed: dict[str, float]) -> None:
    assert not told(ADVISOR, watched(*samples(**changed), users=16))


@pytest.mark.parametrize(
    ("share", "severity"), [(0.8, None), (0.81, Severity.LOW), (0.9, Severity.LOW), (0.91, Severity.MEDIUM)]
)
def test_the_maximum_is_near_from_eighty_percent_on(share: float, severity: Severity | None) -> None:
    subject = watched(sample("connections.used", 80.0), sample("connections.share", share), users=80)
    assert [advice.severity for advice in told(ADVISOR, subject)] == ([severity] if severity else [])


def test_failing_requests_are_explained_by_a_maximum_that_is_reached_as_never_before() -> None:
    full = [sample("connections.used", 99.0), sample("connections.share", 0.99)]
    red = [failed("response.errors")]
    assert only(ADVISOR, watched(*full, users=80, red=red)).severity is Severity.HIGH
    same = watched(*full, users=80, red=red, references={"connections.used": 99.0})
    assert only(ADVISOR, same).severity is Severity.MEDIUM


def test_transactions_held_open_while_the_service_works_are_told_with_their_endpoint() -> None:
    idle = sample("connections.idle_in_transaction", 6.0)
    advice = only(ADVISOR, watched(sample("connections.used", 8.0), idle, examinations=[holding(0.06)]))
    assert advice.severity is Severity.LOW
    assert "POST /pay spends at least 58.0 ms" in advice.evidence[1]


def test_transactions_held_open_while_others_wait_for_their_locks_are_more_than_a_hint() -> None:
    given = [sample("connections.used", 8.0), sample("connections.idle_in_transaction", 6.0)]
    subject = watched(*given, sample("locks.waiting", 3.0), examinations=[holding(0.06)])
    assert only(ADVISOR, subject).severity is Severity.MEDIUM


def test_open_transactions_explain_slow_answers_only_where_others_wait_for_them() -> None:
    given = [sample("connections.used", 8.0), sample("connections.idle_in_transaction", 8.0)]
    red = [failed("response.p95")]
    assert only(ADVISOR, watched(*given, examinations=[holding(0.06)], red=red)).severity is Severity.LOW
    crowded = watched(*given, examinations=[holding(0.06)], red=red, users=16)
    assert only(ADVISOR, crowded).severity is Severity.HIGH


@pytest.mark.parametrize(("idle", "seconds"), [(3.0, 0.06), (6.0, 0.02)])
def test_a_moment_between_two_statements_is_no_transaction_held_open(idle: float, seconds: float) -> None:
    given = [sample("connections.used", 8.0), sample("connections.idle_in_transaction", 8.0, idle, 8.0, 8.0, 8.0, 8.0)]
    assert not told(ADVISOR, watched(*given, examinations=[holding(seconds)]))


def test_many_connections_that_nobody_uses_are_worth_a_hint() -> None:
    advice = only(ADVISOR, watched(sample("connections.used", 60.0), sample("connections.active", 3.0)))
    assert advice.severity is Severity.LOW
    assert advice.title == "5 % of 60 connections are in use"


@pytest.mark.parametrize(("used", "active", "users"), [(8.0, 3.2, 8), (60.0, 3.0, 60), (19.0, 1.0, 4), (60.0, 18.0, 8)])
def test_a_pool_that_fits_its_users_or_is_small_is_no_matter(used: float, active: float, users: int) -> None:
    given = [sample("connections.used", used), sample("connections.active", active)]
    assert not told(ADVISOR, watched(*given, users=users))


def test_more_connections_than_before_and_than_users_are_worth_a_hint() -> None:
    now = sample("connections.used", 16.0)
    assert (
        "holds 16 connections where it held 8"
        in only(ADVISOR, watched(now, references={"connections.used": 8.0})).title
    )
    assert not told(ADVISOR, watched(now, references={"connections.used": 12.0}))
    assert not told(ADVISOR, watched(sample("connections.used", 26.0), references={"connections.used": 20.0}))
    assert not told(ADVISOR, watched(now, users=16, references={"connections.used": 8.0}))


@pytest.mark.parametrize(("opened", "told_of"), [(8.0, False), (49.0, False), (51.0, True), (200.0, True)])
def test_connections_opened_by_every_other_request_are_told(opened: float, told_of: bool) -> None:
    found = told(ADVISOR, watched(*samples(), sample("connections.opened", opened, opened), users=4))
    titles = [advice.title for advice in found]
    assert ("requests open connections of their own" in titles) is told_of


def test_connections_that_requests_open_explain_slow_answers() -> None:
    subject = watched(
        sample("connections.used", 3.0), sample("connections.opened", 100.0), red=[failed("response.p95")]
    )
    assert only(ADVISOR, subject).severity is Severity.HIGH
