"""The result in an archive that anybody may have packed: read in memory, within bounds, never put on a disk."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib

LARGEST_ARCHIVE = 20_000_000
LARGEST_RESULT = 30_000_000
"""Bytes: about three times what ten thousand findings take."""

MOST_MEMBERS = 1000

_RESULT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.json")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
)
"""What reading a damaged archive raises."""


class Unusable(Exception):
    """There is no result to be had, for a `reason` in one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def result_in(archive: bytes) -> bytes:
    """The one `.json` file at the top of the archive. Raises `Unusable` where there is none, more, or a trick."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return _content(opened, _member(opened.infolist()))
    except _BROKEN as error:
        raise Unusable("the archive is damaged") from error


def _member(members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(members) > MOST_MEMBERS:
        raise Unusable(f"the archive has more than {MOST_MEMBERS} files")
    # zipfile cuts names at a NUL, which hides what others see
    results = [one for one in members if _RESULT.fullmatch(one.filename) and one.orig_filename == one.filename]
    if len(results) != 1:
        raise Unusable(f"the archive has {len(results) or 'no'} .json file{'s' if results else ''} at its top, not one")
    return results[0]


def _content(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """What is in the file, as far as it may go: its own word about its length is not taken."""
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or member.flag_bits & _ENCRYPTED:
        raise Unusable("what the archive has is no plain file")
    if member.compress_type not in _METHODS:
        raise Unusable("the archive is packed in a way that is not used for artifacts")
    with opened.open(member) as file:
        content = file.read(LARGEST_RESULT + 1)
    if len(content) > LARGEST_RESULT:
        raise Unusable(f"the result is larger than {LARGEST_RESULT // 1_000_000} MB")
    return content
