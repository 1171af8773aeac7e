"""Roll-ups follow what is stored, and what is pruned leaves them and the accepted runs."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from psycopg.errors import QueryCanceled

from perfgate.publish.history import reading, rollups
from perfgate.publish.history.reading import Tier, Window
from perfgate.publish.history.retention import Retention, prune
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.history.writing import write
from tests.history.runs import DAY, beside_base, count, entry, rows

LONG_AGO = DAY - timedelta(days=300)


def levels(store: Store, tier: Tier) -> tuple[float, ...]:
    """The roll-ups of `queries.calls`, which is 3 + the number of the run."""
    (wanted,) = reading.series(store, metric="queries.calls")
    (found,) = reading.points(store, [wanted], Window(), tier)
    return found.values


def test_hours_and_days_are_medians_of_the_trunk(store: Store) -> None:
    same_hour = DAY + timedelta(minutes=59)
    entries = [
        entry(1, moment=DAY),
        entry(2, moment=same_hour),
        entry(9, moment=same_hour + timedelta(minutes=2)),
        beside_base(entry(5, moment=DAY, trunk=False, branch="topic")),
        entry(6, moment=DAY + timedelta(days=1)),
    ]
    write(store, entries)
    assert rollups.refresh(store) == 3
    assert levels(store, Tier.HOURLY) == (4.5, 12.0, 9.0)
    assert levels(store, Tier.DAILY) == (5.0, 9.0)


def test_a_refresh_makes_anew_only_what_was_added_to(store: Store) -> None:
    write(store, [entry(1, moment=DAY), entry(2, moment=DAY + timedelta(days=2))])
    rollups.refresh(store)
    with store.transaction() as cursor:
        cursor.execute("UPDATE hourly SET level = -1")
    write(store, [entry(3, moment=DAY + timedelta(days=2, minutes=1))])
    assert rollups.refresh(store) == 1
    assert levels(store, Tier.HOURLY) == (-1.0, 5.5)
    assert rollups.refresh(store) == 0


def test_what_is_stored_while_others_refresh_is_never_forgotten(url: str, store: Store) -> None:
    done = threading.Event()

    def refresher() -> None:
        with closing(connect(url)) as connection:
            own = open_store(connection, "shop")
            while not done.is_set():
                rollups.refresh(own)

    threads = [threading.Thread(target=refresher) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(60):
        write(store, [entry(number, moment=DAY + timedelta(seconds=number))])
    done.set()
    for thread in threads:
        thread.join()
    rollups.refresh(store)
    assert set(rows(store, "SELECT count FROM hourly UNION ALL SELECT count FROM daily")) == {(60,)}


def test_two_refresh_one_project_one_after_the_other(url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who computed first would else be the last to write, without what was added in between."""
    within, go_on, refresh_table = threading.Event(), threading.Event(), rollups._refresh

    def stalled(*arguments: Any) -> None:
        within.set()
        go_on.wait()
        refresh_table(*arguments)

    write(store, [entry(1)])
    monkeypatch.setattr(rollups, "_refresh", stalled)
    with closing(connect(url)) as connection:
        own = open_store(connection, "shop")
        first = threading.Thread(target=rollups.refresh, args=(own,))
        first.start()
        within.wait()
        try:
            with pytest.raises(QueryCanceled):
                rollups.refresh(store, patience=0.2)
        finally:
            go_on.set()
            first.join()


def test_old_months_go_with_their_partitions_and_leave_roll_ups(store: Store) -> None:
    write(store, [entry(1, moment=LONG_AGO), entry(2, moment=DAY)])
    gone = prune(store, Retention(raw=100, hourly=200, daily=None), now=DAY)
    assert (gone.samples, gone.findings, gone.months, gone.hours, gone.days, gone.runs) == (4, 1, 1, 4, 0, 0)
    assert [
        name
        for (name,) in rows(
            store, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relispartition ORDER BY 1 DESC"
        )
    ] == [
        "sample_2026_10",
        "finding_2026_10",
    ]
    assert levels(store, Tier.RAW) == (5.0,)
    assert levels(store, Tier.HOURLY) == (5.0,)
    assert levels(store, Tier.DAILY) == (4.0, 5.0)
    assert count(store, "run") == 2


