"""`perfgate fix`: the remedies of the last run that are nothing but SQL, tried in a copy and written as a migration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from perfgate import files, runner
from perfgate.advice import Advice, Trial
from perfgate.diagnosis import open_theatres
from perfgate.errors import BadRequest, NotMeasured
from perfgate.examination import Counters, Examination
from perfgate.measure.ownership import Owner
from perfgate.model import Side, Unit
from perfgate.plan import Plan
from perfgate.units import percent, show

LONGEST_SHOWN = 120
NOTHING = "statements, blocks and WAL records are what they were"

WORTH_SAYING = 0.01
"""A figure that moves by less is left out."""

_REMEDY = re.compile(
    r"CREATE (UNIQUE )?INDEX |CREATE STATISTICS |DROP INDEX |ANALYZE\b|CREATE EXTENSION IF NOT EXISTS pg_trgm$"
    r"|DO \$\$ BEGIN EXECUTE format\('ALTER DATABASE %I SET work_mem = %L', current_database\(\), "
    r"'\d+MB'\); END \$\$$"
)
"""What a remedy may be: a result file may come from anywhere, and its SQL would be run on a server of your own."""

_FIGURES: tuple[tuple[str, str], ...] = (
    ("calls", "statements"),
    ("blocks", "blocks"),
    ("temp_blocks", "temporary blocks"),
    ("wal_records", "WAL records"),
)


@dataclass(frozen=True)
class Gain:
    """What the remedies did to one endpoint of a scenario, in figures of an average request."""

    scenario: str
    endpoint: str
    trials: tuple[Trial, ...]


def fixes(advice: Sequence[Advice], numbers: Sequence[int]) -> list[Advice]:
    """The safe remedies among the advice, or those of these numbers (from 1, as they are listed).

    Raises BadRequest where there are none, or none of this number, and for SQL that no advisor writes.
    """
    safe = [one for one in advice if one.safe and one.sql]
    strange = next((statement for one in safe for statement in one.sql if not _is_remedy(statement)), None)
    if strange is not None:
        raise BadRequest(
            f"the last result holds SQL that no advisor writes: {strange[:LONGEST_SHOWN]}",
            hint="`perfgate run` makes a result that can be trusted",
        )
    if not safe:
        raise BadRequest(
            "the last run has no advice that SQL alone can follow",
            hint="advice is looked for when a run is red, or with `perfgate run --diagnose always`",
        )
    wrong = next((number for number in numbers if not 1 <= number <= len(safe)), None)
    if wrong is not None:
        raise BadRequest(f"there is no fix {wrong}", hint=f"they are numbered from 1 to {len(safe)}: `perfgate fix`")
    return [safe[number - 1] for number in dict.fromkeys(numbers)] if numbers else safe


def _is_remedy(statement: str) -> bool:
    """Whether it is one statement of a kind that advisors write."""
    import sqlglot

    if _REMEDY.match(statement) is None:
        return False
    if statement.startswith("DO "):
        return True
    try:
        tokens = sqlglot.tokenize(statement, read="postgres")
    except sqlglot.errors.TokenError:
        return False
    return not any(token.token_type.name == "SEMICOLON" for token in tokens)


def listed(chosen: Sequence[Advice]) -> Iterator[str]:
    """The fixes with their numbers, as lines."""
    for number, one in enumerate(chosen, 1):
        yield f"{number}  {one.title}"
        yield from (f"   {statement};" for statement in one.sql)
        yield from (f"   tried: {told(trial)}" for trial in one.verified)


def told(trial: Trial) -> str:
    """`blocks of GET /orders: 712, then 49.4 (−93 %)`."""
    change = f" ({percent(trial.change)})" if trial.change is not None else ""
    return f"{trial.what}: {show(trial.before, trial.unit)}, then {show(trial.after, trial.unit)}{change}"


def tried(plan: Plan, progress: runner.Progress, chosen: Sequence[Advice]) -> list[Gain]:
    """All the chosen remedies together in a throwaway copy of the database, under the load of every scenario.

    Raises NotMeasured where the service, the database or a statement fails.
    """
    measurement = runner.Measurement(plan, progress, {})
    try:
        return _tried(plan, measurement, [statement for one in chosen for statement in one.sql])
    except NotMeasured as error:
        redact = measurement.redactor.text
        raise NotMeasured(redact(error.args[0]), hint=redact(error.hint)) from error


def _tried(plan: Plan, measurement: runner.Measurement, statements: Sequence[str]) -> list[Gain]:
    progress = measurement.progress
    with Owner() as owner, measurement.surroundings(owner) as stands, ExitStack() as stack:
        gains: list[Gain] = []
        for name, theatre in open_theatres(plan, stands, stack)[Side.HEAD].items():
            progress.phase(f"scenario {name}: as it is")
            before = theatre.examine()
            progress.phase(f"scenario {name}: fixed")
            gains += gains_of(name, before, theatre.examine(statements))
    return gains


def gains_of(scenario: str, before: Examination, after: Examination) -> Iterator[Gain]:
    """What moved, endpoint by endpoint; nothing is a gain, too."""
    for endpoint in before.endpoints():
        yield Gain(scenario, endpoint, tuple(_moved(endpoint, before.work(endpoint), after.work(endpoint))))


def _moved(endpoint: str, before: Counters, after: Counters) -> Iterator[Trial]:
    for name, word in _FIGURES:
        was, now = getattr(before, name), getattr(after, name)
        if abs(now - was) > WORTH_SAYING * max(was, now):
            yield Trial(f"{word} a request of {endpoint}", Unit.COUNT, was, now)


def written(chosen: Sequence[Advice], path: Path) -> None:
    """The remedies as a file of SQL. Raises BadRequest where there is such a file already."""
    if path.exists():
        raise BadRequest(f"{path} is there already", hint="name another file")
    files.write(path, "\n".join(_lines(chosen)) + "\n")


def _lines(chosen: Sequence[Advice]) -> Iterator[str]:
    for one in chosen:
        yield _comment(one.title)
        yield from (_comment(f"tried: {told(trial)}") for trial in one.verified)
        yield from (f"{statement};" for statement in one.sql)


def _comment(text: str) -> str:
    """The text as one line of comment: names of tables and endpoints may have any character in them."""
    return "-- " + "".join(character if character.isprintable() else " " for character in text)


def as_lines(gains: Sequence[Gain]) -> Iterator[str]:
    """What was gained, scenario by scenario."""
    for scenario, own in groupby(gains, key=lambda gain: gain.scenario):
        trials = [trial for gain in own for trial in gain.trials]
        yield f"{scenario}:" if trials else f"{scenario}: {NOTHING}"
        yield from (f"  {told(trial)}" for trial in trials)
    if not any(gain.trials for gain in gains):
        yield "is the service that was tried the one that the run was red for?"
