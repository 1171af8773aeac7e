"""Which stretch of time a report is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perfgate.errors import BadRequest
from perfgate.publish.history.notices import Release
from perfgate.publish.periodic.spans import Kind, between, calendar, moment

NOW = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)


def utc(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "now", "since", "until", "title"),
    [
        ("hourly", NOW, utc(2026, 11, 16, 8), utc(2026, 11, 16, 9), "16 November 2026, 08:00 to 09:00 UTC"),
        ("hourly", utc(2027, 1, 1), utc(2026, 12, 31, 23), utc(2027, 1, 1), "31 December 2026, 23:00 to 00:00 UTC"),
        ("daily", NOW, utc(2026, 11, 15), utc(2026, 11, 16), "Sunday, 15 November 2026"),
        ("daily", utc(2028, 3, 1), utc(2028, 2, 29), utc(2028, 3, 1), "Tuesday, 29 February 2028"),
        ("weekly", NOW, utc(2026, 11, 9), utc(2026, 11, 16), "Week 46: 9 November to 15 November 2026"),
        ("weekly", utc(2026, 1, 6), utc(2025, 12, 29), utc(2026, 1, 5), "Week 01: 29 December 2025 to 4 January 2026"),
        ("monthly", NOW, utc(2026, 10, 1), utc(2026, 11, 1), "October 2026"),
        ("monthly", utc(2026, 3, 31), utc(2026, 2, 1), utc(2026, 3, 1), "February 2026"),
        ("monthly", utc(2027, 1, 1), utc(2026, 12, 1), utc(2027, 1, 1), "December 2026"),
    ],
)
def test_without_a_date_it_is_the_last_whole_one(
    kind: str, now: datetime, since: datetime, until: datetime, title: str
) -> None:
    span = calendar(Kind(kind), now)
    assert (span.since, span.until, span.title, span.over) == (since, until, title, True)


@pytest.mark.parametrize(
    ("kind", "at", "since", "until"),
    [
        ("hourly", "2026-10-25T02:59", utc(2026, 10, 25, 2), utc(2026, 10, 25, 3)),
        ("daily", "2026-11-15T23:30-05:00", utc(2026, 11, 16), NOW),
        ("daily", "2026-11-15T23:30", utc(2026, 11, 15), utc(2026, 11, 16)),
        ("weekly", "2026-W45", utc(2026, 11, 2), utc(2026, 11, 9)),
        ("weekly", "2026-11-08", utc(2026, 11, 2), utc(2026, 11, 9)),
        ("monthly", "2024-02", utc(2024, 2, 1), utc(2024, 3, 1)),
        ("monthly", "2026-11-01T00:30+01:00", utc(2026, 10, 1), utc(2026, 11, 1)),
    ],
)
def test_a_date_means_the_one_that_it_lies_in_by_utc(kind: str, at: str, since: datetime, until: datetime) -> None:
    span = calendar(Kind(kind), NOW, moment(at))
    assert (span.since, span.until, span.over) == (since, until, until != NOW)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13", "2026-11-31", "1999-12-31", "0001-01-01T00:00+14:00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no date"):
        moment(text)


@pytest.mark.parametrize("at", [NOW.replace(hour=10, minute=0), NOW + timedelta(days=400)])
def test_what_has_not_begun_is_refused(at: datetime) -> None:
    with pytest.raises(BadRequest, match="has not come yet"):
        calendar(Kind.HOURLY, NOW, at)


def test_an_hour_of_which_nothing_has_passed_has_not_begun() -> None:
    begin = NOW.replace(minute=0)
    with pytest.raises(BadRequest, match="has not come yet"):
        calendar(Kind.HOURLY, begin, begin)


A, B, C = (Release(f"v{number}", f"{number}" * 40, utc(2026, number, 1)) for number in (1, 2, 3))
LATE = {B.commit: utc(2026, 2, 3)}


def test_without_names_it_is_the_time_since_the_last_release() -> None:
    span = between([C, A, B], LATE, NOW)
    assert (span.begin, span.end, span.until, span.over) == (C, None, NOW, False)
    assert span.title == "Since v3"


def test_a_release_begins_with_the_one_before_it() -> None:
    span = between([A, B, C], LATE, NOW, latter="v2")
    assert (span.begin, span.end, span.title, span.over) == (A, B, "From v1 to v2", True)


def test_a_release_counts_from_its_first_run_and_else_from_its_tag() -> None:
    span = between([A, B], LATE, NOW, "v1", "v2")
    assert span.since.date() == A.made.date()
    assert span.until.date() == LATE[B.commit].date()
    assert span.unmeasured == ("v1",)


@pytest.mark.parametrize(
    ("former", "latter", "said"),
    [
        ("v22", "", "--from v22: the history knows no such release\n  did you mean 'v2'? it knows: v1, v2, v3"),
        ("", "nothing", "--to nothing: the history knows no such release\n  it knows: v1, v2, v3"),
        ("v3", "v1", "v3 is not older than v1\n  exchange --from and --to"),
        ("v2", "v2", "v2 is not older than v2\n  exchange --from and --to"),
        ("", "v1", "the history knows no release before v1\n  tag a release in git"),
    ],
)
def test_a_release_that_there_is_not_is_told_with_those_that_there_are(former: str, latter: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        between([A, B, C], LATE, NOW, former, latter)
    assert str(refused.value).startswith(said)


def test_of_many_releases_only_the_last_are_told() -> None:
    many = [
        Release(f"r{number:03}", f"{number:040}", utc(2020, 1, 1) + timedelta(days=number)) for number in range(300)
    ]
    with pytest.raises(BadRequest) as refused:
        between(many, {}, NOW, "x")
    assert str(refused.value).endswith("the last it knows: " + ", ".join(f"r{number}" for number in range(290, 300)))
