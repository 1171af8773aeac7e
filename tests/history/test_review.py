"""A history is looked over: each metric's course, what was told of it already, and what to do."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.errors import ExitCode
from perfgate.model import Key, Scope, Unit
from perfgate.publish.history import alerting, notices
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.reading import Window
from perfgate.publish.history.review import Review, review
from perfgate.publish.history.store import Store
from perfgate.publish.history.writing import write
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction
from tests.history.courses import (
    PRODUCTS_CALLS,
    PRODUCTS_P95,
    WINDOW,
    commit,
    judged,
    kept,
    noisy,
    one_run,
    with_samples,
)
from tests.history.runs import BLOCKS, DAY
from tests.publish.literals import LOOKUP, SIZE

STEP = [*noisy(0.1, 21), *noisy(0.12, 21)]
"""The first run of the new level is the 22nd."""

INDEX = Advice(
    category="index",
    severity=Severity.HIGH,
    title="Index orders by customer",
    evidence=(),
    effect="fewer blocks",
    effort=Effort.MINUTES,
    remedy="Create it.",
    verified=(Trial("queries.blocks", Unit.COUNT, 100.0, 16.0),),
)


def course(found: Review, key: Key) -> Course:
    return next(one for one in found.courses if one.key == key)


def failed(made: Entry) -> Entry:
    """The same run with a red verdict."""
    assert made.result.verdict is not None
    verdict = replace(made.result.verdict, exit_code=ExitCode.FAILED)
    return replace(made, result=replace(made.result, verdict=verdict))


def test_a_step_is_found_with_the_commits_around_it(store: Store) -> None:
    kept(store, STEP)
    (shift,) = review(store, WINDOW).shifts
    assert (shift.key, shift.since, shift.worse, shift.outside) == (PRODUCTS_P95, commit(22), True, False)
    assert shift.good < shift.since <= shift.bad
    assert shift.change == pytest.approx(0.2, abs=0.03)
    found = course(review(store, WINDOW), PRODUCTS_P95)
    assert found.level == pytest.approx(0.12, rel=0.02)


def test_a_shift_that_was_told_is_never_told_again_however_many_runs_follow(store: Store) -> None:
    kept(store, STEP[:26])
    first = review(store, WINDOW)
    assert len(first.fresh) == 1
    assert alerting.tell(store, first.fresh, DAY) == first.fresh
    assert alerting.tell(store, first.fresh, DAY) == ()
    assert review(store, WINDOW).fresh == ()
    for many in (27, 30, 42):
        kept(store, STEP[26:many], first=27)
        later = review(store, WINDOW)
        assert (len(later.shifts), later.fresh) == (1, ()), many


def test_the_next_step_is_news_again(store: Store) -> None:
    kept(store, STEP)
    alerting.tell(store, review(store, WINDOW).fresh, DAY)
    kept(store, noisy(0.15, 21), first=43)
    (fresh,) = review(store, WINDOW).fresh
    assert fresh.since == commit(43)


def test_a_count_that_steps_back_is_news_as_well(store: Store) -> None:
    write(store, [one_run(number, 0.1, calls=4.0 if 12 <= number < 20 else 3.0) for number in range(1, 31)])
    shifts = [one for one in review(store, WINDOW).shifts if one.key == PRODUCTS_CALLS]
    assert [(one.good, one.bad, one.worse) for one in shifts] == [
        (commit(19), commit(20), False),
        (commit(11), commit(12), True),
    ]


def test_a_count_that_the_last_run_alone_changed_is_news_at_once(store: Store) -> None:
    write(store, [one_run(number, 0.1, calls=4.0 if number == 30 else 3.0) for number in range(1, 31)])
    assert [(one.key, one.since) for one in review(store, WINDOW).fresh] == [(PRODUCTS_CALLS, commit(30))]


def test_a_count_that_was_zero_is_told_once_too(store: Store) -> None:
    write(store, [one_run(number, 0.1, calls=2.0 if number >= 12 else 0.0) for number in range(1, 31)])
    (fresh,) = review(store, WINDOW).fresh
    assert fresh.change == math.inf
    assert alerting.tell(store, [fresh], DAY) == (fresh,)
    assert alerting.told(store) == (fresh,)
    assert review(store, WINDOW).fresh == ()


def test_what_happened_before_the_window_is_known_and_not_told(store: Store) -> None:
    kept(store, STEP)
    found = review(store, replace(WINDOW, since=DAY + timedelta(hours=30)))
    assert (found.shifts, found.fresh) == ((), ())
    assert len(course(found, PRODUCTS_P95).shifts) == 1


@pytest.mark.parametrize("tagged", [10, 10_000])
def test_moves_are_since_the_last_release_even_if_its_commit_was_not_measured(store: Store, tagged: int) -> None:
    kept(store, STEP)
    made = DAY + timedelta(hours=10, minutes=30)
    notices.add_releases(store, [notices.Release("v1", commit(1), DAY), notices.Release("v2", commit(tagged), made)])
    found = review(store, WINDOW)
    move = course(found, PRODUCTS_P95).release
    assert found.release is not None
    assert found.release.name == "v2"
    assert move is not None
    assert (move.low < 0.2 < move.high, move.low > 0.1) == (True, True)
    assert course(found, PRODUCTS_P95).direction is Direction.DEGRADING


def test_without_a_release_health_is_against_what_was_before(store: Store) -> None:
    write(store, [one_run(24 * day, value) for day, value in enumerate(STEP[:20] + STEP[-15:])])
    month = Window(DAY, DAY + timedelta(days=40))
    before = review(store, month)
    notices.add_releases(store, [notices.Release("v1", commit(240), DAY + timedelta(days=10))])
    after = review(store, month)
    assert before.health is not None
    assert after.health is not None
    assert before.health.parts[0].because == "1 of 3 worse than before"
    assert after.health.parts[0].because == "1 of 3 worse than the release"


def test_a_release_of_tomorrow_is_none_yet(store: Store) -> None:
    kept(store, noisy(0.1, 12))
    notices.add_releases(store, [notices.Release("v9", commit(3), WINDOW.until + timedelta(days=1))])
    assert review(store, WINDOW).release is None


def test_statements_are_left_out_unless_asked_for_and_globs_choose(store: Store) -> None:
    kept(store, noisy(0.1, 3))
    lookup = Key(BLOCKS.name, LOOKUP)
    assert lookup not in [one.key for one in review(store, WINDOW).courses]
    assert lookup in [one.key for one in review(store, WINDOW, statements=True).courses]
    for glob in ("response.*", "*[[]GET /products]", "*p95[GET /products]"):
        keys = [one.key for one in review(store, WINDOW, metrics=[glob]).courses]
        assert (PRODUCTS_P95 in keys) == (glob != "*[[]GET /products]"), glob


def test_a_metric_that_is_not_measured_any_more_is_named_and_counts_for_nothing(store: Store) -> None:
    kept(store, noisy(0.1, 20))
    made = [one_run(number, 0.1) for number in range(21, 24)]
    write(store, [with_samples(one, one.run.samples[1:]) for one in made])
    found = review(store, WINDOW)
    assert [(one.key, one.missed) for one in found.gone] == [(PRODUCTS_P95, 3)]
    assert PRODUCTS_P95 not in [one.key for one in found.present]


def test_one_run_without_a_metric_is_not_the_end_of_it(store: Store) -> None:
    kept(store, noisy(0.1, 20))
    last = one_run(21, 0.1)
    write(store, [with_samples(last, last.run.samples[1:])])
    assert review(store, WINDOW).gone == ()


def test_a_limit_that_is_almost_used_up_costs_health_and_is_an_opportunity(store: Store) -> None:
    kept(store, noisy(0.1, 20))
    write(store, [judged(one_run(21, 0.1), limit=0.2)])
    easy = review(store, WINDOW)
    write(store, [judged(one_run(22, 0.1), limit=0.1)])
    tight = review(store, WINDOW)
    assert (course(easy, PRODUCTS_P95).used, course(tight, PRODUCTS_P95).used) == (0.5, 1.0)
    assert easy.health is not None
    assert tight.health is not None
    assert tight.health.score < 99.0 < easy.health.score
    assert [one.title for one in tight.opportunities] == [
        "Make room below the limit of response.p95[GET /products] in browse"
    ]
    assert easy.opportunities == ()


def test_what_to_do_comes_from_advice_and_from_steps_that_still_stand(store: Store) -> None:
    kept(store, STEP)
    write(store, [judged(one_run(43, 0.12), advice=(INDEX,)), one_run(44, 0.12)])
    first, second = review(store, WINDOW).opportunities
    assert (first.title, first.because) == ("Index orders by customer", "measured when tried: −84 %")
    assert first.worth == pytest.approx(0.84)
    assert second.title == "Undo the step of response.p95[GET /products] in browse"
    assert second.impact == pytest.approx(1 - 1 / 1.2, abs=0.03)


def test_what_came_with_the_same_commits_is_undone_at_once(store: Store) -> None:
    values = enumerate(STEP, start=1)
    write(store, [one_run(number, value, calls=3.0 if number < 22 else 6.0) for number, value in values])
    (found,) = review(store, WINDOW).opportunities
    assert found.title == "Undo the step of queries.calls[GET /products] in browse and 1 other"
    assert found.impact == pytest.approx(0.5)


def test_a_step_that_was_undone_is_nothing_to_do(store: Store) -> None:
    kept(store, [*STEP, *noisy(0.1, 21)])
    found = review(store, WINDOW)
    assert len(found.shifts) == 2
    assert found.opportunities == ()


def test_a_label_that_did_something_is_told_of_and_one_that_did_nothing_is_not(store: Store) -> None:
    labels = {number: {"cache": "off" if number < 22 else "on", "colour": "red"} for number in range(1, 43)}
    kept(store, STEP, labels=labels)
    (found,) = review(store, WINDOW).influences
    assert (found.key, found.effect.name, found.effect.old, found.effect.new) == (PRODUCTS_P95, "cache", "off", "on")
    assert found.effect.low < 0.2 < found.effect.high
    assert review(store, WINDOW, labels=["colour"]).influences == ()


def test_odd_and_red_runs_cost_health(store: Store) -> None:
    kept(store, noisy(0.1, 30))
    calm = review(store, WINDOW)
    red = one_run(31, 0.1)
    assert red.result.verdict is not None
    write(
        store,
        [replace(red, result=replace(red.result, verdict=replace(red.result.verdict, exit_code=ExitCode.FAILED)))],
    )
    shaken = review(store, WINDOW)
    assert calm.health is not None
    assert shaken.health is not None
    assert shaken.health.score < calm.health.score
    assert (shaken.measured, shaken.red) == (31, 1)


def test_a_branch_has_a_review_of_its_own(store: Store) -> None:
    kept(store, noisy(0.1, 20))
    write(store, [failed(one_run(number, 0.2, branch="feature", trunk=False)) for number in range(30, 35)])
    trunk, branch = review(store, WINDOW), review(store, replace(WINDOW, branch="feature"))
    assert (trunk.measured, branch.measured) == (20, 5)
    assert (trunk.red, branch.red) == (0, 5)
    assert trunk.health is not None
    assert trunk.health.score == pytest.approx(100.0)
    assert course(trunk, PRODUCTS_P95).level == pytest.approx(0.1, rel=0.05)
    assert course(branch, PRODUCTS_P95).level == 0.2


def test_nothing_measured_is_no_health_at_all(store: Store) -> None:
    found = review(store, Window(DAY))
    assert (found.courses, found.health, found.opportunities, found.measured) == ((), None, (), 0)


def test_percentiles_of_one_endpoint_and_a_whole_and_its_part_are_no_pairs(store: Store) -> None:
    numbers = range(1, 61)
    levels = [0.1 + 0.03 * ((number * 7919) % 13) / 13 for number in numbers]
    made = []
    for number, level in zip(numbers, levels, strict=True):
        one = one_run(number, level)
        p95 = one.run.samples[0]
        whole = replace(p95, scope=Scope("browse"))
        size = replace(one.run.samples[3], values=(level * 1e6,))
        made.append(with_samples(one, (p95, whole, *one.run.samples[1:3], size)))
    write(store, made)
    pairs = {frozenset((one.one.metric, one.other.metric)) for one in review(store, WINDOW).pairs}
    assert pairs == {frozenset(("response.p95", SIZE.name))}
