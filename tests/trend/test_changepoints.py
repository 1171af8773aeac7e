"""Level shifts: found once and where they are, and not found in noise."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate.model import Better, Key, Scope, Unit
from perfgate.trend.changepoints import ChangePoint, change_points, relative
from perfgate.trend.series import Point, Series
from perfgate.trend.shifts import Shift, news, shift
from tests.trend.noises import NOISES, normal, steady

LATENCY = Key("response.p95", Scope("browse"))
FALSE_SERIES = 0.05
"""The share of histories of 200 unchanged runs, of any kind of noise, in which a change may be reported."""
FALSE_STAYS = 0.125
"""The same where runs stay on a machine that is 30 % slower: a long stay is a level of its own."""


def history(values: list[float], better: Better = Better.LOWER) -> Series:
    points = tuple(Point(1e9 + 3600.0 * place, f"c{place}", value, place + 1) for place, value in enumerate(values))
    return Series(LATENCY, Unit.SECONDS, better, points)


def stepped(place: int, count: int, size: float = 0.2, seed: int = 1) -> list[float]:
    values = steady(random.Random(seed), count)
    return [value * (1.0 + size) if at >= place else value for at, value in enumerate(values)]


def indexes(found: tuple[ChangePoint, ...]) -> list[int]:
    return [change.index for change in found]


@pytest.mark.parametrize("kind", NOISES)
def test_noise_of_any_kind_is_no_change(kind: str) -> None:
    hit = sum(bool(change_points(NOISES[kind](random.Random(f"{kind} {n}"), 200), least=0.0)) for n in range(40))
    assert hit / 40 <= (FALSE_STAYS if kind == "sticky machines" else FALSE_SERIES)


def test_a_step_is_reported_where_it_is_with_what_it_changed() -> None:
    (found,) = change_points(stepped(60, 100))
    assert found.index == 60
    assert found.first <= 60 <= found.last
    assert [found.before, found.after] == pytest.approx([100, 120], rel=0.01)
    assert found.magnitude == pytest.approx(0.2, abs=0.01)
    assert found.p < 1e-9
    assert found.rising


@pytest.mark.parametrize(("after", "reported"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_large_step_needs_three_runs(after: int, reported: bool) -> None:
    assert (indexes(change_points(stepped(60, 60 + after))) == [60]) == reported


@pytest.mark.parametrize("place", [20, 58, 59])
def test_a_single_spike_is_no_change(place: int) -> None:
    values = stepped(60, 60)
    values[place] *= 4.0
    assert change_points(values) == ()


def test_spikes_do_not_hide_a_slight_step() -> None:
    values = stepped(60, 120, 0.03)
    for place in (22, 41, 77, 95):
        values[place] *= 3.0
    assert indexes(change_points(values)) == [60]


def test_a_slight_step_in_strong_noise_is_found_in_the_end() -> None:
    values = normal(random.Random(3), 400)
    found = change_points([value * 1.05 if at >= 200 else value for at, value in enumerate(values)])
    assert [abs(change.index - 200) <= 10 for change in found] == [True]


def test_a_regression_that_was_mended_soon_is_two_changes() -> None:
    values = [value * 1.3 if 60 <= at < 68 else value for at, value in enumerate(steady(random.Random(4), 120))]
    assert indexes(change_points(values)) == [60, 68]


def test_a_staircase_is_as_many_changes_as_it_has_steps() -> None:
    values = [value * 1.1 ** (at // 40) for at, value in enumerate(steady(random.Random(5), 160))]
    assert indexes(change_points(values)) == [40, 80, 120]


def test_a_slope_is_no_step() -> None:
    values = [value * (1.0 + 0.004 * at) for at, value in enumerate(steady(random.Random(6), 150))]
    assert change_points(values) == ()


@pytest.mark.parametrize(("least", "found"), [(0.04, [60]), (0.06, [])])
def test_a_change_smaller_than_asked_for_is_none(least: float, found: list[int]) -> None:
    assert indexes(change_points(stepped(60, 120, 0.05), least=least)) == found


def test_values_of_zero_and_less_have_levels_too() -> None:
    noise = random.Random(7)
    values = [noise.gauss(0.0 if at < 50 else -3.0, 0.2) for at in range(100)]
    assert indexes(change_points(values)) == [50]


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 5, [1.0] * 50, [0.0] * 50])
def test_what_never_varies_never_changed(values: list[float]) -> None:
    assert change_points(values) == change_points(values, exact=True) == ()


@given(st.lists(st.floats(-1e9, 1e9), max_size=60), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_values_give_ordered_places_inside_them(values: list[float], exact: bool) -> None:
    found = change_points(values, exact=exact)
    assert all(0 < change.first <= change.index <= change.last < len(values) for change in found)
    assert all(one.index < other.index for one, other in pairwise(found))
    assert found == change_points(values, exact=exact)


@given(st.integers(-20, 20), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_the_unit_makes_no_difference(power: int, seed: int) -> None:
    values = stepped(40, 80, 0.1, seed)
    scaled = [value * 2.0**power for value in values]
    assert indexes(change_points(scaled)) == indexes(change_points(values))


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([7] * 5 + [8], [5]),
        ([7] * 5 + [8] * 5, [5]),
        ([7] * 5 + [8] + [7] * 5, []),
        ([7] * 5 + [8] + [9] * 5, [5, 6]),
        ([7] * 5 + [8] * 2 + [7] * 5, [5, 7]),
        ([0] * 5 + [1] * 5, [5]),
    ],
)
def test_an_exact_metric_changes_at_once_and_a_blip_is_taken_back(values: list[float], places: list[int]) -> None:
    assert indexes(change_points(values, exact=True)) == places


def test_an_exact_metric_that_varies_all_the_time_is_judged_as_sampled() -> None:
    assert change_points(normal(random.Random(8), 100), exact=True) == ()


@pytest.mark.parametrize(
    ("before", "after", "change"), [(2, 3, 0.5), (-2, -3, -0.5), (0, 0, 0.0), (0, 1, float("inf"))]
)
def test_a_change_is_relative_to_the_size_of_what_was(before: float, after: float, change: float) -> None:
    assert relative(before, after) == change


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "dependent 0.3", "calm and busy", "steady"])
def test_the_place_is_in_the_range_that_is_said_to_be_sure(kind: str) -> None:
    inside = []
    for number in range(30):
        noise = NOISES[kind](random.Random(f"{kind} {number}"), 120)
        found = change_points([value * 1.2 if at >= 60 else value for at, value in enumerate(noise)])
        inside += [change.first <= 60 <= change.last for change in found if abs(change.index - 60) < 15]
    assert len(inside) >= 20
    assert sum(inside) / len(inside) >= 0.9


def grown(values: list[float], start: int) -> list[list[Shift]]:
    """What is told after each run, if what was told before is remembered."""
    told: list[Shift] = []
    each = []
    for count in range(start, len(values) + 1):
        series = history(values[:count])
        each.append(list(news(series, change_points(series.values), told)))
        told += each[-1]
    return each


@pytest.mark.parametrize("seed", range(6))
def test_a_shift_is_told_once_however_many_runs_follow(seed: int) -> None:
    values = normal(random.Random(seed), 110)
    each = grown([value * 1.25 if at >= 40 else value for at, value in enumerate(values)], 20)
    told = [shift for fresh in each for shift in fresh if shift.began <= 1e9 + 3600.0 * 40 <= shift.ended]
    assert len(told) == 1
    assert told[0].worse
    assert sum(map(len, each)) <= 2


def test_a_second_step_and_a_step_back_are_news() -> None:
    values = [value * (1.0, 1.2, 1.44, 1.2)[min(at // 30, 3)] for at, value in enumerate(steady(random.Random(2), 120))]
    told = [shift for fresh in grown(values, 20) for shift in fresh]
    assert [(one.since, one.worse) for one in told] == [("c30", True), ("c60", True), ("c90", False)]


def test_what_was_mended_at_once_is_told_as_well_as_what_it_mended() -> None:
    values = [value * 1.4 if 40 <= at < 45 else value for at, value in enumerate(steady(random.Random(9), 60))]
    told = [shift for fresh in grown(values, 20) for shift in fresh]
    assert [(one.since, one.worse) for one in told] == [("c40", True), ("c45", False)]


def test_a_shift_of_another_metric_is_no_excuse() -> None:
    series = history(stepped(60, 100))
    (found,) = change_points(series.values)
    told = shift(series, found)
    other = replace(told, key=Key("process.rss", Scope()))
    assert news(series, [found], [told]) == ()
    assert len(news(series, [found], [other])) == 1


def test_a_shift_the_other_way_at_the_same_place_is_news() -> None:
    series = history(stepped(60, 100))
    (found,) = change_points(series.values)
    told = shift(series, found)
    assert len(news(series, [found], [replace(told, worse=not told.worse)])) == 1


def test_a_shift_names_the_commits_it_lies_between_and_who_it_is_good_for() -> None:
    values = stepped(60, 100)
    (found,) = change_points(values)
    told = shift(history(values), found)
    assert (told.good, told.since, told.bad) == ("c59", "c60", "c60")
    assert told.worse
    assert not told.outside
    assert not shift(history(values, Better.HIGHER), found).worse


def test_a_shift_between_two_runs_of_one_commit_was_not_the_commit() -> None:
    values = stepped(60, 100)
    (found,) = change_points(values)
    points = tuple(Point(float(place), f"c{place // 7}", value) for place, value in enumerate(values))
    told = shift(Series(LATENCY, Unit.SECONDS, Better.LOWER, points), found)
    assert (told.good, told.bad) == ("c8", "c8")
    assert told.outside
