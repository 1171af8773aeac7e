"""Whatever becomes of the store, a run is kept once, nothing is raised, and nobody waits for long."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from perfgate import keeping
from perfgate.errors import BadRequest, NotMeasured
from perfgate.keeping import Place
from perfgate.measure.database import Server
from perfgate.publish.history import migrating
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import Store, connect, open_store
from tests.history.lines import Line
from tests.history.runs import count, entry, rows
from tests.history.test_spool import full_disk
from tests.killing import Run, eventually

PATIENT_S = 300.0


@pytest.fixture
def where(url: str, tmp_path: Path) -> Place:
    return Place(tmp_path, "shop", url)


def keep(where: Place, number: int) -> tuple[str, ...]:
    """Keep a run, however long the machine takes."""
    return keeping.keep(where, entry(number), patience=PATIENT_S)


@contextmanager
def stored(where: Place) -> Iterator[Store]:
    with closing(connect(where.url)) as connection:
        yield open_store(connection, where.project)


def test_a_run_that_is_kept_is_in_the_store_and_rolled_up(where: Place) -> None:
    assert keep(where, 1) == ()
    with stored(where) as store:
        assert (count(store, "run"), count(store, "hourly"), count(store, "daily")) == (1, 4, 4)
    assert Spool(where.spool).waiting() == []


def test_what_could_not_be_sent_is_sent_with_the_next_run_once(where: Place) -> None:
    gone = replace(where, url="postgresql://nobody@127.0.0.1:1/none")
    (first, second) = keep(gone, 1)
    assert first.startswith("history: the history's store cannot be reached: ")
    assert second.startswith(f"history: 1 run waits in {where.spool}")
    assert "2 runs wait" in keep(gone, 2)[1]
    assert keep(where, 3) == ()
    assert keep(where, 3) == ()
    with stored(where) as store:
        assert rows(store, "SELECT right(commit, 1) FROM run ORDER BY id") == [("1",), ("2",), ("3",)]


@pytest.mark.parametrize(
    "last", [b"INSERT INTO run", b"COPY staged_sample", b"storefront", b"INSERT INTO label", b"COMMIT"]
)
def test_a_line_that_is_cut_loses_nothing_and_stores_nothing_twice(where: Place, last: bytes) -> None:
    with stored(where):
        pass
    with Line(where.url, last) as line:
        notes = keep(replace(where, url=line.url), 1)
        assert line.was_cut.is_set()
    assert "1 run waits" in notes[-1]
    with stored(where) as store:
        assert count(store, "run") == 0
    assert keeping.send(where).stored == 1
    with stored(where) as store:
        assert (count(store, "run"), count(store, "sample")) == (1, 4)


def test_a_server_that_never_answers_delays_nobody(where: Place) -> None:
    with Line(where.url, b"") as line:
        began = time.monotonic()
        notes = keeping.keep(replace(where, url=line.url), entry(1), patience=0.2)
        assert time.monotonic() - began < PATIENT_S / 10
    assert notes[0] == "history: the store did not take the run within 0.2 s"
    assert "1 run waits" in notes[1]


def test_a_lock_that_is_held_in_the_store_delays_nobody(where: Place) -> None:
    with stored(where), closing(psycopg.connect(where.url)) as other:
        other.execute("LOCK TABLE perfgate.run")
        notes = keeping.keep(where, entry(1), patience=1.0)
        assert "1 run waits" in notes[-1]
        other.rollback()
    assert eventually(lambda: keeping.send(where).waiting == 0)  # the first sender may still be at it


def test_a_full_disk_still_lets_the_run_be_stored(where: Place) -> None:
    with stored(where), full_disk(1000):
        notes = keep(where, 1)
    assert notes == ("history: no room to keep the run until it is stored: File too large",)
    with stored(where) as store:
        assert count(store, "run") == 1


def test_a_full_disk_and_a_lost_store_are_told_and_not_raised(where: Place) -> None:
    with full_disk(1000):
        notes = keep(replace(where, url="postgresql://nobody@127.0.0.1:1/none"), 1)
    assert [note.split(":")[1] for note in notes[:2]] == [
        " no room to keep the run until it is stored",
        " the history's store cannot be reached",
    ]
    assert "perfgate history add RESULT" in notes[2]


def test_a_newer_store_is_told_and_the_run_waits(where: Place) -> None:
    with stored(where) as store:
        store.connection.execute("INSERT INTO perfgate.version VALUES (999, now(), 'tomorrow')")
    notes = keep(where, 1)
    assert "made by a newer perfgate" in notes[0]
    assert "1 run waits" in notes[1]


def test_a_damaged_file_is_told_and_the_run_is_stored(where: Place) -> None:
    where.spool.mkdir(parents=True)
    (where.spool / "0-damaged.result").write_text("half")
    (note,) = keep(where, 1)
    assert "0-damaged.result: not a spooled run" in note
    with stored(where) as store:
        assert count(store, "run") == 1


WRITER = """
import sys, time
from pathlib import Path
from perfgate import keeping
from perfgate.publish.history import writing
from tests.history.runs import entry
def stall(*arguments):
    print("within", flush=True)
    time.sleep(1000)
