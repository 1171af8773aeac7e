"""Base and head measured in turn: when a change is red, when it is confirmed first, and what awkward values do."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.judge.conditions import Conditions
from perfgate.judge.evidence import Answer, Case
from perfgate.judge.pairs import CHANCE_OF_ALARM, CHANCE_OF_CONFIRMING, Schedule, judge_pairs
from perfgate.model import Better, Metric, Noise, Status, Unit
from tests.judge.literals import P95, RATE, sample, tolerance

SCHEDULE = Schedule(6, 20)
ALPHA = CHANCE_OF_ALARM / 30
ERRORS = Metric("response.error_rate", Unit.RATIO, Better.LOWER, Noise.SAMPLED, "errors")
SHAPE = (0.99, 1.01, 1.0, 1.012, 0.988, 1.0, 1.005, 0.995)
Values = list[float | None]


def judged(
    head: Values,
    base: Values,
    metric: Metric = P95,
    *,
    fail: float | None = 0.03,
    warn: float | None = None,
    floor: float = 0.0,
    schedule: Schedule = SCHEDULE,
    conditions: Sequence[Conditions] = (),
) -> Answer:
    rule = tolerance(metric.name, fail=fail, warn=warn, floor=floor)
    return judge_pairs(Case(sample(metric, *head), metric, ALPHA), rule, sample(metric, *base), schedule, conditions)


def times(count: int, factor: float = 1.0, centre: float = 0.01) -> Values:
    """Steady values, a per cent of noise around `factor`."""
    return [centre * factor * SHAPE[i % len(SHAPE)] for i in range(count)]


def steady(count: int, centre: float = 0.01) -> Values:
    return [centre * SHAPE[(3 * i + 1) % len(SHAPE)] for i in range(count)]


def test_both_stages_together_leave_one_false_red_in_a_hundred_runs() -> None:
    assert CHANCE_OF_ALARM * CHANCE_OF_CONFIRMING <= 0.01


def test_unchanged_code_passes_at_the_first_look() -> None:
    assert judged(times(6), steady(6)).status is Status.PASS


COMPANY = (0.9, -0.7, 0.1, -1.1, 0.6, 0.3, -0.4, 1.2, -0.9, 0.2, 0.5, -0.6)

BUSY = [Conditions(company=company) for company in COMPANY]


def crowded(factor: float = 1.0) -> Values:
    """Head's values where each core that others take makes a round half as slow again."""
    quiet = [value for value in times(len(COMPANY), factor) if value is not None]
    return [value * 1.5**company for value, company in zip(quiet, COMPANY, strict=True)]


def test_what_other_work_on_the_machine_explains_is_not_held_against_head() -> None:
    base = steady(len(COMPANY))
    assert judged(crowded(), base).status is Status.UNSURE
    assert judged(crowded(), base, conditions=BUSY).status is Status.PASS


def test_values_that_are_not_those_of_the_rounds_are_said_to_be_adjusted() -> None:
    adjusted = judged(crowded(), steady(len(COMPANY)), conditions=BUSY)
    assert adjusted.adjusted
    assert "), adjusted for the machine, allowed 3 %" in adjusted.because
    plain = judged(crowded(), steady(len(COMPANY)))
    assert not plain.adjusted
    assert "adjusted" not in plain.because


def test_what_other_work_hides_is_seen_nevertheless() -> None:
    base = steady(len(COMPANY))
    assert judged(crowded(1.1), base).status is Status.UNSURE
    assert judged(crowded(1.1), base, conditions=BUSY).status is Status.FAIL


def test_a_change_that_burdens_the_generator_as_well_does_not_pass_for_it() -> None:
    effort = [0.12 + 0.1 * company for company in COMPANY]
    head: Values = [
        value * math.exp(burden) for value, burden in zip(times(12), effort, strict=True) if value is not None
    ]
    conditions = [Conditions(effort=burden) for burden in effort]
    assert judged(head, steady(12), conditions=conditions).status is Status.UNSURE


def test_company_that_hardly_differs_changes_nothing() -> None:
    conditions = [Conditions(company=0.01 * company) for company in COMPANY]
    assert judged(crowded(), steady(12), conditions=conditions) == judged(crowded(), steady(12))


def test_a_large_change_is_confirmed_by_fresh_pairs_before_it_is_red() -> None:
    alarm = judged(times(6, 1.1), steady(6))
    assert alarm.status is Status.UNSURE
    assert "over 6 pairs; confirming with fresh rounds" in alarm.because
    assert alarm.needed > 6
    red = judged(times(alarm.needed, 1.1), steady(alarm.needed))
    assert red.status is Status.FAIL
    assert "confirmed by 4 fresh pairs" in red.because


def test_the_sentence_has_both_values_the_change_its_interval_and_what_is_allowed() -> None:
    red = judged(times(16, 1.1), steady(16))
    assert red.because.startswith("11.0 ms, was 10.00 ms: +10 % (+8.8 % to +11 %), allowed 3 %")
    assert red.change == pytest.approx(0.1, abs=0.01)
    assert red.observed == pytest.approx(red.reference * (1 + red.change))  # type: ignore[operator]
    assert red.interval is not None
    assert red.interval[0] < red.change < red.interval[1]  # type: ignore[operator]


