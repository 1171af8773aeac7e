"""The history on a git branch: real repositories, many writers at once, and files that somebody else put there."""

from __future__ import annotations

import gzip
import http.server
import json
import lzma
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate import runfile
from perfgate.errors import BadRequest, NotMeasured
from perfgate.publish.history import branch, runfiles
from perfgate.publish.history.branch import BRANCH, compact, pull, push
from perfgate.publish.history.exchange import Exchange
from perfgate.result import Result
from tests.history.runs import entry

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, "-C", str(folder), *arguments], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine's git is set to is no part of the claim, nor is who its user is."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with two commits of code, which leaves file contents out if it is asked to."""
    folder = tmp_path_factory.mktemp("template")
    bare, seed = folder / "remote.git", folder / "seed"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(bare, "config", "uploadpack.allowFilter", "true")
    git(folder, "init", "--quiet", "--initial-branch=main", str(seed))
    for text in ("one", "two"):
        (seed / "code").write_text(text)
        git(seed, "add", "code")
        git(seed, "commit", "--quiet", "--message", text)
    git(seed, "push", "--quiet", str(bare), "main")
    return bare


@pytest.fixture
def remote(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "remote.git")
    return tmp_path / "remote.git"


def clone(remote: Path, name: str, *options: str) -> Path:
    folder = remote.parent / name
    git(remote.parent, "clone", "--quiet", *options, remote.as_uri(), str(folder))
    return folder


@pytest.fixture
def checkout(remote: Path) -> Path:
    return clone(remote, "checkout")


def results(count: int, start: int = 0) -> list[Result]:
    return [entry(number).result for number in range(start, start + count)]


def name_of(result: Result) -> str:
    return runfiles.kept(result)[1].id


def path_of(result: Result) -> str:
    month, run = runfiles.kept(result)
    return runfiles.path_of(month, run)


def files(remote: Path) -> list[str]:
    return git(remote, "ls-tree", "-r", "--name-only", BRANCH).splitlines()


def content_of(remote: Path, path: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(remote), "show", f"{BRANCH}:{path}"], check=True, capture_output=True
    ).stdout


def commits(remote: Path) -> int:
    return int(git(remote, "rev-list", "--count", BRANCH))


def put(checkout: Path, contents: Mapping[str, bytes]) -> None:
    """Somebody pushes files to the branch by hand."""
    work = checkout.parent / "by-hand"
    if not work.exists():
        git(
            checkout.parent,
            "clone",
            "--quiet",
            "--branch",
            BRANCH,
            git(checkout, "remote", "get-url", "origin"),
            work.name,
        )
    git(work, "pull", "--quiet")
    for path, content in contents.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "by hand")
    git(work, "push", "--quiet", "origin", BRANCH)


def same(found: list[Result], expected: list[Result]) -> bool:
    return sorted(map(name_of, found)) == sorted(map(name_of, expected)) and len(found) == len(expected)


def test_what_was_pushed_from_one_clone_is_pulled_in_another(remote: Path, checkout: Path) -> None:
    pushed = push(checkout, results(3))
    assert (pushed.added, pushed.known, pushed.loose) == (3, 0, 3)
    found = list(pull(clone(remote, "other")))
    assert sorted(found, key=lambda result: result.run.commit) == results(3)


def test_the_name_of_a_run_is_the_one_that_the_store_knows_it_by() -> None:
    one = entry(1)
    assert name_of(one.result) == one.digest.hex()
    assert runfiles.identity(json.loads(runfile.dump_result(one.result))) == one.digest.hex()


def test_a_run_is_on_the_branch_once_however_often_it_is_pushed(remote: Path, checkout: Path) -> None:
    push(checkout, [*results(2), *results(2)])
    before = git(remote, "rev-parse", BRANCH)
    again = push(checkout, results(2))
    judged_again = [replace(result, verdict=None) for result in results(2)]
    assert (again.added, again.known) == (0, 2)
    assert push(checkout, judged_again).added == 0
    assert git(remote, "rev-parse", BRANCH) == before
    assert push(checkout, results(3)).added == 1
    assert len(list(pull(checkout))) == 3


