"""Results as files: reading what somebody names, and keeping what was found."""

from __future__ import annotations

from pathlib import Path

from perfgate import files, runfile
from perfgate.errors import BadRequest
from perfgate.result import Result


def read(path: Path) -> Result:
    """The result in a file. Raises BadRequest where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadRequest(f"{path}: there is no such file", hint="`perfgate run --json FILE` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: cannot be read: {error}", hint="`perfgate run --json FILE` writes one") from error
    return runfile.load_result(text, str(path))


def save(result: Result, *paths: Path | None) -> None:
    """Write the result to every path that is given. Raises NotMeasured where the disk refuses."""
    wanted = [path for path in paths if path is not None]
    text = runfile.dump_result(result) if wanted else ""
    for path in wanted:
        files.write(path, text)
