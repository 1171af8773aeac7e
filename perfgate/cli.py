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

from perfgate import __version__, commands, project
from perfgate.errors import BadRequest, ExitCode, PerfgateError
from perfgate.options import (
    base_option,
    config_option,
    diagnose_option,
    github_options,
    json_option,
    profile_option,
    quiet_option,
    release_option,
    report_option,
    result_argument,
    strict_option,
)

if TYPE_CHECKING:
    from perfgate.options import Telling
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
@release_option
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
    against_release: bool,
    diagnose: str,
    strict: bool,
    quiet: bool,
    telling: Telling,
) -> NoReturn:
    """The gate: measure, judge, find causes, report. Takes all scenarios, or the named ones."""
    from perfgate import announcement, basis, keeping, publication, resultfile, runner, trends, unmeasured, worktree
    from perfgate.diagnosis import Diagnose
    from perfgate.publish.progress import Progress

    if against_release and base not in ("", worktree.RELEASE):
        raise BadRequest("--against-release measures beside the last release", hint=f"leave out --base {base}")
    base = worktree.RELEASE if against_release else base
    announcer = announcement.prepared(telling, config)
    with unmeasured.told(announcer, config.resolve().parent, json_path), Progress(quiet=quiet) as progress:
        plan, history = project.opened(config, scenarios, profile), keeping.reserved(config.resolve().parent)
        # these may be wrong requests, after which the last result is still there
        chosen = publication.choose(reports)
        found = basis.find(plan, base, runner.known(), progress)
        state = project.cleaned(plan, json_path)
        chosen += publication.choose([str(state / "report.html")])
        measured = runner.measure(found, progress, Diagnose(diagnose))
        slow = trends.drift(history, measured.run) if against_release else trends.Drift()
        result = runner.judged(measured, found.plan, strict=strict, drift=slow.findings)
    resultfile.save(result, state / runner.LAST_RESULT, json_path)
    publication.publish(result, chosen, quiet=quiet)
    if not quiet:
        click.echo(f"report: {state / 'report.html'}   result: {state / runner.LAST_RESULT}", err=True)
    told = announcer.announce(result, state / "report.html") if announcer else ExitCode.PASSED
    kept = keeping.keep(history, keeping.entry_of(result, plan.root))
    for note in (*kept, *trends.noted(history, slow.shifts)):
        click.echo(note, err=True)
    _end(result, told)


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

    plan = project.opened(config, scenarios, profile)
    with Progress(quiet=quiet) as progress:
        found = basis.find(plan, base, runner.known(), progress)
        project.cleaned(plan, json_path)
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
        plan = basis.judging(project.judging(measured, config, profile), measured.run.base, runner.known(), progress)
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
    from perfgate import acceptance, keeping, resultfile

    plan, history = project.opened(config, (), profile), keeping.place(config.resolve().parent)
    result = resultfile.read(result_path) if result_path else project.last(plan)
    proposal = acceptance.propose(result, project.judging(result, config, profile), globs, even_if_red=even_if_red)
    for line in proposal.lines():
        click.echo(line)
    if not dry_run:
        for path in proposal.write(reason):
            click.echo(f"wrote {path.relative_to(plan.root)}")
        for note in keeping.keep(history, keeping.entry_of(result, plan.root, accepted=True)):
            click.echo(note, err=True)


for _command in commands.ALL:
    cli.add_command(_command)


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
        from perfgate.publish.report import clean, inert

        click.secho(inert(clean(f"perfgate: {error}")), err=True)  # it may quote what a stranger has written
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
