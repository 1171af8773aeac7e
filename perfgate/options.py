"""The options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import click

T = TypeVar("T")

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
release_option = click.option(
    "--against-release",
    is_flag=True,
    help="Measure beside the last release, and warn of drift in the history that no single change showed.",
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


class Telling(NamedTuple):
    """What GitHub is to be told: whether at all, of which configuration, and what becomes of it if that fails."""

    github: bool = False
    key: str = ""
    comment: str = "always"
    required: bool = False


_GITHUB = (
    click.option("--github", is_flag=True, help="Tell GitHub, in a job of its Actions: comment, check, summary."),
    click.option("--key", default="", metavar="NAME", help="The configuration's name, where a repository has several."),
    click.option(
        "--comment",
        type=click.Choice(["always", "red"]),
        default="always",
        show_default=True,
        help="With `red`, there is no comment on a pull request until something is red.",
    ),
    click.option("--require-publish", "required", is_flag=True, help="End with 3 where GitHub could not be told."),
)


def github_options(command: Callable[..., T]) -> Callable[..., T]:
    """The options about GitHub; the command gets them together, as `telling`."""

    @functools.wraps(command)
    def gathered(*args: object, github: bool, key: str, comment: str, required: bool, **others: object) -> T:
        return command(*args, telling=Telling(github, key, comment, required), **others)

    for option in reversed(_GITHUB):
        gathered = option(gathered)
    return gathered
