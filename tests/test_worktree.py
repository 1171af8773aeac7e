"""Which commit is the base, and what of it is checked out: real repositories, clones and submodules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.revision import author
from perfgate.worktree import KEPT, Base, Repository, branch_to_merge_into


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


def built(base: Base, *changed: str) -> None:
    """What a successful build leaves in a check-out."""
    for name in ("built.bin", *changed):
        (base.root / name).parent.mkdir(exist_ok=True)
        (base.root / name).write_text("by the build")
    base.record()
    base.built.write_text("request")


def test_a_check_out_is_used_again_with_what_was_built_in_it(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    built(base)
    base.release()
    again = checked_out(origin, "HEAD")
    assert again.top == base.top
    assert (again.root / "built.bin").exists()
    assert again.built.exists()


def test_what_former_runs_left_in_a_check_out_is_gone(origin: Path) -> None:
    commit(origin, "*.log", ".gitignore")
    base = checked_out(origin, "HEAD")
    built(base, "target/library")
    for name in ("cache.db", "ignored.log", "target/more", "uploads/deep/file"):
        (base.root / name).parent.mkdir(parents=True, exist_ok=True)
        (base.root / name).write_text("left over")
    base.release()
    again = checked_out(origin, "HEAD")
    found = {str(path.relative_to(again.root)) for path in again.root.rglob("*")}
    assert found == {".git", ".gitignore", "app.txt", "built.bin", "target", "target/library"}
    assert again.built.exists()


def test_a_build_that_changes_a_tracked_file_is_used_again(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    built(base, "app.txt")
    base.release()
    again = checked_out(origin, "HEAD")
    assert (again.root / "app.txt").read_text() == "by the build"
    assert again.built.exists()


@pytest.mark.parametrize("name", ["app.txt", "built.bin"])
def test_a_check_out_that_was_tampered_with_is_made_anew(origin: Path, name: str) -> None:
    base = checked_out(origin, "HEAD")
    built(base)
    (base.root / name).write_text("tampered")
    base.release()
    again = checked_out(origin, "HEAD")
    assert (again.root / "app.txt").read_text() == "one"
    assert not (again.root / "built.bin").exists()
    assert not again.built.exists()


def test_a_check_out_that_lacks_what_was_built_is_made_anew(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    built(base)
    (base.root / "built.bin").unlink()
    base.release()
    assert not checked_out(origin, "HEAD").built.exists()


def test_a_check_out_that_another_run_uses_is_left_to_it(origin: Path) -> None:
    first = checked_out(origin, "HEAD")
    (first.root / "app.txt").write_text("at work")
    second = checked_out(origin, "HEAD")
    assert second.top != first.top
    assert (second.root / "app.txt").read_text() == "one"
    assert (first.root / "app.txt").read_text() == "at work"
    first.release()
    assert checked_out(origin, "HEAD").top == first.top


def test_old_check_outs_go_unless_a_run_uses_them(origin: Path) -> None:
    commits = [commit(origin, f"number {number}") for number in range(6)]
    used = checked_out(origin, commits[0])
    os.utime(used.top, (1, 1))
    for name in commits[1:]:
        base = checked_out(origin, name)
        base.release()
    kept = {path.name for path in used.top.parent.iterdir() if path.is_dir()}
    assert kept == {name[:16] for name in (used.commit, *commits[-KEPT:])}
    used.release()
    checked_out(origin, commits[-1])
    assert not used.top.exists()


def test_the_project_may_be_a_folder_of_the_repository(origin: Path) -> None:
    commit(origin, "shop", "services/shop/app.txt")
    commit(origin, "shop 2", "services/shop/app.txt")
    base = checked_out(origin / "services" / "shop", "HEAD~1")
    assert (base.root / "app.txt").read_text() == "shop"
    assert base.top != base.root


def test_submodules_come_along(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_submodule(origin, tmp_path / "library")
    (tmp_path / ".gitconfig").write_text('[protocol "file"]\n\tallow = always\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (checked_out(origin, "HEAD").root / "library" / "app.txt").read_text() == "library"


def test_git_is_configured_by_the_environment_but_never_led_elsewhere(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_submodule(origin, tmp_path / "library")
    for name, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "COMMON_DIR", "NAMESPACE", "PREFIX"):
        monkeypatch.setenv(f"GIT_{name}", "/nowhere")
    base = repository(origin).checked_out(repository(origin).commit("HEAD"))
    assert (base.root / "library" / "app.txt").read_text() == "library"


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


def with_submodule(origin: Path, library: Path) -> None:
    library.mkdir()
    git(library, "init", "-q", "-b", "main")
    commit(library, "library")
    git(origin, "submodule", "add", "-q", str(library), "library")
    commit(origin, "with library")


def test_a_check_out_whose_submodules_are_missing_is_never_used(origin: Path, tmp_path: Path, cache: Path) -> None:
    with_submodule(origin, tmp_path / "library")
    (tmp_path / "library").rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(NotMeasured, match="submodules"):
            checked_out(origin, "HEAD")
        assert not list(cache.rglob("app.txt"))


def test_a_check_out_that_was_interrupted_is_made_anew(origin: Path) -> None:
    base = checked_out(origin, "HEAD")
    base.release()
    base.mark.unlink()
    (base.root / "half.txt").write_text("half")
    again = checked_out(origin, "HEAD")
    assert not (again.root / "half.txt").exists()


def test_hooks_of_the_repository_do_not_run_for_base(origin: Path, tmp_path: Path) -> None:
    hook = origin / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    hook.chmod(0o755)
    assert (checked_out(origin, "HEAD").root / "app.txt").read_text() == "one"
    assert not (tmp_path / "ran").exists()


def test_a_complete_clone_stays_complete(origin: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.check_call(["git", "clone", "-q", f"file://{origin}", str(clone)])
    for name in ("two", "three"):
        commit(origin, name)
    git(origin, "tag", "later")
    assert (checked_out(clone, "later").root / "app.txt").read_text() == "three"
    assert git(clone, "rev-parse", "--is-shallow-repository") == "false"


@pytest.mark.parametrize("asked", ["nonsense", "--upload-pack=touch x", "-x", "^main", "a b", ""])
def test_a_base_that_git_does_not_know_is_a_bad_request(origin: Path, asked: str) -> None:
    with pytest.raises(BadRequest, match="git knows no"):
        repository(origin).commit(asked)


@pytest.mark.parametrize("asked", ["+other:victim", "other:victim", "+refs/heads/*:refs/heads/*"])
def test_a_base_that_would_have_a_fetch_write_branches_is_refused(origin: Path, tmp_path: Path, asked: str) -> None:
    clone = tmp_path / "clone"
    subprocess.check_call(["git", "clone", "-q", str(origin), str(clone)])
    git(clone, "branch", "victim")
    git(origin, "checkout", "-qb", "other")
    commit(origin, "other")
    for ask in (repository(clone).commit, repository(clone).merge_base):
        with pytest.raises(BadRequest):
            ask(asked)
    assert git(clone, "for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main\nrefs/heads/victim"
    assert git(clone, "rev-parse", "victim") == git(origin, "rev-parse", "main")


def test_without_a_common_commit_the_error_says_what_to_type(origin: Path) -> None:
    git(origin, "checkout", "-q", "--orphan", "other")
    commit(origin, "unrelated")
    with pytest.raises(BadRequest, match="no commit in common.*\n.*unshallow"):
        repository(origin).merge_base("main")


def test_a_folder_outside_git_has_no_base(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no git repository"):
        repository(tmp_path)


def test_a_repository_without_a_work_tree_has_no_base(origin: Path, tmp_path: Path) -> None:
    subprocess.check_call(["git", "clone", "-q", "--bare", str(origin), str(tmp_path / "bare.git")])
    with pytest.raises(BadRequest, match="no work tree"):
        repository(tmp_path / "bare.git")


def test_a_repository_that_git_refuses_is_told_in_its_own_words(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(BadRequest, match=r"dubious ownership(.|\n)*safe\.directory"):
        repository(origin)


def test_a_relative_cache_folder_is_no_cache_folder(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert checked_out(origin, "HEAD").top.is_relative_to(tmp_path / "home" / ".cache")


@pytest.mark.parametrize(
    ("env", "branch"),
    [({}, ""), ({"GITHUB_BASE_REF": ""}, ""), ({"GITHUB_BASE_REF": "main"}, "main")],
)
def test_ci_tells_where_a_pull_request_wants_to_go(env: dict[str, str], branch: str) -> None:
    assert branch_to_merge_into(env) == branch


def test_a_name_in_another_encoding_is_no_reason_to_fail(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with (tmp_path / ".git/config").open("ab") as config:
        config.write(b"[user]\n\tname = J\xf6rg\n")
    assert author(tmp_path) == "J\N{REPLACEMENT CHARACTER}rg"
