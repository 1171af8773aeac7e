"""What `package.json` and the JavaScript beside it say: how the service starts, what it answers, what is built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from perfgate.init.postgres import URL, placeholder
from perfgate.init.signs import Endpoint, Guess, Signs, Start, example_of
from perfgate.init.tree import Tree

_DRIVERS = ("pg", "postgres", "pg-promise", "@prisma/client", "typeorm", "sequelize", "knex", "drizzle-orm")
_VARIABLE = re.compile(r"""process\.env(?:\.(\w+)|\[['"](\w+)['"]\])""")
_ROUTE = re.compile(r"""\.(get|post|put|patch|delete)\(\s*(['"`])(/[^'"`$]*)\2\s*,""")
_COMPARED = re.compile(r"""(?:url|pathname|path)\s*={2,3}\s*(['"`])(/[^'"`$?]*)\1""")
_PARAMETER = re.compile(r":(\w+)")
_FOLDERS = (("vite", "dist"), ("react-scripts", "build"), ("@angular/cli", "dist"))
_SOURCES = (".js", ".mjs", ".cjs", ".ts")
_FRONT_ENDS = ("package.json", "frontend/package.json", "web/package.json", "client/package.json", "ui/package.json")


def signs(tree: Tree) -> Signs:
    """What the package at the top says of a service, and the first one that builds a front end says of that."""
    package = _package(tree, "package.json")
    start = _start(package, tree)
    sources = dict(_sources(tree)) if package else {}
    env = dict(_variables(sources))
    needs = {**_mapping(package, "dependencies"), **_mapping(package, "devDependencies")}
    driver = next((name for name in _DRIVERS if name in needs), "")
    migrate = next((key for key in ("migrate", "db:migrate") if key in _mapping(package, "scripts")), "")
    return Signs(
        starts=(start,) if start else (),
        env=env,
        database=Guess("", f"package.json ({driver})") if driver else None,
        migrations=(Guess(f"npm run {migrate}", f"package.json (scripts.{migrate})"),) if migrate else (),
        endpoints=tuple(_endpoints(sources)) if start else (),
        installs=("npm ci",) if package and tree.has("package-lock.json") else ("npm install",) if package else (),
        artifacts=dict(_artifacts(tree)),
    )


def _package(tree: Tree, name: str) -> Mapping[str, Any]:
    try:
        value = json.loads(tree.text(name) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _mapping(package: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """The texts of a part of the package; anything else that stands there is a mistake of its owner's."""
    value = package.get(key)
    return {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _start(package: Mapping[str, Any], tree: Tree) -> Start | None:
    """`scripts.start` as it stands, without npm around it; `main` where there is none and it opens a port."""
    if script := _mapping(package, "scripts").get("start", "").strip():
        own = script.isprintable() and PurePosixPath(script.split()[0]).name in (
            "node",
            "deno",
            "bun",
            "tsx",
            "ts-node",
        )
        return Start(script if own else "npm start", "package.json (scripts.start)")
    main = str(package.get("main") or "")
    main = main if tree.has(main) else next((n for n in ("server.js", "index.js", "app.js") if tree.has(n)), "")
    if package and main and ".listen(" in tree.text(main):
        return Start(f"node {main}", main)
    return None


def _sources(tree: Tree) -> Iterator[tuple[str, str]]:
    for name in tree.files:
        if name.endswith(_SOURCES) and not name.startswith(("dist/", "build/", "public/", "static/")):
            yield name, tree.text(name)


def _lines(sources: Mapping[str, str], pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for name, text in sources.items():
        for match in pattern.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match


def _variables(sources: Mapping[str, str]) -> Iterator[tuple[str, Guess]]:
    """The variables about a database, and the one that says where to listen."""
    seen: set[str] = set()
    for where, match in _lines(sources, _VARIABLE):
        name = match[1] or match[2]
        value = "{port}" if name == "PORT" else placeholder(name)
        if value and name not in seen:
            seen.add(name)
            yield name, Guess(URL if value == URL else value, where)


def _endpoints(sources: Mapping[str, str]) -> Iterator[Endpoint]:
    """The routes of Express and its like, and the paths that a plain server compares its URL with."""
    for where, match in _lines(sources, _ROUTE):
        path = _PARAMETER.sub(r"{\1}", match[3])
        yield Endpoint(match[1].upper(), path, where, example_of(path, ()))
    for where, match in _lines(sources, _COMPARED):
        yield Endpoint("GET", match[2], where, match[2])


def _artifacts(tree: Tree) -> Iterator[tuple[str, Guess]]:
    """What a front end is built into, where it was built, or can be."""
    for name in _FRONT_ENDS:
        package = _package(tree, name)
        needs = {**_mapping(package, "dependencies"), **_mapping(package, "devDependencies")}
        folder = next((folder for tool, folder in _FOLDERS if tool in needs), "")
        if folder and "build" in _mapping(package, "scripts"):
            place = PurePosixPath(name).parent
            yield "frontend", Guess(str(place / folder), f"{name} (scripts.build)")
            return
