"""The files of a project, as far as they are its own: read once, and bounded."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

MOST_FILES = 20_000
MOST_BYTES = 1_000_000
DEPTH = 8
_NOT_OURS = frozenset(
    ("node_modules", "venv", "env", "site-packages", "__pycache__", "vendor", "tests", "test", "spec", "docs")
)
"""Folders whose files say nothing of how the service runs."""


@dataclass(frozen=True)
class Tree:
    """A project's folder. Names are relative to it, with slashes."""

    root: Path

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All files, those higher up first; hidden folders and those of packages and tests are left out."""
        found = sorted(self._walked(), key=lambda name: (name.count("/"), name))
        return tuple(found[:MOST_FILES])

    def _walked(self) -> Iterator[str]:
        seen = 0
        for folder, folders, names in os.walk(self.root):
            place = PurePosixPath(Path(folder).relative_to(self.root).as_posix())
            folders[:] = sorted(name for name in folders if _is_ours(name)) if len(place.parts) < DEPTH else []
            for name in filter(str.isprintable, names):
                seen += 1
                yield str(place / name)
            if seen > MOST_FILES:
                return

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def text(self, name: str) -> str:
        """What the file says; "" where it is not there, not text, or too large to be written by hand."""
        path = self.root / name
        try:
            # a pipe or a device would never end
            usable = path.is_file() and path.stat().st_size <= MOST_BYTES
            return path.read_text(encoding="utf-8") if usable else ""
        except (OSError, ValueError):
            return ""

    def called(self, *names: str) -> list[str]:
        """The files of these names, wherever they are, those higher up first."""
        return [file for file in self.files if PurePosixPath(file).name in names]

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """The Python files that can be read, as trees."""
        found = {}
        for name in self.files:
            if name.endswith(".py") and not PurePosixPath(name).name.startswith(("test_", "conftest")):
                try:
                    found[name] = ast.parse(self.text(name))
                except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last is for too deep an expression
                    continue
        return found


def _is_ours(name: str) -> bool:
    return (
        name.isprintable()
        and name not in _NOT_OURS
        and not name.startswith((".", "_perfgate"))
        and not name.endswith(".egg-info")
    )


def dotted(name: str) -> str:
    """A Python file's module: `app.main` for `app/main.py` and for `src/app/main.py`."""
    path = PurePosixPath(name).with_suffix("")
    parts = path.parts[:-1] if path.name == "__init__" else path.parts
    return ".".join(parts[1:] if parts[:1] == ("src",) else parts)
