"""The data directory of an embedded server: made by initdb once, then copied from a cache.

initdb is nine tenths of a cold start. The cache belongs to one user; an entry is a folder that appears whole (renamed
into place) and is checked against its list of files before it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from perfgate.errors import NotMeasured
from perfgate.measure.database.installation import Installation
from perfgate.measure.ownership import Owner

SUPERUSER = "perfgate"
# C.UTF-8 sorts alike everywhere. Files need not reach the disk: neither does anything written to them later.
OPTIONS = (f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync")
INITDB_TIMEOUT_S = 300.0
KEPT = 4
KEY_LENGTH = 16


@dataclass(frozen=True)
class Account:
    """Who the server runs as: never root, so root hands it to somebody. None means whoever runs perfgate."""

    ids: tuple[int, int] | None

    def give(self, path: Path) -> None:
        if self.ids is not None:
            os.chown(path, *self.ids)


def fill(data: Path, installation: Installation, account: Account, owner: Owner, say: Callable[[str], None]) -> str:
    """Make `data` a data directory, from the cache if it can be; the password of its superuser.

    `data` must not exist, and its parent must belong to `account`.
    """
    entry = _entry(installation)
    password = _restored(entry, data, account, say) if entry is not None else None
    if password is not None:
        return password
    password = _initdb(data, installation, account, owner)
    if entry is not None:
        _keep(data, password, entry, owner)
    return password


def cache() -> Path:
    """Where this user's data directories are kept."""
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = told if told.is_absolute() else Path.home() / ".cache"  # by its specification
    return home / "perfgate" / "postgres"


def environment() -> dict[str, str]:
    """The caller's environment without what steers Postgres, its locale or its messages."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_")) and k not in ("LANG", "LANGUAGE")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _entry(installation: Installation) -> Path | None:
    """The place in the cache for what this installation makes; None where nothing can be kept."""
    size = (installation.programs / "postgres").stat().st_size  # two builds of one version hardly have the same
    made_by = (installation.version, str(size), *OPTIONS)
    key = hashlib.sha256("\0".join(made_by).encode()).hexdigest()[:KEY_LENGTH]
    try:
        folder = cache()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or a read-only one
        return None
    ours = folder.stat().st_uid == os.geteuid()  # what stands in it is run, so it may be nobody else's
    return folder / key if ours and os.access(folder, os.W_OK) else None


def _restored(entry: Path, data: Path, account: Account, say: Callable[[str], None]) -> str | None:
    """Copy the entry; its password, or None when there is no such entry, or one that is not what was kept."""
    if not entry.exists():
        return None
    try:
        password, listed = (entry / "password").read_text(), (entry / "files").read_text()
        _copy(entry / "data", data, account)
    except (OSError, shutil.Error) as error:
        listed, problem = "", str(error)
    else:
        problem = "its files are not those that were kept"
    if listed and listed == _manifest(data, password):
        os.utime(entry)
        return password
    say(f"the cached data directory {entry} cannot be used ({problem}) and is made anew")
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(entry, ignore_errors=True)
    return None


def _initdb(data: Path, installation: Installation, account: Account, owner: Owner) -> str:
    password = secrets.token_urlsafe(24)
    secret, log = data.with_name("password"), data.with_name("initdb.log")
    secret.touch(mode=0o600)
    secret.write_text(password)
    account.give(secret)
    with log.open("wb") as output:
        process = owner.spawn(
            [installation.program("initdb"), f"--pgdata={data}", f"--pwfile={secret}", *OPTIONS],
            env=environment(),
            cwd=data.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=account.ids,
        )
        try:
            code = process.wait(INITDB_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            owner.stop(process)
    secret.unlink()
    if code != 0:
        said = "\n  ".join(log.read_text(errors="replace").splitlines()[-10:])
        raise NotMeasured(f"initdb of {installation.version} failed (exit code {code})", hint=f"it said:\n  {said}")
    return password


def _keep(data: Path, password: str, entry: Path, owner: Owner) -> None:
    """Put a copy of `data` into the cache. Whoever comes second leaves the first one's entry in place."""
    with contextlib.suppress(OSError):  # a full disk, say: the next start makes its own again
        made = owner.folder("template", base=entry.parent) / "entry"
        made.mkdir(mode=0o700)
        _copy(data, made / "data", Account(None))
        (made / "files").write_text(_manifest(made / "data", password))
        (made / "password").touch(mode=0o600)
        (made / "password").write_text(password)
        made.rename(entry)
        _prune(entry.parent)


def _prune(folder: Path) -> None:
    """Keep the entries that were used last: every version has one of its own, of 40 MB."""
    entries = [path for path in folder.iterdir() if len(path.name) == KEY_LENGTH]
    for path in sorted(entries, key=lambda path: -path.stat().st_mtime)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _copy(source: Path, target: Path, account: Account) -> None:
    """Copy a data directory with modes, and give the copy to `account`."""

    def copied(source: str, target: str) -> str:
        shutil.copy(source, target)
        account.give(Path(target))
        return target

    shutil.copytree(source, target, copy_function=copied)
    for folder, _, _ in os.walk(target):
        account.give(Path(folder))


def _manifest(data: Path, password: str) -> str:
    """The password's hash, and every file of the data directory with its size, one a line."""
    paths = (path for path in data.rglob("*") if path.is_file())
    sizes = sorted(f"{path.relative_to(data)} {path.stat().st_size}" for path in paths)
    return "\n".join([hashlib.sha256(password.encode()).hexdigest(), *sizes])
