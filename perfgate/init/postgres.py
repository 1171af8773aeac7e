"""How a service is told its database: which variables, in which form, and what fills the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from shlex import quote

from perfgate.init.signs import Guess, Signs
from perfgate.init.tree import Tree

URL = "{database_url}"
_SCHEME = re.compile(r"^(postgres(?:ql)?(?:\+\w+)?)://")
_IN_PARTS = "://{database_user}:{database_password}@{database_host}:{database_port}/{database_name}"
_ABOUT = re.compile(r"^(DB|DATABASE|POSTGRES|POSTGRESQL|PG|SQL)(_|HOST|PORT|USER|PASS|DATABASE|$)")
_PARTS = (
    (re.compile(r"(URL|URI|DSN|CONNECTION(_STRING)?)$"), URL),
    (re.compile(r"(HOST|SERVER|HOSTNAME)$"), "{database_host}"),
    (re.compile(r"PORT$"), "{database_port}"),
    (re.compile(r"(USER|USERNAME)$"), "{database_user}"),
    (re.compile(r"(PASS|PASSWORD)$"), "{database_password}"),
    (re.compile(r"(NAME|DB|DATABASE)$"), "{database_name}"),
)
_SCHEMAS = ("schema.sql", "structure.sql", "init.sql", "create.sql", "tables.sql")
_SEEDS = ("seed.sql", "seeds.sql", "data.sql", "sample.sql", "sample_data.sql", "fixtures.sql")
_EXAMPLES = (".env.example", ".env.sample", ".env.dist", ".env.template", "example.env")


def placeholder(name: str) -> str:
    """What a variable of this name is to hold, as far as it is about the database; "" for any other."""
    if not _ABOUT.match(name) and not name.endswith(("DATABASE_URL", "DATABASE_URI", "DATABASE_DSN")):
        return ""
    return next((value for pattern, value in _PARTS if pattern.search(name)), "")


def in_form_of(example: str) -> str:
    """The URL of the database as a driver wants it whose URLs look like `example`."""
    scheme = _SCHEME.match(example)
    return f"{scheme[1]}{_IN_PARTS}" if scheme and "+" in scheme[1] else URL


def filled_in(name: str, value: str, databases: Mapping[str, Mapping[str, str]]) -> str:
    """The value of a variable, which leads to the run's database where it led to one of `databases` (by host)."""
    if _SCHEME.match(value):
        return in_form_of(value)
    if databases and (part := placeholder(name)) and not value.startswith("{"):
        return part
    return "{database_host}" if value in databases else value


def of_examples(tree: Tree) -> Signs:
    """What a file of example settings says of the database; of anything else, it is no more than an example."""
    name = next((name for name in _EXAMPLES if tree.has(name)), "")
    pairs = [line.partition("=") for line in tree.text(name).splitlines() if "=" in line] if name else []
    about = {key.strip().removeprefix("export "): value.strip().strip("\"'") for key, _, value in pairs}
    env = {
        key: Guess(in_form_of(value) if part == URL else part, name)
        for key, value in about.items()
        if (part := placeholder(key)) and not (part == URL and value and not _SCHEME.match(value))
    }
    return Signs(env=env, database=Guess("", name) if env else None)


def of_scripts(tree: Tree) -> Signs:
    """SQL that makes the tables and fills them: files of the usual names, in the folder highest up that has one."""
    schemas = tree.called(*_SCHEMAS)
    if not schemas:
        return Signs()
    first = schemas[0]
    beside = [name for name in tree.called(*_SEEDS) if PurePosixPath(name).parent == PurePosixPath(first).parent]
    return Signs(
        schema=(Guess(first, first),),
        seeds=tuple(Guess(name, name) for name in beside),
        database=Guess("", first),
    )


def migrations(tree: Tree) -> Iterator[Guess]:
    """The tools that make the tables, where their settings are at the top of the project."""
    for file in tree.called("alembic.ini")[:1]:
        folder, command = PurePosixPath(file).parent, "alembic upgrade head"
        yield Guess(command if str(folder) == "." else f"sh -c {quote(f'cd {quote(str(folder))} && {command}')}", file)
    if tree.has("prisma/schema.prisma"):
        yield Guess("npx prisma migrate deploy", "prisma/schema.prisma")


def of_tools(tree: Tree) -> Signs:
    """Migrations of tools that are not part of a framework."""
    return Signs(migrations=tuple(migrations(tree)))
