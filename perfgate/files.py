"""Writing a file so that a reader sees the old content or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from perfgate.errors import BadRequest, NotMeasured


def write(path: Path, text: str) -> None:
    """Replace the file's content, making its folder if need be. Raises NotMeasured where the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _as_usual(Path(temporary))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NotMeasured(f"{path}: cannot be written: {error.strerror or error}", hint="free or grant room") from error


OURS = (b'{\n "schema": ', b"<!doctype html>", b"<?xml", b"## ", b"PASSED", b"FAILED", b"NOT ")
"""How the files begin that perfgate writes."""


def clear(path: Path) -> None:
    """Remove the file, if it is there, and see that it can be written again.

    Raises BadRequest where it cannot, and where the file does not look like one that perfgate wrote.
    """
    try:
        if path.exists() and not _is_ours(path):
            raise BadRequest(f"{path}: is there, and not perfgate's", hint="name another place, or remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BadRequest(f"{path}: cannot be written: {error.strerror}", hint="name another place") from error
    if not os.access(path.parent, os.W_OK):
        raise BadRequest(f"{path}: cannot be written: {path.parent} is read-only", hint="name another place")


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(64)
    return not begin or begin.lower().startswith(tuple(word.lower() for word in OURS))


def _as_usual(path: Path) -> None:
    """mkstemp makes files for the owner alone; give this one the permissions that any new file gets."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
