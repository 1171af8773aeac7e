"""What Python files say, read and never run: the application and how it is served, its variables, and load files."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from shlex import quote
from typing import NamedTuple

from perfgate.init.postgres import URL, in_form_of, placeholder
from perfgate.init.signs import Guess, Signs, Start
from perfgate.init.tree import Tree, dotted

ASGI, WSGI = ("FastAPI", "Starlette", "Litestar", "Quart"), ("Flask",)
DRIVERS = ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000", "aiopg", "psycopg-pool")
_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*")
_READS = ("getenv", "get", "environ", "env", "str", "config", "db_url")


class Application(NamedTuple):
    """An application object: where it is made, of which class, and in which variable or function of its module."""

    file: str
    line: int
    kind: str
    name: str
    is_factory: bool


def dependencies(tree: Tree) -> frozenset[str]:
    """The names of the packages that the project asks for, in lower case with dashes."""
    lines = [line for name in _requirements(tree) for line in tree.text(name).splitlines()]
    try:
        project = tomllib.loads(tree.text("pyproject.toml"))
    except tomllib.TOMLDecodeError:
        project = {}
    lines += [str(entry) for entry in project.get("project", {}).get("dependencies", ())]
    lines += list(project.get("tool", {}).get("poetry", {}).get("dependencies", {}))
    names = (_NAME.match(line.strip()) for line in lines)
    return frozenset(re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name)


def _requirements(tree: Tree) -> list[str]:
    return [file for file in tree.files if re.search(r"(^|/)requirements(/\w+|[\w-]*)\.txt$", file)]


def installs(tree: Tree) -> Iterator[str]:
    """The steps that install what the project needs."""
    if found := tree.called("requirements.txt"):
        yield f"python -m pip install -r {quote(found[0])}"
    elif tree.has("pyproject.toml") and re.search(r"^\[(project|build-system)\]", tree.text("pyproject.toml"), re.M):
        yield "python -m pip install ."


def signs(tree: Tree) -> Signs:
    """What the project's Python says, apart from its routes."""
    needs = dependencies(tree)
    driver = next((name for name in DRIVERS if name in needs), "")
    env = dict(_variables(tree))
    used = next(iter(env.values()), None) or (Guess("", f"{driver} among its packages") if driver else None)
    found = sorted(applications(tree), key=lambda one: (one.is_factory, one.file.count("/"), one.file))
    return Signs(
        starts=tuple(_served(one, needs) for one in found[:1]),
        env=env,
        database=Guess("", used.source) if used else None,
        locustfiles=tuple(_locustfiles(tree)),
        installs=tuple(installs(tree)),
        remarks=_others(found),
    )


def _others(found: list[Application]) -> tuple[str, ...]:
    """What to say where several applications are there, and one was taken."""
    rest = [f"{one.file}:{one.line}" for one in found[1:] if not one.is_factory]
    taken = found[0].file if found else ""
    return (f"{taken} is taken for the service; there are others: {', '.join(rest[:5])}",) if rest else ()


def _served(one: Application, needs: frozenset[str]) -> Start:
    """The command that serves the application."""
    module, where = dotted(one.file), f"{one.file}:{one.line} ({one.kind})"
    inside = "src" if one.file.startswith("src/") else ""
    if one.kind in WSGI:
        folder = f" --chdir {inside}" if inside else ""
        call = f"'{module}:{one.name}()'" if one.is_factory else f"{module}:{one.name}"
        if "gunicorn" in needs:
            return Start(f"gunicorn{folder} {call}", where)
        place = one.file.removesuffix(".py").removesuffix("/__init__")
        return Start(f"flask --app {place} run", where, check="Flask's own server is for developers")
    factory = " --factory" if one.is_factory else ""
    folder = f" --app-dir {inside}" if inside else ""
    given = any(name.startswith(("uvicorn", "fastapi")) for name in needs)
    check = "" if given else "uvicorn is not among the project's packages"
    return Start(f"uvicorn{folder}{factory} {module}:{one.name}", where, check=check)


def applications(tree: Tree) -> Iterator[Application]:
    """The applications that modules hold in a variable, or that functions of theirs return."""
    for file, module in tree.modules.items():
        for node in module.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and (made := _makes(node.value)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name):
                    yield Application(file, node.lineno, made, target.id, False)
            elif isinstance(node, ast.FunctionDef) and _is_factory(node) and (made := _makes(node)):
                yield Application(file, node.lineno, made, node.name, True)


def _is_factory(node: ast.FunctionDef) -> bool:
    """Whether a function can be called without arguments."""
    return len(node.args.args) == len(node.args.defaults) and not node.name.startswith("_")


def _makes(node: ast.AST) -> str:
    """The class of the application that is made somewhere in here; "" for none."""
    calls = (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))
    names = (name_of(call.func) for call in calls)
    return next((name for name in names if name in (*ASGI, *WSGI)), "")


def name_of(node: ast.expr) -> str:
    """The last part of a name: `Flask` for `flask.Flask`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def text_of(node: ast.expr | None) -> str | None:
    """A text that is written out; None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _variables(tree: Tree) -> Iterator[tuple[str, Guess]]:
    """The environment variables about a database that the code reads, and what each should hold."""
    seen: set[str] = set()
    for file, module in tree.modules.items():
        for node in ast.walk(module):
            for name, usual in _read_here(node):
                part = placeholder(name)
                if part and name not in seen:
                    seen.add(name)
                    value = in_form_of(usual) if part == URL else part
                    yield name, Guess(value, f"{file}:{getattr(node, 'lineno', 1)}")


def _read_here(node: ast.AST) -> Iterable[tuple[str, str]]:
    """The variable that is read here, and its default: `os.environ["X"]`, `getenv("X", "…")`, a field of settings."""
    if isinstance(node, ast.Subscript) and name_of(node.value) == "environ":
        name = text_of(node.slice)
        return [(name, "")] if name else []
    if isinstance(node, ast.Call) and name_of(node.func) in _READS and node.args:
        name = text_of(node.args[0])
        usual = text_of(node.args[1]) if len(node.args) > 1 else None
        usual = usual or next((text_of(k.value) for k in node.keywords if k.arg == "default"), None)
        return [(name, usual or "")] if name and name.isupper() else []
    if isinstance(node, ast.Call) and (name_of(node.func), _owner(node.func)) == ("config", "dj_database_url"):
        return [("DATABASE_URL", "")]
    if isinstance(node, ast.ClassDef) and any(name_of(base) == "BaseSettings" for base in node.bases):
        return [
            (field.target.id.upper(), text_of(field.value) or "")
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        ]
    return []


def _owner(node: ast.expr) -> str:
    return name_of(node.value) if isinstance(node, ast.Attribute) else ""


def _locustfiles(tree: Tree) -> Iterator[Guess]:
    """The files that have a Locust user in them."""
    for file, module in tree.modules.items():
        imported = any(
            (isinstance(node, ast.ImportFrom) and node.module == "locust")
            or (isinstance(node, ast.Import) and any(alias.name == "locust" for alias in node.names))
            for node in module.body
        )
        users = [node for node in module.body if isinstance(node, ast.ClassDef) and _is_user(node)]
        if imported and users and not PurePosixPath(file).name.startswith("_"):
            yield Guess(file, f"{file}:{users[0].lineno}")


def _is_user(node: ast.ClassDef) -> bool:
    return any(name_of(base).endswith("User") for base in node.bases)
