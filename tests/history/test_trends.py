"""`perfgate trends`, drift as findings and values for comments, on a real store."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from perfgate import keeping, trends
from perfgate.errors import BadRequest
from perfgate.keeping import Place
from perfgate.model import Key, Level, Scope, Status
from perfgate.publish.history import notices
from perfgate.publish.history.notices import Release
from perfgate.publish.history.review import review
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.history.telling import told
from perfgate.publish.history.writing import write
from perfgate.publish.sheet import Sheet
from perfgate.trend.shifts import Shift
from perfgate.trend_commands import trends as command
from tests.history.courses import PRODUCTS_P95, WINDOW, commit, kept, noisy, one_run, with_samples
from tests.history.lines import Line
from tests.history.runs import DAY, entry
from tests.history.test_review import STEP

SINCE = ("--since", "2026-10-01")
NOW = DAY + timedelta(days=3)
SHIFT = Shift(PRODUCTS_P95, "a", "b", "b", 0.0, 1.0, 0.1, 0.2, 1.0, True)


@pytest.fixture
def asked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project folder whose environment names a store."""
    monkeypatch.setenv(keeping.STORE_VARIABLE, url)
    monkeypatch.setenv(keeping.PROJECT_VARIABLE, "shop")
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, "shop", url)


def filled(url: str) -> None:
    """The store with a step of the p95."""
    with closing(connect(url)) as connection:
        kept(open_store(connection, "shop"), STEP)


def typed(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_a_history_without_runs_says_what_to_type(asked: Place) -> None:
    done = typed()
    assert done.exit_code == 0
    assert done.stdout == trends.NO_RUNS
    assert "perfgate run" in done.stdout


def test_a_window_without_runs_names_the_last_one(asked: Place, url: str) -> None:
    filled(url)
    done = typed("--since", "1h")
    assert "the last run is of 2026-10-07; `--since` looks further back" in done.stdout


def test_the_page_tells_the_step_and_telling_it_makes_it_old(asked: Place, url: str) -> None:
    filled(url)
    first, second = typed(*SINCE, "--tell"), typed(*SINCE, "--tell")
    assert "2026-10-06 · new\n" in first.stdout
    assert first.stderr == "1 level shifts noted as told\n"
    assert "2026-10-06\n" in second.stdout
    assert second.stderr == "0 level shifts noted as told\n"


def test_runs_that_wait_are_looked_at_too(asked: Place) -> None:
    spool = Spool(asked.spool)
    spool.put(entry(1))
    assert typed(*SINCE).stdout.startswith("3 metrics over 1 run: 3 too early to tell\n")
    assert spool.waiting() == []


def test_the_file_is_json_with_every_point(asked: Place, url: str) -> None:
    filled(url)
    assert typed(*SINCE, "response.*", "--json", "t.json").exit_code == 0
    found = json.loads((asked.root / "t.json").read_text())
    (metric,) = found["metrics"]
    assert (metric["metric"], metric["scope"]["endpoint"], len(metric["points"])) == (
        "response.p95",
        "GET /products",
        42,
    )
    assert metric["points"][21][:2] == ["2026-10-06T10:00:00+00:00", commit(22)]
    (shift,) = found["shifts"]
    assert (shift["since"], shift["new"], shift["worse"], shift["metric"]) == (commit(22), True, True, "response.p95")


def test_what_was_zero_and_is_not_has_no_number_in_the_file(asked: Place, url: str) -> None:
    with closing(connect(url)) as connection:
        runs = [one_run(number, 0.1, calls=2.0 if number >= 12 else 0.0) for number in range(1, 31)]
        write(open_store(connection, "shop"), runs)
    typed(*SINCE, "queries.*", "--json", "t.json")
    text = (asked.root / "t.json").read_text()
    assert "Infinity" not in text
    assert [shift["change"] for shift in json.loads(text)["shifts"]] == [None]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--since", "soon"), "--since soon: no length of time, date or release"),
        (("--since", "99999y"), "--since 99999y: no length of time, date or release"),
        (("respnse.p95",), "the history has no metric like 'respnse.p95'"),
        (("--scenario", "browsing"), "the history has no scenario 'browsing'"),
    ],
)
def test_what_nothing_is_called_is_refused(asked: Place, url: str, words: tuple[str, ...], wrong: str) -> None:
    filled(url)
    error = typed(*words).exception
    assert isinstance(error, BadRequest)
    assert error.args[0] == wrong


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW - timedelta(days=90)),
        ("12 w", NOW - timedelta(weeks=12)),
        ("36h", NOW - timedelta(hours=36)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T10:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("v1.0", DAY),
    ],
)
def test_a_time_is_a_length_a_date_or_a_release(text: str, moment: datetime) -> None:
    assert trends.begin(text, NOW, [Release("v1.0", "c", DAY)]) == moment


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(store: Store, width: int) -> None:
    kept(store, STEP)
    notices.add_releases(store, [Release("v" * 90, commit(10), DAY + timedelta(hours=10))])
    page = told(review(store, WINDOW), "p" * 250, width=width)
    sheet = Sheet(width)
    assert max(map(sheet.cells, page.splitlines())) <= width
    assert "response.p95[GET /products]" in page


