"""A run that an error ended: GitHub is told as of any other, so that nobody reads the comment of an earlier commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import perfgate
from perfgate import files, resultfile
from perfgate.errors import PerfgateError
from perfgate.model import Flaw, FlawKind, Run
from perfgate.result import Result

if TYPE_CHECKING:
    from perfgate.announcement import Announcer


@contextmanager
def told(announcer: Announcer | None, folder: Path, json_path: Path | None) -> Iterator[None]:
    """Tell of an error that ends what is done in this block, and let it go on its way. `folder` is the project's.

    It is written to `json_path`, too, for whoever publishes that in another step.
    """
    try:
        yield
    except Exception as error:
        if announcer is None and json_path is None:
            raise
        result = result_of(error, folder)
        if json_path is not None:
            with suppress(PerfgateError):  # what ended the run says more
                files.clear(json_path)
                resultfile.save(result, json_path)
        if announcer is not None:
            announcer.announce(result)
        raise


def result_of(error: Exception, folder: Path) -> Result:
    """The result of a run that this error ended, judged: nothing was measured, and that is no pass."""
    from perfgate.judge.verdict import judge
    from perfgate.measure.machine import machine
    from perfgate.revision import revision

    where = revision(folder)
    run = Run(
        commit=where.commit,
        branch=where.branch,
        dirty=where.dirty,
        base="",
        machine=machine(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        version=perfgate.__version__,
        seed=0,
        flaws=(_flaw(error),),
    )
    return Result(run, judge(run, (), {}))


def _flaw(error: Exception) -> Flaw:
    if isinstance(error, PerfgateError):
        return Flaw(FlawKind.NOT_MEASURED, error.args[0], detail=error.hint)
    return Flaw(FlawKind.NOT_MEASURED, f"a bug in perfgate ended the run: {type(error).__name__}; see the job's log")
