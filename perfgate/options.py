"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

CONFIG = "budgets.yaml"

config_option = click.option(
    "--config", "-c", type=click.Path(path_type=Path), default=CONFIG, show_default=True, help="The budgets file."
)
json_option = click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the result here.")
report_option = click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="PATH",
    help="Write a report: PATH ends in .html, .md or .xml (JUnit), or is NAME=PATH. May be repeated.",
)
profile_option = click.option(
    "--profile", default="", envvar="PERFGATE_PROFILE", metavar="NAME", help="Take this profile of the budgets file."
)
base_option = click.option(
    "--base",
    default="",
    envvar="PERFGATE_BASE",
    metavar="REF",
    help="Measure this commit beside yours and compare with it: a branch, tag or commit, or `release` for the last "
    "tag. For a pull request in CI it is the merge base; `none` turns it off.",
)
strict_option = click.option("--strict", is_flag=True, help="What could not be decided fails.")
diagnose_option = click.option(
    "--diagnose",
    type=click.Choice(["red", "always", "never"]),
    default="red",
    show_default=True,
    help="When to look for causes, and try remedies in throwaway copies of the database.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Say nothing but the verdict.")
result_argument = click.argument("result_path", metavar="RESULT", type=click.Path(path_type=Path))
