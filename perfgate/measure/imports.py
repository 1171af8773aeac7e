"""Code that both sides would share: an environment that leads to head's code makes base a second head."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ASK = "import sysconfig; print(sysconfig.get_paths()['purelib']); print(sysconfig.get_paths()['platlib'])"
_TIMEOUT_S = 20.0

CODE = ("PYTHONPATH", "NODE_PATH", "RUBYLIB", "PERL5LIB", "CLASSPATH")
"""Variables that say where code is looked for: never in head for base, whether base has such a folder or not."""

_KEPT = re.compile(r"HOME|OLDPWD|TMPDIR|TEMP|TMP|XDG_.*|PG.*|DATABASE_URL")
"""Variables that lead to no code: the user's own places, and databases, which each side is told anyway."""


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


def environment(head: Path, base: Path, folders: list[Path]) -> dict[str, str]:
    """The inherited variables that lead into `head`, led into `base`; `folders` are those of installed packages.

    Search paths for code (`CODE`) always lead into base, PYTHONPATH also to what the packages would import from head.
    Programs (PATH) are looked for in base first, and then where they are in head: base may build an environment of its
    own, or share the one that CI made in head. Anything else leads into base if there is such a path in base when this
    is asked, and stays if not (VIRTUAL_ENV of a shared environment, data that git does not have).
    """
    inherited = {**os.environ, "PATH": search_path()}
    led = {name: _led(name, text, head, base) for name, text in inherited.items() if not _KEPT.fullmatch(name)}
    shared = map(str, redirected(head, base, folders))
    if entries := [text for text in (led.get("PYTHONPATH", ""), *shared) if text]:
        led["PYTHONPATH"] = os.pathsep.join(entries)
    return {name: text for name, text in led.items() if text != inherited.get(name)}


def _led(name: str, text: str, head: Path, base: Path) -> str:
    def replaced(match: re.Match[str]) -> str:
        there = f"{base}{match['below'] or ''}"
        if name == "PATH":
            return f"{there}{os.pathsep}{match[0]}"
        return there if name in CODE or Path(there).exists() else match[0]

    # as a word of its own, since options and URLs hold paths as well
    within = re.compile(rf"(?<![\w.-]){re.escape(str(head))}(?P<below>/[^:;,\s\"']*)?(?=[:;,\s\"']|$)")
    spelt = os.pathsep.join(_spelt(entry, head) for entry in text.split(os.pathsep))
    led = within.sub(replaced, spelt)
    return text if led == spelt else led


def _spelt(entry: str, head: Path) -> str:
    """An entry that leads into head by a link or `..`, in head's own spelling."""
    if not entry.startswith("/") or entry.startswith("//"):  # the rest of a URL
        return entry
    plain = os.path.normpath(entry)
    real = plain if Path(plain).is_relative_to(head) else os.path.realpath(entry)
    return real if Path(real).is_relative_to(head) else entry


def redirected(head: Path, base: Path, folders: list[Path]) -> list[Path]:
    """Folders of `base` that belong in the place of those of `head` that are installed, as editable or as a copy."""
    found = (path for folder in folders for path in (*_lines(folder), *_installed(folder)))
    inside = dict.fromkeys(path.resolve() for path in found)
    return [base / path.relative_to(head) for path in inside if path.is_relative_to(head)]


def _lines(folder: Path) -> Iterator[Path]:
    """The folders that .pth files put on the path."""
    for file in folder.glob("*.pth"):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(os.sep) and Path(line).is_dir():
                yield Path(line)


def _installed(folder: Path) -> Iterator[Path]:
    """The projects that were installed from a folder (PEP 610), with the layouts that either side's may have."""
    for file in folder.glob("*.dist-info/direct_url.json"):
        if project := _project(file):
            yield from (project / "src", project)


def _project(file: Path) -> Path | None:
    """The folder that a package was installed from; None for another source, and where none can be made out."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(told, dict) and isinstance(told.get("dir_info"), dict) and isinstance(told.get("url"), str):
            return Path(unquote(urlsplit(told["url"]).path))
    except (OSError, ValueError):  # some installer's own idea of it
        pass
    return None
