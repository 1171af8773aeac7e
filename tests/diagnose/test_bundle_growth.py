"""Artifacts that became too large: the file that did it, beside a base and without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.bundle_growth import ADVISOR
from perfgate.diagnose.consultation import explained_by
from perfgate.measure.shipped import shipped
from perfgate.model import Finding, Key, Level, Sample, Scope, Side, Status, Unit
from perfgate.profiled import ShippedFile
from tests.diagnose.laboratory import subject_of

WHERE = Scope(artifact="shop")
RED = Finding("bundle.brotli", WHERE, Unit.BYTES, Status.FAIL, Level.FAIL, "it is over the limit", "limit")
APP = ShippedFile("dist/app.js", 8_000, 3_000, 2_500, 3, 300)
FAT = ShippedFile("dist/app.js", 158_000, 117_000, 115_000, 1, 150_000)
CSS = ShippedFile("dist/app.css", 4_000, 1_200, 1_000)


def advice(head: Sequence[ShippedFile], base: Sequence[ShippedFile] | None = None, was: float = 0.0) -> list[Advice]:
    total = float(sum(file.brotli for file in head))
    subject = subject_of(red=[RED], samples=[Sample("bundle.brotli", WHERE, (total,))])
    files = {Side.HEAD: {"shop": tuple(head)}, Side.BASE: {"shop": tuple(base)} if base is not None else {}}
    references = {Key("bundle.brotli", WHERE): was} if was else {}
    return list(ADVISOR.advise(replace(subject, shipped=files, references=references)))


def test_beside_a_base_the_file_that_grew_is_told_with_what_it_was() -> None:
    (found,) = advice([FAT, CSS], [APP, CSS])
    assert found.severity is Severity.HIGH
    assert found.title == "dist/app.js grew by 112 KB: 115 KB of the 116 KB of shop"
    assert found.code == "dist/app.js:1"
    assert any("does not compress" in line for line in found.evidence)
    assert (found.verified[0].before, found.verified[0].after) == (116_000, 3_500)
    assert list(explained_by(found, [RED]))


def test_a_file_that_base_does_not_have_is_new() -> None:
    vendor = ShippedFile("dist/vendor.js", 90_000, 24_000, 20_000, 5, 200)
    (found,) = advice([vendor, APP], [APP])
    assert found.title == "dist/vendor.js is new: 20 KB of the 22.5 KB of shop"
    assert (found.code, found.verified[0].after) == ("dist/vendor.js", 2_500)
    assert "import" in found.remedy


def test_without_a_base_the_one_file_that_can_have_grown_so_much_is_told() -> None:
    (found,) = advice([FAT, CSS], was=3_500)
    assert found.title == "dist/app.js is the heaviest: 115 KB of the 116 KB of shop"
    assert "the whole artifact had 3.50 KB (brotli) when it was accepted" in found.evidence


@pytest.mark.parametrize("base", [[FAT, CSS], [replace(FAT, brotli=200_000), CSS]], ids=["the same", "more"])
def test_files_that_did_not_grow_are_not_told(base: list[ShippedFile]) -> None:
    assert not advice([FAT, CSS], base)


def test_files_are_read_with_their_longest_line_unless_they_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("short\n" + "x" * 500 + "\n", encoding="utf-8")
    (tmp_path / "b.bin").write_bytes(b"\0" * 100)
    first, second = shipped(tmp_path, ["*"])
    assert (first.path, first.raw, first.line, first.line_bytes) == ("a.js", 507, 2, 500)
    assert (second.path, second.raw, second.line, second.line_bytes) == ("b.bin", 100, 0, 0)
    assert first.brotli < first.gzip < first.raw
