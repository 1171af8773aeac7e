"""The rooms of the house: who may import whom, and what the command line must not import at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "perfgate"
ROOMS = ("judge", "measure", "diagnose", "publish")
VOCABULARY = {
    "model",
    "advice",
    "examination",
    "profiled",
    "result",
    "units",
    "stats",
    "trend",
    "plan",
    "runfile",
    "errors",
}
PURE = {"model", "advice", "examination", "profiled", "result", "units", "stats", "plan", "errors"}
IMPURE_MODULES = {"os", "io", "time", "datetime", "random", "socket", "subprocess", "pathlib", "tempfile", "shutil"}
LONGEST_MODULE = 400


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_the_vocabulary_and_itself_alone(room: str) -> None:
    strangers = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in modules(room)
        for name in imports(path)
        if name.startswith("perfgate.") and name.split(".")[1] not in {*VOCABULARY, room, "__version__"}
    ]
    assert not strangers


def test_the_vocabulary_imports_no_room() -> None:
    strangers = [
        f"{word} imports {name}"
        for word in VOCABULARY
        for path in [*PACKAGE.glob(f"{word}.py"), *(PACKAGE / word).rglob("*.py")]
        for name in imports(path)
        if name.startswith("perfgate.") and name.split(".")[1] not in VOCABULARY
    ]
    assert not strangers


@pytest.mark.parametrize("path", [*modules("judge"), PACKAGE / "stats.py"], ids=lambda path: path.name)
def test_deciding_needs_no_clock_disk_or_network(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & IMPURE_MODULES


def test_nobody_but_the_load_driver_imports_locust() -> None:
    guilty = {
        path.relative_to(PACKAGE).parts[:2]
        for path in PACKAGE.rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in ("locust", "gevent")
    }
    assert guilty <= {("measure", "load")}


@pytest.mark.parametrize("module", ["perfgate.cli", "perfgate.runner", "perfgate.plugin"])
def test_perfgate_never_loads_locust_into_its_own_process(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('locust', 'gevent')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = ("pydantic", "psycopg", "rich", "jinja2", "yaml", "psutil", "docker")
    code = f"import sys, perfgate.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_what_it_is_for_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= LONGEST_MODULE