def test_names_from_outside_are_text_and_nothing_else(store: Store) -> None:
    hostile = "\x1b[31mGET\n::error::x ##[group]"
    runs = [one_run(number, value) for number, value in enumerate(STEP, start=1)]
    scope = Scope("browse", hostile)
    write(store, [with_samples(one, (replace(one.run.samples[0], scope=scope),)) for one in runs])
    page = told(review(store, WINDOW), hostile, width=100)
    assert "\x1b" not in page
    assert "##[" not in page
    assert not [line for line in page.splitlines() if line.lstrip().startswith("::")]


def test_stable_metrics_are_cut_short_unless_all_are_asked_for(store: Store) -> None:
    made = []
    for number, value in enumerate(noisy(0.1, 12), start=1):
        one = one_run(number, value)
        sample = one.run.samples[0]
        places = (replace(sample, scope=Scope("browse", f"GET /{place}")) for place in range(25))
        made.append(with_samples(one, tuple(places)))
    write(store, made)
    found = review(store, WINDOW)
    short, whole = (told(found, "shop", width=100, whole=whole) for whole in (False, True))
    assert short.count("response.p95[") == 10
    assert "and 15 others" in short
    assert whole.count("response.p95[") == 25


def test_drift_is_told_until_it_is_noted_and_of_the_runs_own_scenarios_alone(asked: Place, url: str) -> None:
    filled(url)
    run = one_run(50, 0.12).run
    found = trends.drift(asked, run, now=NOW)
    assert [(one.status, one.key) for one in found.findings] == [(Status.WARN, PRODUCTS_P95)]
    assert [one.since for one in found.shifts] == [commit(22)]
    assert trends.drift(asked, replace(run, loads={}), now=NOW).findings == ()
    assert trends.noted(asked, found.shifts) == ()
    assert trends.drift(asked, run, now=NOW) == trends.Drift(())


def test_a_store_that_is_newer_costs_the_run_nothing(asked: Place, url: str) -> None:
    filled(url)
    with closing(connect(url)) as connection:
        connection.execute("INSERT INTO perfgate.version VALUES (1000, now(), 'a newer perfgate')")
    (found,) = trends.drift(asked, one_run(1, 0.1).run).findings
    assert found.status is Status.UNSURE
    assert trends.recent(asked, [PRODUCTS_P95], patience=300.0, now=NOW) == {}


def test_a_history_that_is_lost_is_unsure_and_raises_nothing(tmp_path: Path) -> None:
    gone = Place(tmp_path, "shop", "postgresql://nobody@127.0.0.1:1/none")
    (found,) = trends.drift(gone, one_run(1, 0.1).run).findings
    assert (found.status, found.level) == (Status.UNSURE, Level.WARN)
    assert found.because.startswith("the history could not be looked at: the history's store cannot be reached")
    (said,) = trends.noted(gone, [SHIFT])
    assert said.startswith("history: what was told of drift is not noted")
    assert trends.noted(gone, []) == ()


def test_a_comment_draws_the_last_runs_of_what_it_is_about(asked: Place, url: str) -> None:
    with closing(connect(url)) as connection:
        kept(open_store(connection, "shop"), STEP)
    found = trends.recent(asked, [PRODUCTS_P95, Key("nothing", Scope())], patience=300.0, now=NOW)
    assert found == {PRODUCTS_P95: tuple(STEP[-trends.RECENT :])}


def test_a_comment_waits_for_nobody(asked: Place, url: str, tmp_path: Path) -> None:
    with Line(url, b"") as silent:
        assert trends.recent(replace(asked, url=silent.url), [PRODUCTS_P95], patience=0.05) == {}
        assert "perfgate-recent" in [thread.name for thread in threading.enumerate()]
    assert trends.recent(replace(asked, url="postgresql://nobody@127.0.0.1:1/none"), [PRODUCTS_P95]) == {}


def test_a_comment_makes_no_store_where_there_is_none(tmp_path: Path) -> None:
    assert trends.recent(Place(tmp_path, "shop"), [PRODUCTS_P95]) == {}
    assert list(tmp_path.iterdir()) == []
