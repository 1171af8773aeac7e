"""Which commit is the base, and what of it is checked out: real repositories, clones and submodules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from perfgate.errors import BadRequest
from perfgate.worktree import Base, Repository, branch_to_merge_into


def git(folder: Path, *arguments: str) -> str:
    """What git prints there, under a name of the test's own."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "protocol.file.allow=always"]
    return subprocess.check_output(["git", *identity, "-C", str(folder), *arguments], text=True).strip()


def commit(folder: Path, text: str, name: str = "app.txt") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "one")
    return folder


def repository(folder: Path) -> Repository:
    return Repository(folder, lambda said: None)


def checked_out(folder: Path, asked: str) -> Base:
    found = repository(folder)
    return found.checked_out(found.commit(asked))


@pytest.mark.parametrize("asked", ["main~1", "v1", "annotated"])
def test_base_is_what_a_ref_or_a_tag_names(origin: Path, asked: str) -> None:
    git(origin, "tag", "v1")
    git(origin, "tag", "-a", "annotated", "-m", "x")
    commit(origin, "two")
    base = checked_out(origin, asked)
    assert (base.root / "app.txt").read_text() == "one"
    assert base.commit == git(origin, "rev-parse", "v1")


def test_a_work_tree_that_is_not_clean_stays_as_it_is(origin: Path) -> None:
    commit(origin, "two")
    (origin / "app.txt").write_text("changed")
    assert (checked_out(origin, "HEAD").root / "app.txt").read_text() == "two"
    assert (origin / "app.txt").read_text() == "changed"


def test_the_last_release_is_the_last_tag_before_this_commit(origin: Path) -> None:
    git(origin, "tag", "v1")
    commit(origin, "two")
    git(origin, "tag", "v2")
    assert repository(origin).commit("release") == git(origin, "rev-parse", "v1")
    commit(origin, "three")
    assert repository(origin).commit("release") == git(origin, "rev-parse", "v2")


def test_a_check_out_is_used_again_with_what_was_built_in_it(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    (base.root / "built.bin").write_text("by hand")
    base.built.write_text("request")
    again = checked_out(origin, "HEAD")
    assert (again.root / "built.bin").exists()
    assert again.built.exists()


def test_a_check_out_that_was_tampered_with_is_made_anew(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    base.built.write_text("request")
    (base.root / "app.txt").write_text("tampered")
    again = checked_out(origin, "HEAD")
    assert (again.root / "app.txt").read_text() == "one"
    assert not again.built.exists()


def test_the_project_may_be_a_folder_of_the_repository(origin: Path) -> None:
    commit(origin, "shop", "services/shop/app.txt")
    commit(origin, "shop 2", "services/shop/app.txt")
    base = checked_out(origin / "services" / "shop", "HEAD~1")
    assert (base.root / "app.txt").read_text() == "shop"
    assert base.top != base.root


def test_submodules_come_along(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    commit(library, "library")
    git(origin, "submodule", "add", "-q", str(library), "library")
    commit(origin, "with library")
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (checked_out(origin, "HEAD").root / "library" / "app.txt").read_text() == "library"


def pull_request(origin: Path) -> tuple[str, str]:
    """A branch that left main two commits ago, while main went on; gives where it left and its tip."""
    left = git(origin, "rev-parse", "HEAD")
    git(origin, "checkout", "-qb", "change")
    for number in range(3):
        tip = commit(origin, f"change {number}", "change.txt")
    git(origin, "checkout", "-q", "main")
    for number in range(3):
        commit(origin, f"main {number}")
    return left, tip


def test_the_merge_base_is_found_in_a_shallow_clone(origin: Path, tmp_path: Path) -> None:
    left, _ = pull_request(origin)
    clone = tmp_path / "clone"
    subprocess.check_call(["git", "clone", "-q", "--depth=1", "--branch=change", f"file://{origin}", str(clone)])
    said: list[str] = []
    found = Repository(clone, said.append)
    assert found.merge_base("main") == left
    assert any("shallow" in text for text in said)
    assert (found.checked_out(left).root / "app.txt").read_text() == "one"


def test_a_commit_that_a_shallow_clone_lacks_is_fetched(origin: Path, tmp_path: Path) -> None:
    git(origin, "tag", "v1")
    commit(origin, "two")
    clone = tmp_path / "clone"
    subprocess.check_call(["git", "clone", "-q", "--depth=1", f"file://{origin}", str(clone)])
    assert (checked_out(clone, "v1").root / "app.txt").read_text() == "one"


@pytest.mark.parametrize("asked", ["nonsense", "--upload-pack=touch x", "-x"])
def test_a_base_that_git_does_not_know_is_a_bad_request(origin: Path, asked: str) -> None:
    with pytest.raises(BadRequest, match="git knows no"):
        repository(origin).commit(asked)


def test_without_a_common_commit_the_error_says_what_to_type(origin: Path) -> None:
    git(origin, "checkout", "-q", "--orphan", "other")
    commit(origin, "unrelated")
    with pytest.raises(BadRequest, match="no commit in common.*\n.*unshallow"):
        repository(origin).merge_base("main")


def test_a_folder_outside_git_has_no_base(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no git repository"):
        repository(tmp_path)


@pytest.mark.parametrize(
    ("env", "branch"),
    [({}, ""), ({"GITHUB_BASE_REF": ""}, ""), ({"GITHUB_BASE_REF": "main"}, "main")],
)
def test_ci_tells_where_a_pull_request_wants_to_go(env: dict[str, str], branch: str) -> None:
    assert branch_to_merge_into(env) == branch
