from __future__ import annotations

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.locks import ADVISOR
from tests.diagnose.evidence import only, sample, told, watched
from tests.diagnose.laboratory import failed

CHAIN = "pid 7 (UPDATE stock SET n = ?) waited for pid 8 (active: UPDATE stock SET n = ?) for 1.4 s"
IDLE = "pid 7 (UPDATE stock SET n = ?) waited for pid 8 (idle in transaction: SELECT ?) for 1.4 s"


@pytest.mark.parametrize(("seconds", "said"), [(0.9, False), (1.0, False), (1.1, True)])
def test_only_waits_of_over_a_second_are_told(seconds: float, said: bool) -> None:
    waits = sample("locks.longest_wait", 0.0, seconds, 0.0, 0.2, 0.0, 0.0)
    assert bool(told(ADVISOR, watched(waits, sample("locks.waiting", 1.0)))) is said


def test_a_long_wait_is_told_with_who_blocked_whom() -> None:
    waits = sample("locks.longest_wait", 0.0, 1.4, 1.2, 0.5, 0.0, 0.0, note=CHAIN)
    advice = only(ADVISOR, watched(waits, sample("locks.waiting", 3.0)))
    assert advice.severity is Severity.MEDIUM
    assert advice.title == "sessions wait up to 1.40 s for a lock"
    assert advice.evidence == ("waits of over 1 s in 2 of 6 rounds", "up to 3 sessions waited at one time", CHAIN)
    assert "keep the transaction that holds the lock short" in advice.remedy


def test_a_blocker_that_was_idle_in_its_transaction_shall_commit_first() -> None:
    advice = only(ADVISOR, watched(sample("locks.longest_wait", 1.4, note=IDLE)))
    assert advice.remedy.startswith("commit before anything")


def test_waits_explain_response_times_that_are_red_unless_there_were_as_long_ones_before() -> None:
    waits, red = sample("locks.longest_wait", 1.4), [failed("response.p95", "POST /checkout")]
    assert only(ADVISOR, watched(waits, red=red)).severity is Severity.HIGH
    before = watched(waits, red=red, references={"locks.longest_wait": 1.4})
    assert only(ADVISOR, before).severity is Severity.MEDIUM


def test_a_deadlock_explains_failing_requests() -> None:
    given = [sample("locks.longest_wait", 0.3), sample("database.deadlocks", 0.0, 2.0, 0.0, 0.0, 0.0, 0.0)]
    assert only(ADVISOR, watched(*given)).title == "2 deadlocks under load"
    assert only(ADVISOR, watched(*given)).severity is Severity.MEDIUM
    assert only(ADVISOR, watched(*given, red=[failed("response.errors")])).severity is Severity.HIGH


@pytest.mark.parametrize(("fewest", "said"), [(5.0, False), (6.0, True)])
def test_a_queue_of_short_waits_is_a_hint_where_it_is_there_in_every_round(fewest: float, said: bool) -> None:
    given = [sample("locks.longest_wait", 0.1), sample("locks.waiting", 7.0, 7.0, fewest, 7.0, 7.0, 7.0)]
    assert [advice.severity for advice in told(ADVISOR, watched(*given))] == [Severity.LOW] * said
