"""`perfgate run --against-release`: the gate beside the last release, with what only the history shows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perfgate import keeping
from perfgate.model import Scope
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.store import connect, open_store
from perfgate.publish.history.writing import write
from tests.history.courses import one_run, with_samples
from tests.history.test_review import STEP
from tests.projects import Project, visit
from tests.test_worktree import git

HELLO = Scope("visit", "GET /hello")


@pytest.fixture
def released(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a release, and a history in which its p95 stepped up twenty runs ago."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(keeping.STORE_VARIABLE, url)
    monkeypatch.setenv(keeping.PROJECT_VARIABLE, "shop")
    folder = tmp_path / "visit"
    folder.mkdir()
    project = visit(folder)
    project.write(".gitignore", ".perfgate\nresult.json\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "tag", "v1.0")
    with closing(connect(url)) as connection:
        write(open_store(connection, "shop"), [_earlier(number, value) for number, value in enumerate(STEP)])
    return project


def _earlier(number: int, value: float) -> Entry:
    """A run of the project, a day after the one before; the last was yesterday."""
    made = one_run(number, value)
    moment = datetime.now(UTC) - timedelta(days=len(STEP) - number)
    run = replace(with_samples(made, (replace(made.run.samples[0], scope=HELLO),)).run, started=moment.isoformat())
    return replace(made, result=replace(made.result, run=run))


def test_a_shift_that_only_the_history_shows_warns_once(released: Project) -> None:
    code, output, result = released.gate("--against-release")
    assert code == 0, output
    assert result["run"]["base"] == git(released.folder, "rev-parse", "v1.0")
    (found,) = [one for one in result["findings"] if one["kind"] == "drift"]
    assert (found["status"], found["metric"], found["scope"]["endpoint"]) == ("warn", "response.p95", "GET /hello")
    assert "the trunk's level shifted after" in output
    assert "drift" not in {one["kind"] for one in released.gate("--against-release")[2]["findings"]}
    assert "drift" not in {one["kind"] for one in released.gate()[2]["findings"]}


def test_a_history_that_cannot_be_had_is_no_pass(released: Project) -> None:
    lost = "postgresql://nobody@127.0.0.1:1/none"
    done = released.perfgate("run", "--against-release", PERFGATE_HISTORY=lost)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the history could not be looked at" in done.stdout
    assert released.perfgate("run", "--against-release", "--strict", PERFGATE_HISTORY=lost).returncode == 1


def test_another_base_is_refused(released: Project) -> None:
    done = released.perfgate("run", "--against-release", "--base", "main")
    assert done.returncode == 2
    assert "leave out --base main" in done.stderr
