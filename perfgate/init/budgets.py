"""`budgets.yaml` for a draft: each value with the place it was read from, and rules that any service can begin with."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.init.draft import Draft
from perfgate.plan import Database, Service
from perfgate.yamlfile import Place

USERS = 4

_DATABASE_RULES = """\
  # How the database is used repeats to the digit: no request may do more than it did.
  - metric: queries.calls
    regression: {fail: 0 %}
  - metric: queries.rows
    regression: {fail: 0 %}
"""

_RULES = """\
  # What takes time is noisy. Beside the base of a pull request the machine's own noise cancels out.
  - metric: cpu.per_request
    regression: {warn: 5 %, fail: 10 %}
  - metric: response.p50
    endpoint: together
    regression: {fail: 20 %, floor: 1 ms}

  # Far from what was measured at first; narrow them when you know the service.
  - metric: response.p95
    warn: 3 x baseline, at least 500 ms
    fail: 10 x baseline, at least 2 s
  - metric: memory.peak
    warn: 2 x baseline, at least 500 MB
    fail: 4 x baseline, at least 1 GB
"""

_ARTIFACT_RULES = """\
  - metric: bundle.brotli
    artifact: {name}
    regression: {{warn: 2 %, fail: 10 %, floor: 1 KB}}
"""


def text(draft: Draft) -> str:
    """The whole file."""
    return "".join(f"{line}\n" if line else "\n" for line in _lines(draft)).rstrip("\n") + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield "# What the service may cost. Written by `perfgate init`, which says where it read each value: check it."
    yield "# `perfgate run` measures and judges it."
    yield "version: 1"
    if draft.service is not None:
        yield from ("", *_service(draft, draft.service))
    if draft.database is not None:
        yield from ("", *_database(draft, draft.database))
    if draft.scenarios:
        yield from ("", *_scenarios(draft))
    if draft.artifacts:
        yield from (
            "",
            "artifacts:",
            *(_said(draft, ("artifacts", name), glob) for name, glob in draft.artifacts.items()),
        )
    yield from ("", "budgets:")
    yield from _rules(draft)


def _service(draft: Draft, service: Service) -> Iterator[str]:
    yield "service:"
    if service.build:
        yield f"  build: {scalar(service.build)}"
    yield _said(draft, ("service", "command"), service.command)
    yield _said(draft, ("service", "ready"), service.ready)
    if service.cwd != ".":
        yield f"  cwd: {scalar(service.cwd)}"
    if service.env:
        yield "  env:"
        yield from (_said(draft, ("service", "env", name), value) for name, value in service.env.items())


def _database(draft: Draft, database: Database) -> Iterator[str]:
    source = draft.guesses["database",].source
    yield f"database:  # {source}"
    yield f"  provider: {database.provider}"
    yield _said(draft, ("database", "image"), database.image)
    if not database.setup:
        yield "  # setup: a list of SQL files and commands that make the tables and put rows in them"
        return
    yield "  setup:"
    for index, entry in enumerate(database.setup):
        yield f"    - {scalar(entry)}{_source(draft, ('database', 'setup', index))}"


def _scenarios(draft: Draft) -> Iterator[str]:
    yield "scenarios:"
    for name, file in draft.scenarios.items():
        yield f"  {name}:"
        yield _said(draft, ("scenarios", name, "locustfile"), file)
        yield f"    users: {USERS}"


def _rules(draft: Draft) -> Iterator[str]:
    blocks = []
    if draft.database is not None and draft.service is not None:
        blocks.append(_DATABASE_RULES)
    if draft.service is not None:
        blocks.append(_RULES)
    blocks += [_ARTIFACT_RULES.format(name=name) for name in draft.artifacts]
    yield from "\n".join(blocks).splitlines()


def _said(draft: Draft, place: Place, value: str) -> str:
    """A key with its value, and where the value was read; deeper places stand further in."""
    return f"{'  ' * (len(place) - 1)}{scalar(str(place[-1]))}: {scalar(value)}{_source(draft, place)}"


def _source(draft: Draft, place: Place) -> str:
    guess = draft.guesses.get(place)
    return f"  # {guess.source}" if guess and guess.source != guess.value else ""


def scalar(value: str) -> str:
    """The text as YAML that says the same, with quotes only where it needs them."""
    import json

    import yaml

    try:
        plain = yaml.safe_load(f"key: {value}\n") == {"key": value} and not value.startswith(("!", "&", "*"))
    except yaml.YAMLError:
        plain = False
    return value if plain and value.isprintable() else "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """What YAML takes for the end of a line, or not at all, by its number."""
    return character if character.isprintable() else f"\\U{ord(character):08x}"
