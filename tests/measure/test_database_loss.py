"""Whoever is killed, server or perfgate: it is told, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from perfgate.errors import NotMeasured
from perfgate.measure import database as databases
from perfgate.measure.database import Server
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
from tests.killing import alive, eventually, killed

# A run reduced to its database: it says what it has made, and goes on until it is killed.
RUN = """
import json, sys, time
from pathlib import Path
from perfgate.measure import database
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
plan = Database(**json.loads(sys.argv[1]))
with Owner() as owner, database.start(plan, owner, lambda text: None) as server:
    made = server.create("killed")
    made.freeze()
    print(json.dumps({"token": owner.token, "pid": server.pid, "name": made.name}), flush=True)
    time.sleep(1000)
"""


def made_and_killed(**plan: str) -> dict[str, str]:
    """What a run had made when it was killed."""
    made: dict[str, str] = json.loads(killed(RUN, json.dumps(plan)))
    return made


def test_kill_9_leaves_no_embedded_server_and_no_folder() -> None:
    made = made_and_killed(provider="embedded")
    assert eventually(lambda: not alive(int(made["pid"])))
    for place in ("/dev/shm", "/tmp"):
        assert eventually(lambda: not list(Path(place).glob(f"*{made['token']}*")))  # noqa: B023


def test_kill_9_leaves_no_database_on_a_server_that_stays(server: Server) -> None:
    made = made_and_killed(provider="url", url=server.access.url("template1"))
    look = "SELECT count(*) FROM pg_database WHERE strpos(datname, %s) > 0"
    assert eventually(lambda: server.monitor.execute(look, [made["token"]]).fetchone() == (0,))


def test_a_server_that_is_lost_is_not_measured_and_its_last_words_are_told(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "any.sql").write_text("SELECT 1")
    with databases.start(Database(provider="embedded"), owner, print) as server:
        database = server.create("lost")
        database.freeze()
        assert server.pid is not None
        pid = server.pid
        os.kill(pid, signal.SIGINT)
        assert eventually(lambda: not alive(pid))
        for step in (
            database.restore,
            database.freeze,
            database.connect,
            lambda: database.setup(["any.sql"], tmp_path, {}, tmp_path / "log"),
            lambda: server.create("other"),
        ):
            with pytest.raises(NotMeasured) as caught:
                step()
            assert "database system is shut down" in caught.value.hint


def test_a_server_that_is_lost_during_setup_is_not_measured(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "sleep.sql").write_text("SELECT 1;\nSELECT pg_terminate_backend(pg_backend_pid());\nSELECT 1;")
    with databases.start(Database(provider="embedded"), owner, print) as server:
        with pytest.raises(NotMeasured, match=r"sleep\.sql:2: terminating connection"):
            server.create("lost").setup(["sleep.sql"], tmp_path, {}, tmp_path / "log")
