"""The routes of FastAPI, Starlette and Flask, read from the code: decorators, tables, and routers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from perfgate.init.python import name_of, text_of
from perfgate.init.signs import Endpoint, Signs, example_of
from perfgate.init.tree import Tree, dotted

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
DEEPEST = 6
"""Routers within routers; more is a circle."""

_IN_BRACES = re.compile(r"\{(\w+)(?::(\w+))?\}")
_IN_ANGLES = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")

Name = tuple[str, str]
"""A module and a variable in it."""


@dataclass(frozen=True)
class _Route:
    router: Name
    methods: tuple[str, ...]
    path: str
    numbers: frozenset[str]
    source: str


@dataclass
class _Table:
    """All routes of a project, the routers that they are declared on, and where those are hung."""

    routes: list[_Route] = field(default_factory=list)
    own: dict[Name, str] = field(default_factory=dict)
    replaced: dict[Name, str] = field(default_factory=dict)
    hung: dict[Name, list[tuple[Name, str]]] = field(default_factory=dict)

    def prefixes(self, router: Name, depth: int = DEEPEST) -> list[str]:
        """What stands before the paths of a router, once for each place where it is hung."""
        own = self.replaced.get(router, self.own.get(router, ""))
        above = self.hung.get(router, [])
        if not above or not depth:
            return [own]
        return [f"{lead}{prefix}{own}" for parent, prefix in above for lead in self.prefixes(parent, depth - 1)]


def signs(tree: Tree) -> Signs:
    """The endpoints that the code declares."""
    table = _Table()
    for file, module in tree.modules.items():
        _Reader(file, module, table).read()
    return Signs(endpoints=tuple(_endpoints(table)))


def _endpoints(table: _Table) -> Iterator[Endpoint]:
    for route in table.routes:
        for prefix in table.prefixes(route.router):
            path = re.sub(r"//+", "/", f"/{prefix}{route.path}")
            for method in route.methods:
                yield Endpoint(method, path, route.source, example_of(path, route.numbers))


class _Reader:
    """Reads one module into the table."""

    def __init__(self, file: str, module: ast.Module, table: _Table) -> None:
        self.file, self.module, self.table = file, module, table
        self.name = dotted(file)
        self.imported = dict(self._imports())

    def read(self) -> None:
        for node in ast.walk(self.module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._decorators(node)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                self._router(node, node.value)
            elif isinstance(node, ast.Call) and name_of(node.func) in ("include_router", "register_blueprint"):
                self._hung(node)
        self._tables(self.module, "")

    def _imports(self) -> Iterator[tuple[str, Name]]:
        for node in ast.walk(self.module):
            if isinstance(node, ast.ImportFrom):
                parts = self.name.split(".")
                package = parts if self.file.endswith("__init__.py") else parts[:-1]
                above = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                yield from ((alias.asname or alias.name, (source, alias.name)) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.asname or alias.name, (alias.name, "")) for alias in node.names)

    def _named(self, node: ast.expr) -> Name:
        """Which variable of which module this is: a router of this module, or of one that is imported."""
        if isinstance(node, ast.Attribute):
            source, name = self.imported.get(name_of(node.value), ("", ""))
            return (f"{source}.{name}".strip("."), node.attr)
        name = name_of(node)
        return self.imported.get(name, (self.name, name))

    def _router(self, node: ast.Assign, call: ast.Call) -> None:
        given = {keyword.arg: text_of(keyword.value) for keyword in call.keywords}
        prefix = given.get("prefix") or given.get("url_prefix")
        target = node.targets[0]
        if prefix and isinstance(target, ast.Name) and name_of(call.func) in ("APIRouter", "Blueprint"):
            self.table.own[self.name, target.id] = prefix

    def _hung(self, call: ast.Call) -> None:
        """`app.include_router(users.router, prefix="/u")`; Flask's prefix takes the place of the blueprint's own."""
        if not call.args or not isinstance(call.func, ast.Attribute):
            return
        child, parent = self._named(call.args[0]), self._named(call.func.value)
        given = {keyword.arg: text_of(keyword.value) for keyword in call.keywords}
        if replaced := given.get("url_prefix"):
            self.table.replaced[child] = replaced
        self.table.hung.setdefault(child, []).append((parent, given.get("prefix") or ""))

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for call in node.decorator_list:
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            kind = call.func.attr
            path = text_of(call.args[0]) if call.args else text_of(_keyword(call, "path"))
            if path is None or not (path == "" or path.startswith("/")) or kind not in (*METHODS, "route", "api_route"):
                continue
            methods = (kind.upper(),) if kind in METHODS else _methods(call)
            self._add(self._named(call.func.value), methods, path, node.lineno, _numbers(node))

    def _add(self, router: Name, methods: tuple[str, ...], path: str, line: int, numbers: frozenset[str]) -> None:
        typed = {name for kind, name in _IN_ANGLES.findall(path) if kind == "int"}
        typed |= {name for name, kind in _IN_BRACES.findall(path) if kind == "int"}
        plain = _IN_BRACES.sub(r"{\1}", _IN_ANGLES.sub(r"{\2}", path))
        self.table.routes.append(_Route(router, methods, plain, numbers | typed, f"{self.file}:{line}"))

    def _tables(self, node: ast.AST, prefix: str) -> None:
        """`Route("/x", answer, methods=["POST"])`, within `Mount("/below", routes=[…])` or not."""
        for child in ast.iter_child_nodes(node):
            below = prefix
            if isinstance(child, ast.Call) and name_of(child.func) in ("Route", "Mount") and child.args:
                path = text_of(child.args[0])
                if path is not None and name_of(child.func) == "Mount":
                    below = prefix + path.rstrip("/")
                elif path is not None and path.startswith("/"):
                    self._add((self.name, ""), _methods(child), prefix + path, child.lineno, frozenset())
            self._tables(child, below)


def _methods(call: ast.Call) -> tuple[str, ...]:
    """The methods of a route; GET where it names none."""
    given = _keyword(call, "methods")
    names = [text_of(item) for item in given.elts] if isinstance(given, ast.List | ast.Tuple | ast.Set) else []
    return tuple(name.upper() for name in names if name and name.lower() in METHODS) or ("GET",)


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _numbers(node: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The parameters that are annotated as whole numbers."""
    arguments = [*node.args.args, *node.args.kwonlyargs]
    return frozenset(one.arg for one in arguments if one.annotation is not None and name_of(one.annotation) == "int")
