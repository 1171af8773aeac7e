"""The second pass over a scenario that failed: real services that die, hang, fail, or do nothing of the kind again."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.measure.ownership import Owner
from perfgate.measure.secondpass import second_pass
from tests.diagnose import services

FAILS = """\
seen = []


def stop():
    {stop}


def answer(path):
    if path == "/two":
        seen.append(path)
        if len(seen) > 20:
            return stop()
"""


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


@pytest.mark.parametrize(
    ("stop", "died"),
    [
        ("import os; os._exit(7)", "ended with exit code 7"),
        ("import ctypes; ctypes.string_at(0)", "was ended by SIGSEGV"),
    ],
)
def test_a_service_that_dies_again_says_at_which_request_and_where(
    tmp_path: Path, owner: Owner, stop: str, died: str
) -> None:
    work = FAILS.format(stop=stop)
    with services.theatre(tmp_path, owner, work) as theatre:
        found = second_pass(theatre)
    assert (found.died, found.unanswered, found.last) == (died, "", "GET /two")
    assert found.stop is not None
    assert (found.stop.code, found.stop.function, found.stop.waits) == (f"work.py:{line_of(work, stop)}", "stop", False)
    # 20 times /two is answered: three of them are not counted, since a cycle comes before each of the two passes, and
    # so is one of /one besides, which the last cycle begins with
    assert found.answered == 37
    assert found.log.startswith("logs/head-service-second-pass")


def test_a_request_that_is_not_answered_is_told_with_the_place_that_waits(tmp_path: Path, owner: Owner) -> None:
    work = FAILS.format(stop="import threading; threading.Event().wait()")
    with services.theatre(tmp_path, owner, work) as theatre:
        found = second_pass(theatre)
    assert (found.died, found.unanswered, found.last) == ("", "GET /two", "GET /two")
    assert found.stop is not None
    assert (found.stop.code, found.stop.function, found.stop.waits) == ("work.py:5", "stop", True)


def test_a_coroutine_that_waits_for_ever_is_found_although_no_thread_is_in_it(tmp_path: Path, owner: Owner) -> None:
    work = FAILS.replace("def ", "async def ").replace("return stop", "await stop")
    stop = "import asyncio; await asyncio.Event().wait()"
    with services.theatre(tmp_path, owner, work.format(stop=stop), serving=services.ASYNC) as theatre:
        found = second_pass(theatre)
    assert found.unanswered == "GET /two"
    assert found.stop is not None
    assert (found.stop.code, found.stop.function, found.stop.waits) == ("work.py:5", "stop", True)


def test_requests_that_fail_are_counted_with_what_they_say(tmp_path: Path, owner: Owner) -> None:
    with services.theatre(tmp_path, owner, FAILS.format(stop="return 500")) as theatre:
        found = second_pass(theatre)
    assert (found.died, found.unanswered, found.stop) == ("", "", None)
    assert set(found.failed) == {"GET /two"}
    assert found.failures == {"GET /two": {"500 Internal Server Error": found.failed["GET /two"]}}
    assert found.asked["GET /two"] == found.asked["GET /one"] > found.failed["GET /two"] > 20


def test_a_service_that_behaves_this_time_has_nothing_told_of_it(tmp_path: Path, owner: Owner) -> None:
    with services.theatre(tmp_path, owner, "def answer(path):\n    pass\n") as theatre:
        found = second_pass(theatre)
    assert (found.died, found.unanswered, found.last, found.stop) == ("", "", "", None)
    assert not found.failed
    assert sum(found.asked.values()) == found.answered > 20