def test_nothing_to_push_makes_no_branch(remote: Path, checkout: Path) -> None:
    assert push(checkout, []).added == 0
    assert BRANCH not in git(remote, "for-each-ref")


def test_the_branch_grows_by_commits_and_has_nothing_of_the_code(remote: Path, checkout: Path) -> None:
    push(checkout, results(1))
    first = git(remote, "rev-parse", BRANCH)
    push(checkout, results(1, start=1))
    assert git(remote, "rev-parse", f"{BRANCH}^") == first
    assert sorted(files(remote)) == sorted(["README.md", *(path_of(one) for one in results(2))])
    with pytest.raises(subprocess.CalledProcessError):
        git(remote, "merge-base", BRANCH, "main")


def test_runs_that_are_known_are_not_pulled(checkout: Path) -> None:
    push(checkout, results(4))
    known = {name_of(one) for one in results(3)}
    assert same(list(pull(checkout, since=known)), results(1, start=3))


def state(repository: Path) -> tuple[object, ...]:
    """Everything in a clone that a push must not touch: objects, refs, what is checked out, settings."""
    top = repository / ".git"
    watched = sorted(str(path.relative_to(top)) for path in top.rglob("*"))
    asked = [git(repository, *words) for words in (["for-each-ref"], ["status", "--short"], ["config", "--list"])]
    head = (top / "HEAD").read_text()
    shallow = (top / "shallow").read_text() if (top / "shallow").exists() else ""
    return watched, asked, head, shallow


@pytest.mark.parametrize("options", [(), ("--depth=1",), ("--bare",)], ids=["whole", "shallow", "bare"])
def test_a_clone_is_left_as_it_was(remote: Path, options: tuple[str, ...]) -> None:
    repository = clone(remote, "ci", *options)
    if "--bare" in options:
        (repository / ".git").symlink_to(".", target_is_directory=True)
        before: object = git(repository, "for-each-ref")
    else:
        git(repository, "checkout", "--quiet", "--detach")
        (repository / "code").write_text("being edited")
        before = state(repository)
    push(repository, results(2))
    assert len(list(pull(repository))) == 2
    compact(repository)
    assert (git(repository, "for-each-ref") if "--bare" in options else state(repository)) == before


def test_a_hook_that_has_git_look_elsewhere_does_not_mislead_it(
    remote: Path, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    push(checkout, results(1))
    assert len(list(pull(checkout))) == 1


def test_a_folder_of_the_work_tree_and_a_relative_address_will_do(remote: Path, checkout: Path) -> None:
    below = checkout / "deep" / "down"
    below.mkdir(parents=True)
    git(checkout, "remote", "set-url", "origin", "../remote.git")
    push(below, results(1))
    assert len(list(pull(below))) == 1


def test_a_remote_that_cannot_leave_contents_out_will_do(remote: Path, checkout: Path) -> None:
    git(remote, "config", "uploadpack.allowFilter", "false")
    push(checkout, results(1))
    assert push(checkout, results(2)).added == 1


def test_ten_who_push_at_once_all_get_in(remote: Path) -> None:
    clones = [clone(remote, f"clone{number}") for number in range(10)]
    together = threading.Barrier(10)

    def one(number: int) -> int:
        together.wait()
        return push(clones[number], results(1, start=number)).added

    with ThreadPoolExecutor(10) as pool:
        added = list(pool.map(one, range(10)))
    assert added == [1] * 10
    assert same(list(pull(clones[0])), results(10))
    assert commits(remote) == 10  # none overwrote another


def test_nobody_is_lost_while_somebody_compacts(remote: Path) -> None:
    clones = [clone(remote, f"clone{number}") for number in range(5)]
    push(clones[0], results(5, start=100))
    together = threading.Barrier(5)

    def one(number: int) -> None:
        together.wait()
        for turn in range(3):
            if number == 0:
                compact(clones[0])
            else:
                push(clones[number], results(1, start=number * 10 + turn))

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(5)))
    expected = [*results(5, start=100), *(one for number in range(1, 5) for one in results(3, start=number * 10))]
    assert same(list(pull(clones[0])), expected)


