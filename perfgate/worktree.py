"""The base: which commit a change is compared with, and its files, checked out beside the work tree."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured

NONE = "none"
"""What `--base` takes for: compare with the stored baselines only."""

RELEASE = "release"
"""What `--base` takes for: the last tag before this commit."""

KEPT = 3
"""Check-outs of one repository that are kept, with what was built in them."""

_FETCH_TIMEOUT_S = 300.0
_DEEPENED = (50, 500, 5000)
"""How many commits further back a shallow clone is asked to look for the merge base, one try after the other."""

BRANCHES_OF_PULL_REQUESTS = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "BITBUCKET_PR_DESTINATION_BRANCH",
)
"""Variables in which CI services name the branch that a pull request wants to go to."""


@dataclass(frozen=True)
class Base:
    """A commit, checked out: `top` is its whole work tree, `root` the folder in it that is the project's.

    `head` is the top of head's own work tree. What was built is remembered in `built`.
    """

    commit: str
    top: Path
    root: Path
    head: Path

    @property
    def built(self) -> Path:
        return self.top.with_suffix(".built")


def branch_to_merge_into(env: Mapping[str, str]) -> str:
    """The branch that the pull request under test wants to go to, as CI services tell it; "" elsewhere."""
    return next((env[name] for name in BRANCHES_OF_PULL_REQUESTS if env.get(name)), "")


class Repository:
    """The git repository around a project's folder, which may be a part of it."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self.root = root
        self._say = say
        if not self._git("rev-parse", "--is-inside-work-tree"):
            raise BadRequest(f"--base: {root} is in no git repository", hint="`--base none` does without")

    def commit(self, asked: str) -> str:
        """The full name of the commit that `asked` stands for: a branch, tag, commit, or "release".

        Fetches what a shallow clone lacks. Raises BadRequest with what to type where it cannot be had.
        """
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
        tip = self._known(f"origin/{branch}") or self._known(branch) or self._fetched(branch)
        if not tip:
            raise BadRequest(
                f"the branch {branch!r} that this change is for cannot be had",
                hint=f"`git fetch origin {branch}`, or `fetch-depth: 0` in CI; `--base none` does without",
            )
        for further in (0, *_DEEPENED):
            if further:
                self._deepen(further, branch)
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
        """The commit's files in a folder of their own, with submodules; one that is there already is used again."""
        folder = self._folder / commit[:16]
        with _locked(self._folder):
            if not self._intact(folder, commit):
                self._remove(folder)
                self._add(folder, commit)
            os.utime(folder)
            self._forget_old(folder)
        return Base(commit, folder, folder / self._git("rev-parse", "--show-prefix"), self._top)

    @property
    def _folder(self) -> Path:
        """Outside the project, where no search upwards for modules or settings finds head's instead of base's."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        top = self._top
        return cache / "perfgate" / "base" / f"{top.name}-{hashlib.sha256(str(top).encode()).hexdigest()[:8]}"

    @property
    def _top(self) -> Path:
        return Path(self._git("rev-parse", "--show-toplevel")).resolve()

    def _intact(self, folder: Path, commit: str) -> bool:
        """Whether the folder is the commit's, and nothing that git watches was changed in it."""
        if not (folder / ".git").exists() or _git(folder, "rev-parse", "HEAD") != commit:
            return False
        return _run(folder, "diff", "--quiet", "HEAD").returncode == 0

    def _add(self, folder: Path, commit: str) -> None:
        done = _run(self.root, "worktree", "add", "--force", "--detach", str(folder), commit)
        if done.returncode != 0:
            raise NotMeasured(f"base {commit[:8]} could not be checked out", hint=done.stderr.strip())
        if (folder / ".gitmodules").is_file():
            filled = _run(folder, "submodule", "update", "--init", "--recursive", "--depth", "1")
            if filled.returncode != 0:
                raise NotMeasured(f"the submodules of base {commit[:8]} could not be had", hint=filled.stderr.strip())

    def _remove(self, folder: Path) -> None:
        folder.with_suffix(".built").unlink(missing_ok=True)
        if folder.exists():
            _run(self.root, "worktree", "remove", "--force", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)
        _run(self.root, "worktree", "prune")

    def _forget_old(self, current: Path) -> None:
        others = [other for other in self._folder.iterdir() if other.is_dir() and other != current]
        for other in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
            # one that was used within the hour may be another run's
            if time.time() - other.stat().st_mtime > 3600:
                self._remove(other)

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
        return "" if name.startswith("-") else self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def _fetched(self, name: str) -> str:
        """The commit after it was fetched from origin; "" where there is no such thing."""
        if name.startswith("-") or not self._fetch("--depth=1", "--no-tags", "origin", name):
            return ""
        return self._git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}")

    def _deepen(self, commits: int, branch: str) -> None:
        self._say(f"this clone is shallow; fetching {commits} commits more to find where the change began")
        self._fetch(f"--deepen={commits}", "--no-tags", "origin", branch)
        self._fetch(f"--deepen={commits}", "--no-tags", "origin")

    def _fetch(self, *arguments: str) -> bool:
        return _run(self.root, "fetch", "--quiet", *arguments).returncode == 0

    def _shallow(self) -> bool:
        return self._git("rev-parse", "--is-shallow-repository") == "true"

    def _git(self, *arguments: str) -> str:
        return _git(self.root, *arguments)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs at once must not check out into the same folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise NotMeasured(f"{folder}: {error.strerror}", hint="set XDG_CACHE_HOME to a folder with room") from error


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_SSH_COMMAND"
    }
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**env, "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(["git"], 1, "", str(error))
