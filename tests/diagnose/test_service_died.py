"""A service that ended or stopped answering: where, at which request, and whether it did so again."""

from __future__ import annotations

from dataclasses import replace

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.service_died import ADVISOR
from perfgate.model import Flaw, FlawKind, Side
from perfgate.profiled import SecondPass, Stop
from tests.diagnose.laboratory import SCENARIO, subject_of

DIED = Flaw(FlawKind.SERVICE_DIED, "the service ended with exit code 70", SCENARIO, detail="password=hunter2")
HUNG = Flaw(FlawKind.UNANSWERED, "3 requests to GET /x were unanswered after 10 s", SCENARIO, 2)
CRASH = SecondPass(
    SCENARIO,
    asked={"GET /x": 300},
    died="ended with exit code 70",
    answered=189,
    last="GET /x",
    stop=Stop("shop/views.py", 42, "pay", waits=False),
    log=".perfgate/logs/head-service.log",
)
HANG = replace(CRASH, died="", unanswered="GET /x", asked={"GET /x": 50}, answered=50, stop=Stop("a.py", 3, "f", True))


def advice(*flaws: Flaw, again: SecondPass | None = None) -> list[Advice]:
    subject = subject_of()
    run = replace(subject.run, flaws=flaws)
    return list(ADVISOR.advise(replace(subject, run=run, passes={SCENARIO: again} if again else {})))


def test_a_service_that_dies_again_is_told_with_the_place_that_ended_it() -> None:
    (found,) = advice(DIED, again=CRASH)
    assert found.severity is Severity.HIGH
    assert found.title == "the service ends at GET /x, shop/views.py:42"
    assert found.code == "shop/views.py:42"
    assert found.evidence == (
        "the service ended with exit code 70",
        "again on a fresh service, one request at a time: it ended with exit code 70 at GET /x, after 189 others",
        "shop/views.py:42, in pay, is what ended the process",
    )
    assert (found.verified[0].before, found.verified[0].after) == (300, 189)
    assert found.remedy.startswith("Its log is .perfgate/logs/head-service.log.")


def test_a_request_that_is_not_answered_is_told_once_with_what_it_waits_for() -> None:
    (found,) = advice(HUNG, replace(HUNG, round=3), again=HANG)
    assert found.title == "the service stops answering at GET /x, a.py:3"
    assert found.evidence[-1] == "a.py:3, in f, is where the request waits"
    assert (found.verified[0].before, found.verified[0].after) == (51, 50)


def test_what_does_not_happen_again_is_said_to_take_load_and_nothing_is_claimed_of_places() -> None:
    (found,) = advice(DIED, again=replace(CRASH, died="", last=""))
    assert "it did not happen again in 300 requests" in found.evidence[1]
    assert (found.code, found.verified, found.title) == ("", (), "the service ends under load")


def test_the_last_words_of_a_service_are_not_passed_on() -> None:
    assert "hunter2" not in str(advice(DIED, again=CRASH) + advice(DIED))


def test_a_base_that_died_and_other_flaws_are_not_told() -> None:
    other = Flaw(FlawKind.GENERATOR_SATURATED, "the generator was busy", SCENARIO)
    assert not advice(replace(DIED, side=Side.BASE), other)
