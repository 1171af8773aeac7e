"""What git says of the project: commit, branch, whether the work tree is clean, and who is asking."""

from __future__ import annotations

import getpass
import subprocess
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Revision:
    """Where the work tree stands; everything is empty outside a git repository."""

    commit: str = ""
    branch: str = ""
    dirty: bool = False


def revision(root: Path) -> Revision:
    """The state of the work tree around `root`. Untracked files count as dirty: they are part of what is measured."""
    commit = git(root, "rev-parse", "HEAD")
    if not commit:
        return Revision()
    branch = git(root, "rev-parse", "--abbrev-ref", "HEAD")
    return Revision(commit, "" if branch == "HEAD" else branch, bool(git(root, "status", "--porcelain", "--", ".")))


def author(root: Path) -> str:
    """Who accepts a baseline: git's user name, else the login name, else "unknown"."""
    name = git(root, "config", "user.name")
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def last_author(root: Path, since: str, file: str) -> str:
    """Who changed a file last after a commit; "" where nobody did who has committed it."""
    return git(root, "log", "-1", "--format=%an", f"{since}..HEAD", "--", file)


def git(root: Path, *arguments: str) -> str:
    """What a git command prints, or "" where git or the repository is not there: nothing hangs on it."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = done.stdout.decode("utf-8", "replace")  # git's names are bytes, in whatever encoding they were made
    return text.strip() if done.returncode == 0 else ""
