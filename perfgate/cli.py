"""The command line: what each command takes, and how it ends. The work is done elsewhere, and imported when needed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from perfgate import __version__
from perfgate.errors import BadRequest, ExitCode, PerfgateError
from perfgate.options import (
    base_option,
    config_option,
    diagnose_option,
    github_options,
    json_option,
    profile_option,
    quiet_option,
    report_option,
    result_argument,
    strict_option,
)

if TYPE_CHECKING:
    from perfgate.options import Telling
    from perfgate.plan import Plan
    from perfgate.result import Result


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="perfgate")
def cli() -> None:
    """Did this change make the service slower, heavier or chattier with its database than agreed?

    Exit codes: 0 passed, 1 a rule failed or something is missing, 2 wrong request, 3 could not measure.
    """


@cli.command()
@click.argument("scenarios", nargs=-1)
@config_option
@json_option
@report_option
@profile_option
@base_option
@diagnose_option
@strict_option
@github_options
@quiet_option
def run(
    scenarios: tuple[str, ...],
    config: Path,
    json_path: Path | None,
    reports: tuple[str, ...],
    profile: str,
    base: str,
    diagnose: str,
    strict: bool,
    quiet: bool,
    telling: Telling,
) -> NoReturn:
    """The gate: measure, judge, find causes, report. Takes all scenarios, or the named ones."""
    from perfgate import announcement, basis, publication, resultfile, runner
    from perfgate.diagnosis import Diagnose
    from perfgate.publish.progress import Progress

    plan, announcer = _plan(config, scenarios, profile), announcement.prepared(telling, config)
    with Progress(quiet=quiet) as progress:
        # may be a wrong request, after which the last result is still there
        found = basis.find(plan, base, runner.known(), progress)
        state = _clean_state(plan, json_path)
        chosen = publication.choose([*reports, str(state / "report.html")])
        measured = runner.measure(found, progress, Diagnose(diagnose))
        result = runner.judged(measured, found.plan, strict=strict)
    resultfile.save(result, state / runner.LAST_RESULT, json_path)
    publication.publish(result, chosen, quiet=quiet)
    if not quiet:
        click.echo(f"report: {state / 'report.html'}   result: {state / runner.LAST_RESULT}", err=True)
    _end(result, announcer.announce(result, state / "report.html") if announcer else ExitCode.PASSED)


@cli.command()
@click.argument("scenarios", nargs=-1)
@config_option
@click.option("--json", "json_path", type=click.Path(path_type=Path), required=True, help="Write the result here.")
@profile_option
@base_option
@diagnose_option
@quiet_option
def measure(
    scenarios: tuple[str, ...], config: Path, json_path: Path, profile: str, base: str, diagnose: str, quiet: bool
) -> None:
    """Measure only; `perfgate judge` decides later."""
    from perfgate import basis, resultfile, runner
    from perfgate.diagnosis import Diagnose
    from perfgate.publish.progress import Progress

    plan = _plan(config, scenarios, profile)
    with Progress(quiet=quiet) as progress:
        found = basis.find(plan, base, runner.known(), progress)
        _clean_state(plan, json_path)
        result = runner.measure(found, progress, Diagnose(diagnose))
    resultfile.save(result, json_path)
    click.echo(f"{json_path}: {len(result.run.samples)} samples; `perfgate judge {json_path}` judges them")


@cli.command()
@result_argument
@config_option
@json_option
@report_option
@profile_option
@strict_option
@quiet_option
def judge(
    result_path: Path,
    config: Path,
    json_path: Path | None,
    reports: tuple[str, ...],
    profile: str,
    strict: bool,
    quiet: bool,
) -> NoReturn:
    """Judge a stored result by today's budgets and baselines.

    Nothing is measured, and the last run's page stays as it is: `--report page.html` writes one.

    Without a profile it is the one that the result was measured under.
    """
    from perfgate import basis, publication, resultfile, runner
    from perfgate.publish.progress import Progress

    measured = resultfile.read(result_path)
    with Progress(quiet=quiet) as progress:
        plan = basis.judging(_plan_of(measured, config, profile), measured.run.base, runner.known(), progress)
    result = runner.judged(measured, plan, strict=strict)
    resultfile.save(result, json_path)
    publication.publish(result, publication.choose(reports), quiet=quiet)
    _end(result)


@cli.command()
@click.argument("result_path", metavar="[RESULT]", required=False, type=click.Path(path_type=Path))
@report_option
@config_option
@github_options
@quiet_option
def publish(
    result_path: Path | None, reports: tuple[str, ...], config: Path, quiet: bool, telling: Telling
) -> NoReturn:
    """Report a judged result. Of the budgets file only its place matters: remarks name files beside it.

    Without a RESULT, in a workflow `on: workflow_run`, it is the one that the triggering run uploaded.

    Ends with 0 whatever the verdict, since the gate has spoken already; with 3 where --require-publish is not met, or
    the run has no result.
    """
    from perfgate import announcement, publication, relay, resultfile

    if result_path is None:
        sys.exit(relay.relay(telling, config, reports, quiet=quiet))
    result, announcer = resultfile.read(result_path), announcement.prepared(telling, config)
    if result.verdict is None:
        raise BadRequest(f"{result_path}: was not judged yet", hint=f"type `perfgate judge {result_path}` first")
    chosen = publication.choose(reports)
    publication.publish(result, chosen, quiet=quiet)
    page = chosen[0][1] if chosen else None
    sys.exit(announcer.announce(result, page) if announcer else ExitCode.PASSED)


@cli.command()
@click.option("--metric", "globs", multiple=True, metavar="GLOB", help="Accept only these metrics. May be repeated.")
@click.option("--reason", required=True, help="Why this is the new reference: it stays in the baseline.")
@click.option("--even-if-red", is_flag=True, help="Accept although a rule failed.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--result", "result_path", type=click.Path(path_type=Path), help="Accept this result, not the last run.")
@config_option
@profile_option
def accept(
    globs: tuple[str, ...],
    reason: str,
    even_if_red: bool,
    dry_run: bool,
    result_path: Path | None,
    config: Path,
    profile: str,
) -> None:
    """Turn the last run into the baseline; shows what changes first."""
    from perfgate import acceptance, resultfile

    plan = _plan(config, (), profile)
    result = resultfile.read(result_path) if result_path else _last(plan)
    proposal = acceptance.propose(result, _plan_of(result, config, profile), globs, even_if_red=even_if_red)
    for line in proposal.lines():
        click.echo(line)
    if not dry_run:
        for path in proposal.write(reason):
            click.echo(f"wrote {path.relative_to(plan.root)}")


@cli.command()
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
    """List the last run's advice that SQL alone can follow; try it, or write it as a migration.

    Takes all of it, or the numbers that the list gives. No database is touched but those that perfgate makes itself.
    """
    from perfgate import fixing
    from perfgate.publish.progress import Progress

    plan = _plan(config, (), profile)
    chosen = fixing.fixes(_last(plan).advice, numbers)
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


@cli.command()
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
    seconds, plan = calibration.seconds_of(asked), _plan(config, scenarios, profile)
    if json_path is not None:
        files.clear(json_path)
    with Progress(quiet=quiet) as progress:
        found = calibration.calibrate(plan, progress, seconds)
    click.echo(calibration_report.shown(found, sys.stdout))
    if json_path is not None:
        files.write(json_path, calibration_report.document(found))
    for line in proposals.settled(found, write=write):
        click.echo(line)


@cli.command()
@click.argument("metric")
@config_option
@profile_option
def explain(metric: str, config: Path, profile: str) -> None:
    """Say what a metric means and how the last run judged it."""
    from perfgate import explanation, resultfile, runner

    plan = _plan(config, (), profile) if config.is_file() else None
    last = plan.root / runner.STATE_FOLDER / runner.LAST_RESULT if plan else None
    result = resultfile.read(last) if last and last.is_file() else None
    for line in explanation.explain(metric, plan, result):
        click.echo(line)


@cli.command()
def doctor() -> NoReturn:
    """Check what this machine lacks for measuring."""
    from perfgate import checkup

    checks = checkup.examine()
    for check in checks:
        click.echo(str(check))
    sys.exit(ExitCode.PASSED if all(check.usable for check in checks) else ExitCode.NOT_MEASURED)


@cli.command()
@click.argument("document", type=click.Choice(["budgets", "result"]))
def schema(document: str) -> None:
    """Print the JSON Schema of budgets.yaml or of the result."""
    import json

    from perfgate import runfile, settings

    click.echo(json.dumps(settings.schema() if document == "budgets" else runfile.schema(), indent=1))


def _plan(config: Path, scenarios: tuple[str, ...], profile: str = "") -> Plan:
    from perfgate import runner, settings

    return settings.only(settings.load(config, runner.known(), profile), scenarios)


def _plan_of(result: Result, config: Path, profile: str) -> Plan:
    """The plan to judge a result by: in the profile asked for, else in the one that it was measured under."""
    return _plan(config, (), profile or result.run.profile)


def _last(plan: Plan) -> Result:
    """The last run's result. Raises BadRequest where there is none."""
    from perfgate import resultfile, runner

    source = plan.root / runner.STATE_FOLDER / runner.LAST_RESULT
    if not source.is_file():
        raise BadRequest("there is no last run to take", hint="type `perfgate run` first")
    return resultfile.read(source)


