"""The files of a history on a git branch: one compressed file a run, and packs of the runs of a month.

A pack holds one run a line and is compressed as a whole: runs of one project are alike, and together take a fraction of
what they take one by one. Beside it stands a list of the runs in it. Whoever may push may put anything on a branch, so
names, sizes and contents are checked before anything is made of them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perfgate import runfile
from perfgate.errors import BadRequest
from perfgate.result import Result

LARGEST_RUN = 64_000_000
"""Bytes of a run's JSON."""
LARGEST_FILE = 10_000_000
"""Bytes of a run's compressed file."""
LARGEST_PACK = 50_000_000
"""Bytes of a compressed pack; GitHub warns from there on, and refuses twice that."""
LARGEST_UNPACKED = 4_000_000_000
"""Bytes of all runs of a pack, which are never in memory at once."""

RUNS, PACKS = "runs/", "packs/"
_LOOSE = re.compile(rf"{RUNS}(\d{{4}}-\d\d)/([0-9a-f]{{64}})\.json\.gz")
_PACK = re.compile(rf"{PACKS}(\d{{4}}-\d\d)\.jsonl\.xz")
_LIST = re.compile(rf"{PACKS}(\d{{4}}-\d\d)\.ids")
_JUDGED = ("verdict", "exit_code", "findings", "advice", "causes")
_CHUNK = 2**20
_MEMORY = 2**27


@dataclass(frozen=True, slots=True)
class Kept:
    """A run as it is kept: its JSON on one line, and the SHA-256 of what was measured, by which it is known."""

    id: str
    text: bytes

    def result(self, name: str) -> Result:
        """Raises BadRequest for what is no result."""
        return runfile.load_result(self.text.decode("utf-8"), name)


def kept(result: Result) -> tuple[str, Kept]:
    """The month of a result, and the result as it is kept. Raises BadRequest where it is too large or of no time."""
    document = json.loads(runfile.dump_result(result))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(text) > LARGEST_RUN:
        raise BadRequest(
            f"the run of {result.run.commit[:8]} has {len(text)} bytes", hint=f"{LARGEST_RUN} are the most"
        )
    try:
        month = datetime.fromisoformat(result.run.started).astimezone(UTC).strftime("%Y-%m")
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"a run started {result.run.started!r}, which is no time", hint="measure again") from error
    return month, Kept(identity(document), text)


def identity(document: Mapping[str, Any]) -> str:
    """What tells a run from all others: the SHA-256 of what was measured, whatever was said of it afterwards."""
    measured = {name: part for name, part in document.items() if name not in _JUDGED}
    return hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()


def path_of(month: str, run: Kept) -> str:
    """Where the run's own file is."""
    return f"{RUNS}{month}/{run.id}.json.gz"


def pack_of(month: str) -> str:
    """Where the month's pack is."""
    return f"{PACKS}{month}.jsonl.xz"


def list_of(month: str) -> str:
    """Where the names of the runs in the month's pack are."""
    return f"{PACKS}{month}.ids"


def loose(path: str) -> tuple[str, str] | None:
    """Month and name of the run whose own file this is; None for any other file."""
    match = _LOOSE.fullmatch(path)
    return (match[1], match[2]) if match else None


def pack_month(path: str) -> str:
    """The month whose pack this is, or ""."""
    match = _PACK.fullmatch(path)
    return match[1] if match else ""


def is_stranger(path: str) -> bool:
    """Whether a file stands where only runs and packs do, and is neither."""
    ours = _LOOSE.fullmatch(path) or _PACK.fullmatch(path) or _LIST.fullmatch(path)
    return path.startswith((RUNS, PACKS)) and not ours


def compressed(run: Kept) -> bytes:
    """The run's own file. The same run makes the same bytes."""
    return gzip.compress(run.text, mtime=0)


def opened(content: bytes, path: str) -> Kept:
    """The run in its own file. Raises BadRequest for a file that is damaged, too large, or not what its name says."""
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(content, LARGEST_RUN)
    except zlib.error as error:
        raise BadRequest(f"{path}: is damaged: {error}") from error
    if not reader.eof:
        raise BadRequest(f"{path}: is damaged, or larger than {LARGEST_RUN} bytes")
    found = _checked(text, path)
    if f"/{found.id}." not in path:
        raise BadRequest(f"{path}: is not the run that its name says")
    return found


def packed(runs: Iterable[Kept]) -> tuple[bytes, list[str]]:
    """The pack of the runs, each of them once, and their names in order."""
    packer = lzma.LZMACompressor(format=lzma.FORMAT_XZ)
    names: dict[str, None] = {}
    parts = []
    for run in runs:
        if run.id not in names:
            names[run.id] = None
            parts.append(packer.compress(run.text + b"\n"))
    parts.append(packer.flush())
    return b"".join(parts), list(names)


def unpacked(content: bytes, path: str) -> Iterator[Kept | BadRequest]:
    """The runs of a pack, one at a time, and what is wrong with a line that is none.

    Raises BadRequest where the pack itself is damaged or too large; what came before it is good.
    """
    for number, line in enumerate(_lines(content, path), start=1):
        try:
            yield _checked(line, f"{path}:{number}")
        except BadRequest as error:
            yield error


def _lines(content: bytes, path: str) -> Iterator[bytes]:
    reader = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MEMORY)
    pending, total = bytearray(), 0
    given = content
    while not reader.eof:
        try:
            part = reader.decompress(given, _CHUNK)
        except lzma.LZMAError as error:
            raise BadRequest(f"{path}: is damaged: {error}") from error
        given = b""
        total += len(part)
        if not part and reader.needs_input:
            raise BadRequest(f"{path}: is damaged: it ends in the middle")
        *whole, rest = part.split(b"\n")
        for line in whole:
            yield bytes(pending) + line
            pending.clear()
        pending += rest
        if len(pending) > LARGEST_RUN or total > LARGEST_UNPACKED:
            raise BadRequest(f"{path}: holds more than may be in a pack")
    if pending:
        raise BadRequest(f"{path}: is damaged: it ends in the middle")


def _checked(text: bytes, name: str) -> Kept:
    """A run whose name is that of its content, whatever version of perfgate wrote it."""
    try:
        document = json.loads(text.decode("utf-8"))  # json would take UTF-16 as well, and halves of characters
        found = identity(document) if isinstance(document, dict) else ""
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{name}: not usable JSON: {error}") from error
    if not found:
        raise BadRequest(f"{name}: is no run")
    return Kept(found, bytes(text).rstrip(b"\n"))