@pytest.mark.parametrize("overtaking", ["push", "compact"])
def test_who_is_overtaken_between_fetching_and_pushing_tries_again(
    overtaking: str, remote: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(checkout, results(2))
    other = clone(remote, "other")
    honest = Exchange.push
    overtaken: list[bool] = []

    def after_somebody_else(self: Exchange, commit: str, *, instead_of: str = "") -> bool:
        if not overtaken:
            overtaken.append(True)
            push(other, results(1, start=7))
            if overtaking == "push":
                compact(other)
        return honest(self, commit, instead_of=instead_of)

    monkeypatch.setattr(Exchange, "push", after_somebody_else)
    if overtaking == "push":
        assert push(checkout, results(1, start=5)).added == 1
        expected = [*results(2), *results(1, start=5), *results(1, start=7)]
    else:
        assert compact(checkout).packed == 3
        expected = [*results(2), *results(1, start=7)]
    assert same(list(pull(checkout)), expected)


def test_a_branch_that_never_stands_still_ends_the_patience(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exchange, "push", lambda self, commit, *, instead_of="": False)
    with pytest.raises(NotMeasured, match="moved on"):
        push(checkout, results(1), patience=0.2)


def test_compacting_loses_nothing_and_leaves_one_commit_and_few_small_files(remote: Path, checkout: Path) -> None:
    of_two_months = [*results(30), *results(30, start=1000)]  # an hour apart
    for begin in range(0, 60, 20):
        push(checkout, of_two_months[begin : begin + 20])
    loose = sum(int(line.split()[3]) for line in git(remote, "ls-tree", "-r", "-l", BRANCH).splitlines())
    found = compact(checkout)
    assert (found.packed, found.broken) == (60, ())
    assert commits(remote) == 1
    assert files(remote) == [
        "README.md",
        "packs/2026-10.ids",
        "packs/2026-10.jsonl.xz",
        "packs/2026-11.ids",
        "packs/2026-11.jsonl.xz",
    ]
    packed = sum(int(line.split()[3]) for line in git(remote, "ls-tree", "-r", "-l", BRANCH).splitlines())
    assert packed < loose / 3
    assert same(list(pull(checkout)), of_two_months)
    known = {name_of(one) for one in results(29)}
    assert len(list(pull(checkout, since=known))) == 31


def test_a_packed_run_is_not_pushed_again_and_new_ones_join_the_pack(remote: Path, checkout: Path) -> None:
    push(checkout, results(3))
    compact(checkout)
    again = push(checkout, results(5))
    assert (again.added, again.known, again.loose) == (2, 3, 2)
    assert compact(checkout).packed == 2
    assert compact(checkout).packed == 0
    assert same(list(pull(checkout)), results(5))


def test_a_run_that_is_in_the_pack_and_beside_it_is_packed_once(remote: Path, checkout: Path) -> None:
    push(checkout, results(2))
    compact(checkout)
    put(checkout, {path_of(results(1)[0]): runfiles.compressed(runfiles.kept(results(1)[0])[1])})
    assert compact(checkout).packed == 1
    assert sorted(git(remote, "show", f"{BRANCH}:packs/2026-10.ids").split()) == sorted(map(name_of, results(2)))
    assert len(lzma.decompress(content_of(remote, "packs/2026-10.jsonl.xz")).splitlines()) == 2


def test_compacting_what_is_compact_pushes_nothing(remote: Path, checkout: Path) -> None:
    push(checkout, results(3))
    compact(checkout)
    before = git(remote, "rev-parse", BRANCH)
    compact(checkout)
    assert git(remote, "rev-parse", BRANCH) == before


def test_many_single_files_ask_to_be_compacted(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch, "MANY_LOOSE", 3)
    assert not push(checkout, results(2)).wants_compacting
    assert push(checkout, results(3)).wants_compacting


def bomb(size: int) -> bytes:
    return gzip.compress(b'{"schema": 1, "run": "' + b" " * size + b'"}')


def wrong_name(result: Result) -> str:
    return path_of(result).replace(name_of(result), "0" * 64)


HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "no gzip": (path_of(results(1, 50)[0]), b"junk", "is damaged"),
    "torn": (path_of(results(1, 51)[0]), runfiles.compressed(runfiles.kept(results(1, 51)[0])[1])[:-20], "is damaged"),
    "another run's": (
        path_of(results(1, 52)[0]),
        runfiles.compressed(runfiles.kept(results(1, 53)[0])[1]),
        "not the run",
    ),
    "no JSON": (wrong_name(results(1, 54)[0]), gzip.compress(b"[" * 100_000), "not usable JSON"),
    "UTF-16": (wrong_name(results(1, 55)[0]), gzip.compress('{"schema": 1}'.encode("utf-16")), "not usable JSON"),
    "half a character": (wrong_name(results(1, 56)[0]), gzip.compress(b'{"a": "\xed\xa0\x80"}'), "not usable JSON"),
    "no result": (
        f"runs/2026-10/{runfiles.identity({'schema': 1})}.json.gz",
        gzip.compress(b'{"schema": 1}'),
        "Field required",
    ),
    "a later schema": (
        f"runs/2026-10/{runfiles.identity({'schema': 9})}.json.gz",
        gzip.compress(b'{"schema": 9}'),
        "schema is 9",
    ),
    "a stranger": ("runs/2026-10/notes.txt", b"hello", "neither a run nor a pack"),
    "a damaged pack": ("packs/2025-01.jsonl.xz", b"\xfd7zXZ\x00junk", "is damaged"),
    "a torn pack": ("packs/2025-02.jsonl.xz", lzma.compress(b'{"schema": 1}\n' * 99)[:-9], "is damaged"),
    "an unended pack": ("packs/2025-04.jsonl.xz", lzma.compress(b'{"schema": 1}\n{"sch'), "ends in the middle"),
    "no run in a pack": ("packs/2025-03.jsonl.xz", lzma.compress(b"[]\n"), "2025-03.jsonl.xz:1: is no run"),
}