writing._findings = stall
keeping.keep(keeping.Place(Path(sys.argv[1]), "shop", sys.argv[2]), entry(1), patience=1000)
"""


def test_a_writer_that_is_killed_leaves_its_run_to_the_next_one(where: Place) -> None:
    writer = Run(WRITER, str(where.root), where.url)
    assert writer.said == "within"
    writer.kill()
    with stored(where) as store:
        assert count(store, "run") == 0
    assert keep(where, 2) == ()
    with stored(where) as store:
        assert (count(store, "run"), count(store, "sample")) == (2, 8)


def test_two_writers_at_once_keep_everything(where: Place) -> None:
    places = [replace(where, root=where.root / name) for name in ("one", "other")]

    def work(mine: Place) -> None:
        for number in range(6):
            assert keep(mine, number) == ()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stored(where) as store:
        assert (count(store, "run"), count(store, "sample")) == (6, 24)


def test_a_project_is_named_by_its_remote_and_tags_are_releases(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(where.root), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.delenv(keeping.PROJECT_VARIABLE, raising=False)
    assert keeping.project_name(where.root) == where.root.name
    git("init", "--quiet", "--initial-branch=main")
    for remote in ("git@host.example:team/shop.git", "https://user:word@host.example/team/shop/"):
        git("config", "remote.origin.url", remote)
        assert keeping.place(where.root).project == "team/shop"
    git("commit", "--quiet", "--allow-empty", "-m", "first")
    git("tag", "light")
    git("tag", "-m", "annotated", "v1")
    commit = git("rev-parse", "HEAD")
    assert {(release.name, release.commit) for release in keeping.releases(where.root)} == {
        ("light", commit),
        ("v1", commit),
    }
    assert keep(where, 1) == ()
    with stored(where) as store:
        assert count(store, "release") == 2


@pytest.mark.parametrize(
    ("branch", "dirty", "variables", "trunk"),
    [
        ("main", False, {}, True),
        ("main", True, {}, False),
        ("topic", False, {}, False),
        ("", False, {}, False),
        ("", False, {"CI_COMMIT_BRANCH": "main"}, True),
        ("topic", False, {"CI_COMMIT_BRANCH": "main"}, False),
    ],
)
def test_a_run_is_of_the_trunk_when_it_is_a_clean_one_of_its_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, branch: str, dirty: bool, variables: dict[str, str], trunk: bool
) -> None:
    for name in keeping.BRANCH_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = entry(1).result
    odd = replace(result, run=replace(result.run, branch=branch, dirty=dirty))
    assert keeping.entry_of(odd, tmp_path).trunk is trunk


def test_a_store_that_is_no_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not a PostgreSQL URL"):
        keeping.place(tmp_path, url="mysql://host/x")


def test_the_password_of_a_store_is_nowhere_told(tmp_path: Path) -> None:
    where = keeping.place(tmp_path, url="postgresql://me:secretword@127.0.0.1:1/shop", project="shop")
    with pytest.raises(NotMeasured) as caught, keeping.opened(where):
        pass
    assert "secretword" not in str(caught.value) + str(where) + repr(where)


def test_an_older_store_is_migrated_by_keeping(where: Place, history_server: Server) -> None:
    with closing(connect(where.url)) as connection:
        migrating.migrate(connection, {1: migrating.migrations()[1]})
    assert keep(where, 1) == ()
