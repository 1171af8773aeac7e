"""What perfgate would ask of a project: its signs, weighed and put into the words of `budgets.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from perfgate.errors import BadRequest
from perfgate.init import compose, django, dockerfile, node, postgres, python, routes
from perfgate.init.commands import Hosted, hosted
from perfgate.init.postgres import URL
from perfgate.init.signs import Endpoint, Guess, Signs, Start, merged
from perfgate.init.tree import Tree
from perfgate.plan import Database, Service
from perfgate.redaction import secrets_of
from perfgate.yamlfile import Place

LOAD = "load/visit.py"
SCENARIO = "visit"
MOST_SCENARIOS = 3

_READERS = (
    dockerfile.of_procfile,
    compose.signs,
    dockerfile.signs,
    node.signs,
    django.signs,
    python.signs,
    routes.signs,
    postgres.of_tools,
    postgres.of_scripts,
    postgres.of_examples,
)
"""Those that say how the service runs for its owners stand before those that only show how it could."""

_PATH = re.compile(r"/[!-~]*")
_OFFICIAL = re.compile(r"(?:docker\.io/)?(?:library/)?postgres(?::(\d+))?\b")

LOOKED_FOR = (
    "looked for: a Procfile, a compose file with a service that is built, a Dockerfile with CMD, package.json with a "
    "start script, manage.py, a FastAPI, Starlette, Litestar, Quart or Flask application, and a front end with a build "
    "script; go to the project's folder, or write budgets.yaml by hand"
)


@dataclass(frozen=True)
class Draft:
    """What is to be written: `guesses` say for each place in `budgets.yaml` where its value comes from.

    `scenarios` are names with their Locust files; where perfgate writes one, it is for `endpoints`.
    """

    root: Path
    service: Service | None
    database: Database | None
    scenarios: Mapping[str, str]
    artifacts: Mapping[str, str]
    endpoints: tuple[Endpoint, ...] = ()
    guesses: Mapping[Place, Guess] = field(default_factory=dict)
    installs: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def writes_load(self) -> bool:
        return LOAD in self.scenarios.values()


def surveyed(root: Path) -> Draft:
    """What is found in the folder. Raises BadRequest where nothing says how a service starts."""
    tree = Tree(root)
    signs = merged(reader(tree) for reader in _READERS)
    told = next(((start, run) for start in signs.starts if (run := hosted(start, tree))), None)
    guesses: dict[Place, Guess] = {}
    artifacts, build, unbuilt = _artifacts(root, signs)
    if told is None and not artifacts:
        raise BadRequest(f"nothing in {root} says how a service starts", hint=LOOKED_FOR)
    database = _database(signs, told[1], guesses) if told else None
    service = _service(*told, signs, database, build, guesses) if told else None
    guesses |= {("artifacts", name): guess for name, guess in signs.artifacts.items() if name in artifacts}
    return Draft(
        root=root,
        service=service,
        database=database,
        scenarios=_scenarios(signs, guesses) if service else {},
        artifacts=artifacts,
        endpoints=tuple(one for one in signs.endpoints if _PATH.fullmatch(one.path)),
        guesses=guesses,
        installs=signs.installs,
        remarks=(*signs.remarks, *unbuilt),
    )


def _artifacts(root: Path, signs: Signs) -> tuple[dict[str, str], str, list[str]]:
    """What is built, folder by folder; the command that builds it; and what to say of what is not built here."""
    globs, build, remarks = {}, "", []
    for name, guess in signs.artifacts.items():
        place = PurePosixPath(guess.value).parent
        command = "npm run build" if str(place) == "." else f"npm --prefix {place} run build"
        if (root / place / "node_modules").is_dir():
            globs[name], build = guess.value, command
        elif (root / guess.value).is_dir():
            globs[name] = guess.value
        else:
            remarks.append(f"{guess.source}: nothing is built in {guess.value} yet; once it is, list it as an artifact")
    return globs, build, remarks


def _service(
    start: Start, run: Hosted, signs: Signs, database: Database | None, build: str, guesses: dict[Place, Guess]
) -> Service:
    env = {**{name: Guess(value, start.source) for name, value in run.env.items()}, **signs.env}
    env = {name: guess for name, guess in env.items() if database or "{database_" not in guess.value}
    if database is not None and not any("{database_" in guess.value for guess in env.values()):
        nowhere = "nothing was found that says how the service is told its database"
        env["DATABASE_URL"] = Guess(URL, "a usual name", nowhere)
    if "{port}" in run.command:
        env.pop("PORT", None)
    elif "PORT" in signs.env:
        run = Hosted(run.command, run.env, run.before)
    ready = _ready(signs)
    guesses["service", "command"] = Guess(run.command, start.source, "; ".join(run.checks))
    guesses["service", "ready"] = ready
    guesses |= {("service", "env", name): _questioned(name, guess) for name, guess in env.items()}
    return Service(
        command=run.command,
        ready=ready.value,
        build=build,
        env={name: guess.value for name, guess in env.items()},
        cwd=start.cwd,
    )


def _questioned(name: str, guess: Guess) -> Guess:
    """The guess, with a question where a password would come to stand in a file that is in git."""
    secret = "{" not in guess.value and any(secrets_of({name: guess.value}))
    return (
        replace(guess, check="this looks like a secret; leave it out, and have it in the environment")
        if secret
        else guess
    )


def _ready(signs: Signs) -> Guess:
    """The path of a health check, of a route that tells health, or of one that answers without parameters."""
    simple = [one for one in signs.endpoints if one.method == "GET" and one.example == one.path]
    health = next((one for one in simple if one.tells_health), None)
    plain = next((one for one in simple if one.path == "/"), simple[0] if simple else None)
    if signs.ready is not None:
        return signs.ready
    if health or plain:
        found = health or plain
        assert found is not None
        return Guess(found.path, found.source)
    return Guess("tcp", "no route was found", "a path that answers 2xx tells more than an open port")


def _database(signs: Signs, run: Hosted, guesses: dict[Place, Guess]) -> Database | None:
    """A Postgres where the project shows that it has one."""
    found = signs.database
    if found is None:
        return None
    own = [Guess(command, "the start command") for command in run.before]
    begun = {guess.value for guess in signs.scripts}
    tables = own or list(signs.migrations) or [guess for guess in signs.schema if not begun]
    setup = [*signs.scripts, *tables, *(guess for guess in signs.seeds if guess.value not in begun)]
    for index, guess in enumerate(setup):
        guesses["database", "setup", index] = guess
    guesses["database",] = Guess("", found.source, "" if setup else "nothing was found that makes its tables")
    if found.value:
        guesses["database", "image"] = found
    official = _OFFICIAL.fullmatch(found.value.partition("-")[0]) if found.value else None
    names = tuple(guess.value for guess in setup)
    if found.value and official is None:
        return Database(provider="docker", image=found.value, setup=names)  # with extensions that no other server has
    return Database(image=found.value or Database.image, setup=names)


def _scenarios(signs: Signs, guesses: dict[Place, Guess]) -> dict[str, str]:
    """The Locust files that are there, a scenario each, or the one that is written."""
    found = dict(_named(signs.locustfiles[:MOST_SCENARIOS]))
    for name, guess in found.items():
        guesses["scenarios", name, "locustfile"] = guess
    return {name: guess.value for name, guess in found.items()} or {SCENARIO: LOAD}


def _named(files: tuple[Guess, ...]) -> Iterator[tuple[str, Guess]]:
    for index, guess in enumerate(files, 1):
        stem = re.sub(r"[^A-Za-z0-9-]+", "-", PurePosixPath(guess.value).stem).strip("-")
        yield (stem if stem and stem not in ("pytest", "locustfile") else f"visit{index if index > 1 else ''}"), guess


def installs_of(root: Path) -> tuple[str, ...]:
    """The steps that install what the project in the folder needs."""
    tree = Tree(root)
    return (*python.installs(tree), *node.signs(tree).installs)
