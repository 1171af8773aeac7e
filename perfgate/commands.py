"""The commands beside the gate: what each takes. The work is done elsewhere, and imported when needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from perfgate import project
from perfgate.errors import BadRequest, ExitCode
from perfgate.exchange_commands import history
from perfgate.options import config_option, profile_option
from perfgate.report_commands import report
from perfgate.trend_commands import trends
from perfgate.web_commands import serve


@click.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option(
    "--try",
    "try_them",
    is_flag=True,
    help="Measure them together, under the load of all scenarios, in a throwaway copy of the database.",
)
@click.option("--write", "path", type=click.Path(path_type=Path), help="Write their SQL to this file.")
@config_option
@profile_option
def fix(numbers: tuple[int, ...], try_them: bool, path: Path | None, config: Path, profile: str) -> None:
    """List the advice that SQL can follow; try it, or write it.

    Takes all of it, or the numbers that the list gives. No database is touched but those that perfgate makes itself.
    """
    from perfgate import fixing
    from perfgate.publish.progress import Progress

    plan = project.opened(config, (), profile)
    chosen = fixing.fixes(project.last(plan).advice, numbers)
    for line in fixing.listed(chosen):
        click.echo(line)
    if try_them:
        with Progress() as progress:
            gains = fixing.tried(plan, progress, chosen)
        for line in fixing.as_lines(gains):
            click.echo(line)
    if path is not None:
        fixing.written(chosen, path)
        click.echo(f"wrote {path}: put it under `database.setup`, or among your migrations")


@click.command()
@click.argument("scenarios", nargs=-1)
@config_option
@click.option("--time", "asked", default="3 min", show_default=True, help="How long rounds are taken, all in all.")
@profile_option
@click.option("--write", is_flag=True, help="Put the proposed tolerances into the budgets file.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but the figures.")
def calibrate(
    scenarios: tuple[str, ...],
    config: Path,
    asked: str,
    profile: str,
    write: bool,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Measure your code against itself, and propose tolerances.

    Says which changes this machine's noise lets you see, and in what time.
    """
    from perfgate import calibration, calibration_report, files, proposals
    from perfgate.publish.progress import Progress

    if write and profile:
        raise BadRequest("--write changes what all profiles share", hint="leave --profile out, or --write")
    seconds, plan = calibration.seconds_of(asked), project.opened(config, scenarios, profile)
    if json_path is not None:
        files.clear(json_path)
    with Progress(quiet=quiet) as progress:
        found = calibration.calibrate(plan, progress, seconds)
    click.echo(calibration_report.shown(found, sys.stdout))
    if json_path is not None:
        files.write(json_path, calibration_report.document(found))
    for line in proposals.settled(found, write=write):
        click.echo(line)


@click.command()
@click.argument("metric")
@config_option
@profile_option
def explain(metric: str, config: Path, profile: str) -> None:
    """Say what a metric means and how the last run judged it."""
    from perfgate import explanation, resultfile, runner

    plan = project.opened(config, (), profile) if config.is_file() else None
    last = plan.root / runner.STATE_FOLDER / runner.LAST_RESULT if plan else None
    result = resultfile.read(last) if last and last.is_file() else None
    for line in explanation.explain(metric, plan, result):
        click.echo(line)


@click.command()
def doctor() -> NoReturn:
    """Check what this machine lacks for measuring."""
    from perfgate import checkup

    checks = checkup.examine()
    for check in checks:
        click.echo(str(check))
    sys.exit(ExitCode.PASSED if all(check.usable for check in checks) else ExitCode.NOT_MEASURED)


@click.command()
@click.argument("document", type=click.Choice(["budgets", "result"]))
def schema(document: str) -> None:
    """Print the JSON Schema of budgets.yaml or of the result."""
    import json

    from perfgate import runfile, settings

    click.echo(json.dumps(settings.schema() if document == "budgets" else runfile.schema(), indent=1))


@click.command()
@click.option("--dry-run", is_flag=True, help="Show the files, and write nothing.")
@click.option("--no-measure", is_flag=True, help="Write the files, and start nothing: there is no baseline then.")
def init(dry_run: bool, no_measure: bool) -> None:
    """Write budgets.yaml, load and workflow for a project.

    Reads what the folder says of its service, asks the started service which endpoints answer, and takes the first
    baseline. Overwrites nothing.
    """
    from perfgate import initialisation
    from perfgate.publish.progress import Progress

    measured = not (dry_run or no_measure)
    with Progress() as progress:
        made = initialisation.prepared(Path.cwd(), progress, asking=measured)
    for line in (*made.told(), *(made.shown() if dry_run else made.write())):
        click.echo(line)
    if measured:
        with Progress() as progress:
            lines = list(initialisation.first_baseline(made, progress))
        for line in lines:
            click.echo(line)


ALL = (init, fix, calibrate, explain, trends, report, serve, history, doctor, schema)
