"""Artifacts are weighed file by file, completely, and never as nothing."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import brotli
import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure.collector import Reading, Target
from perfgate.measure.collectors import bundle
from perfgate.measure.collectors.bundle import COLLECTOR, matching


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small build: two scripts, one in a folder, a style sheet, and links that lead out and around."""
    files = {"dist/app.js": "let a = 1;\n" * 500, "dist/parts/chunk.js": "let b = 2;\n" * 300, "dist/app.css": "a { }"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "outside.js").write_text("x" * 9999)
    (tmp_path / "dist" / "link.js").symlink_to(tmp_path / "outside.js")
    (tmp_path / "dist" / "loop").symlink_to(tmp_path / "dist")
    return tmp_path


def weighed(root: Path, *globs: str) -> dict[str, Reading]:
    return {reading.metric.name: reading for reading in COLLECTOR.finish(Target(root, artifacts={"shop": globs}))}


def test_each_file_is_compressed_on_its_own_and_added_up(root: Path) -> None:
    contents = [(root / "dist/app.js").read_bytes(), (root / "dist/parts/chunk.js").read_bytes()]
    values = {name: reading.value for name, reading in weighed(root, "dist/**/*.js").items()}
    assert values == {
        "bundle.raw": sum(map(len, contents)),
        "bundle.gzip": sum(len(gzip.compress(content, 9, mtime=0)) for content in contents),
        "bundle.brotli": sum(len(brotli.compress(content, quality=11)) for content in contents),
        "bundle.files": 2,
    }


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (["dist"], ["dist/app.css", "dist/app.js", "dist/parts/chunk.js"]),
        (["dist/"], ["dist/app.css", "dist/app.js", "dist/parts/chunk.js"]),
        (["dist/*.js"], ["dist/app.js"]),
        (["dist/app.*", "dist/*.js"], ["dist/app.css", "dist/app.js"]),
        (["dist/*"], ["dist/app.css", "dist/app.js", "dist/parts/chunk.js"]),
        (["dist/link.js", "dist/loop"], []),
        (["../{name}/dist/app.js"], ["dist/app.js"]),
    ],
)
def test_a_glob_names_every_file_once_and_no_link(root: Path, globs: list[str], names: list[str]) -> None:
    found = matching(root, [pattern.format(name=root.name) for pattern in globs])
    assert [path.resolve().relative_to(root).as_posix() for path in found] == names


def test_an_artifact_that_was_not_built_has_no_size_rather_than_none(root: Path) -> None:
    readings = weighed(root, "build/*.js", "dist/*.mjs")
    assert {reading.value for reading in readings.values()} == {None}
    assert len(readings) == 4
    assert readings["bundle.raw"].note == f"no file matches build/*.js or dist/*.mjs in {root}"


def test_an_empty_file_weighs_nothing_raw_and_is_still_a_file(root: Path) -> None:
    (root / "empty.js").touch()
    readings = weighed(root, "empty.js")
    assert readings["bundle.raw"].value == 0
    assert readings["bundle.files"].value == 1


def test_every_reading_carries_the_name_of_its_artifact(root: Path) -> None:
    target = Target(root, artifacts={"styles": ("dist/*.css",), "scripts": ("dist/*.js",)})
    assert [reading.scope.artifact for reading in COLLECTOR.finish(target)] == ["scripts"] * 4 + ["styles"] * 4


def test_a_size_names_the_biggest_files_and_what_they_weigh_in_its_own_measure(root: Path) -> None:
    for name, size in (("tiny.js", 10), ("small.js", 20), ("vendor.js", 40_000)):
        (root / "dist" / name).write_text("v" * size)
    readings = weighed(root, "dist/**/*.js")
    assert readings["bundle.raw"].note == (
        "biggest files: dist/vendor.js 40 KB, dist/app.js 5.50 KB, dist/parts/chunk.js 3.30 KB"
    )
    vendor = len(gzip.compress(b"v" * 40_000, 9, mtime=0))
    assert readings["bundle.gzip"].note.startswith(f"biggest files: dist/vendor.js {vendor} B, ")
    assert readings["bundle.files"].note == ""


def test_a_size_of_one_file_names_it(root: Path) -> None:
    assert weighed(root, f"../{root.name}/dist/app.js")["bundle.raw"].note == "all of it is dist/app.js"


@pytest.mark.parametrize(("limit", "quality"), [(12_000, 11), (11_999, 9)])
def test_a_large_file_is_compressed_faster_and_the_reading_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, limit: int, quality: int
) -> None:
    content = "".join(f"line {number**3 % 991}\n" for number in range(2000)).encode()[:12_000]
    (root / "large.txt").write_bytes(content)
    monkeypatch.setattr(bundle, "BROTLI_LIMIT", limit)
    reading = weighed(root, "large.txt")["bundle.brotli"]
    assert reading.value == len(brotli.compress(content, quality=quality))
    assert ("compressed at quality 9: large.txt" in reading.note) is (quality == 9)


@pytest.mark.parametrize("pattern", ["/etc/*", ""])
def test_a_glob_that_is_none_is_a_bad_request(root: Path, pattern: str) -> None:
    with pytest.raises(BadRequest, match="is not a glob"):
        weighed(root, pattern)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything: for a moment, be somebody who does not."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("locked", ["dist/app.js", "dist"])
def test_what_cannot_be_read_is_not_measured(locked: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "dist").mkdir(mode=0o755)
        (root / "dist/app.js").write_text("let a")
        (root / locked).chmod(0)
        with without_privileges(), pytest.raises(NotMeasured, match=f"cannot read {root / locked}"):
            weighed(root, "dist")
        (root / locked).chmod(0o700)
