"""Whatever happens in the closer look, the verdict on what was measured stays, and somebody else's log stays empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.errors import ExitCode
from perfgate.measure.database import Server
from tests.diagnose.laboratory import Sent, opened
from tests.projects import LOCUSTFILE, visit

ONCE = """\
import pathlib

loaded = pathlib.Path(__file__).with_name("loaded")
if loaded.exists():
    raise RuntimeError("this cannot be loaded again")
loaded.touch()
"""


def test_a_locustfile_that_loads_only_once_costs_the_closer_look_and_not_the_verdict(tmp_path: Path) -> None:
    project = visit(tmp_path)
    project.write("visit.py", ONCE + LOCUSTFILE)
    project.replace("budgets.yaml", "counting: 0", "counting: 2")
    code, output, document = project.gate("--diagnose", "always")
    assert code == ExitCode.PASSED, output
    assert [note for note in document["run"]["notes"] if "this cannot be loaded again" in note]


def test_nothing_is_explained_into_a_log_that_cannot_be_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.read_log is not None
    with opened(server, "CREATE TABLE a (b int)", [Sent("GET /a", "SELECT b FROM a WHERE b = %s", [7])]) as bench:
        before = len(server.read_log())
        with monkeypatch.context() as patch:
            patch.setattr(server, "read_log", None)
            examined = bench.examine()
        assert [next(iter(request.work.values())).calls for request in examined.requests] == [1.0]
        assert not examined.executions
        assert "SELECT b FROM a" not in server.read_log()[before:]
