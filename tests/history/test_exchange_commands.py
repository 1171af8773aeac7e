"""The history as files, from the command line: in from other tools, out to them, and over a git branch."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from perfgate.publish.history.store import connect, open_store
from tests.history.runs import rows
from tests.projects import Project, visit
from tests.test_worktree import git

FILES = Path(__file__).parent / "files"


def perfgate(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return Project(folder).perfgate(*arguments, **env)


@pytest.fixture
def folder(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, whose history is in a store of its own."""
    monkeypatch.setenv("PERFGATE_HISTORY", url)
    monkeypatch.setenv("PERFGATE_PROJECT", "shop")
    return tmp_path


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_another_tool_measured_comes_in_once_and_goes_out_again(folder: Path) -> None:
    file = next(FILES.glob("hyperfine*.json"))
    assert "1 of them stored" in said(perfgate(folder, "history", "import", str(file), "--commit", "ab" * 20))
    assert "0 of them stored, 1 there already" in said(
        perfgate(folder, "history", "import", str(file), "--commit", "ab" * 20)
    )
    assert "runs" in said(perfgate(folder, "history", "export", "out.csv"))
    with (folder / "out.csv").open(encoding="utf-8") as rows:
        found = list(csv.DictReader(rows))
    assert {row["commit"] for row in found} == {"ab" * 20}
    times = sorted(float(row["value"]) for row in found if row["metric"] == "benchmark.time")
    document = json.loads(file.read_text(encoding="utf-8"))
    assert times[0] == pytest.approx(min(min(one["times"]) for one in document["results"]))


def test_a_file_that_is_of_no_format_stores_nothing_of_the_others(folder: Path) -> None:
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    file = next(FILES.glob("hyperfine*.json"))
    done = perfgate(folder, "history", "import", str(file), "notes.txt")
    assert done.returncode == 2
    assert "no format that can be imported" in done.stderr
    assert ": 0 runs" in said(perfgate(folder, "history", "status"))


def test_an_export_without_a_format_is_refused_before_the_store_is_asked(folder: Path) -> None:
    done = perfgate(folder, "history", "export", "out.xyz", PERFGATE_HISTORY="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "its name tells no format" in done.stderr


def test_a_run_goes_from_one_check_out_to_another_over_a_branch(folder: Path) -> None:
    git(folder, "init", "-q", "--bare", "remote.git")
    git(folder, "clone", "-q", "remote.git", "one")
    project = visit(folder / "one")
    project.write(".gitignore", ".perfgate\n")
    git(project.folder, "checkout", "-qB", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x")
    git(project.folder, "push", "-q", "origin", "main")
    done = project.perfgate("run", "--quiet", PERFGATE_HISTORY="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 pushed" in said(project.perfgate("history", "push"))
    assert "0 pushed to perfgate-history, 1 there already" in said(project.perfgate("history", "push"))
    git(folder, "clone", "-q", "-b", "main", "remote.git", "two")
    assert "1 runs read, 1 of them stored" in said(perfgate(folder / "two", "history", "pull"))
    assert "0 runs read" in said(perfgate(folder / "two", "history", "pull"))
    assert ": 1 runs" in said(perfgate(folder / "two", "history", "status"))
    assert "packed" in said(project.perfgate("history", "compact"))
    shutil.rmtree(folder / "one")


def test_every_run_is_kept_and_what_is_measured_does_not_see_where(folder: Path) -> None:
    project = visit(folder)
    project.write("behaviour.py", "import os; self.status = 500 if 'PERFGATE_HISTORY' in os.environ else 200\n")
    done = project.perfgate("run", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": 1 runs" in said(project.perfgate("history", "status"))


def test_a_store_that_is_gone_changes_no_verdict(folder: Path) -> None:
    project = visit(folder)
    done = project.perfgate("run", "--quiet", PERFGATE_HISTORY="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 run waits" in done.stderr
    assert ": 1 runs" in said(project.perfgate("history", "status"))


def test_without_a_store_of_the_teams_runs_wait_and_no_server_is_started_for_them(folder: Path) -> None:
    project = visit(folder)
    done = project.perfgate("run", "--quiet", PERFGATE_HISTORY="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project.folder / ".perfgate/history").exists()
    assert len(list((project.folder / ".perfgate/spool").glob("*.result"))) == 1


def test_a_run_that_is_only_tried_leaves_nothing_in_the_history(folder: Path) -> None:
    project = visit(folder)
    done = project.perfgate("run", "--quiet", PERFGATE_HISTORY="none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project.folder / ".perfgate/spool").exists()


def test_a_store_that_is_no_url_is_told_before_anything_is_measured(folder: Path) -> None:
    done = visit(folder).perfgate("run", PERFGATE_HISTORY="mysql://x")
    assert done.returncode == 2
    assert "not a PostgreSQL URL" in done.stderr


def test_accepting_marks_the_run_that_is_kept(folder: Path, url: str) -> None:
    project = visit(folder)
    assert project.perfgate("run", "--quiet").returncode == 0
    assert "wrote" in said(project.perfgate("accept", "--reason", "first"))
    with closing(connect(url)) as connection:
        assert rows(open_store(connection, "shop"), "SELECT accepted FROM run") == [(True,)]
