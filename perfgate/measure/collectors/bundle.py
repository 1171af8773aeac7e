"""Sizes of what is shipped: files and folders by glob, as they lie on disk and as they travel."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, NoReturn

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.model import Better, Metric, Noise, Scope, Unit
from perfgate.units import show

RAW = Metric("bundle.raw", Unit.BYTES, Better.LOWER, Noise.EXACT, "Size of an artifact's files on disk.")
GZIP = Metric(
    "bundle.gzip", Unit.BYTES, Better.LOWER, Noise.EXACT, "Size of an artifact's files, each compressed by gzip -9."
)
BROTLI = Metric(
    "bundle.brotli",
    Unit.BYTES,
    Better.LOWER,
    Noise.EXACT,
    "Size of an artifact's files, each compressed by Brotli at quality 11, as a browser receives them.",
)
FILES = Metric("bundle.files", Unit.COUNT, Better.LOWER, Noise.EXACT, "Number of files in an artifact.")

CHUNK = 2**20
GZIP_LEVEL = 9
GZIP_FORMAT = 31  # zlib's name for the largest window inside a gzip header, which then has no time in it
BROTLI_QUALITY = 11
BROTLI_LIMIT = 4 * 2**20
"""Quality 11 takes 1.5 s per megabyte, so what is larger than this is compressed at `BROTLI_QUALITY_ABOVE`."""
BROTLI_QUALITY_ABOVE = 9
MOST_NAMED = 3


class Sizes(NamedTuple):
    """The sizes of one file, in bytes."""

    raw: int
    gzip: int
    brotli: int


class Bundle(Collector):
    """Sizes of the artifacts under `artifacts:`. Each file is compressed on its own, and the results are added up."""

    name = "bundle"
    metrics = (RAW, GZIP, BROTLI, FILES)
    stretch = Stretch.PROJECT

    def finish(self, target: Target) -> Iterator[Reading]:
        """Raise BadRequest for a glob that is none, and NotMeasured for a file that cannot be read."""
        for name, globs in sorted(target.artifacts.items()):
            files = matching(target.root, globs)
            scope = Scope(artifact=name)
            if files:
                yield from _readings(target.root, scope, files)
            else:
                note = f"no file matches {' or '.join(globs)} in {target.root}"
                yield from (Reading(metric, None, scope, note) for metric in self.metrics)


def matching(root: Path, globs: Iterable[str]) -> list[Path]:
    """The files that the globs name, folders with all that is in them, each once and in order of path.

    Symbolic links are not followed: what they name is shipped where it lies.
    """
    found: set[Path] = set()
    for pattern in globs:
        try:
            matches = list(root.glob(pattern))
        except (ValueError, NotImplementedError) as error:
            hint = "write a glob relative to the folder of budgets.yaml, like 'dist/**/*.js'"
            raise BadRequest(f"artifacts: {pattern!r} is not a glob: {error}", hint=hint) from error
        for match in matches:
            found.update(_files(match))
    return sorted(found)


def sizes(path: Path) -> Sizes:
    """The sizes of one file. Raises NotMeasured when it cannot be read."""
    import brotli

    gzip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_FORMAT)
    try:
        with path.open("rb") as file:
            large = os.fstat(file.fileno()).st_size > BROTLI_LIMIT
            compressor = brotli.Compressor(quality=BROTLI_QUALITY_ABOVE if large else BROTLI_QUALITY)
            raw = gzipped = brotlied = 0
            while chunk := file.read(CHUNK):
                raw += len(chunk)
                gzipped += len(gzip.compress(chunk))
                brotlied += len(compressor.process(chunk))
    except OSError as error:
        _refuse(error)
    return Sizes(raw, gzipped + len(gzip.flush()), brotlied + len(compressor.finish()))


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or all regular files below a folder."""
    mode = _mode(path)
    if stat.S_ISREG(mode):
        yield path
    elif stat.S_ISDIR(mode):
        for folder, _, names in os.walk(path, onerror=_refuse):
            yield from (Path(folder, name) for name in names if stat.S_ISREG(_mode(Path(folder, name))))


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    hint = "make it readable for the user that runs perfgate, and build nothing while it measures"
    raise NotMeasured(f"artifacts: cannot read {error.filename}: {error.strerror}", hint=hint) from error


def _readings(root: Path, scope: Scope, files: Sequence[Path]) -> Iterator[Reading]:
    # Both compressors let other threads run meanwhile.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        each = list(pool.map(sizes, files))
    names = [Path(os.path.relpath(path, root)).as_posix() for path in files]
    for metric, own in zip((RAW, GZIP, BROTLI), zip(*each, strict=True), strict=True):
        notes = [_biggest(dict(zip(names, own, strict=True)))]
        if metric is BROTLI:
            notes += _less_compressed(files, each)
        yield Reading(metric, float(sum(own)), scope, "; ".join(notes))
    yield Reading(FILES, float(len(each)), scope)


def _biggest(weights: Mapping[str, int]) -> str:
    """Where to look first: the files that weigh most, in bytes."""
    if len(weights) == 1:
        return f"all of it is {next(iter(weights))}"
    heaviest = sorted(weights, key=lambda name: (-weights[name], name))[:MOST_NAMED]
    return f"biggest files: {', '.join(f'{name} {show(weights[name], Unit.BYTES)}' for name in heaviest)}"


def _less_compressed(files: Sequence[Path], each: Sequence[Sizes]) -> list[str]:
    large = [path.name for path, own in zip(files, each, strict=True) if own.raw > BROTLI_LIMIT]
    limit, quality = BROTLI_LIMIT // 2**20, BROTLI_QUALITY_ABOVE
    return [f"over {limit} MiB and compressed at quality {quality}: {', '.join(large)}"] if large else []


COLLECTOR = Bundle()