def test_every_file_that_is_no_run_is_named_and_the_others_are_read(remote: Path, checkout: Path) -> None:
    push(checkout, results(2))
    put(checkout, {path: content for path, content, _ in HOSTILE.values()})
    told: list[str] = []
    assert same(list(pull(checkout, broken=lambda error: told.append(str(error)))), results(2))
    for path, _, complaint in HOSTILE.values():
        assert [text for text in told if path in text and complaint in text], (path, told)
    assert not [text for text in told if not any(path in text for path, _, _ in HOSTILE.values())]


def test_what_is_broken_is_raised_in_the_end_where_nobody_is_told(remote: Path, checkout: Path) -> None:
    push(checkout, results(2))
    torn = path_of(results(1, 50)[0])
    put(checkout, {torn: b"junk"})
    found: list[Result] = []
    with pytest.raises(BadRequest, match=f"{torn}: is damaged"):
        found.extend(pull(checkout))  # extend keeps what came before
    assert same(found, results(2))


def test_a_damaged_file_survives_compacting_and_so_do_the_runs_around_it(remote: Path, checkout: Path) -> None:
    push(checkout, results(3))
    compact(checkout)
    torn = path_of(results(1, 50)[0])
    put(checkout, {torn: b"junk", "packs/2026-10.jsonl.xz": b"junk"})
    push(checkout, results(2, start=60))
    found = compact(checkout)
    assert found.packed == 0
    assert len(found.broken) == 2
    assert torn in files(remote)
    assert same(list(pull(checkout, broken=lambda error: None)), results(2, start=60))


