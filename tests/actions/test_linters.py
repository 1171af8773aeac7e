"""The linters find nothing in what is shipped, and do find what is planted: one that checked nothing would show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE = Path(sys.executable).parent
ZIZMOR = (str(BESIDE / "zizmor"), "--offline", "--no-progress", "--strict-collection", ".")
ACTIONLINT = (str(BESIDE / "actionlint"), "-no-color", "-shellcheck=", "-pyflakes=")

ACTION = "action.yml"
WORKFLOW, FOLLOWER, CI = (f".github/workflows/{name}.yml" for name in ("perfgate", "perfgate-publish", "ci"))


def shipped() -> list[Path]:
    """The action and the workflows, those among them that the documentation offers to copy."""
    return [
        ROOT / ACTION,
        *(ROOT / ".github" / name for name in ("dependabot.yml", "zizmor.yml")),
        *sorted((ROOT / ".github/workflows").glob("*.yml")),
        *sorted((ROOT / "docs/workflows").glob("*.yml")),
    ]


def lint(linter: tuple[str, ...], folder: Path) -> tuple[int, str]:
    done = subprocess.run(linter, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What is shipped, in a repository of its own; what is offered to copy stands where it is to be copied to."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for path in shipped():
        offered = path.is_relative_to(ROOT / "docs")
        target = tmp_path / (Path(".github/workflows", path.name) if offered else path.relative_to(ROOT))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def plant(copy: Path, name: str, old: str, new: str) -> None:
    text = (copy / name).read_text(encoding="utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("linter", [ZIZMOR, ACTIONLINT], ids=["zizmor", "actionlint"])
def test_a_linter_finds_nothing_in_what_is_shipped(linter: tuple[str, ...], copy: Path) -> None:
    code, said = lint(linter, copy)
    assert code == 0, said


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        pytest.param(ACTION, '--config="$CONFIG"', "--config=${{ inputs.config }}", "template-injection", id="inject"),
        pytest.param(WORKFLOW, "@5fda3b95a4ea91299a34e894583c3862153e4b97", "@v7", "unpinned-uses", id="unpinned"),
        pytest.param(WORKFLOW, "persist-credentials: false", "clean: true", "artipacked", id="credentials"),
        pytest.param(CI, ":\n      contents: read", ": write-all", "excessive-permissions", id="permissions"),
        pytest.param(FOLLOWER, "# zizmor: ignore[dangerous-triggers]", "#", "dangerous-triggers", id="trigger"),
    ],
)
def test_zizmor_finds_what_is_planted(copy: Path, name: str, old: str, new: str, named: str) -> None:
    plant(copy, name, old, new)
    code, said = lint(ZIZMOR, copy)
    assert code != 0
    assert named in said


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        pytest.param(ACTION, "    default: budgets.yaml", "    defualt: x", "defualt", id="unknown key of an input"),
        pytest.param(WORKFLOW, "timeout-minutes: 45", "timeout-minuets: 45", "timeout-minuets", id="unknown key"),
        pytest.param(WORKFLOW, "          profile:", "          profil:", 'input "profil"', id="unknown input"),
        pytest.param(WORKFLOW, "github.event_name ==", "github.event_nmae ==", "event_nmae", id="unknown context"),
        pytest.param(WORKFLOW, "'.[storefront]'", "'${{ github.head_ref }}'", "potentially untrusted", id="inject"),
        pytest.param(WORKFLOW, "  merge_group:", "  merge_gruop:", "merge_gruop", id="unknown event"),
    ],
)
def test_actionlint_finds_what_is_planted(copy: Path, name: str, old: str, new: str, named: str) -> None:
    plant(copy, name, old, new)
    code, said = lint(ACTIONLINT, copy)
    assert code != 0
    assert named in said