def test_an_alarm_that_does_not_come_again_is_no_red_and_says_so() -> None:
    answer = judged([*times(6, 1.1), *times(12)], steady(18))
    assert answer.status is Status.PASS
    assert "of the first 6 pairs did not come again" in answer.because


def test_an_alarm_that_was_not_confirmed_is_never_raised_again() -> None:
    head = [*times(6, 1.1), *times(8), *times(26, 1.1)]
    answer = judged(head, steady(40))
    assert answer.status is Status.UNSURE
    assert answer.needed == 0


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=45), st.integers(0, 2**32))
def test_a_red_stays_as_it_is_whatever_pairs_come_after_it(factors: list[float], seed: int) -> None:
    source = random.Random(seed)
    later: Values = [0.01 * factor for factor in factors]
    head, base = times(16, 1.1), steady(16)
    red = judged(head, base)
    assert red.status is Status.FAIL
    assert judged(head + later, base + source.sample(later, len(later))) == red


def test_the_same_values_give_the_same_answer() -> None:
    assert judged(times(16, 1.1), steady(16)) == judged(times(16, 1.1), steady(16))


@pytest.mark.parametrize(("change", "status"), [(1.0299, Status.PASS), (1.03, Status.PASS), (1.0301, Status.FAIL)])
def test_a_tolerance_may_be_touched_but_not_crossed(change: float, status: Status) -> None:
    base = [0.01 * (1 + i / 1000) for i in range(30)]
    assert judged([value * change for value in base], list(base)).status is status


def test_better_code_is_improved_as_surely_as_worse_is_red() -> None:
    assert judged(times(10, 0.8), steady(10)).status is Status.IMPROVED


@pytest.mark.parametrize(("factor", "status"), [(0.9, Status.FAIL), (1.0, Status.PASS), (1.1, Status.IMPROVED)])
def test_less_is_worse_where_more_is_better(factor: float, status: Status) -> None:
    answer = judged(times(16, factor, 500.0), steady(16, 500.0), RATE)
    assert answer.status is status
    assert answer.change == pytest.approx(factor - 1, abs=0.01)


def test_a_move_within_the_floor_is_allowed_however_large_its_ratio() -> None:
    head, base = times(16, 3.0, 1e-6), steady(16, 1e-6)
    assert judged(head, base).status is Status.FAIL
    assert judged(head, base, floor=1e-3).status is Status.PASS


def test_wild_ratios_of_next_to_nothing_pass_when_the_differences_lie_within_the_floor() -> None:
    source = random.Random(1)
    head, base = ([10 ** source.uniform(-9, -5) for _ in range(8)] for _ in range(2))
    assert judged(list(head), list(base), floor=1e-3).status is Status.PASS


@pytest.mark.parametrize(("warn", "status"), [(0.01, Status.WARN), (0.03, Status.PASS)])
def test_the_centre_alone_decides_about_a_warning(warn: float, status: Status) -> None:
    head, base = times(12, 1.02), steady(12)
    assert judged(head, base, fail=0.1, warn=warn).status is status
    assert judged(head, base, fail=None, warn=warn).status is status


def test_a_round_without_a_value_takes_its_pair_with_it_and_nothing_else() -> None:
    head, base = times(13, 1.1), steady(13)
    head[2] = None
    base[5] = None
    whole = [i for i in range(13) if i not in (2, 5)]
    assert judged(head, base) == judged([head[i] for i in whole], [base[i] for i in whole])


def test_fewer_pairs_than_a_decision_takes_are_unsure_and_say_how_many_it_takes() -> None:
    answer = judged(times(3, 2.0), steady(3))
    assert (answer.status, answer.needed) == (Status.UNSURE, 6)
    assert answer.because == "3 of the 6 pairs of rounds that a decision takes"


def test_no_value_on_one_side_decides_nothing() -> None:
    assert judged([None] * 8, steady(8)).status is Status.MISSING
    assert judged(times(8), [None] * 8).status is Status.UNSURE


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_few_equal_quantised_values_are_not_certain(count: int) -> None:
    answer = judged([0.011] * count, [0.010] * count, schedule=Schedule(2, 20))
    assert answer.status is Status.UNSURE
    assert "confirming" not in answer.because


def test_many_equal_quantised_values_are_certain_by_the_sign_test() -> None:
    assert judged([0.011] * 40, [0.010] * 40).status is Status.FAIL


def test_one_step_of_a_quantised_value_in_some_pairs_is_no_alarm() -> None:
    head: Values = [0.011 if i % 3 == 0 else 0.010 for i in range(12)]
    answer = judged(head, [0.010] * 12)
    assert answer.status is Status.UNSURE
    assert "confirming" not in answer.because


def test_no_errors_on_either_side_pass() -> None:
    assert judged([0.0] * 6, [0.0] * 6, ERRORS).status is Status.PASS


