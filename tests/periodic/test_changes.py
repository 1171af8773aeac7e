"""Which level shifts are told, together with which others, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from perfgate.model import Better, Key, Scope, Unit
from perfgate.publish.periodic import gaps
from perfgate.publish.periodic.changes import Changes, changes
from perfgate.trend.course import Course, course
from perfgate.trend.series import Point, Series

DAY = 86_400.0
HOUR = 3_600.0


def went(name: str, values: Sequence[float], *, every: float = DAY, better: Better = Better.LOWER) -> Course:
    """The course of an exact metric whose runs are of commits c000, c001 and so on."""
    points = tuple(Point(place * every, f"c{place:03}", value) for place, value in enumerate(values))
    return course(Series(Key(name, Scope("browse")), Unit.COUNT, better, points), exact=True)


def until(one: Course, runs: int) -> Course:
    """What was known of it after so many runs."""
    return went(one.key.metric, one.series.values[:runs], better=one.better)


def told(*courses: Course, since: int = 20, earliest: int = 0) -> Changes:
    """What is news of courses after `since` of their runs."""
    before = {one.key: until(one, since) for one in courses}
    return changes(courses, before, since * DAY - 1, earliest * DAY)


STEP_UP = [3.0] * 25 + [5.0] * 15


def test_a_step_up_is_worse_where_less_is_better_and_better_where_more_is() -> None:
    assert [len(told(went("a", STEP_UP)).worse), len(told(went("a", STEP_UP)).better)] == [1, 0]
    more = told(went("a", STEP_UP, better=Better.HIGHER))
    assert [len(more.worse), len(more.better)] == [0, 1]


def test_a_step_is_told_with_the_commits_around_it() -> None:
    (change,) = told(went("a", STEP_UP)).worse
    assert (change.good, change.bad, change.since, change.late) == ("c024", "c025", "c025", False)
    assert [one.undone for one in change.episodes] == [False]


def test_what_the_report_before_knew_is_not_told_again() -> None:
    assert told(went("a", STEP_UP), since=30) == Changes((), (), ())


def test_what_could_not_be_known_then_is_told_now_as_late() -> None:
    one = went("a", STEP_UP)
    (change,) = changes([one], {}, 30 * DAY, 0.0).worse
    assert change.late


def test_a_step_of_long_ago_is_left_out_even_if_it_was_not_known() -> None:
    assert changes([went("a", STEP_UP)], {}, 35 * DAY, 30 * DAY) == Changes((), (), ())


@pytest.mark.parametrize(
    ("end", "undone", "by"),
    [(3.0, True, "c030"), (3.4, True, "c030"), (3.5, False, None), (5.0, False, None), (2.0, True, "c030")],
)
def test_a_step_is_mended_when_hardly_any_of_it_is_left(end: float, undone: bool, by: str | None) -> None:
    (change,) = told(went("a", [3.0] * 25 + [5.0] * 5 + [end] * 10)).worse[:1]
    (episode,) = change.episodes
    assert episode.undone is undone
    assert (episode.by.bad if episode.by else None) == by


def test_what_only_mends_is_told_with_what_it_mends() -> None:
    found = told(went("a", [3.0] * 25 + [5.0] * 5 + [3.0] * 10))
    assert [len(found.worse), len(found.better), len(found.lost)] == [1, 0, 0]


def test_what_mends_a_step_of_a_former_report_is_an_achievement() -> None:
    found = told(went("a", [3.0] * 10 + [5.0] * 15 + [3.0] * 15))
    assert [len(found.worse), len(found.better)] == [0, 1]


def test_what_got_better_for_a_while_is_no_achievement() -> None:
    found = told(went("a", [5.0] * 25 + [3.0] * 5 + [5.0] * 10))
    assert [len(found.better), len(found.lost)] == [0, 1]
    assert len(found.worse) == 1


@pytest.mark.parametrize(("after", "told_of"), [(1009.9, 0), (1010.0, 1)])
def test_a_step_of_less_than_one_percent_is_counted_and_not_told(after: float, told_of: int) -> None:
    found = told(went("a", [1000.0] * 25 + [after] * 15))
    assert (len(found.worse), found.slight) == (told_of, 1 - told_of)


def test_metrics_that_one_commit_shifted_are_told_together_the_largest_first() -> None:
    small, large = went("a", [10.0] * 25 + [11.0] * 15), went("b", STEP_UP)
    (change,) = told(small, large).worse
    assert [one.shift.key.metric for one in change.episodes] == ["b", "a"]
    assert change.lead.shift.key.metric == "b"


def test_metrics_that_different_commits_shifted_are_told_apart() -> None:
    found = told(went("a", STEP_UP), went("b", [3.0] * 26 + [5.0] * 14))
    assert [change.bad for change in found.worse] == ["c025", "c026"]


def test_what_still_stands_comes_before_what_was_mended() -> None:
    mended, standing = went("a", [1.0] * 25 + [9.0] * 5 + [1.0] * 10), went("b", [10.0] * 32 + [11.0] * 8)
    assert [change.lead.shift.key.metric for change in told(mended, standing).worse] == ["b", "a"]


def test_a_step_within_one_commit_is_put_down_to_something_else() -> None:
    points = [Point(place * DAY, "same", value) for place, value in enumerate(STEP_UP)]
    one = course(Series(Key("a", Scope()), Unit.COUNT, Better.LOWER, tuple(points)), exact=True)
    (change,) = changes([one], {}, 0.0, 0.0).worse
    assert change.outside


def test_a_metric_is_missed_after_pauses_longer_than_it_ever_had() -> None:
    nightly = went("a", [1.0] * 20)
    last = nightly.series.points[-1].when
    assert [gaps.stopped(nightly, last + pause * DAY) for pause in (0, 1, 3, 4)] == [False, False, False, True]


def test_bursts_of_runs_do_not_make_a_weekly_metric_missed() -> None:
    moments = [week * 7 * DAY + run * HOUR for week in range(8) for run in range(3)]
    points = tuple(Point(when, "c", 1.0) for when in moments)
    weekly = course(Series(Key("a", Scope()), Unit.COUNT, Better.LOWER, points))
    assert not gaps.stopped(weekly, moments[-1] + 7 * DAY)


def test_a_single_run_is_not_missed_before_runs_went_without_it() -> None:
    assert not gaps.stopped(went("a", [1.0]), 1000 * DAY)
