"""The base: which commit a change is compared with, and its files, checked out beside the work tree."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured

NONE = "none"
"""What `--base` takes for: compare with the stored baselines only."""

RELEASE = "release"
"""What `--base` takes for: the last tag before this commit."""

KEPT = 3
"""Check-outs of one repository that are kept, with what was built in them."""

_FETCH_TIMEOUT_S = 300.0
_ROOM = "set XDG_CACHE_HOME to a folder with room"
_DEEPENED = (50, 500, 5000)
"""How many commits further back a shallow clone is asked to look for the merge base, one try after the other."""

BRANCHES_OF_PULL_REQUESTS = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "BITBUCKET_PR_DESTINATION_BRANCH",
)
"""Variables in which CI services name the branch that a pull request wants to go to."""


_NAME = re.compile(r"[^-+^:\s][^:\s]*")
"""What may name a commit: neither an option, nor a range, nor a refspec, by which a fetch would write branches."""

_REDIRECTING = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "COMMON_DIR"),
        *("NAMESPACE", "PREFIX", "SHALLOW_FILE", "GRAFT_FILE", "IMPLICIT_WORK_TREE", "INTERNAL_SUPER_PREFIX"),
    )
)
"""Variables that lead git to another repository than the folder's: a hook of git's that starts a run has them set."""


class _Hold:
    """The right to a check-out: one run has it at a time, until `release` or the end of this object or process."""

    def __init__(self, descriptor: int) -> None:
        self.release = weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True)
class Base:
    """A commit, checked out: `top` is its whole work tree, `root` the folder in it that is the project's.

    `head` is the top of head's own work tree. What was built is remembered in `built`, and what the check-out held
    then in `mark`. It is this run's alone until `release`, or until this object is gone.
    """

    commit: str
    top: Path
    root: Path
    head: Path
    _hold: _Hold = field(repr=False, compare=False)

    @property
    def built(self) -> Path:
        return self.top.with_suffix(".built")

    @property
    def mark(self) -> Path:
        return _mark(self.top)

    def record(self) -> None:
        """What the check-out holds now is what the next run shall find in it: to be called after a build."""
        _record(self.top, self.commit)

    def release(self) -> None:
        """Leave the check-out to other runs."""
        self._hold.release()


def branch_to_merge_into(env: Mapping[str, str]) -> str:
    """The branch that the pull request under test wants to go to, as CI services tell it; "" elsewhere."""
    return next((env[name] for name in BRANCHES_OF_PULL_REQUESTS if env.get(name)), "")


class Repository:
    """The git repository around a project's folder, which may be a part of it."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self._say = say
        done = _run(root, "rev-parse", "--is-inside-work-tree")
        if done.returncode != 0 and "not a git repository" not in done.stderr:
            raise BadRequest(f"--base: git cannot be asked about {root}", hint=done.stderr.strip())
        if done.stdout.strip() != "true":
            lacking = "is in no git repository" if done.returncode != 0 else "is in a repository that has no work tree"
            raise BadRequest(f"--base: {root} {lacking}", hint="`--base none` does without")

    def commit(self, asked: str) -> str:
        """The full name of the commit that `asked` stands for: a branch, tag, commit, or "release".

        Fetches what a shallow clone lacks. Raises BadRequest with what to type where it cannot be had.
        """
        _check_name(asked)
        if asked == RELEASE and not self._known(asked):
            return self._last_release()
        found = self._known(asked) or self._known(f"origin/{asked}") or self._fetched(asked)
        if not found:
            raise BadRequest(
                f"--base: git knows no {asked!r}", hint=f"`git fetch origin {asked}` gets it, if it exists"
            )
        return found

    def merge_base(self, branch: str) -> str:
        """The commit where this change left `branch`; further history is fetched while it is not there."""
        _check_name(branch)
        ref = f"refs/heads/{branch}"  # in full: a tag of the same name, which anybody may push, would go first
        tip = self._known(f"refs/remotes/origin/{branch}") or self._known(ref) or self._fetched(ref)
        if not tip:
            raise BadRequest(
                f"the branch {branch!r} that this change is for cannot be had",
                hint=f"`git fetch origin {branch}`, or `fetch-depth: 0` in CI; `--base none` does without",
            )
        for further in (0, *_DEEPENED):
            if further:
                self._deepen(further, ref)
            found = self._git("merge-base", "HEAD", tip)
            if found:
                return found
            if not self._shallow():
                break
        raise BadRequest(
            f"this change and {branch!r} have no commit in common that is here",
            hint="`git fetch --unshallow`, or `fetch-depth: 0` where CI checks out; `--base none` does without",
        )

    def checked_out(self, commit: str) -> Base:
        """The commit's files in a folder of their own, with submodules.

        One that is there already is used again, with what was built in it and without what former runs left there,
        unless another run is using it.
        """
        with _locked(self._folder):
            folder, hold = self._free(commit)
            try:
                self._make(folder, commit)
                self._forget_old(folder)
                return Base(commit, folder, folder / self._git("rev-parse", "--show-prefix"), self._top, hold)
            except BaseException:
                hold.release()
                raise

    @property
    def _folder(self) -> Path:
        """Outside the project, where no search upwards for modules or settings finds head's instead of base's."""
        told = Path(os.environ.get("XDG_CACHE_HOME", ""))
        cache = told if told.is_absolute() else Path.home() / ".cache"  # by its specification
        top = self._top
        return cache / "perfgate" / "base" / f"{top.name}-{hashlib.sha256(str(top).encode()).hexdigest()[:8]}"

    @property
    def _top(self) -> Path:
        return Path(self._git("rev-parse", "--show-toplevel")).resolve()

    def _free(self, commit: str) -> tuple[Path, _Hold]:
        """The first check-out of the commit that no other run uses: others would build and write in it meanwhile."""
        for number in itertools.count(1):
            folder = self._folder / (commit[:16] if number == 1 else f"{commit[:16]}-{number}")
            if hold := _hold(folder):
                return folder, hold
        raise AssertionError("there is always another number")

    def _make(self, folder: Path, commit: str) -> None:
        """The folder as it was recorded, or made anew: recorded last, so that a half-made one is never used."""
        if _git(folder, "rev-parse", "HEAD") != commit or not _tidied(folder, commit):
            self._remove(folder)
            try:
                self._add(folder, commit)
            except NotMeasured:
                self._remove(folder)
                raise
            _record(folder, commit)
        os.utime(folder)

    def _add(self, folder: Path, commit: str) -> None:
        done = _run(self.root, "worktree", "add", "--force", "--force", "--detach", str(folder), commit)
        if done.returncode != 0:
            raise NotMeasured(f"base {commit[:8]} could not be checked out", hint=done.stderr.strip())
        if (folder / ".gitmodules").is_file():
            filled = _run(folder, "submodule", "update", "--init", "--recursive", "--depth", "1")
            if filled.returncode != 0:
                raise NotMeasured(f"the submodules of base {commit[:8]} could not be had", hint=filled.stderr.strip())

    def _remove(self, folder: Path) -> None:
        _mark(folder).unlink(missing_ok=True)
        folder.with_suffix(".built").unlink(missing_ok=True)
        if folder.exists():
            _run(self.root, "worktree", "remove", "--force", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)
        _run(self.root, "worktree", "prune")

    def _forget_old(self, current: Path) -> None:
        others = [other for other in self._folder.iterdir() if other.is_dir() and other != current]
        for other in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
            if hold := _hold(other):
                self._remove(other)
                other.with_suffix(".lock").unlink(missing_ok=True)
                hold.release()

    def _last_release(self) -> str:
        tag = self._git("describe", "--tags", "--abbrev=0", "HEAD^") or self._git("describe", "--tags", "--abbrev=0")
        if not tag and self._fetch("--tags"):
            tag = self._git("describe", "--tags", "--abbrev=0")
        if not tag:
            raise BadRequest(
                "--base release: no tag leads to this commit", hint="`git fetch --tags --unshallow` gets them"
            )
        self._say(f"the last release is {tag}")
        return self._known(tag)

    def _known(self, name: str) -> str:
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def _fetched(self, name: str) -> str:
        """The commit after it was fetched from origin; "" where there is no such thing."""
        depth = ["--depth=1"] if self._shallow() else []  # it would make a complete clone shallow
        if not self._fetch(*depth, "--no-tags", "origin", name):
            return ""
        return self._git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}")

    def _deepen(self, commits: int, ref: str) -> None:
        self._say(f"this clone is shallow; fetching {commits} commits more to find where the change began")
        self._fetch(f"--deepen={commits}", "--no-tags", "origin", ref)
        self._fetch(f"--deepen={commits}", "--no-tags", "origin")

    def _fetch(self, *arguments: str) -> bool:
        return _run(self.root, "fetch", "--quiet", *arguments).returncode == 0

    def _shallow(self) -> bool:
        return self._git("rev-parse", "--is-shallow-repository") == "true"

    def _git(self, *arguments: str) -> str:
        return _git(self.root, *arguments)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs at once must not choose the same check-out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise NotMeasured(f"{folder}: {error.strerror}", hint=_ROOM) from error


