"""What stands around the rules in `budgets.yaml`: service and database, looked at before any is started.

Commands are read here by the very functions that read them when they run, so that what these refuse is told at the
door, with its line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from perfgate.errors import BadRequest
from perfgate.measure import service as services
from perfgate.plan import Database, Service
from perfgate.yamlfile import Complaints, Place

_LITERAL_PORT = re.compile(r"(?:port[= ]|-p ?|:)(\d{2,5})\b", re.IGNORECASE)


def with_secrets(database: Database | None, complaints: Complaints) -> Database | None:
    """`url` with `${NAME}` replaced from the environment: the file is in git, and a password must not be."""
    if database is None or "$" not in database.url:
        return database
    filled = os.path.expandvars(database.url)
    for name in re.findall(r"\$\{?(\w+)", filled):
        complaints.add(("database", "url"), f"url: the environment variable {name} is not set")
    return replace(database, url=filled)


def check_service(service: Service, complaints: Complaints) -> None:
    """Complain of a service that could not be started, or not beside another one."""
    if service.build:
        _read(service.build, {}, "service.build", ("service", "build"), complaints)
    _read(service.command, services.PLACEHOLDERS, "service.command", ("service", "command"), complaints)
    for key in ("env", "counting_env"):
        for name, value in getattr(service, key).items():
            _check_variable(name, value, ("service", key, name), complaints)
    with _told(("service", "ready"), complaints):
        services.check_ready(service.ready)
    if not services.is_told_port(service):
        complaints.add(("service", "command"), f"service.command: {_portless(service.command)}")


def _portless(command: str) -> str:
    """What to type where the service is not told its port: that of another start would be taken."""
    literal = _LITERAL_PORT.search(command)
    place = f"write {{port}} in place of {literal[1]}" if literal else "write {port} where it takes its port"
    return f'perfgate chooses a free port for each start: {place}, or `PORT: "{{port}}"` under service.env'


def _check_variable(name: str, value: str, place: Place, complaints: Complaints) -> None:
    where = ".".join(map(str, place))
    if not name or "=" in name or "\0" in name + value:
        complaints.add(place, f"{where}: neither the name of a variable nor a NUL byte can be so; write `NAME: value`")
    with _told(place, complaints):
        services.fill(value, dict.fromkeys(services.PLACEHOLDERS, ""), where)


def check_database(database: Database, root: Path, complaints: Complaints) -> None:
    """Complain of a database that could not be had or filled."""
    if (database.provider == "url") != bool(database.url):
        complaints.add(("database",), "`provider: url` and `url: postgresql://...` go together")
    of_database = [name for name in services.PLACEHOLDERS if name.startswith("database_")]
    for index, entry in enumerate(database.setup):
        place: Place = ("database", "setup", index)
        if entry.endswith(".sql") and (root / entry).is_file():
            continue
        words = _read(entry, of_database, "database.setup", place, complaints)
        if len(words) == 1 and entry.endswith(".sql"):
            complaints.add(place, f"there is no file {entry!r} in {root}")
    for index, entry in enumerate(database.prepare):
        _read(entry, services.PLACEHOLDERS, "database.prepare", ("database", "prepare", index), complaints)


def _read(text: str, known: Iterable[str], key: str, place: Place, complaints: Complaints) -> list[str]:
    """The words of a command; none, with a complaint, where it cannot be run."""
    with _told(place, complaints):
        return services.words(text, {name: f"{{{name}}}" for name in known}, key)
    return []


@contextmanager
def _told(place: Place, complaints: Complaints) -> Iterator[None]:
    """Make a BadRequest a complaint about a place of the file."""
    try:
        yield
    except BadRequest as error:
        complaints.add(place, f"{error.args[0]}; {error.hint}")
