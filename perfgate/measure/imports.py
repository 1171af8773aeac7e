"""Python code that both sides would share: an environment that leads to head's code makes base a second head."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ASK = "import sysconfig; print(sysconfig.get_paths()['purelib']); print(sysconfig.get_paths()['platlib'])"
_TIMEOUT_S = 20.0


def search_path() -> str:
    """Where commands are looked for: beside this interpreter first, as an activated environment would."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def packages() -> list[Path]:
    """The folders that the first `python` of the search path keeps installed packages in."""
    python = shutil.which("python", path=search_path()) or shutil.which("python3", path=search_path())
    if python is None:
        return []
    try:
        done = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [path for text in dict.fromkeys(done.stdout.split("\n")) if text and (path := Path(text)).is_dir()]


def state(folders: list[Path]) -> tuple[tuple[str, int], ...]:
    """What changes when a package is installed into one of the folders, or taken out."""
    entries = (entry for folder in folders for entry in (folder, *folder.glob("*.dist-info")))
    return tuple(sorted((str(entry), entry.stat().st_mtime_ns) for entry in entries if entry.exists()))


def redirected(head: Path, base: Path, folders: list[Path]) -> list[Path]:
    """Folders of `base` that belong in the place of those of `head` that are installed as editable."""
    found = (path for folder in folders for path in (*_lines(folder), *_editable(folder)))
    inside = dict.fromkeys(path.resolve() for path in found)
    return [base / path.relative_to(head) for path in inside if path.is_relative_to(head)]


def _lines(folder: Path) -> Iterator[Path]:
    """The folders that .pth files put on the path."""
    for file in folder.glob("*.pth"):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(os.sep) and Path(line).is_dir():
                yield Path(line)


def _editable(folder: Path) -> Iterator[Path]:
    """The projects that are installed as editable (PEP 610), with the layouts that they may have."""
    for file in folder.glob("*.dist-info/direct_url.json"):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told.get("dir_info", {}).get("editable"):
            project = Path(unquote(urlsplit(told["url"]).path))
            yield from (path for path in (project / "src", project) if path.is_dir())