def _hold(folder: Path) -> _Hold | None:
    """The right to a check-out; None where another run has it. To be called under the lock of all check-outs."""
    descriptor = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return _Hold(descriptor)


def _mark(folder: Path) -> Path:
    return folder.with_suffix(".complete")


def _record(folder: Path, commit: str) -> None:
    try:
        _mark(folder).write_text(json.dumps({"commit": commit, "holds": _listing(folder)}), encoding="utf-8")
    except OSError as error:
        raise NotMeasured(f"{folder}: {error.strerror}", hint=_ROOM) from error


def _tidied(folder: Path, commit: str) -> bool:
    """Whether the check-out holds what was recorded of it. What came to it since then is removed.

    Not only what git watches: a build may change tracked files, and what it made may be changed by a run.
    """
    try:
        kept = json.loads(_mark(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    now, recorded = _listing(folder), kept["holds"]
    if kept["commit"] != commit or any(now.get(name) != seen for name, seen in recorded.items()):
        return False
    for name in sorted(now.keys() - recorded.keys()):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():  # it may have gone with its folder
            path.unlink()
    return True


def _listing(folder: Path) -> dict[str, list[int]]:
    """All files and folders below, by relative path: mode, and of files also bytes and nanoseconds of last change."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = f"{place}/{name}"  # no Path: there may be a hundred thousand
            seen = os.lstat(path)
            what = [] if stat.S_ISDIR(seen.st_mode) else [seen.st_size, seen.st_mtime_ns]
            found[os.path.relpath(path, folder)] = [seen.st_mode, *what]
    return found


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BadRequest(f"--base: git knows no {name!r}", hint="name a branch, a tag or a commit")


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in the folder: without hooks, which are for people's check-outs, without questions, in English."""
    env = {name: value for name, value in os.environ.items() if name not in _REDIRECTING}
    try:
        return subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_FETCH_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**env, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(["git"], 1, "", str(error))
