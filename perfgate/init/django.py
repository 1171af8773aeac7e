"""What a Django project says: how it is served, its migrations and what fills its tables, and its addresses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from perfgate.init.python import dependencies, name_of, text_of
from perfgate.init.signs import Endpoint, Guess, Signs, Start, example_of
from perfgate.init.tree import Tree, dotted

DEEPEST = 6
FILLING = ("fill", "seed", "seed_db", "seed_data", "populate", "populate_db", "load_demo", "demo_data", "create_demo")
"""Names of commands that fill tables, in projects that have one."""

_CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")


def signs(tree: Tree) -> Signs:
    """What `manage.py`, settings and `urls.py` say; nothing where there is no `manage.py`."""
    manage = next((name for name in tree.called("manage.py") if "django" in tree.text(name)), "")
    if not manage:
        return Signs()
    cwd = str(PurePosixPath(manage).parent)
    lead = "" if cwd == "." else f"{cwd}/"
    return Signs(
        starts=(_start(tree, cwd, lead),),
        migrations=(Guess(f"python {manage} migrate", manage),),
        seeds=tuple(_fillers(tree, manage)),
        endpoints=tuple(_endpoints(tree, lead)),
        env=_found_settings(tree, lead),
    )


def _found_settings(tree: Tree, lead: str) -> dict[str, Guess]:
    """The settings module for a server that is not started through `manage.py`, where the code has no default."""
    wsgi = next((name for name in tree.called("wsgi.py", "asgi.py") if name.startswith(lead)), "")
    if not wsgi or "DJANGO_SETTINGS_MODULE" in tree.text(wsgi):
        return {}
    found = re.search(r"DJANGO_SETTINGS_MODULE\W+([\w.]+)", tree.text(f"{lead}manage.py"))
    return {"DJANGO_SETTINGS_MODULE": Guess(found[1], f"{lead}manage.py")} if found else {}


def _start(tree: Tree, cwd: str, lead: str) -> Start:
    """gunicorn or uvicorn where the project asks for one of them, else Django's own server."""
    needs = dependencies(tree)
    wsgi = next((name for name in tree.called("wsgi.py") if name.startswith(lead)), "")
    asgi = next((name for name in tree.called("asgi.py") if name.startswith(lead)), "")
    if wsgi and "gunicorn" in needs:
        # processes forked from one that is loaded have the same things in memory: counts do not depend on who answers
        return Start(f"gunicorn --preload {dotted(wsgi.removeprefix(lead))}", wsgi, cwd=cwd)
    if asgi and "uvicorn" in needs:
        return Start(f"uvicorn {dotted(asgi.removeprefix(lead))}:application", asgi, cwd=cwd)
    slow = "Django's own server is for developers; ask for gunicorn, and it is taken"
    return Start("python manage.py runserver --noreload", f"{lead}manage.py", cwd=cwd, check=slow)


def _fillers(tree: Tree, manage: str) -> Iterator[Guess]:
    for name in FILLING:
        for file in tree.called(f"{name}.py"):
            if file.endswith(f"management/commands/{name}.py"):
                yield Guess(f"python {manage} {name}", file, "it should make the same rows every time")


def _endpoints(tree: Tree, lead: str) -> Iterator[Endpoint]:
    """The addresses of the root's `urlpatterns`, and of those that it includes and that are the project's own."""
    by_module = {dotted(name.removeprefix(lead)): name for name in tree.modules if name.startswith(lead)}
    root = next((found for name in by_module.values() if (found := _setting(tree.modules[name], "ROOT_URLCONF"))), "")
    if root in by_module:
        yield from _addresses(tree, by_module, root, "/", DEEPEST)


def _setting(module: ast.Module, name: str) -> str:
    for node in module.body:
        if isinstance(node, ast.Assign) and name_of(node.targets[0]) == name:
            return text_of(node.value) or ""
    return ""


def _addresses(tree: Tree, known: dict[str, str], module: str, prefix: str, depth: int) -> Iterator[Endpoint]:
    file = known[module]
    for call in ast.walk(tree.modules[file]):
        if not isinstance(call, ast.Call) or name_of(call.func) not in ("path", "re_path") or len(call.args) < 2:
            continue
        written = text_of(call.args[0])
        if written is None:
            continue
        path, numbers = _plain(written, is_pattern=name_of(call.func) == "re_path")
        inside = _included(call.args[1])
        if inside is None:
            whole = f"{prefix}{path}"
            yield Endpoint("GET", whole, f"{file}:{call.lineno}", example_of(whole, numbers))
        elif inside in known and depth:
            yield from _addresses(tree, known, inside, f"{prefix}{path}", depth - 1)


def _plain(written: str, *, is_pattern: bool) -> tuple[str, frozenset[str]]:
    """A path with `{name}` for its parameters, and those of them that are numbers."""
    if is_pattern:
        numbers = {name for name in _GROUP.findall(written) if re.search(rf"<{name}>(\\d|\[0-9\])\+", written)}
        return _GROUP.sub(r"{\1}", written).strip("^$").replace("/?", "/"), frozenset(numbers)
    numbers = {name for kind, name in _CONVERTER.findall(written) if kind == "int"}
    return _CONVERTER.sub(r"{\2}", written), frozenset(numbers)


def _included(view: ast.expr) -> str | None:
    """The module that `include("shop.urls")` names; "" for one that is not named so; None for a view."""
    if isinstance(view, ast.Attribute) and view.attr == "urls":  # admin.site.urls
        return ""
    if not isinstance(view, ast.Call) or name_of(view.func) != "include":
        return None
    first = view.args[0] if view.args else None
    if isinstance(first, ast.Tuple) and first.elts:
        first = first.elts[0]
    return text_of(first) or ""
