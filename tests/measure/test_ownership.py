"""Whatever a run starts is undone on every path, kill -9 included, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from perfgate import plan
from perfgate.errors import NotMeasured
from perfgate.measure import database, ownership, procfs, reaper
from perfgate.measure.ownership import Owner
from tests.killing import Run, alive, eventually

# A daemon of the old school: two forks, a session of its own and an environment that it emptied, so that neither
# group nor parent nor variable lead to it.
DAEMON = """
import os, pathlib, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
        os.execve("/usr/bin/env", ["env", "-i", "sleep", "1000"], {})
    os._exit(0)
time.sleep(1000)
"""
# A run of perfgate's, reduced to what it owns: it says what that is and goes on until it is killed.
RUN = """
import json, pathlib, subprocess, sys, time
from perfgate.measure.ownership import Owner
with Owner() as owner:
    folder = owner.folder("data")
    (folder / "file").write_text("x")
    service = owner.spawn([sys.executable, "-c", sys.argv[1], str(folder / "daemon")])
    while not (folder / "daemon").exists() or not (folder / "daemon").read_text():
        time.sleep(0.01)
    daemon = int((folder / "daemon").read_text())
    reaper = owner._reaper.pid
    print(json.dumps({"folder": str(folder), "pids": [service.pid, daemon], "reaper": reaper}), flush=True)
    time.sleep(1000)
"""


class Owning(Run):
    """A separate Python process that holds an Owner."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(RUN, DAEMON, TMPDIR=str(tmp_path))
        said = json.loads(self.said)
        self.folder = Path(said["folder"])
        self.pids: list[int] = said["pids"]
        self.reaper: int = said["reaper"]

    def undone(self) -> bool:
        return not self.folder.exists() and not any(map(alive, self.pids))


@pytest.fixture(autouse=True)
def _own_ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers of these tests stay among themselves."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Owning]:
    started = Owning(tmp_path)
    yield started
    started.kill()
    eventually(started.undone)


@pytest.fixture
def owner() -> Iterator[Owner]:
    with Owner() as made:
        yield made
    assert made.problems == []


def ledgers() -> list[Path]:
    return list(ownership.home().glob("*.jsonl"))


def daemon(owner: Owner, tmp_path: Path) -> tuple[subprocess.Popen[bytes], int]:
    where = tmp_path / "daemon"
    process = owner.spawn([sys.executable, "-c", DAEMON, str(where)])
    assert eventually(lambda: where.exists() and where.read_text())
    return process, int(where.read_text())


def test_the_end_of_the_block_undoes_processes_daemons_folders_and_the_ledger(tmp_path: Path) -> None:
    with Owner() as owner:
        folder = owner.folder("data")
        process, escaped = daemon(owner, tmp_path)
        assert alive(escaped)
        assert len(ledgers()) == 1
    assert owner.problems == []
    assert not folder.exists()
    assert process.returncode == -signal.SIGTERM
    assert not alive(escaped)
    assert ledgers() == []


def test_an_error_in_the_block_undoes_just_as_well_and_goes_on() -> None:
    def run() -> None:
        with owner:
            owned.append(owner.folder("data"))
            owner.spawn(["sleep", "1000"])
            raise ZeroDivisionError

    owner, owned = Owner(), list[Path]()
    with pytest.raises(ZeroDivisionError):
        run()
    assert procfs.all_marked(reaper.owner_mark(owner.token)) == []
    assert not owned[0].exists()


def test_kill_9_leaves_neither_processes_nor_daemons_nor_folders(run: Owning) -> None:
    run.kill()
    assert eventually(run.undone)
    assert eventually(lambda: ledgers() == [])


def test_the_reaper_outlives_the_signals_that_end_a_terminal_session(run: Owning) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(run.reaper, number)
    run.kill()
    assert eventually(run.undone)


def test_the_next_start_sweeps_what_a_killed_run_and_a_killed_reaper_left_behind(run: Owning) -> None:
    os.kill(run.reaper, signal.SIGKILL)
    run.kill()
    escaped = run.pids[1]
    assert eventually(lambda: not alive(run.pids[0]))  # the kernel ended it with its parent
    assert alive(escaped)
    assert run.folder.exists()
    with Owner() as owner:
        assert run.undone()
        assert len(owner.swept) == 1
        assert str(run.folder) in owner.swept[0]
    assert ledgers() == []


