"""The base beside an environment that leads to head, and a check-out that former runs used: it is base that runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from perfgate.worktree import Repository
from tests.projects import Project, visit
from tests.test_worktree import git

TELL = "import pathlib; print('TOLD', pathlib.Path(__file__).read_text().count('#'), flush=True)\n"
"""Has a service say which version of it runs: the number of signs that end its lines."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder of a repository, with nothing saved yet: the service says one `#` more for every version."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "top" / "visit"
    folder.mkdir(parents=True)
    made = visit(folder)
    made.write(".gitignore", ".perfgate\nresult.json\n*.left\n__pycache__\n")
    made.replace("server.py", "import http.server", TELL + "import http.server")
    git(folder.parent, "init", "-q", "-b", "main")
    return made


def save(project: Project) -> None:
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x")


def told(project: Project, side: str) -> set[str]:
    """All that the side's service said with TOLD."""
    logs = (project.folder / ".perfgate" / "logs").glob(f"{side}-service-*.log")
    return {line for log in logs for line in log.read_text().splitlines() if line.startswith("TOLD")}


def test_a_search_path_for_modules_that_leads_to_head_leads_to_base(project: Project) -> None:
    (project.folder / "src").mkdir()
    app = (project.folder / "server.py").rename(project.folder / "src" / "perfgate_visit.py")
    project.replace("budgets.yaml", "python server.py", "python -m perfgate_visit")
    save(project)
    app.write_text(app.read_text() + "# changed\n")
    inherited = os.environ.get("PYTHONPATH", "")
    done = project.perfgate("run", "--base", "HEAD", PYTHONPATH=f"{project.folder}/src:{inherited}".rstrip(":"))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    signs = app.read_text().count("#")
    assert told(project, "head") == {f"TOLD {signs}"}
    assert told(project, "base") == {f"TOLD {signs - 1}"}


def test_a_base_without_the_projects_folder_is_told_and_head_is_judged_alone(project: Project) -> None:
    (project.folder.parent / "readme").write_text("x")
    git(project.folder.parent, "add", "readme")
    git(project.folder.parent, "commit", "-qm", "x")
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    flaws = json.dumps(result["run"]["flaws"])
    assert "has no folder visit" in flaws
    assert {flaw["side"] for flaw in result["run"]["flaws"]} == {"base"}
    assert told(project, "head")


def test_every_run_finds_base_as_it_was_built(project: Project, tmp_path: Path) -> None:
    project.replace("budgets.yaml", "service:\n", "service:\n  build: sh -c 'date +%N > product; echo >> server.py'\n")
    project.write(
        "server.py",
        "import pathlib\nleft = pathlib.Path('a.left')\n"
        "print('TOLD', left.exists(), pathlib.Path('product').read_text(), flush=True)\n"
        "import atexit, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())\n"
        "atexit.register(left.touch)\n" + (project.folder / "server.py").read_text().replace(TELL, ""),
    )
    save(project)
    git(project.folder, "tag", "saved")
    seen = []
    for _ in range(2):
        shutil.rmtree(project.folder / ".perfgate", ignore_errors=True)  # with the logs of the run before
        project.gate("--base", "saved")
        seen.append({line for line in told(project, "base") if "False" in line})
    assert list((tmp_path / "cache").rglob("a.left")), "a run does leave something"
    assert seen[0], "the first start finds nothing left over"
    assert seen[1] == seen[0], "and so does the first start of the second run, with what was built before"


def test_a_check_out_in_use_is_not_touched_by_another_run(project: Project) -> None:
    save(project)
    repository = Repository(project.folder, print)
    base = repository.checked_out(repository.commit("HEAD"))
    shutil.rmtree(base.root)
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    assert not result["run"]["flaws"]
    assert not base.root.exists()
    base.release()
