"""The gate beside a base: two commits of a small service, measured in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project, visit
from tests.test_worktree import git

BEHAVIOUR = "behaviour.py"
BUDGET = """\
  - metric: response.p50
    regression: {fail: 30 %}
"""
SLOWER = "end = time.perf_counter() + 0.004\nwhile time.perf_counter() < end: pass"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository whose HEAD is the base of every test, and whose work tree a test changes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "visit"
    folder.mkdir()
    made = visit(folder)
    made.replace("budgets.yaml", "    fail: 2 s\n", "    fail: 2 s\n" + BUDGET)
    made.replace("budgets.yaml", "rounds: 3\n", "rounds: 6\n")
    made.replace("budgets.yaml", "max_rounds: 3", "max_rounds: 12")
    made.write(".gitignore", ".perfgate\nresult.json\n")
    git(folder, "init", "-q", "-b", "main")
    save(made)
    return made


def save(project: Project) -> str:
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x")
    return git(project.folder, "rev-parse", "HEAD")


def of(result: Mapping[str, Any], kind: str, metric: str = "response.p50") -> list[dict[str, Any]]:
    return [found for found in result["findings"] if found["kind"] == kind and found["metric"] == metric]


def test_unchanged_code_is_compared_with_itself_and_is_not_red(project: Project) -> None:
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    assert result["run"]["base"] == git(project.folder, "rev-parse", "HEAD")
    found = of(result, "tolerance")
    assert found
    assert all(f["status"] in ("pass", "unsure", "improved") for f in found)
    rounds = [(facts["side"], facts["index"]) for facts in result["run"]["rounds"]]
    assert {side for side, _ in rounds} == {"head", "base"}
    assert len({index for _, index in rounds}) * 2 == len(rounds)


def test_a_slower_work_tree_is_red_after_its_alarm_was_confirmed(project: Project) -> None:
    project.write(BEHAVIOUR, SLOWER)
    code, output, result = project.gate("--base", "HEAD")
    assert code == 1, output
    failed = [f for f in of(result, "tolerance") if f["status"] == "fail"]
    assert failed
    assert all(f["rounds"] > 6 and f["change"] > 0.3 for f in failed)


def test_judging_a_stored_run_again_says_the_same_to_the_byte(project: Project) -> None:
    project.gate("--base", "HEAD")
    first = (project.folder / "result.json").read_bytes()
    project.perfgate("judge", "result.json", "--json", "again.json")
    assert (project.folder / "again.json").read_bytes() == first


def test_a_base_that_does_not_start_is_told_and_head_is_judged_alone(project: Project) -> None:
    server = (project.folder / "server.py").read_text()
    project.write("server.py", "raise SystemExit('broken in base')")
    save(project)
    project.write("server.py", server)
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    assert "broken in base" in json.dumps(result["run"]["flaws"])
    assert [f["status"] for f in of(result, "validity", "measurement")] == ["new"]
    assert {f["status"] for f in of(result, "tolerance")} == {"new"}
    assert {f["status"] for f in of(result, "limit")} == {"pass"}


def test_a_base_that_cannot_be_asked_what_head_can_is_told(project: Project) -> None:
    project.replace("budgets.yaml", "service:\n", "service:\n  cwd: app\n")
    (project.folder / "app").mkdir()
    for name in ("server.py",):
        (project.folder / name).rename(project.folder / "app" / name)
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    assert "there is no folder" in json.dumps(result["run"]["flaws"])


def test_a_base_that_dies_under_load_is_told_and_head_is_judged_alone(project: Project) -> None:
    project.write(BEHAVIOUR, "import os\nif self.path == '/hello': os._exit(3)")
    save(project)
    (project.folder / BEHAVIOUR).unlink()
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    assert {f["status"] for f in of(result, "tolerance")} == {"new"}
    assert {f["status"] for f in of(result, "limit")} == {"pass"}


def test_a_head_that_dies_under_load_is_not_measured_whatever_base_does(project: Project) -> None:
    project.write(BEHAVIOUR, "import os\nif self.path == '/hello': os._exit(3)")
    code, output, _ = project.gate("--base", "HEAD")
    assert code == 3, output


def test_an_endpoint_that_base_lacks_is_new_and_spoils_no_comparison(project: Project) -> None:
    project.write(BEHAVIOUR, "self.status = 404 if self.path == '/added' else 200")
    save(project)
    project.write(BEHAVIOUR, "")
    project.replace("visit.py", 'self.client.get("/hello")', 'self.client.get("/hello"); self.client.get("/added")')
    code, output, result = project.gate("--base", "HEAD")
    assert code == 0, output
    by_scope = {f["scope"].get("endpoint", ""): f["status"] for f in of(result, "tolerance")}
    assert by_scope["GET /added"] == by_scope[""] == "new"
    assert by_scope["GET /hello"] in ("pass", "unsure", "improved")


def test_a_base_that_does_not_exist_costs_nobody_the_last_result(project: Project) -> None:
    last = project.folder / ".perfgate" / "last.json"
    last.parent.mkdir()
    last.write_text("the last result")
    done = project.perfgate("run", "--base", "nonsense")
    assert done.returncode == 2
    assert "git knows no 'nonsense'" in done.stdout + done.stderr
    assert last.read_text() == "the last result"


def test_none_turns_the_base_off_that_ci_asks_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    _, _, result = project.gate()
    assert result["run"]["base"]
    project.replace("budgets.yaml", BUDGET, "")
    code, output, result = project.gate("--base", "none")
    assert code == 0, output
    assert result["run"]["base"] == ""


def test_a_build_into_an_environment_of_both_sides_makes_no_base(project: Project) -> None:
    project.replace("budgets.yaml", "service:\n", "service:\n  build: python install.py\n")
    project.write(
        "install.py",
        "import pathlib, sysconfig\n"
        "place = pathlib.Path(sysconfig.get_paths()['purelib']) / 'perfgate_test-1.dist-info'\n"
        "place.mkdir(exist_ok=True); (place / str(len(list(place.iterdir())))).touch()\n",
    )
    save(project)
    import shutil
    import sysconfig

    try:
        code, output, result = project.gate("--base", "HEAD")
    finally:
        shutil.rmtree(Path(sysconfig.get_paths()["purelib"]) / "perfgate_test-1.dist-info", ignore_errors=True)
    assert code == 0, output
    assert "both sides would run from" in json.dumps(result["run"]["flaws"])
