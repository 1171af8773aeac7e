"""Telling GitHub, with a token that may write, of what a run measured whose token may not, as a fork's may not.

Nothing that the other run left behind is run, or written to a disk; what it says of itself is hearsay.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from perfgate import hearsay, publication
from perfgate.announcement import Announcer, equipped, folder
from perfgate.errors import BadRequest, ExitCode
from perfgate.options import Telling
from perfgate.publish.github import artifacts, pulls
from perfgate.publish.github.archive import Unusable, result_in
from perfgate.publish.github.exchange import Exchange, Patience, Refused
from perfgate.publish.github.place import FOLLOWING
from perfgate.publish.github.pulls import NoPull, Pull
from perfgate.publish.github.trigger import Trigger, trigger
from perfgate.publish.report import inert, one_line
from perfgate.publish.stream import Steady
from perfgate.result import Result


def relay(
    telling: Telling,
    config: Path,
    reports: Iterable[str] = (),
    *,
    quiet: bool = False,
    env: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> ExitCode:
    """Publish the result of the run that this job follows.

    Returns PASSED where that is done, whatever the verdict, and where nobody waits for it: the run was skipped, or the
    pull request was closed, or has a newer commit. Returns NOT_MEASURED where the result is missing, unusable or could
    not be told. Raises BadRequest where this is no such job.
    """
    env, patience = os.environ if env is None else env, patience or Patience()
    followed = _followed(telling, env)
    token, chosen = equipped(telling, env), publication.choose(reports)
    if not followed.ran:
        _say(f"nothing is published of run {followed.run}: it ended with {followed.conclusion!r}, and measured nothing")
        return ExitCode.PASSED
    try:
        with closing(Exchange(followed.api, token, patience)) as exchange:
            pull = pulls.find(exchange, followed)
            result, usable = _result(exchange, artifacts.Download(followed, token, patience), followed, pull, telling)
    except (NoPull, Refused) as error:
        _say(f"nothing is published of run {followed.run}: {error.reason}")
        return ExitCode.PASSED if isinstance(error, NoPull) and error.excused else ExitCode.NOT_MEASURED
    publication.publish(result, chosen, quiet=quiet)
    announcer = Announcer(
        place=followed.place(pull.number),
        token=token,
        telling=telling._replace(required=True),  # telling is all that this job is for
        folder=folder(config.resolve().parent, env),
        env=env,
        patience=patience,
        caution=hearsay.CAUTION if followed.fork and usable else "",
    )
    told = announcer.announce(result, chosen[0][1] if chosen else None)
    return told if usable else ExitCode.NOT_MEASURED


def _followed(telling: Telling, env: Mapping[str, str]) -> Trigger:
    found = trigger(env) if telling.github else None
    if found is None:
        raise BadRequest(
            "publish: the RESULT is missing",
            hint=f"name the file; only `perfgate publish --github` in a workflow `on: {FOLLOWING}` finds it by itself",
        )
    return found


def _result(
    exchange: Exchange, download: artifacts.Download, followed: Trigger, pull: Pull, telling: Telling
) -> tuple[Result, bool]:
    """What to tell, and whether it is the run's result rather than the want of one."""
    try:
        archive = download.archive(artifacts.newest(exchange, followed, telling.key))
        return hearsay.read(result_in(archive), followed, pull), True
    except (Unusable, Refused) as error:
        return hearsay.lost(error.reason, followed), False


def _say(text: str) -> None:
    Steady(sys.stderr).write(f"perfgate: {inert(one_line(text))}\n")