def test_a_start_leaves_a_living_run_alone(run: Owning) -> None:
    with Owner() as owner:
        assert owner.swept == []
    assert all(map(alive, run.pids))
    assert run.folder.exists()
    assert len(ledgers()) == 1


def test_a_sweep_leaves_a_process_alone_that_came_by_the_number_of_a_dead_one(owner: Owner) -> None:
    stranger = owner.spawn(["sleep", "1000"])
    found = procfs.stat(stranger.pid)
    assert found is not None
    forged_ledger(reaper.Process(stranger.pid, found.start - 1, "other.1", signal.SIGTERM))
    ownership.sweep(ownership.home())
    assert alive(stranger.pid)


def test_a_sweep_stops_what_has_the_mark_of_a_dead_owner_and_stands_in_no_ledger() -> None:
    """Started right before the kill: it had no time to be written down."""
    marks = ("other", "others")
    marked, stranger = (subprocess.Popen(["sleep", "1000"], env={"PERFGATE_OWNER": mark}) for mark in marks)
    forged_ledger()
    try:
        assert eventually(lambda: procfs.marked(marked.pid, reaper.owner_mark("other")))
        ownership.sweep(ownership.home())
        assert eventually(lambda: marked.poll() == -signal.SIGKILL)
        assert stranger.poll() is None
    finally:
        for process in (marked, stranger):
            process.kill()
            process.wait()


