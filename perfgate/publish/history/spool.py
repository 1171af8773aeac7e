"""Runs that wait for the store: one file each, there in whole or not at all, sent in the order they were put in.

A file is a line of JSON about what follows, and the result as `--json` writes it. Whoever sends holds the lock; a file
goes when its run is stored, and a run that is stored twice is stored once, so dying in between does no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfgate import runfile
from perfgate.errors import BadRequest
from perfgate.publish.history.entry import Entry

FORMAT = 1
SUFFIX = ".result"
ASIDE = ".unreadable"
LARGEST = 256 * 2**20
"""No result is larger: what is, is none."""

BEGUN_S = 3600.0
"""Nobody writes one file for longer."""


@dataclass(frozen=True)
class Sent:
    """How many runs were stored and how many files wait; `aside` are those that are no spooled runs, and why."""

    stored: int = 0
    waiting: int = 0
    aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spool:
    """The folder in which runs wait."""

    folder: Path

    def put(self, entry: Entry) -> Path:
        """Keep the run on disk before anything else is tried. Raises OSError where the disk refuses."""
        body = runfile.dump_result(entry.result).encode("utf-8", "surrogatepass")
        head = {
            "spool": FORMAT,
            "sha256": hashlib.sha256(body).hexdigest(),
            "trunk": entry.trunk,
            "accepted": entry.accepted,
            "labels": dict(entry.labels),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{time.time_ns():020d}-{entry.digest.hex()[:12]}{SUFFIX}"
        _write(path, json.dumps(head).encode() + b"\n" + body)
        return path

    def waiting(self) -> list[Path]:
        """The files in order, oldest first."""
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def send(self, store: Callable[[Entry], object]) -> Sent:
        """Hand on what waits, oldest first, until `store` raises; what it took is gone from here.

        Nothing is done where somebody else is sending. A file that is no spooled run is set aside, and named.
        """
        stored, aside = 0, []
        with self._lock() as ours:
            self._tidy()
            for path in self.waiting() if ours else ():
                try:
                    entry = read(path)
                    store(entry)
                except BadRequest as error:
                    aside.append(_set_aside(path, error))
                    continue
                except FileNotFoundError:
                    continue
                path.unlink(missing_ok=True)
                stored += 1
        return Sent(stored, len(self.waiting()), tuple(aside))

    def _tidy(self) -> None:
        """Remove what somebody who was killed had begun to write."""
        for path in self.folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > BEGUN_S:
                    path.unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether it is ours: the kernel gives it back when we die."""
        if not self.folder.exists():
            yield False
            return
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def read(path: Path) -> Entry:
    """A spooled run. Raises BadRequest for what is none, is damaged, or was cut off."""
    if path.is_dir() or path.stat().st_size > LARGEST:
        raise BadRequest(f"{path}: larger than any result, or a folder", hint="remove it")
    line, _, body = path.read_bytes().partition(b"\n")
    head = _head(line, path)
    if hashlib.sha256(body).hexdigest() != head.get("sha256"):
        raise BadRequest(f"{path}: damaged: it is not what was written", hint="remove it")
    labels = head.get("labels")
    result = runfile.load_result(body.decode("utf-8", "surrogatepass"), str(path))
    return Entry(
        result,
        trunk=head.get("trunk") is True,
        accepted=head.get("accepted") is True,
        labels={str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {},
    )


def _head(line: bytes, path: Path) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{path}: not a spooled run: {error}", hint="remove it") from error
    if not isinstance(head, dict) or head.get("spool") != FORMAT:
        raise BadRequest(f"{path}: not a run that this perfgate spooled", hint="send it with a newer one, or remove it")
    return head


def _set_aside(path: Path, error: BadRequest) -> str:
    with contextlib.suppress(OSError):
        path.rename(path.with_suffix(ASIDE))
    return f"{error.args[0]} (kept as {path.with_suffix(ASIDE).name})"


def _write(path: Path, content: bytes) -> None:
    """Write the whole file and see it on disk, or leave nothing."""
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
