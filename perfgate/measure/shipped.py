"""The files of an artifact one by one: what each weighs, and how much of it is one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perfgate.measure.collectors import bundle
from perfgate.profiled import ShippedFile

LARGEST_TEXT = 20 * 2**20
"""Files that are larger than this are not looked into."""


def shipped(root: Path, globs: Sequence[str]) -> tuple[ShippedFile, ...]:
    """All files that the globs name, those that weigh most first. Raises NotMeasured when one cannot be read."""
    found = (_file(root, path) for path in bundle.matching(root, globs))
    return tuple(sorted(found, key=lambda file: file.raw, reverse=True))


def _file(root: Path, path: Path) -> ShippedFile:
    sizes = bundle.sizes(path)
    line, size = _longest_line(path) if sizes.raw <= LARGEST_TEXT else (0, 0)
    return ShippedFile(path.relative_to(root).as_posix(), *sizes, line, size)


def _longest_line(path: Path) -> tuple[int, int]:
    """Its number and its bytes; zeros for what is no text."""
    data = path.read_bytes()
    if not data or b"\0" in data:
        return 0, 0
    lengths = [len(line) for line in data.split(b"\n")]
    longest = max(lengths)
    return lengths.index(longest) + 1, longest
