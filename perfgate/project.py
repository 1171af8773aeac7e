"""The project that a command is about: its plan, its last result, and the folder that these are kept in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfgate.errors import BadRequest

if TYPE_CHECKING:
    from perfgate.plan import Plan
    from perfgate.result import Result


def opened(config: Path, scenarios: tuple[str, ...] = (), profile: str = "") -> Plan:
    """The plan of a budgets file, for all its scenarios or the named ones."""
    from perfgate import runner, settings

    return settings.only(settings.load(config, runner.known(), profile), scenarios)


def judging(result: Result, config: Path, profile: str) -> Plan:
    """The plan to judge a result by: in the profile asked for, else in the one that it was measured under."""
    return opened(config, (), profile or result.run.profile)


def last(plan: Plan) -> Result:
    """The last run's result. Raises BadRequest where there is none."""
    from perfgate import resultfile, runner

    source = plan.root / runner.STATE_FOLDER / runner.LAST_RESULT
    if not source.is_file():
        raise BadRequest("there is no last run to take", hint="type `perfgate run` first")
    return resultfile.read(source)


def cleaned(plan: Plan, json_path: Path | None) -> Path:
    """The state folder, without what an earlier run left: a run that dies must not leave another's verdict behind."""
    from perfgate import files, runner

    state = runner.state_folder(plan)
    for stale in (state / runner.LAST_RESULT, state / "report.html", json_path):
        if stale is not None:
            files.clear(stale)
    return state
