"""A stand with a real Postgres: what `setup` and `prepare` made is what every start begins with."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from perfgate.errors import NotMeasured, PerfgateError
from perfgate.measure import imports
from perfgate.measure import service as services
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.ownership import Owner
from perfgate.measure.stand import Stand
from perfgate.measure.stopwatch import Stopwatch
from perfgate.model import Side
from perfgate.plan import Database, Plan, Service
from tests.projects import Project, visit

SERVER = """\
import http.server, os, sys
import psycopg

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            if self.path == "/add":
                connection.execute("INSERT INTO seen VALUES (1)")
            count = connection.execute("SELECT count(*) FROM seen").fetchone()[0]
        body = f"{count}{os.environ.get('EXTRA', '')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
ASK = 'python -c "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read()" {url}/add'


def stand(folder: Path, server: Server, owner: Owner, side: Side, *prepare: str) -> Stand:
    (folder / "server.py").write_text(SERVER, encoding="utf-8")
    (folder / "schema.sql").write_text("CREATE TABLE seen (id int);", encoding="utf-8")
    service = Service("python server.py {port}", env={"DATABASE_URL": "{database_url}"}, ready="/")
    plan = Plan(
        root=folder,
        file=folder / "budgets.yaml",
        service=service,
        database=Database(setup=("schema.sql",), prepare=prepare),
        scenarios={},
        artifacts={},
        rules=(),
    )
    (folder / "logs").mkdir()
    return Stand(plan, side, folder, server, owner, folder / "logs", Stopwatch(), lambda _: None)


def answer(url: str) -> str:
    import urllib.request

    with urllib.request.urlopen(url) as response:
        return str(response.read().decode())


def test_every_start_begins_with_what_was_prepared(tmp_path: Path, server: Server, owner: Owner) -> None:
    prepared = stand(tmp_path, server, owner, Side.HEAD, ASK, ASK)
    prepared.prepare()
    for _ in range(2):
        with prepared.fresh("browse") as service:
            assert answer(f"{service.url}/") == "2"
            assert answer(f"{service.url}/add") == "3"
    with prepared.fresh("browse", {"EXTRA": " and more"}) as service:
        assert answer(f"{service.url}/") == "2 and more"


def test_a_preparation_that_fails_says_so_with_its_last_words(tmp_path: Path, server: Server, owner: Owner) -> None:
    broken = stand(tmp_path, server, owner, Side.BASE, "python -c \"print('no seeds'); raise SystemExit(4)\"")
    with pytest.raises(NotMeasured, match="ended with exit code 4") as caught:
        broken.prepare()
    assert "no seeds" in str(caught.value)


@pytest.mark.parametrize("side", Side)
def test_a_migration_that_base_lacks_is_left_out_there_and_missed_by_head(
    tmp_path: Path, server: Server, owner: Owner, side: Side
) -> None:
    made = stand(tmp_path, server, owner, side)
    assert made.plan.database is not None
    more = replace(made.plan.database, setup=("schema.sql", "added.sql"))
    made.plan, made.server = replace(made.plan, database=more), _Labelled(server)  # type: ignore[assignment]
    if side is Side.HEAD:
        with pytest.raises(PerfgateError, match="added.sql"):
            made.prepare()
        return
    made.prepare()
    assert made.database is not None


def builder(folder: Path, owner: Owner, build: str) -> Stand:
    """A stand without a database that remembers in `built` what it built."""
    plan = Plan(
        root=folder,
        file=folder / "budgets.yaml",
        service=Service("python server.py {port}", build=build),
        database=None,
        scenarios={},
        artifacts={},
        rules=(),
    )
    (folder / "logs").mkdir(exist_ok=True)
    said: list[str] = []
    return Stand(
        plan,
        Side.BASE,
        folder,
        None,
        owner,
        folder / "logs",
        Stopwatch(),
        said.append,
        built=folder.with_suffix(".built"),
    )


def test_what_was_built_is_recorded_once_and_not_built_again(tmp_path: Path, owner: Owner) -> None:
    recorded: list[bool] = []
    for build in ("touch one", "touch one", "touch two"):
        made = builder(tmp_path, owner, build)
        made.on_built = lambda made=made: recorded.append(made.built.exists())  # type: ignore[misc]
        made.prepare()
    assert recorded == [False, False], "twice, and each time before it counts as built"
    assert (tmp_path / "two").exists()


def test_a_build_that_fails_leaves_nothing_that_counts_as_built(tmp_path: Path, owner: Owner) -> None:
    builder(tmp_path, owner, "touch one").prepare()
    with pytest.raises(NotMeasured, match="exit code 1"):
        builder(tmp_path, owner, "false").prepare()
    (tmp_path / "one").unlink()
    builder(tmp_path, owner, "touch one").prepare()
    assert (tmp_path / "one").exists()


def test_a_build_that_never_ends_is_ended_and_says_so(
    tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "BUILD_TIMEOUT_S", 1.2)
    with pytest.raises(NotMeasured, match=r"took over 0\.02 min") as caught:
        builder(tmp_path, owner, "sh -c 'echo waiting for an answer; exec sleep 600'").prepare()
    assert "waiting for an answer" in caught.value.hint


def test_a_preparation_runs_the_programs_of_its_own_side(tmp_path: Path, server: Server, owner: Owner) -> None:
    made = stand(tmp_path, server, owner, Side.HEAD, "tool")
    made.server = _Labelled(server)  # type: ignore[assignment]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "bin" / "tool").chmod(0o755)
    made.env = {**made.env, "PATH": f"{tmp_path}/bin:{imports.search_path()}"}
    made.prepare()
    assert (tmp_path / "ran").exists()


class _Labelled:
    """The session's server under labels of its own: others have made databases for both sides on it."""

    _labels = count()

    def __init__(self, server: Server) -> None:
        self._server = server

    def __getattr__(self, name: str) -> object:
        return getattr(self._server, name)

    def create(self, label: str) -> ServiceDatabase:
        return self._server.create(f"{label}_{next(self._labels)}")


def test_a_database_that_is_lost_under_the_load_is_no_verdict(tmp_path: Path) -> None:
    project: Project = visit(tmp_path)
    project.write("schema.sql", "CREATE TABLE seen (id int);")
    project.replace("budgets.yaml", "scenarios:", "database: {provider: embedded, setup: [schema.sql]}\nscenarios:")
    project.replace("budgets.yaml", "python server.py {port}", "python server.py {port} {database_port}")
    project.write("behaviour.py", KILL_POSTGRES.format(kill=int(signal.SIGKILL)))
    code, output, document = project.gate()
    assert code == 3, output
    assert document["verdict"] == "invalid"
    assert "Postgres" in output


KILL_POSTGRES = """\
import os, pathlib, sys
if self.path == "/hello" and not os.path.exists("killed"):
    for process in pathlib.Path("/proc").iterdir():
        words = (process / "cmdline").read_bytes().split(b"\\0") if process.name.isdigit() else []
        if words and words[0].endswith(b"/postgres") and any(sys.argv[2].encode() in word for word in words[1:]):
            open("killed", "w").close()
            os.kill(int(process.name), {kill})
"""