def _clean_state(plan: Plan, json_path: Path | None) -> Path:
    """The state folder, without what an earlier run left: a run that dies must not leave another's verdict behind."""
    from perfgate import files, runner

    state = runner.state_folder(plan)
    for stale in (state / runner.LAST_RESULT, state / "report.html", json_path):
        if stale is not None:
            files.clear(stale)
    return state


def _end(result: Result, told: ExitCode = ExitCode.PASSED) -> NoReturn:
    """By the verdict; where that is a pass, by what became of telling it."""
    assert result.verdict is not None
    sys.exit(result.verdict.exit_code or told)


def _terminated(*_: Any) -> NoReturn:
    """SIGTERM unwinds like any other way out, so that whatever was started is stopped."""
    sys.exit(ExitCode.TERMINATED)


def _open_standard_streams() -> None:
    """Give streams that the caller closed somewhere to go; else the next file opened would take their place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                if nowhere != number:
                    os.dup2(nowhere, number)
                    os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def main() -> NoReturn:
    """Run the command line; every way out has an exit code of its own."""
    _open_standard_streams()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(standalone_mode=False)
    except PerfgateError as error:
        click.secho(f"perfgate: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.BAD_REQUEST)
    except (KeyboardInterrupt, click.Abort):
        click.echo("perfgate: interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.NOT_MEASURED)
    except Exception:
        # a bug of ours must not look like the verdict that exit code 1 is
        traceback.print_exc()
        click.secho("perfgate: this is a bug in perfgate; nothing was decided", err=True)
        sys.exit(ExitCode.NOT_MEASURED)
    sys.exit(code if isinstance(code, int) else ExitCode.PASSED)


if __name__ == "__main__":
    main()
