"""The bench of advice: it counts as it should, and some of its cases, gated for real, end as all of them have to."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.advice_cases import gating, held_out
from tests.advice_cases.cases import CASES, FAULTY, HARMLESS, Case
from tests.advice_cases.gating import REPOSITORY
from tests.advice_cases.scoring import Outcome, Said, line, score, summary

QUICK = ("index_equality", "similar_indexes", "short_row_locks")

FAULT = Case("a_fault", "missing_index", "", (), mentions=("CREATE INDEX", "(User_ID)"))
TWIN = Case("a_twin", "", "", ())
RIGHT = Said("missing_index", "medium", "no index", "no index\nCREATE INDEX ON events (user_id)")
ELSEWHERE = replace(RIGHT, text="no index\nCREATE INDEX ON events (id)")
HINT = Said("unused_index", "low", "an index is not read")
OTHER = replace(HINT, severity="high")


@pytest.mark.parametrize(
    ("case", "said", "right", "found", "alarmed"),
    [
        (FAULT, (RIGHT,), True, 1, 0),
        (FAULT, (RIGHT, OTHER), True, 1, 0),
        (FAULT, (replace(RIGHT, severity="low"),), True, 1, 0),
        (FAULT, (HINT, RIGHT), False, 0, 1),
        (FAULT, (ELSEWHERE,), False, 0, 0),
        (FAULT, (), False, 0, 0),
        (TWIN, (), True, 0, 0),
        (TWIN, (HINT,), True, 0, 0),
        (TWIN, (replace(HINT, severity="medium"),), False, 0, 1),
        (TWIN, (HINT, OTHER), False, 0, 1),
    ],
)
def test_a_fault_has_to_come_first_and_a_twin_deserves_no_more_than_hints(
    case: Case, said: tuple[Said, ...], right: bool, found: int, alarmed: int
) -> None:
    outcome = Outcome(case, said, 1.0)
    assert outcome.is_right == right
    counted = score([outcome])
    assert (counted.found, counted.alarmed) == (found, alarmed)
    assert counted.is_perfect == right
    assert ("right" if right else "WRONG") in line(outcome)


def test_precision_is_of_what_was_said_and_recall_of_what_was_planted() -> None:
    outcomes = [
        Outcome(FAULT, (RIGHT,), 1.0),
        Outcome(FAULT, (RIGHT,), 1.0),
        Outcome(FAULT, (RIGHT,), 1.0),
        Outcome(FAULT, (), 1.0),
        Outcome(TWIN, (OTHER,), 1.0),
        Outcome(TWIN, (OTHER, HINT), 1.0),
        Outcome(TWIN, (), 1.0),
    ]
    assert (score(outcomes).precision, score(outcomes).recall) == (0.6, 0.75)
    assert "precision 60%, recall 75%, false alarms 2, could not be gated 0" in summary(outcomes)


def test_a_case_that_could_not_be_gated_spoils_the_score_even_where_nothing_was_to_be_said() -> None:
    broken = Outcome(TWIN, (), 1.0, failure="exit code 3: the service did not start")
    assert not broken.is_right
    assert not score([broken]).is_perfect
    assert "exit code 3" in line(broken)


def test_there_are_enough_cases_of_either_kind_and_each_has_a_name_of_its_own() -> None:
    assert len(FAULTY) >= 13
    assert len(HARMLESS) >= 11
    assert all(case.expects for case in FAULTY)
    assert not any(case.expects for case in HARMLESS)
    assert len(held_out.FAULTY) >= 8
    assert len(held_out.HARMLESS) >= 6
    assert all(case.expects for case in held_out.FAULTY)
    assert not any(case.expects for case in held_out.HARMLESS)
    cases = (*CASES, *held_out.CASES)
    assert len({case.name for case in cases}) == len(cases)


def test_every_case_has_a_handler() -> None:
    script = "from tests.advice_cases.held_out_service import HANDLERS; print(*sorted(HANDLERS))"
    env = {"ADVICE_CASE": "", "DATABASE_URL": "", "ADVICE_POOL": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=env, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == sorted(case.name for case in (*CASES, *held_out.CASES))


@pytest.mark.parametrize("case", [case for case in CASES if case.name in QUICK], ids=lambda case: case.name)
def test_a_gated_case_ends_as_it_should(case: Case) -> None:
    outcome = gating.gate(case)
    assert outcome.is_right, line(outcome)
