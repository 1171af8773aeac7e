"""`perfgate trends`: where performance went, for whoever types it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from perfgate.history_commands import project_option, store_option
from perfgate.options import config_option


@click.command()
@click.argument("metrics", metavar="[METRIC]...", nargs=-1)
@click.option("--since", default="90d", show_default=True, metavar="TIME", help="90d, 12w, 2026-05-01, or a release.")
@click.option("--scenario", default="", metavar="NAME", help="Of this scenario alone.")
@click.option("--branch", default="", metavar="NAME", help="Of this branch [default: the trunk].")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Look for the effects of this label alone.")
@click.option("--statements", is_flag=True, help="Also look at single statements and tables.")
@click.option("--tell", "mark", is_flag=True, help="Note that level shifts were told: they are new no more.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write it here, with every point.")
@config_option
@store_option
@project_option
def trends(
    metrics: tuple[str, ...],
    since: str,
    scenario: str,
    branch: str,
    labels: tuple[str, ...],
    statements: bool,
    mark: bool,
    json_path: Path | None,
    config: Path,
    url: str,
    project: str,
) -> None:
    """Say where performance went, and which commits did it.

    Levels, changes since the last release, level shifts, slow drift: of all metrics, or of those that match a glob,
    such as `response.*` or `*[GET /products]`. Ends with 0 whatever it finds.
    """
    from perfgate import files, keeping, trends
    from perfgate.publish.stream import Steady

    where = keeping.place(config.resolve().parent, url=url, project=project)
    if json_path is not None:
        files.clear(json_path)
    found = trends.look(
        where, since, metrics=metrics, scenario=scenario, branch=branch, labels=labels, statements=statements
    )
    for note in found.notes:
        click.echo(f"perfgate: {note}", err=True)
    Steady(sys.stdout).write(trends.page(found, sys.stdout, whole=bool(metrics)))
    if json_path is not None:
        files.write(json_path, trends.document(found))
    if mark:
        told = trends.tell(where, found.review.fresh)
        click.echo(f"{len(told)} level shifts noted as told", err=True)