@pytest.mark.parametrize(
    ("rounds", "status"),
    [(1, Status.UNSURE), (4, Status.UNSURE), (40, Status.FAIL)],
    ids=["once", "sometimes", "always"],
)
def test_rare_errors_are_red_only_when_they_come_in_round_after_round(rounds: int, status: Status) -> None:
    head: Values = [0.05 if i * rounds % 40 < rounds else 0.0 for i in range(40)]
    assert judged(head, [0.0] * 40, ERRORS).status is status


def test_rare_errors_within_the_floor_pass() -> None:
    head: Values = [0.002 if i % 10 == 0 else 0.0 for i in range(20)]
    assert judged(head, [0.0] * 20, ERRORS, floor=0.005).status is Status.PASS


def test_errors_that_base_had_not_are_shown_without_a_ratio() -> None:
    answer = judged([0.05] * 40, [0.0] * 40, ERRORS)
    assert (answer.change, answer.interval, answer.reference) == (None, None, 0.0)
    assert answer.because.startswith("5 %, was 0 %")


def test_a_drift_within_the_job_cancels() -> None:
    head: Values = [0.01 * SHAPE[i % 8] * (1 + 0.05 * i) for i in range(12)]
    base: Values = [0.01 * SHAPE[(3 * i + 1) % 8] * (1 + 0.05 * i) for i in range(12)]
    assert judged(head, base).status is Status.PASS


def test_one_outlier_neither_hides_a_change_nor_makes_one() -> None:
    for factor, status in ((1.1, Status.FAIL), (1.0, Status.PASS)):
        head, base = times(40, factor), steady(40)
        head[25] = 1.0
        base[3] = 0.5
        assert judged(head, base).status is status


def test_hopeless_noise_ends_early_and_says_what_could_have_been_seen() -> None:
    answer = judged([1.0, 3.0] * 4, [3.0, 1.0] * 4)
    assert (answer.status, answer.needed) == (Status.UNSURE, 0)
    assert "8 pairs show changes from +" in answer.because
    assert "would decide" in answer.because


@pytest.mark.parametrize(("warn", "told"), [(0.01, True), (0.03, False), (None, False)])
def test_what_is_undecided_says_that_it_is_surely_worth_a_warning(warn: float | None, told: bool) -> None:
    answer = judged(times(20, 1.028), steady(20), fail=0.03, warn=warn)
    assert answer.status is Status.UNSURE
    assert ("surely over the 1 % of `warn`" in answer.because) is told
    assert "a few more would decide, and `max_rounds` allows 20" in answer.because


def test_what_more_pairs_would_decide_asks_for_them() -> None:
    head: Values = [0.01 * f for f in (1.04, 0.98, 1.05, 0.99, 1.03, 1.0)]
    answer = judged(head, [0.01] * 6)
    assert answer.status is Status.UNSURE
    assert 6 < answer.needed <= 20


def test_pairs_of_one_process_start_count_once() -> None:
    lucky: Values = [0.01 * factor for factor in (1.09, 1.091, 1.065, 1.066, 1.05, 1.051)]
    alone, shared = (judged(lucky, [0.01] * 6, schedule=Schedule(6, 20, together)) for together in (1, 2))
    assert "confirming" in alone.because
    assert "confirming" not in shared.because


EXTREMES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 5e-324, 1e-310, 1e308, 1.7976931348623157e308, -1e308, math.inf, math.nan]),
    st.floats(allow_nan=True, allow_infinity=True),
)


@given(
    st.lists(st.tuples(EXTREMES, EXTREMES), max_size=45),
    st.sampled_from([P95, RATE]),
    st.sampled_from([0.0, 0.03, 2.0]),
    st.sampled_from([0.0, 5e-324, 1e-3, 1e308]),
    st.integers(1, 3),
)
def test_no_magnitude_breaks_a_decision(
    pairs: list[tuple[float | None, float | None]], metric: Metric, fail: float, floor: float, together: int
) -> None:
    answer = judged(
        [head for head, _ in pairs],
        [base for _, base in pairs],
        metric,
        fail=fail,
        floor=floor,
        schedule=replace(SCHEDULE, together=together),
    )
    assert answer.because


@pytest.mark.parametrize("last", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_the_shortest_schedules_decide_nothing_they_cannot_know(first: int, last: int) -> None:
    for pairs in range(1, 12):
        answer = judged(times(pairs, 1.5), steady(pairs), schedule=Schedule(first, last))
        assert answer.status in (Status.UNSURE, Status.FAIL)
        assert (answer.status is Status.FAIL) <= (pairs >= 6)


@given(st.lists(st.floats(0.5, 2.0), min_size=6, max_size=40), st.sampled_from([1e-200, 1e-9, 1e200]))
def test_the_unit_of_a_value_decides_nothing(factors: list[float], scale: float) -> None:
    head: Values = list(factors)
    plain = judged(head, [1.0] * len(head)).status
    assert judged([scale * f for f in factors], [scale] * len(head)).status is plain