def test_files_beyond_the_limits_are_not_unpacked(
    remote: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(checkout, results(1))
    path = path_of(results(1, 50)[0])
    put(checkout, {path: bomb(5_000_000), "packs/2025-01.jsonl.xz": lzma.compress(b" " * 9_000_000 + b"\n")})
    monkeypatch.setattr(runfiles, "LARGEST_RUN", 1_000_000)
    told: list[str] = []
    assert len(list(pull(checkout, broken=lambda error: told.append(str(error))))) == 1
    assert sorted(told)[0].startswith("packs/2025-01.jsonl.xz: holds more")
    assert "larger than 1000000 bytes" in sorted(told)[1]
    monkeypatch.setattr(runfiles, "LARGEST_FILE", 1_000)
    told.clear()
    list(pull(checkout, broken=lambda error: told.append(str(error))))
    assert any("is no file, or larger than 1000 bytes" in text for text in told)


def test_a_link_on_the_branch_is_not_followed(remote: Path, checkout: Path) -> None:
    push(checkout, results(1))
    put(checkout, {"other": b""})
    work = remote.parent / "by-hand"
    path = path_of(results(1, 50)[0])
    (work / path).symlink_to("/etc/passwd")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "a link")
    git(work, "push", "--quiet", "origin", BRANCH)
    told: list[str] = []
    assert len(list(pull(checkout, broken=lambda error: told.append(str(error))))) == 1
    assert told[0].startswith(f"{path}: is no file")


def test_a_run_that_is_too_large_is_refused_before_anything_is_pushed(
    remote: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runfiles, "LARGEST_RUN", 1_000)
    with pytest.raises(BadRequest, match="bytes"):
        push(checkout, results(1))
    assert BRANCH not in git(remote, "for-each-ref")


@pytest.mark.parametrize("name", ["-x", "a b", "a..b", "a:b", "+a", "", "a.lock", "/a"])
def test_a_name_that_no_branch_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="cannot be the name of a branch"):
        push(tmp_path, results(1), branch=name)


def test_what_is_not_there_is_told_with_what_to_do(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no branch 'perfgate-history'"):
        list(pull(checkout))
    with pytest.raises(BadRequest, match="no branch"):
        compact(checkout)
    with pytest.raises(BadRequest, match="no remote '--upload-pack=evil'"):
        push(checkout, results(1), remote="--upload-pack=evil")
    outside = tmp_path / "outside"
    outside.mkdir()
    with pytest.raises(BadRequest, match="is in no git repository"):
        push(outside, results(1))


def test_a_remote_that_refuses_is_quoted(remote: Path, checkout: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this branch is frozen'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(NotMeasured, match="cannot be pushed") as refused:
        push(checkout, results(1))
    assert "this branch is frozen" in refused.value.hint


def test_a_password_in_what_the_remote_says_is_not_told(remote: Path, checkout: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'ask https://ada:hunter22@example.org/'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(NotMeasured, match=r"https://\*\*\*@example.org") as refused:
        push(checkout, results(1))
    assert "hunter22" not in str(refused.value)


@pytest.fixture
def headers() -> Iterator[tuple[int, list[str]]]:
    """A web server that is no git, and keeps what it was sent as Authorization."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_error(404)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("included", [False, True], ids=["in its own settings", "in a file that they include"])
def test_the_token_that_ci_left_with_the_checkout_is_used(
    included: bool, headers: tuple[int, list[str]], checkout: Path, tmp_path: Path
) -> None:
    port, seen = headers
    git(checkout, "remote", "set-url", "origin", f"http://127.0.0.1:{port}/x.git")
    file = tmp_path / "credentials"
    place = ("--file", str(file)) if included else ("--local",)
    git(checkout, "config", *place, f"http.http://127.0.0.1:{port}/.extraheader", "AUTHORIZATION: basic dG9rZW4=")
    if included:
        git(checkout, "config", "--local", f"includeIf.gitdir:{checkout}/.git.path", str(file))
    with pytest.raises(NotMeasured):
        push(checkout, results(1))
    assert seen
    assert set(seen) == {"basic dG9rZW4="}
