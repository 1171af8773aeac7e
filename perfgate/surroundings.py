"""What stands around the rules in `budgets.yaml`: service, database and scenarios, looked at before any is started.

Commands are read here by the very functions that read them when they run, so that what these refuse is told at the
door, with its line.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from perfgate.errors import BadRequest
from perfgate.measure import service as services
from perfgate.measure.database import setup
from perfgate.plan import TESTS, Database, Scenario, Service
from perfgate.yamlfile import Complaints, Place

LONGEST_NAME = 60
_LITERAL_PORT = re.compile(r"(?:port[= ]|-p ?|:)(\d{2,5})\b", re.IGNORECASE)


def with_secrets(database: Database | None, complaints: Complaints) -> Database | None:
    """`url` with `${NAME}` replaced from the environment: the file is in git, and a password must not be."""
    if database is None or "$" not in database.url:
        return database
    filled = os.path.expandvars(database.url)
    for name in re.findall(r"\$\{?(\w+)", filled):
        complaints.add(("database", "url"), f"url: the environment variable {name} is not set")
    return replace(database, url=filled)


def _check_surroundings(entries: BudgetsFile, root: Path, complaints: Complaints) -> None:
    if entries.scenarios and entries.service is None:
        complaints.add(("scenarios",), "scenarios need a `service:` to send their requests to")
    for name, scenario in entries.scenarios.items():
        _check_scenario(name, scenario, root, complaints)
    if entries.database:
        _check_database(entries.database, root, complaints)
    elif entries.service and "{database_" in repr(entries.service):
        complaints.add(("service",), "uses {database_...} but there is no `database:`")


def is_file_name(name: str) -> bool:
    """Whether a scenario may be called so: its baseline is a file of that name, beside the project's own."""
    plain = name.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and not name.startswith("_") and len(name) <= LONGEST_NAME


def _check_scenario(name: str, scenario: Scenario, root: Path, complaints: Complaints) -> None:
    place: Place = ("scenarios", name)
    if not is_file_name(name):
        complaints.add(place, f"{name!r}: a scenario's name names its baseline file: use letters, digits, - and _")
    if name == TESTS:
        complaints.add(place, f"{TESTS!r} is what tests add their samples under: choose another name")
    if (scenario.users is None) == (scenario.rate is None):
        complaints.add(place, f"scenarios.{name}: needs either `users: 8` or `rate: 100/s`")
    if scenario.max_rounds < scenario.rounds:
        complaints.add(
            (*place, "max_rounds"), f"max_rounds is {scenario.max_rounds}: at least rounds, {scenario.rounds}"
        )
    if bool(scenario.master) != bool(scenario.expect_workers):
        complaints.add(place, f"scenarios.{name}: `master: 0.0.0.0:5557` and `expect_workers: 2` go together")
    if not (root / scenario.locustfile).is_file():
        complaints.add((*place, "locustfile"), f"there is no file {scenario.locustfile!r} in {root}")


def _check_database(database: Database, root: Path, complaints: Complaints) -> None:
    if (database.provider == "url") != bool(database.url):
        complaints.add(("database",), "`provider: url` and `url: postgresql://...` go together")
    for index, entry in enumerate(database.setup):
        if entry.endswith(".sql") and not (root / entry).is_file():
            complaints.add(("database", "setup", index), f"there is no file {entry!r} in {root}")


