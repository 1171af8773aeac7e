"""`perfgate init` as a whole: what it writes, what it leaves alone, and the baseline that it takes for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfgate import initialisation
from perfgate.errors import BadRequest, NotMeasured
from perfgate.initialisation import Initialisation
from perfgate.publish.progress import Progress
from tests.init import projects
from tests.init.projects import made

WRITTEN = {"budgets.yaml", "load/visit.py", ".github/workflows/perfgate.yml"}
SHORTER = "users: 2\n    warmup: 100 ms\n    round: 300 ms\n    rounds: 3\n    max_rounds: 3\n    counting: 2"


def prepared(folder: Path, *, asking: bool = False) -> Initialisation:
    return initialisation.prepared(folder, Progress(quiet=True), asking=asking)


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_its_files_and_says_which_lines_to_check(tmp_path: Path) -> None:
    lines = list(prepared(made(tmp_path, projects.FLASK)).write())
    assert content(tmp_path).keys() - projects.FLASK.keys() == WRITTEN
    written = (tmp_path / "budgets.yaml").read_text().splitlines()
    place, _, question = next(line.strip() for line in lines if "service.command" in line).partition(": ")
    number = int(place.split()[0].removeprefix("budgets.yaml:"))
    assert "flask --app notes run" in written[number - 1]
    assert "Flask's own server" in question


def test_a_dry_run_shows_the_same_files_and_writes_none(tmp_path: Path) -> None:
    init = prepared(made(tmp_path, projects.FLASK))
    shown = "\n".join(init.shown())
    assert content(tmp_path) == projects.FLASK
    list(init.write())
    for name in WRITTEN:
        assert (tmp_path / name).read_text().strip() in shown


@pytest.mark.parametrize("name", ["load", ".github"])
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path, name: str) -> None:
    (outside := tmp_path / "outside").mkdir()
    (inside := tmp_path / "inside").mkdir()
    made(inside, projects.FLASK)
    (inside / name).symlink_to(outside)
    with pytest.raises(BadRequest, match="leads out of the repository"):
        list(prepared(inside).write())
    assert list(outside.iterdir()) == []


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    mine = {"load/visit.py": "# mine\n", ".github/workflows/perfgate.yml": "# mine\n"}
    made(tmp_path, {**projects.FLASK, **mine})
    lines = list(prepared(tmp_path).write())
    assert {name: text for name, text in content(tmp_path).items() if name in mine} == mine
    assert "load/visit.py: is there, and stays" in lines
    before = content(tmp_path)
    again = list(prepared(tmp_path).write())
    assert "budgets.yaml: is there, and stays" in again
    assert content(tmp_path) == before


def test_a_budgets_file_that_is_wrong_is_told_before_anything_is_written(tmp_path: Path) -> None:
    made(tmp_path, {**projects.FLASK, "budgets.yaml": "version: 1\n"})
    with pytest.raises(BadRequest, match="budgets: is missing"):
        prepared(tmp_path)
    assert not (tmp_path / ".github").exists()


def test_a_service_that_does_not_start_keeps_its_files_and_gets_no_baseline(tmp_path: Path) -> None:
    made(tmp_path, {**projects.DOCKERFILE, "server.py": "raise SystemExit('no licence key')\n"})
    init = prepared(tmp_path, asking=True)
    assert "wrote budgets.yaml" in list(init.write())
    with pytest.raises(NotMeasured, match="no baseline yet: the service ended") as refused:
        list(initialisation.first_baseline(init, Progress(quiet=True)))
    assert "no licence key" in refused.value.hint
    assert "perfgate init" in refused.value.hint
    assert not (tmp_path / "baselines").exists()


def test_a_run_that_is_red_is_no_baseline(tmp_path: Path) -> None:
    made(tmp_path, {**projects.DOCKERFILE, "server.py": projects.DOCKERFILE["server.py"].replace("(200)", "(500)")})
    init = prepared(tmp_path)
    list(init.write())
    shorten(tmp_path, "ready: /up", "ready: tcp")
    with pytest.raises(NotMeasured, match=r"no baseline yet: .*response.errors"):
        list(initialisation.first_baseline(init, Progress(quiet=True)))
    assert not (tmp_path / "baselines").exists()


def test_a_project_is_measured_at_once_and_its_gate_is_green(tmp_path: Path) -> None:
    init = prepared(made(tmp_path, projects.FLASK), asking=True)
    list(init.write())
    load = (tmp_path / "load/visit.py").read_text()
    assert 'self.client.get("/notes/1")' in load
    assert "#   GET /notes/secret (notes/pages.py:17): answered 401 UNAUTHORIZED" in load
    shorten(tmp_path)
    said = list(initialisation.first_baseline(init, Progress(quiet=True)))
    assert "wrote baselines/visit.json" in said
    baseline = json.loads((tmp_path / "baselines/visit.json").read_text())
    assert initialisation.REASON in json.dumps(baseline)
    again = list(initialisation.first_baseline(prepared(tmp_path), Progress(quiet=True)))
    assert again == ["baselines/ is there, and stays; next: perfgate run"]
    gate = subprocess.run(
        [sys.executable, "-m", "perfgate", "run", "--json", "result.json"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert gate.returncode == 0, gate.stdout + gate.stderr
    found = json.loads((tmp_path / "result.json").read_text())["findings"]
    counted = {f["scope"].get("endpoint"): f["status"] for f in found if f["metric"] == "queries.calls"}
    assert counted["GET /notes/{id}"] == "pass"


def test_a_front_end_alone_gets_a_baseline_of_its_bundle(tmp_path: Path) -> None:
    init = prepared(made(tmp_path, projects.FRONT_END), asking=True)
    list(init.write())
    assert "wrote baselines/_project.json" in list(initialisation.first_baseline(init, Progress(quiet=True)))
    assert "bundle.brotli" in (tmp_path / "baselines/_project.json").read_text()


def shorten(folder: Path, *change: str) -> None:
    """Make the written scenario as short as a test needs, and one change more."""
    file = folder / "budgets.yaml"
    text = file.read_text()
    for old, new in (("users: 4", SHORTER), change or ("version: 1", "version: 1")):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
