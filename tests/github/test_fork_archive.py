"""Archives that were packed by somebody who means harm."""

from __future__ import annotations

import contextlib
import io
import random
import stat
import struct
import tracemalloc
import zipfile

import pytest

from perfgate.publish.github import archive
from perfgate.publish.github.archive import LARGEST_RESULT, MOST_MEMBERS, Unusable, result_in
from tests.github.forking import packed

RESULT = ("perfgate.json", b'{"schema": 1}')


def info(name: str, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr, entry.compress_type = mode << 16, method
    return entry


def packed_as(entry: zipfile.ZipInfo, content: bytes = RESULT[1]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as opened:
        opened.writestr(entry, content)
    return whole.getvalue()


@pytest.mark.parametrize("name", ["perfgate.json", "result.json", "api-2_x.json"])
def test_the_one_json_file_at_the_top_is_the_result(name: str) -> None:
    others = (("report.html", b"x"), ("logs/result.json", b"x"), ("notes.txt", b"x"))
    assert result_in(packed((name, RESULT[1]), *others)) == RESULT[1]
    assert result_in(packed_as(info(name, stat.S_IFREG | 0o644, zipfile.ZIP_STORED))) == RESULT[1]


@pytest.mark.parametrize(
    "name",
    [
        "../perfgate.json",
        "/perfgate.json",
        "..\\perfgate.json",
        "C:\\perfgate.json",
        "logs/../perfgate.json",
        "./perfgate.json",
        ".json",
        "-\u202enosj.json",
        "perfgate.json/",
        "perfgate.JSON",
        "per\nfgate.json",
        "a" * 200 + ".json",
    ],
)
def test_a_file_that_is_not_plainly_at_the_top_is_none(name: str) -> None:
    with pytest.raises(Unusable, match=r"no \.json file at its top"):
        result_in(packed_as(info(name)))


def test_a_name_that_ends_early_for_some_readers_is_none() -> None:
    whole = packed(("perfgate.json_.html", RESULT[1])).replace(b"json_.html", b"json\x00.html")
    with pytest.raises(Unusable, match=r"no \.json file at its top"):
        result_in(whole)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["perfgate.json", "result.json"])
def test_two_files_that_could_be_meant_are_none(second: str) -> None:
    with pytest.raises(Unusable, match=r"2 \.json files"):
        result_in(packed(RESULT, (second, b"{}")))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_and_anything_else_that_is_no_file_is_refused(kind: int) -> None:
    with pytest.raises(Unusable, match="no plain file"):
        result_in(packed_as(info("perfgate.json", kind | 0o777), b"/etc/passwd"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_no_artifact_has_is_refused(method: int) -> None:
    with pytest.raises(Unusable, match="not used for artifacts"):
        result_in(packed_as(info("perfgate.json", method=method)))


def test_an_encrypted_file_is_refused() -> None:
    whole = bytearray(packed(RESULT))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(signature) + flags] |= 1
    with pytest.raises(Unusable, match="no plain file"):
        result_in(bytes(whole))


@pytest.mark.parametrize(("size", "fits"), [(LARGEST_RESULT, True), (LARGEST_RESULT + 1, False)])
def test_a_result_may_be_as_large_as_it_may_and_not_larger(size: int, fits: bool) -> None:
    whole = packed(("perfgate.json", bytes(size)))
    if fits:
        assert len(result_in(whole)) == size
    else:
        with pytest.raises(Unusable, match="larger than 30 MB"):
            result_in(whole)


@pytest.mark.parametrize("claimed", [13, 0xFFFFFFFE])
def test_a_bomb_is_never_unpacked_whatever_it_says_of_its_size(claimed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_RESULT", 1_000_000)
    whole = bytearray(packed(("perfgate.json", bytes(200_000_000))))
    assert len(whole) < 250_000
    struct.pack_into("<I", whole, whole.index(b"PK\x01\x02") + 24, claimed)
    tracemalloc.start()
    with pytest.raises(Unusable):
        result_in(bytes(whole))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_an_archive_of_very_many_files_is_refused() -> None:
    with pytest.raises(Unusable, match=f"more than {MOST_MEMBERS} files"):
        result_in(packed(RESULT, *((f"{number}.txt", b"") for number in range(MOST_MEMBERS))))


@pytest.mark.parametrize("whole", [b"", b"PK", b"<html>not here</html>", b"PK\x05\x06" + bytes(18), b'{"schema": 1}'])
def test_what_is_no_archive_or_an_empty_one_is_unusable(whole: bytes) -> None:
    with pytest.raises(Unusable):
        result_in(whole)


def test_a_place_in_the_archive_beyond_all_places_is_damage() -> None:
    whole = packed(RESULT)
    start = whole.index(b"PK\x05\x06")
    (size,) = struct.unpack_from("<I", whole, start + 12)
    large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 2**64 - 1)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    with pytest.raises(Unusable, match="damaged"):
        result_in(whole[:start] + large + locator + end)


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_is_unusable_and_never_a_crash(seed: int) -> None:
    chance, whole = random.Random(seed), packed(RESULT, ("report.html", b"<p>"))
    for _ in range(1_000):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with contextlib.suppress(Unusable):
            assert isinstance(result_in(bytes(damaged[: chance.choice((None, chance.randrange(len(damaged))))])), bytes)
