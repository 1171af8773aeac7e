"""What is stored is read again, each run once, whoever stores it and however often."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perfgate.errors import BadRequest, ExitCode
from perfgate.model import Key, Side, Status, Verdict
from perfgate.publish.history import notices, overviews, reading, rollups
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.reading import Tier, Window
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.history.writing import write
from tests.history.runs import DAY, beside_base, count, entry, rows
from tests.publish.literals import CALLS, LOOKUP, P95, PRODUCTS


def test_a_stored_run_is_read_whole(store: Store) -> None:
    one = beside_base(entry(1, labels={"checkout": "on"}))
    assert write(store, [one]) == 1
    (listed,) = reading.runs(store, Window())
    whole = reading.run(store, listed.number)
    assert whole is not None
    assert (listed.commit, listed.branch, listed.status, listed.exit_code) == (one.run.commit, "main", "pass", 0)
    assert listed.started == one.started
    assert listed.scenarios == ("browse",)
    samples = {(s.key, s.base): s for s in whole.samples}
    assert samples.keys() == {(s.key, s.side is Side.BASE) for s in one.run.samples}
    p95 = samples[Key(P95.name, PRODUCTS), False]
    assert (p95.rounds, p95.level, p95.least, p95.most) == ((0.10, 0.12, 0.11), 0.11, 0.10, 0.12)
    assert (p95.unit, p95.better, p95.noise) == (P95.unit, P95.better, P95.noise)
    assert whole.findings[0]["because"] == "below 0.3 s"
    assert whole.labels == {"checkout": "on"}
    assert whole.details["run"]["notes"] == ["a note"]
    assert reading.statements(store, ["3f9c2a71"]) == {"3f9c2a71": "SELECT * FROM products WHERE id = $1"}
    assert reading.run(store, listed.number + 1) is None


def test_large_numbers_are_kept_to_the_last_digit(store: Store) -> None:
    write(store, [entry(1)])
    assert rows(store, "SELECT level FROM sample WHERE level > 1e6") == [(500_000_001.0,)]


def test_the_same_run_is_stored_once_even_when_it_was_judged_again(store: Store) -> None:
    one = entry(1)
    again = replace(one, result=replace(one.result, verdict=Verdict(Status.FAIL, ExitCode.FAILED, ())))
    assert write(store, [one]) == 1
    assert write(store, [one]) == 0
    assert write(store, [again, replace(one)]) == 0
    assert write(store, [entry(2), entry(2)]) == 1
    assert (count(store, "run"), count(store, "sample")) == (2, 8)


def test_two_writers_at_once_store_everything_once(url: str, store: Store) -> None:
    entries = [entry(number, moment=DAY - timedelta(days=31 * (number % 12))) for number in range(24)]
    problems: list[BaseException] = []

    def writer(mine: list[Entry]) -> None:
        try:
            with closing(connect(url)) as connection:
                own = open_store(connection, "shop")
                for one in mine:
                    write(own, [one])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=writer, args=(list(order),)) for order in (entries, entries[::-1], entries)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert (count(store, "run"), count(store, "sample"), count(store, "series")) == (24, 96, 4)
    assert len(rows(store, "SELECT inhrelid FROM pg_inherits WHERE inhparent = 'sample'::regclass")) == 12


def test_batches_in_opposite_order_do_not_wait_for_each_other_in_a_circle(url: str, store: Store) -> None:
    entries = [entry(number) for number in range(60)]
    for one in entries:
        assert one.digest  # computed before, so that the writers meet
    write(store, [entry(1000)])
    barrier, problems = threading.Barrier(2), list[BaseException]()

    def writer(mine: list[Entry]) -> None:
        try:
            with closing(connect(url)) as connection:
                own = open_store(connection, "shop")
                barrier.wait()
                write(own, mine)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=writer, args=(mine,)) for mine in (entries, entries[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert count(store, "run") == 61


def test_a_run_that_is_accepted_after_it_was_stored_is_kept_for_ever_and_stays_one(store: Store) -> None:
    write(store, [entry(1), entry(2)])
    assert write(store, [replace(entry(1), accepted=True)]) == 0
    assert [run.accepted for run in reading.runs(store, Window())] == [False, True]
    write(store, [entry(1)])
    assert [run.accepted for run in reading.runs(store, Window())] == [False, True]


def test_rounds_without_a_value_leave_no_sample_or_a_shorter_one(store: Store) -> None:
    write(store, [entry(1, p95=(None, None)), entry(2, p95=(0.2, None))])
    kept = rows(store, "SELECT count, level FROM sample JOIN series ON id = series WHERE metric = 'response.p95'")
    assert kept == [(1, 0.2)]


def test_text_that_postgres_has_no_place_for_is_kept_without_it(store: Store) -> None:
    one = entry(1)
    odd = replace(one.run, branch="a\0b\ud800", notes=("c\0d\ud800",))
    write(store, [replace(one, result=replace(one.result, run=odd))])
    (listed,) = reading.runs(store, Window())
    assert listed.branch == "a\N{REPLACEMENT CHARACTER}b?"


@pytest.mark.parametrize("moment", [datetime(1999, 12, 31, tzinfo=UTC), datetime.now(UTC) + timedelta(days=3)])
def test_a_run_of_an_impossible_time_is_refused(store: Store, moment: datetime) -> None:
    with pytest.raises(BadRequest, match="from no time"):
        write(store, [entry(1, moment=moment)])
    assert count(store, "run") == 0


def test_a_series_is_of_the_trunk_or_of_one_branch(store: Store) -> None:
    trunk, topic = entry(1), entry(2, trunk=False, branch="topic")
    write(store, [trunk, beside_base(topic)])
    notices.add_releases(store, [notices.Release("v1", trunk.run.commit, DAY)])
    (wanted,) = reading.series(store, metric="queries.calls")
    (of_trunk,) = reading.points(store, [wanted], Window())
    (of_topic,) = reading.points(store, [wanted], Window(branch="topic"))
    assert of_trunk.key == Key(CALLS.name, PRODUCTS)
    assert [(p.when, p.commit, p.value, p.release) for p in of_trunk.points] == [
        (trunk.started.timestamp(), trunk.run.commit, 4.0, "v1")
    ]
    assert of_topic.values == (5.0,)


def test_runs_are_found_by_time_branch_and_scenario(store: Store) -> None:
    write(store, [entry(1), entry(2, branch="topic", trunk=False), entry(3)])
    assert [run.commit[-1] for run in reading.runs(store, Window())] == ["3", "2", "1"]
    assert [run.commit[-1] for run in reading.runs(store, Window(branch="topic"))] == ["2"]
    assert [run.commit[-1] for run in reading.runs(store, Window(since=DAY + timedelta(hours=3)))] == ["3"]
    assert [run.commit[-1] for run in reading.runs(store, Window(until=DAY + timedelta(hours=2)))] == ["1"]
    assert len(reading.runs(store, Window(scenario="browse"))) == 3
    assert not reading.runs(store, Window(scenario="checkout"))
    assert len(reading.runs(store, Window(), limit=2)) == 2


def test_the_overview_tells_the_last_level_of_the_trunk_and_counts_red_runs(store: Store) -> None:
    write(
        store, [entry(1), entry(2, p95=(0.3,)), entry(3, trunk=False, status=Status.FAIL), entry(4, status=Status.FAIL)]
    )
    found = overviews.overview(store, Window(until=DAY + timedelta(hours=4)))
    levels = {level.key: level.value for level in found.levels}
    assert levels[Key(P95.name, PRODUCTS)] == 0.3
    assert Key("queries.blocks", LOOKUP) not in levels
    assert (found.runs, found.red, found.trunk_runs, found.trunk_red) == (3, 1, 2, 0)
    assert found.last == DAY + timedelta(hours=3)


def test_statements_endpoints_and_resources_are_put_together(store: Store) -> None:
    write(store, [entry(1), entry(2)])
    rollups.refresh(store)
    (slow,) = overviews.slow_statements(store, Window())
    assert (slow.text, slow.endpoint, slow.blocks, slow.time) == (
        "SELECT * FROM products WHERE id = $1",
        "GET /products",
        40.0,
        None,
    )
    for window in (Window(), Window(since=DAY, until=DAY + timedelta(days=1))):
        calls = next(found for found in overviews.endpoints(store, window) if found.key.metric == CALLS.name)
        assert (calls.runs, calls.mean, calls.least, calls.most, calls.last) == (
            2,
            4.5,
            4.0,
            5.0,
            5.0 if window.since == DAY else 4.5,
        )
    assert [found.key.metric for found in overviews.resources(store, Window())] == ["bundle.brotli"]
    assert overviews.connections(store, Window()) == ()


@pytest.mark.parametrize(("days", "tier"), [(10, Tier.RAW), (30, Tier.HOURLY), (3650, Tier.DAILY)])
def test_a_window_is_read_no_finer_than_it_can_be_shown(days: int, tier: Tier) -> None:
    window = Window(since=DAY - timedelta(days=days), until=DAY)
    assert overviews.fitting(window, 1000, runs_a_day=50) == tier


def test_an_alert_is_raised_once(store: Store) -> None:
    one = notices.Alert("shift:response.p95:abc", "change point", DAY, "slower since abc", {"range": ["a", "b"]})
    assert notices.raise_alerts(store, [one]) == (one,)
    assert notices.raise_alerts(store, [replace(one, text="again")]) == ()
    assert notices.alerts(store) == (one,)


def test_a_report_takes_the_place_of_the_former_one_on_the_same(store: Store) -> None:
    one = notices.Report("weekly", DAY, DAY + timedelta(days=7), "html", DAY, "<p>old")
    for report in (one, replace(one, content="<p>new"), replace(one, kind="daily")):
        notices.keep_report(store, report)
    assert [found.content for found in notices.reports(store, kind="weekly")] == ["<p>new"]
    assert len(notices.reports(store)) == 2
