"""Histories in bad hands and bad places: odd tags, wrong URLs, foreign databases, folders of others, poisoned runs."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from perfgate import exchanging, keeping, storeserver, trends
from perfgate.errors import BadRequest, NotMeasured
from perfgate.keeping import Place
from perfgate.measure.database import Server
from perfgate.publish.history import branch, reading
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.history.writing import write
from perfgate.result import Result
from tests.history.runs import DAY, entry
from tests.test_worktree import git

NOUGHTS = "a\0b \ud800"


@pytest.fixture
def where(url: str, tmp_path: Path) -> Place:
    return Place(tmp_path, "shop", url)


@pytest.mark.parametrize(
    "wrong",
    [
        "se%zzcret@127.0.0.1:1/db",
        "sec/ret@127.0.0.1:1/db",
        "sec@ret@127.0.0.1:1/db",
        "sec ret@127.0.0.1:1/db",
        "secret@[bad/db",
        "secret@127.0.0.1:port/db",
    ],
)
def test_of_a_url_that_cannot_be_read_nothing_is_repeated(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as raised:
        keeping.place(tmp_path, url=f"postgresql://zoe:{wrong}")
    assert "%40" in str(raised.value)
    assert not [part for part in ("sec", "ret", "zoe", "127.0.0.1", "bad") if part in str(raised.value.args[0])]


@pytest.mark.parametrize("rest", ["p%40ss@127.0.0.1:5432/db", "x@h1:1,h2:2/db", "x@/db?host=/run", "x@[::1]/db", "x@h"])
def test_a_url_that_can_be_read_is_taken(rest: str, tmp_path: Path) -> None:
    assert keeping.place(tmp_path, url=f"postgresql://zoe:{rest}").url.endswith(rest)


def test_tags_of_any_bytes_and_of_no_time_hide_no_others(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    head = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "tag", "v1")
    tags = tmp_path / ".git/refs/tags"
    Path(os.fsdecode(os.fsencode(tags) + b"/v\xe9")).write_text(head)
    note = f"object {head}\ntype commit\ntag far\ntagger a <a@b> 99999999999999 +0000\n\nx\n"
    made = ["git", "-C", str(tmp_path), "hash-object", "-t", "tag", "-w", "--stdin", "--literally"]
    far = subprocess.run(made, input=note, text=True, capture_output=True, check=True).stdout
    (tags / "far").write_text(far)
    assert [one.name for one in keeping.releases(tmp_path)] == ["v1", "v\N{REPLACEMENT CHARACTER}"]


def test_a_run_of_noughts_and_halves_of_characters_can_be_read_again(store: Store) -> None:
    one = entry(1)
    assert one.result.verdict is not None
    found = replace(one.result.verdict.findings[0], because=NOUGHTS)
    run = replace(one.run, notes=(NOUGHTS,), commit=NOUGHTS)
    write(store, [Entry(Result(run, replace(one.result.verdict, findings=(found,))), trunk=True)])
    with store.transaction() as cursor:
        read = "SELECT details #>> '{run,notes,0}' FROM run UNION ALL SELECT details ->> 'because' FROM finding"
        assert cursor.execute(read).fetchall() == [("a\N{REPLACEMENT CHARACTER}b ?",)] * 2


def test_a_run_from_no_time_on_the_branch_keeps_no_other_from_being_pulled(where: Place, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", str(tmp_path / "remote.git"))
    bad = replace(entry(2).run, started="1999-01-01T00:00:00+00:00")
    far = replace(entry(3).run, started="2026-10-05T12:00:00+23:59")
    branch.push(tmp_path, [entry(1).result, Result(bad), Result(far)])
    taken = exchanging.pull(where, branch.BRANCH, branch.REMOTE)
    assert (taken.runs, taken.stored) == (2, 2)
    assert [told.split(":")[0] for told in taken.left_out] == ["the run of 000000000…"]
    assert "from no time" in taken.left_out[0]


def test_who_may_only_read_reads(where: Place) -> None:
    keeping.add(where, [entry(number) for number in range(3)])
    separator = "&" if "?" in where.url else "?"
    reader = replace(where, url=f"{where.url}{separator}options=-c%20default_transaction_read_only%3Don")
    Spool(where.spool).put(entry(9))
    found = trends.look(reader, "9y", now=DAY.replace(month=11))
    assert len(found.review.runs) == 3
    assert "are left out" in found.notes[0]
    assert len(Spool(where.spool).waiting()) == 1


def test_an_empty_database_that_is_read_only_is_told(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(NotMeasured, match="has to be migrated from 0"):
            open_store(connection, "shop")


@pytest.mark.parametrize("table", ["run (x integer)", "version (x integer)"])
def test_a_schema_of_somebody_else_is_left_alone(table: str, connection: psycopg.Connection) -> None:
    connection.execute(f"CREATE SCHEMA perfgate; CREATE TABLE perfgate.{table}".encode())
    with pytest.raises(BadRequest, match="not perfgate's"):
        open_store(connection, "shop")


def test_a_database_that_cannot_hold_every_name_is_refused(history_server: Server, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS latin")
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        try:
            with closing(connect(psycopg.conninfo.make_conninfo(url, dbname="latin"))) as narrow:
                with pytest.raises(BadRequest, match="in LATIN1"):
                    open_store(narrow, "shop")
        finally:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


def test_a_damaged_store_is_told_and_changes_no_verdict(where: Place) -> None:
    keeping.add(where, [entry(1)])
    with psycopg.connect(where.url) as connection:
        connection.execute("DROP TABLE perfgate.label")
    notes = keeping.keep(where, entry(2), patience=300)
    assert 'relation "label" does not exist' in notes[0]
    assert "1 run waits" in notes[1]
    with pytest.raises(NotMeasured, match="does not exist"):
        trends.look(where, "9y", now=DAY.replace(month=11))


def test_a_folder_among_the_runs_that_wait_stands_in_nobodys_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "0.result").mkdir()
    spool.put(entry(1))
    sent = spool.send(lambda _: None)
    assert (sent.stored, sent.waiting, len(sent.aside)) == (1, 0, 1)


def test_a_lock_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "users.lock").mkdir()
    with pytest.raises(NotMeasured, match=r"users\.lock: cannot be written"), storeserver.running(tmp_path):
        pass


def test_a_keeper_forgets_no_server_but_its_own(tmp_path: Path) -> None:
    home = storeserver.Home(tmp_path)
    home.address.write_text('{"port": 1, "password": "x", "pid": 42}')
    home.forget(41)
    assert home.access() is not None
    home.forget(42)
    assert home.access() is None


def test_a_run_of_no_month_waits_for_another_try(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfgate.publish.history.writing._make_months", lambda *_: None)
    with pytest.raises(NotMeasured, match="come and go"):
        write(store, [entry(1)])
    assert reading.runs(store, reading.Window(), limit=1) == ()
