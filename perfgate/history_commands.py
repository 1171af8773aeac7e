"""`perfgate history`: what is done to the store by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from perfgate.options import config_option

if TYPE_CHECKING:
    from perfgate.keeping import Place

store_option = click.option(
    "--store", "url", default="", metavar="URL", help="The store [default: $PERFGATE_HISTORY, or one in .perfgate]."
)
project_option = click.option(
    "--project",
    default="",
    metavar="NAME",
    help="The project's name in the store [default: $PERFGATE_PROJECT, or git's].",
)
_DAYS = click.IntRange(min=1)


@click.group()
def history() -> None:
    """Store, exchange and prune the runs that are kept."""


@history.command()
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--trunk/--no-trunk", default=None, help="Whether they are of the project's own line [default: by branch]."
)
@click.option("--accepted", is_flag=True, help="Keep them for ever.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Label them. May be repeated.")
@config_option
@store_option
@project_option
def add(
    results: tuple[Path, ...],
    trunk: bool | None,
    accepted: bool,
    labels: tuple[str, ...],
    config: Path,
    url: str,
    project: str,
) -> None:
    """Store results that `--json` wrote; each is stored once."""
    from perfgate import keeping, resultfile

    where = placed(config, url, project)
    named = keeping.labelled(labels)
    entries = [
        keeping.entry_of(resultfile.read(path), where.root, trunk=trunk, accepted=accepted, labels=named)
        for path in results
    ]
    stored = keeping.add(where, entries)
    click.echo(f"{stored} stored, {len(entries) - stored} there already")


@history.command()
@config_option
@store_option
@project_option
def send(config: Path, url: str, project: str) -> None:
    """Send the runs that wait because the store could not be reached."""
    from perfgate import keeping

    sent = keeping.send(placed(config, url, project))
    for told in sent.aside:
        click.echo(f"set aside: {told}", err=True)
    click.echo(f"{sent.stored} sent, {sent.waiting} waiting")


@history.command()
@click.option("--raw", type=_DAYS, default=400, show_default=True, help="Days that every run's samples are kept.")
@click.option("--hourly", type=_DAYS, default=800, show_default=True, help="Days that hourly roll-ups are kept.")
@click.option("--daily", type=_DAYS, help="Days that daily roll-ups and runs are kept [default: for ever].")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@config_option
@store_option
@project_option
def prune(raw: int, hourly: int, daily: int | None, dry_run: bool, config: Path, url: str, project: str) -> None:
    """Drop what is older than it has to be kept, by whole months. Accepted runs are kept for ever."""
    from perfgate import keeping
    from perfgate.publish.history import retention

    with keeping.reporting(), keeping.opened(placed(config, url, project)) as store:
        gone = retention.prune(store, retention.Retention(raw, hourly, daily), rehearse=dry_run)
    click.echo(
        f"{'would drop' if dry_run else 'dropped'} {gone.samples} samples, {gone.findings} findings, "
        f"{gone.hours} hours, {gone.days} days, {gone.runs} runs; {gone.months} whole months"
    )


@history.command()
@click.argument("role")
@click.option("--write", is_flag=True, help="Let it store runs, too.")
@config_option
@store_option
@project_option
def admit(role: str, write: bool, config: Path, url: str, project: str) -> None:
    """Let a role of the server into this project, and into no other."""
    from perfgate import keeping
    from perfgate.publish.history import admission

    where = placed(config, url, project)
    with keeping.reporting(), keeping.opened(where) as store:
        admission.admit(store, role, write=write)
    click.echo(f"{role} may {'read and write' if write else 'read'} {where.project}")


@history.command()
@config_option
@store_option
@project_option
def migrate(config: Path, url: str, project: str) -> None:
    """Make the store, or bring it up to date; every command does so where its role may."""
    from perfgate import keeping
    from perfgate.publish.history.migrating import migrations

    where = placed(config, url, project)
    with keeping.reporting(), keeping.opened(where):
        click.echo(f"{where}: version {max(migrations())}")


@history.command()
@config_option
@store_option
@project_option
def status(config: Path, url: str, project: str) -> None:
    """Say where the history is, how much is in it, and what waits for it."""
    from perfgate import keeping
    from perfgate.publish.history import overviews
    from perfgate.publish.history.reading import Window
    from perfgate.publish.history.spool import Spool

    where = placed(config, url, project)
    with keeping.reporting(), keeping.opened(where) as store:
        for note in keeping.catch_up(where):
            click.echo(f"perfgate: {note}", err=True)
        found = overviews.overview(store, Window())
    last = f", the last of {found.last:%Y-%m-%d %H:%M}" if found.last else ""
    click.echo(f"{where}, project {where.project}: {found.runs} runs{last}; {found.red} of them red")
    click.echo(f"waiting: {len(Spool(where.spool).waiting())}")


def placed(config: Path, url: str, project: str) -> Place:
    """Where the history is kept of the project that this budgets file is, or would be, of."""
    from perfgate import keeping

    return keeping.place(config.resolve().parent, url=url, project=project)
