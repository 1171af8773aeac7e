"""`perfgate history` as far as files are concerned: what comes from and goes to other tools and check-outs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perfgate import project as projects
from perfgate.history_commands import history as history
from perfgate.history_commands import placed, project_option, store_option
from perfgate.options import config_option

if TYPE_CHECKING:
    from perfgate.exchanging import Taken

branch_option = click.option("--branch", default="perfgate-history", show_default=True, help="The branch of run files.")
remote_option = click.option("--remote", default="origin", show_default=True, help="Where the branch is kept.")


@history.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--commit", default="", help="The commit that was measured, where the file does not say it.")
@click.option("--branch", default="", help="The branch of it, where the file does not say it.")
@click.option("--started", default="", metavar="TIME", help="When, where the file does not say it: 2026-01-31T12:00Z.")
@click.option("--scenario", default="", help="The scenario that the figures belong to, where the format has none.")
@click.option("--trunk/--no-trunk", default=True, show_default=True, help="Whether they are of the project's own line.")
@click.option("--skip-broken", is_flag=True, help="Leave out, and name, what cannot be read.")
@config_option
@store_option
@project_option
def take(
    paths: tuple[Path, ...],
    trunk: bool,
    skip_broken: bool,
    config: Path,
    url: str,
    project: str,
    **origin: str,
) -> None:
    """Store what other tools measured, told by its content.

    Reads pytest-benchmark JSON, github-action-benchmark data.js, a folder of asv results, Locust CSV, k6 summaries,
    Google Benchmark JSON and hyperfine JSON.
    """
    from perfgate import exchanging
    from perfgate.publish.history.importer import Origin

    where = placed(config, url, project)
    _tell(exchanging.take_files(where, paths, Origin(**origin), trunk=trunk, skip_broken=skip_broken))


@history.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--format", "name", default="", help="csv, parquet, openmetrics or bencher [default: by FILE's ending].")
@click.option("--metric", "metrics", multiple=True, metavar="GLOB", help="Only these metrics. May be repeated.")
@click.option("--since", type=click.DateTime(), help="Only runs from this day on (UTC).")
@click.option("--branch", default="", help="The runs of this branch [default: the project's own line].")
@click.option("--scenario", default="", help="Only runs of this scenario.")
@click.option("--last", is_flag=True, help="Only the last run.")
@config_option
@store_option
@project_option
def export(
    path: Path,
    name: str,
    metrics: tuple[str, ...],
    last: bool,
    config: Path,
    url: str,
    project: str,
    **window: Any,
) -> None:
    """Write runs to FILE: .csv, .parquet, .om (OpenMetrics) or .bmf.json (Bencher Metric Format, of one run)."""
    from perfgate import keeping
    from perfgate.publish.history import exporters, restoring
    from perfgate.publish.history.reading import window_of

    exporters.chosen(path, name)
    where = placed(config, url, project)
    with keeping.reporting(), keeping.opened(where) as store:
        for note in keeping.catch_up(where):
            click.echo(f"perfgate: {note}", err=True)
        runs = list(restoring.runs(store, window_of(**window), metrics, last=last))
    exporters.write(runs, path, name)
    click.echo(f"{path}: {len(runs)} runs")


@history.command()
@click.argument("results", metavar="[RESULT]...", nargs=-1, type=click.Path(path_type=Path))
@branch_option
@remote_option
@config_option
def push(results: tuple[Path, ...], branch: str, remote: str, config: Path) -> None:
    """Add results, or that of the last run, to a git branch that any check-out can pull: a history without a server."""
    from perfgate import resultfile
    from perfgate.publish.history import branch as git

    read = [resultfile.read(path) for path in results] or [projects.last(projects.opened(config))]
    pushed = git.push(config.resolve().parent, read, branch, remote)
    click.echo(f"{pushed.added} pushed to {branch}, {pushed.known} there already")
    if pushed.wants_compacting:
        click.echo(f"{pushed.loose} files of single runs: `perfgate history compact` makes clones small", err=True)


@history.command()
@branch_option
@remote_option
@config_option
@store_option
@project_option
def pull(branch: str, remote: str, config: Path, url: str, project: str) -> None:
    """Store the runs that `perfgate history push` has put on the branch."""
    from perfgate import exchanging

    _tell(exchanging.pull(placed(config, url, project), branch, remote))


@history.command()
@branch_option
@remote_option
@config_option
def compact(branch: str, remote: str, config: Path) -> None:
    """Pack the branch by months, and drop its past. Whoever pushes meanwhile loses nothing."""
    from perfgate.publish.history import branch as git

    done = git.compact(config.resolve().parent, branch, remote)
    for told in done.broken:
        click.echo(f"left as it is: {told}", err=True)
    click.echo(f"{done.packed} runs packed")


def _tell(taken: Taken) -> None:
    for told in taken.left_out:
        click.echo(f"left out: {told}", err=True)
    click.echo(f"{taken.runs} runs read, {taken.stored} of them stored, {taken.runs - taken.stored} there already")
