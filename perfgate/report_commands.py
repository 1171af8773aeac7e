"""`perfgate report`: the history in writing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from perfgate.errors import BadRequest
from perfgate.history_commands import project_option, store_option
from perfgate.model import Unit
from perfgate.options import config_option
from perfgate.reporting import FORMATS, KINDS, Wanted
from perfgate.units import show


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
@click.option("--from", "former", default="", metavar="RELEASE", help="Begin with it [default: the one before].")
@click.option("--to", "latter", default="", metavar="RELEASE", help="End with it [default: now].")
@click.option(
    "--at", default="", metavar="DATE", help="The hour, day, week or month of it [default: the last whole one]."
)
@click.option("--scenario", default="", metavar="NAME", help="Of this scenario alone.")
@click.option(
    "--out",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write it here; PATH ends in .html or .md. May be repeated. [default: Markdown, to standard output]",
)
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the pages of `perfgate serve` here instead.",
)
@config_option
@store_option
@project_option
def report(
    kind: str,
    former: str,
    latter: str,
    at: str,
    scenario: str,
    paths: tuple[Path, ...],
    site: Path | None,
    config: Path,
    url: str,
    project: str,
) -> None:
    """Write down what got worse or better, and why.

    With the commits that did it, and what to do first: since the last release, between two releases, or of a whole
    hour, day, week or month of UTC. Ends with 0 whatever there is to tell.
    """
    from perfgate import files, keeping, reporting
    from perfgate.publish.stream import Steady

    where = keeping.place(config.resolve().parent, url=url, project=project)
    wanted = Wanted(kind, at, former, latter, scenario)
    if site is not None:
        _check_alone(wanted, paths)
        from perfgate import serving

        made = serving.site(where, site)
        click.echo(f"{site}: {made.pages} pages, {show(made.size, Unit.BYTES)}", err=True)
        return
    formats = {path: _format(path) for path in paths}
    for path in paths:
        files.clear(path)
    written = reporting.write(where, wanted, set(formats.values()) or {"markdown"})
    for note in written.notes:
        click.echo(f"perfgate: {note}", err=True)
    for path, form in formats.items():
        files.write(path, written.texts[form])
    if not paths:
        text = written.texts["markdown"]
        Steady(sys.stdout).write(reporting.readable(text) if sys.stdout.isatty() else text)


def _format(path: Path) -> str:
    if path.suffix not in FORMATS:
        raise BadRequest(f"--out {path}: no such format", hint=f"its name ends in {' or '.join(FORMATS)}")
    return FORMATS[path.suffix]


def _check_alone(wanted: Wanted, paths: tuple[Path, ...]) -> None:
    """The site is about all the history, so nothing else can be asked of it."""
    if wanted != Wanted() or paths:
        raise BadRequest("--site writes pages about the whole history", hint="leave out everything else: --site FOLDER")
