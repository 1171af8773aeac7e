"""What a compose file says: which of its services is ours, where its Postgres is, and what else it talks to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from perfgate import yamlfile
from perfgate.errors import BadRequest
from perfgate.init import dockerfile
from perfgate.init.postgres import filled_in
from perfgate.init.signs import Guess, Signs, Start
from perfgate.init.tree import Tree

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector|postgresql|paradedb)([:/@-]|$)")
_FOLDER_OF_SCRIPTS = "/docker-entrypoint-initdb.d"
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?(?::?\?[^}]*)?\}|\$(\w+)")


@dataclass(frozen=True)
class _Entry:
    """One service of the file."""

    name: str
    value: Mapping[str, Any]
    where: str

    @property
    def image(self) -> str:
        return str(self.value.get("image") or "")

    @property
    def is_postgres(self) -> bool:
        return "build" not in self.value and _POSTGRES.search(self.image) is not None


def signs(tree: Tree) -> Signs:
    """What the compose file at the top of the project says; a file that cannot be read says that alone."""
    name = next((name for name in NAMES if tree.has(name)), "")
    if not name:
        return Signs()
    try:
        entries = list(_entries(tree, name))
    except BadRequest as error:
        return Signs(remarks=(f"{name} was left out of account: {error.args[0]}",))
    databases = [entry for entry in entries if entry.is_postgres]
    ours = next((entry for entry in entries if "build" in entry.value), None)
    found = _of_service(ours, databases, tree) if ours else Signs()
    scripts = tuple(guess for entry in databases for guess in _scripts(entry, tree))
    image = databases[0].image if databases else ""
    database = Guess(_settled(image), f"{databases[0].where} (image)") if databases else None
    others = [entry for entry in entries if entry is not ours and not entry.is_postgres and _is_needed(entry, ours)]
    remarks = tuple(f"{e.where}: perfgate does not start `{e.name}`; start it before, or do without it" for e in others)
    return replace(found, database=database, scripts=scripts, remarks=(*found.remarks, *remarks))


def _entries(tree: Tree, name: str) -> Iterator[_Entry]:
    document = yamlfile.read(tree.root / name, name)
    services = document.value.get("services") if isinstance(document.value, dict) else None
    for key, value in (services if isinstance(services, dict) else {}).items():
        if isinstance(value, dict):
            below = value.get("<<")
            whole = {**below, **value} if isinstance(below, dict) else value
            yield _Entry(key, whole, document.where(("services", key)))


def _of_service(entry: _Entry, databases: list[_Entry], tree: Tree) -> Signs:
    """What is known of the service that is built here: the compose file's word over its Dockerfile's."""
    build = entry.value["build"]
    asked = build if isinstance(build, dict) else {"context": build}
    context = PurePosixPath(str(asked.get("context") or "."))
    file = str(context / str(asked.get("dockerfile") or "Dockerfile"))
    below = dockerfile.read(tree, file, str(asked.get("target") or ""))
    values = {key: _settled(value) for key, value in _environment(entry.value.get("environment")).items()}
    hosts = {one.name: _environment(one.value.get("environment")) for one in databases}
    env = {key: Guess(filled_in(key, value, hosts), entry.where) for key, value in values.items() if value}
    starts = tuple(replace(start, env={**start.env, **values}, cwd=str(context)) for start in below.starts)
    if command := entry.value.get("command"):
        text = dockerfile.words_in_shell(command) if isinstance(command, list) else str(command)
        workdir = starts[0].workdir if starts else ""
        starts = (Start(text, f"{entry.where} (command)", values, workdir, str(context)),)
    unset = sorted(key for key, value in values.items() if not value)
    remarks = [f"{entry.where}: what {', '.join(unset)} should be is not known here"] if unset else []
    if "env_file" in entry.value:
        remarks.append(f"{entry.where}: its env_file was not read; put what the service needs under service.env")
    health = entry.value.get("healthcheck")
    ready = (
        dockerfile.ready_by(str(health.get("test")), f"{entry.where} (healthcheck)")
        if isinstance(health, dict)
        else None
    )
    return Signs(starts=starts, env={**below.env, **env}, ready=ready or below.ready, remarks=tuple(remarks))


def _environment(value: object) -> dict[str, str]:
    """The variables of a service, written as a mapping or as a list."""
    if isinstance(value, dict):
        return {str(name): "" if text is None else str(text) for name, text in value.items() if name != "<<"}
    pairs = [str(item).partition("=") for item in value] if isinstance(value, list) else []
    return {name: text for name, _, text in pairs}


def _settled(text: str) -> str:
    """The text with its variables replaced by what the file gives for them; "" where one has nothing."""
    missing = [name or bare for name, usual, bare in _VARIABLE.findall(text) if not usual]
    return "" if missing else _VARIABLE.sub(lambda match: match[2] or "", text)


def _scripts(entry: _Entry, tree: Tree) -> Iterator[Guess]:
    """The SQL that the official image runs in an empty database: files that are mounted where it looks for them."""
    volumes = entry.value.get("volumes")
    for volume in volumes if isinstance(volumes, list) else ():
        source, _, target = str(volume).partition(":")
        name = str(PurePosixPath(source))
        if not target.startswith(_FOLDER_OF_SCRIPTS):
            continue
        inside = sorted(file for file in tree.files if file.startswith(f"{name}/") and file.endswith(".sql"))
        yield from (Guess(file, f"{entry.where} (volumes)") for file in ([name] if name.endswith(".sql") else inside))


def _is_needed(entry: _Entry, ours: _Entry | None) -> bool:
    """Whether our service says that it depends on the other one."""
    needs = ours.value.get("depends_on") if ours else None
    return entry.name in needs if isinstance(needs, list | dict) else False
