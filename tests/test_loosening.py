"""What a change loosens of its own rules is said, and what it tightens or leaves alone is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perfgate import loosening, settings
from perfgate.model import Better, Metric, Noise, Unit
from perfgate.settings import Known
from tests.projects import Project, visit
from tests.test_worktree import git

KNOWN = Known(
    metrics={
        "response.p50": Metric("response.p50", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, ""),
        "response.rate": Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, ""),
        "response.errors": Metric("response.errors", Unit.RATIO, Better.LOWER, Noise.SAMPLED, ""),
        "bundle.raw": Metric("bundle.raw", Unit.BYTES, Better.LOWER, Noise.EXACT, ""),
    },
    options={},
)
RULES = """\
  - metric: response.rate
    endpoint: GET /hello
    warn: 20/s
    fail: 10/s
  - metric: response.p50
    endpoint: GET /hello
    fail: 1.5 x baseline, at most 1 s
  - metric: response.p50
    regression: {fail: 5 %, floor: 1 ms}
  - metric: bundle.raw
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Project, Project]:
    """Base and head, with the same files."""
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        project = visit(tmp_path / name)
        text = (project.folder / "budgets.yaml").read_text(encoding="utf-8")
        project.write("budgets.yaml", text + RULES)
    return Project(tmp_path / "base"), Project(tmp_path / "head")


def loosened(base: Project, head: Project) -> list[str]:
    plan = settings.load(head.folder / "budgets.yaml", KNOWN)
    before = settings.load(base.folder / "budgets.yaml", KNOWN)
    return [*loosening.of_rules(before, "HEAD", plan), *loosening.of_baselines(before, plan)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("fail: 2 s", "fail: 3 s", "response.p50: fail 2 s → 3 s"),
        ("    fail: 2 s", "    warn: 2 s", "response.p50: fail 2 s → none"),
        ("fail: 10/s", "fail: 9/s", "response.rate[GET /hello]: fail 10/s → 9/s"),
        ("    warn: 20/s\n", "", "response.rate[GET /hello]: warn 20/s → none"),
        ("1.5 x baseline", "2 x baseline", "1.5 x baseline, at most 1 s → 2 x baseline, at most 1 s"),
        (", at most 1 s", "", "1.5 x baseline, at most 1 s → 1.5 x baseline"),
        ("fail: 1.5 x baseline, at most 1 s", "fail: 800 ms", "1.5 x baseline, at most 1 s → 800 ms"),
        ("fail: 5 %", "fail: 8 %", "response.p50 regression: fail 5 % → 8 %"),
        ("floor: 1 ms", "floor: 2 ms", "response.p50 regression: floor 1 ms → 2 ms"),
        ("  - metric: bundle.raw\n", "", "bundle.raw regression: fail 0 % → no rule"),
    ],
)
def test_a_rule_that_allows_more_is_told(folders: tuple[Project, Project], old: str, new: str, said: str) -> None:
    folders[1].replace("budgets.yaml", old, new)
    (told,) = loosened(*folders)
    assert said in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fail: 2 s", "warn: 1 s\n    fail: 2 s"),
        ("fail: 2 s", "fail: 1 s"),
        ("fail: 10/s", "fail: 15/s"),
        ("1.5 x baseline, at most 1 s", "1.2 x baseline, at most 500 ms"),
        ("fail: 5 %", "fail: 2 %"),
        ("  - metric: bundle.raw\n", "  - metric: bundle.raw\n  - metric: response.errors\n    fail: 0.5 %\n"),
    ],
)
def test_a_rule_that_allows_less_or_is_added_is_not(folders: tuple[Project, Project], old: str, new: str) -> None:
    folders[1].replace("budgets.yaml", old, new)
    assert loosened(*folders) == []


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in git with an accepted baseline, then changed by somebody else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "visit").mkdir()
    project = visit(tmp_path / "visit")
    project.write(".gitignore", ".perfgate\nresult.json\n")
    git(project.folder, "init", "-q", "-b", "main")
    assert project.gate()[0] in (0, 1)
    done = project.perfgate("accept", "--reason", "first", "--even-if-red")
    assert done.returncode == 0, done.stderr
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x")
    return project


def test_a_run_beside_its_base_says_who_loosened_what_and_judges_all_the_same(repository: Project) -> None:
    folder = repository.folder
    repository.replace("budgets.yaml", "fail: 2 s", "fail: 3 s")
    (path,) = (folder / "baselines").glob("*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["baseline"] |= {"accepted": "2027-01-01T00:00:00+00:00", "by": "Mallory", "reason": "it is fine"}
    path.write_text(json.dumps(document), encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=Eve", "commit", "-qm", "y")
    _, output, result = repository.gate("--base", "HEAD~1", "--report", "report.md")
    told = ["response.p50: fail 2 s → 3 s (by Eve)", f"baseline of {path.stem}: replaced by Mallory: it is fine"]
    assert result["run"]["loosened"] == told, output
    assert "This change loosens what it is judged by" in output
    assert "loosens what it is judged by" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_run_without_a_base_has_nothing_to_compare_its_rules_with(repository: Project) -> None:
    repository.replace("budgets.yaml", "fail: 2 s", "fail: 3 s")
    _, output, result = repository.gate()
    assert result["run"]["loosened"] == []
    assert "loosens" not in output