def test_a_rehearsed_prune_tells_the_same_and_changes_nothing(store: Store) -> None:
    write(store, [entry(1, moment=LONG_AGO), entry(2, moment=DAY)])
    rollups.refresh(store)
    retention = Retention(raw=100, hourly=200, daily=250)
    told = prune(store, retention, now=DAY, rehearse=True)
    assert (count(store, "sample"), count(store, "hourly"), count(store, "run")) == (8, 8, 2)
    assert prune(store, retention, now=DAY) == told
    assert (told.months, told.hours, told.days, told.runs) == (1, 4, 4, 1)


def test_accepted_runs_are_kept_for_ever(store: Store) -> None:
    write(store, [entry(1, moment=LONG_AGO, accepted=True), entry(2, moment=LONG_AGO)])
    gone = prune(store, Retention(raw=100, hourly=100, daily=100), now=DAY)
    assert (gone.samples, gone.months, gone.runs) == (4, 0, 1)
    (kept,) = reading.runs(store, Window())
    whole = reading.run(store, kept.number)
    assert whole is not None
    assert len(whole.samples) == 4
    assert len(whole.findings) == 1
    assert prune(store, Retention(raw=100, hourly=100, daily=100), now=DAY).samples == 0


def test_another_projects_months_stay(url: str, store: Store) -> None:
    with closing(connect(url)) as connection:
        other = open_store(connection, "other")
        write(other, [entry(1, moment=LONG_AGO)])
        write(store, [entry(1, moment=LONG_AGO)])
        assert prune(store, Retention(raw=100), now=DAY).months == 0
        assert (count(store, "sample"), count(other, "sample")) == (0, 4)
        assert prune(other, Retention(raw=100), now=DAY).months == 1
        assert (count(other, "sample"), count(other, "run")) == (0, 1)


@pytest.mark.parametrize(("days", "goes"), [(34, True), (35, True), (36, False)])
def test_a_month_goes_when_its_last_day_is_old_enough(store: Store, days: int, goes: bool) -> None:
    write(store, [entry(1, moment=DAY.replace(month=8, day=2))])
    now = DAY.replace(month=9, day=1, hour=0) + timedelta(days=35)
    assert prune(store, Retention(raw=days), now=now).months == int(goes)


def test_a_run_that_comes_after_its_month_was_pruned_leaves_the_roll_up_as_it_is(store: Store) -> None:
    write(store, [entry(1, moment=LONG_AGO)])
    prune(store, Retention(raw=100), now=DAY)
    write(store, [entry(5, moment=LONG_AGO)])
    rollups.refresh(store)
    assert levels(store, Tier.DAILY) == (4.0,)
    assert levels(store, Tier.RAW) == (8.0,)


def test_a_month_can_be_written_again_after_it_went(store: Store) -> None:
    write(store, [entry(1, moment=LONG_AGO)])
    prune(store, Retention(raw=100), now=DAY)
    assert write(store, [replace(entry(5, moment=LONG_AGO + timedelta(days=1)))]) == 1
    rollups.refresh(store)
    assert levels(store, Tier.DAILY) == (4.0, 8.0)


def test_prunes_of_two_projects_and_new_months_do_not_wait_in_a_circle(url: str, store: Store) -> None:
    problems: list[BaseException] = []

    def work(project: str) -> None:
        try:
            with closing(connect(url)) as connection:
                own = open_store(connection, project)
                for number in range(12):
                    write(own, [entry(number, moment=LONG_AGO - timedelta(days=31 * number))])
                    prune(own, Retention(raw=100), now=DAY)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(project,)) for project in ("shop", "other", "third")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert (count(store, "run"), count(store, "sample"), count(store, "daily")) == (12, 0, 48)