def test_a_sweep_removes_no_folder_that_lacks_the_token_in_its_name(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    forged_ledger(reaper.Folder(str(precious), "other"))
    said = ownership.sweep(ownership.home())
    assert precious.exists()
    assert "left alone" in said[0]


def test_a_sweep_gives_up_on_what_it_cannot_undo_at_the_third_time(tmp_path: Path) -> None:
    forged_ledger(reaper.Container("nothing", str(tmp_path / "no-engine-here.sock")))
    left = []
    for _ in range(ownership.SWEEPS):
        assert "container nothing" in ownership.sweep(ownership.home())[0]
        left.append(len(ledgers()))
    assert left == [1, 1, 0]


def test_a_ledger_cut_short_by_the_kill_counts_up_to_the_cut(tmp_path: Path) -> None:
    folder = tmp_path / "perfgate-other-1-data"
    folder.mkdir()
    path = forged_ledger(reaper.Folder(str(folder), "other"))
    with path.open("a") as file:
        file.write('{"own": 2, "kind": "fol')
    ownership.sweep(ownership.home())
    assert not folder.exists()


def forged_ledger(*things: reaper.Thing) -> Path:
    path = ownership.home() / "other.jsonl"
    lines: list[dict[str, object]] = [{"owner": "other", "pid": 1, "boot": ownership._boot()}]
    lines += [{"own": i, "kind": thing.kind, "thing": vars(thing)} for i, thing in enumerate(things)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_ledgers_in_a_folder_that_others_can_write_to_are_refused(tmp_path: Path) -> None:
    (tmp_path / f"perfgate-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"perfgate-{os.getuid()}").chmod(0o777)
    with pytest.raises(NotMeasured, match="not a folder of yours alone"), Owner():
        pass


def test_stop_ends_a_process_that_ignores_sigterm_and_its_daemon_and_nobody_else(owner: Owner, tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + DAEMON
    bystander = owner.spawn(["sleep", "1000"])
    where = tmp_path / "daemon"
    process = owner.spawn([sys.executable, "-c", stubborn, str(where)])
    assert eventually(lambda: where.exists() and where.read_text())
    owner.stop(process, timeout=0.2)
    assert process.returncode == -signal.SIGKILL
    assert not alive(int(where.read_text()))
    assert alive(bystander.pid)
    owner.stop(process)


def test_stop_finds_a_child_that_dropped_its_environment_after_the_leader_died(owner: Owner, tmp_path: Path) -> None:
    where = tmp_path / "child"
    code = f"""
import subprocess, pathlib
child = subprocess.Popen(["sleep", "1000"], env={{}})
pathlib.Path({str(where)!r}).write_text(str(child.pid))
"""
    process = owner.spawn([sys.executable, "-c", code])
    process.wait()
    child = int(where.read_text())
    assert alive(child)
    owner.stop(process)
    assert not alive(child)


def test_stop_asks_the_leaders_group_alone_and_the_rest_only_by_sigkill(owner: Owner, tmp_path: Path) -> None:
    """As Postgres needs it: its processes have sessions of their own, and the postmaster stops them in its own way."""
    code = f"""
import os, pathlib, signal, subprocess, sys, time
worker = subprocess.Popen(["sleep", "1000"], start_new_session=True)
def end(*_):
    worker.send_signal(signal.SIGUSR1)
    pathlib.Path({str(tmp_path / "how")!r}).write_text(str(worker.wait()))
    sys.exit()
signal.signal(signal.SIGINT, end)
pathlib.Path({str(tmp_path / "ready")!r}).touch()
time.sleep(1000)
"""
    process = owner.spawn([sys.executable, "-c", code], death_signal=signal.SIGINT)
    assert eventually((tmp_path / "ready").exists)
    owner.stop(process, signal=signal.SIGINT, timeout=30)
    assert (tmp_path / "how").read_text() == str(-signal.SIGUSR1)


def test_a_child_survives_the_thread_that_asked_for_it(owner: Owner) -> None:
    with ThreadPoolExecutor(max_workers=1) as pool:
        process = pool.submit(owner.spawn, ["sleep", "1000"]).result()
    owner.spawn(["true"]).wait()  # time for the kernel to have told it
    assert process.poll() is None


def test_a_program_that_is_not_there_is_an_error_at_once(owner: Owner) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        owner.spawn(["no-such-program-anywhere"])
    assert caught.value.filename == "no-such-program-anywhere"


def test_a_program_sees_the_environment_it_was_given_and_plain_signals(owner: Owner, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        process = owner.spawn(["/usr/bin/env"], env={"A": "1"}, stdout=out)
        status = owner.spawn(["cat", "/proc/self/status"], stdout=out)
        assert (process.wait(), status.wait()) == (0, 0)
    text = (tmp_path / "out").read_text()
    names = {line.partition("=")[0] for line in text.splitlines() if "=" in line}
    assert names == {"A", "PERFGATE_OWNER", "PERFGATE_SPAWN"}
    assert "SigIgn:\t0000000000000000" in text


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_a_program_of_another_user_dies_with_perfgate_too(tmp_path: Path) -> None:
    code = """
import time
from perfgate.measure.ownership import Owner
with Owner() as owner:
    print(owner.spawn(["sleep", "1000"], user=(65534, 65534)).pid, owner._reaper.pid, flush=True)
    time.sleep(1000)
"""
    run = Run(code, TMPDIR=str(tmp_path))
    child, reaper_pid = map(int, run.said.split())
    assert "Uid:\t65534" in Path(f"/proc/{child}/status").read_text()
    os.kill(reaper_pid, signal.SIGKILL)
    run.kill()
    assert eventually(lambda: not alive(child))


def test_a_folder_has_the_mode_that_was_asked_for_whatever_the_umask(owner: Owner) -> None:
    before = os.umask(0o077)
    try:
        assert owner.folder("data", mode=0o755).stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


def test_a_folder_is_removed_with_what_forbids_writing_in_it() -> None:
    made = Path(tempfile.mkdtemp(prefix="perfgate-other-", dir="/tmp"))
    made.chmod(0o777)

    def fill_and_remove() -> None:
        (made / "ours" / "sealed" / "deeper").mkdir(parents=True)
        (made / "ours" / "sealed" / "deeper" / "file").touch()
        (made / "ours" / "sealed").chmod(0o500)
        (made / "ours").rename(made / "perfgate-other-1")
        reaper.Folder(str(made / "perfgate-other-1"), "other").undo(fresh=True)

    try:
        as_nobody(fill_and_remove)
        assert list(made.iterdir()) == []
    finally:
        shutil.rmtree(made)


def as_nobody(work: Callable[[], None]) -> None:
    """Root is forbidden nothing, so it sends somebody else."""
    if os.getuid() != 0:
        work()
    elif os.fork() == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            work()
        finally:
            os._exit(0)
    else:
        os.wait()


class Engine(BaseHTTPRequestHandler):
    """Answers like the Docker API on removal: done, in progress, gone."""

    asked: list[str]
    answers: list[int]

    def do_DELETE(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.answers.pop(0))
        self.end_headers()

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_container_is_asked_to_go_until_it_is_gone(tmp_path: Path) -> None:
    Engine.asked, Engine.answers = [], [204, 409, 404]
    with ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), Engine) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        with Owner() as owner:
            owner.container("abc", f"unix://{tmp_path}/engine.sock")
        engine.shutdown()
    assert owner.problems == []
    assert Engine.asked == ["/containers/abc?force=1&v=1"] * 3


def test_kill_9_drops_databases_on_a_server_that_is_not_ours_whoever_is_connected(tmp_path: Path, owner: Owner) -> None:
    code = """
import sys, time
from perfgate.measure.ownership import Owner
with Owner() as owner:
    owner.database(sys.argv[1], sys.argv[2])
    print(flush=True)
    time.sleep(1000)
"""
    with database.start(plan.Database(provider="embedded"), owner, lambda text: None) as server:
        made = server.create("head")

        def there() -> bool:
            return bool(server.monitor.execute("SELECT FROM pg_database WHERE datname = %s", [made.name]).fetchall())

        with made.connect():
            run = Run(code, server.access.url("postgres"), made.name, TMPDIR=str(tmp_path))
            assert there()
            run.kill()
            assert eventually(lambda: not there())


def test_a_step_that_fails_keeps_no_other_from_being_taken(tmp_path: Path) -> None:
    with Owner() as owner:
        folder = owner.folder("data")
        owner.container("abc", str(tmp_path / "no-engine-here.sock"))
        process = owner.spawn(["sleep", "1000"])
    assert process.returncode == -signal.SIGTERM
    assert not folder.exists()
    assert len(owner.problems) == 1
    assert "container abc" in owner.problems[0]
    assert len(ledgers()) == 1  # for the reaper, and for the sweep of the next start


def test_an_interpreter_that_cannot_be_run_is_not_measured_and_leaves_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").touch(mode=0o600)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NotMeasured, match="cannot be run: Permission denied") as caught, Owner():
        pass
    assert str(tmp_path / "python") in caught.value.hint
    assert ledgers() == []


def test_what_is_started_outside_the_block_is_refused() -> None:
    owner = Owner()
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        owner.folder("data")
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        owner.spawn(["sleep", "1000"])


def test_a_daemon_that_its_host_started_by_itself_is_left_alone(tmp_path: Path) -> None:
    """As a fixture of pytest's may, in the very process that owns the run."""
    where = tmp_path / "daemon"
    with Owner() as owner:
        host = subprocess.Popen([sys.executable, "-c", DAEMON, str(where)])
        assert eventually(lambda: where.exists() and where.read_text())
        stranger = int(where.read_text())
        daemon(owner, owner.folder("ours"))
    try:
        assert host.poll() is None
        assert alive(stranger)
    finally:
        os.kill(stranger, signal.SIGKILL)
        host.kill()
        host.wait()


def test_a_seal_tells_the_programs_of_an_owner_from_those_of_any_other() -> None:
    ours, first, second = reaper.owner_mark("ab12cd34ef56"), reaper.spawn_mark("ab12cd34ef56.1"), "ab12cd34ef56.2"
    assert first.seals[0] in ours.seals
    assert reaper.spawn_mark(second).seals[0] in ours.seals
    assert reaper.spawn_mark(second).seals != first.seals
    assert not any(reaper.spawn_mark(f"{token}.1").seals[0] in ours.seals for token in ("ab12cd34ef55", "ab12cd34ef57"))
    assert reaper.owner_mark("f" * 12).seals[-1] == 2**63 - 1
    assert not reaper.owner_mark("no token of ours").seals


def test_the_reaper_of_a_run_inside_another_one_carries_no_mark_of_it(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with Owner() as outer:
        with said.open("wb") as out:
            inner = outer.spawn([sys.executable, "-c", RUN, DAEMON], env={**os.environ}, stdout=out)
        assert eventually(lambda: said.read_bytes().endswith(b"\n"))
        found = json.loads(said.read_text())["reaper"]
        assert procfs.marked(inner.pid, reaper.owner_mark(outer.token))
        assert eventually(lambda: procfs.marked(found, reaper.owner_mark(outer.token)) is False)
        outer.stop(inner, signal=signal.SIGINT)
