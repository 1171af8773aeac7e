"""A result that another run tells of itself: whoever wrote its code may have written anything into it.

It is believed where it says what GitHub says of that run, or worse. Where the code is a fork's, nobody here has agreed
to it, so that even what agrees is not certain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sized
from dataclasses import replace
from typing import Any

from perfgate import __version__, runfile
from perfgate.errors import BadRequest, ExitCode
from perfgate.judge.verdict import exit_code
from perfgate.model import Finding, Level, Machine, Run, Scope, Status, Unit, Verdict
from perfgate.publish import reports
from perfgate.publish.github.archive import Unusable
from perfgate.publish.github.comment import body
from perfgate.publish.github.place import Place
from perfgate.publish.github.pulls import Pull
from perfgate.publish.github.trigger import Trigger
from perfgate.publish.report import one_line
from perfgate.result import Result

CAUTION = "**Measured by a fork's own run**, with code and budgets that nobody here has reviewed: it proves nothing."

MOST_MANY = 50_000
MOST_FEW = 2_000
MOST_STEPS = 20
MOST_VALUES = 2_000_000
"""In the whole file: ten times what ten thousand findings take. Each needs up to a hundred bytes once it is read."""

LONGEST_TEXT = 100_000
LARGEST_NUMBER = 1e18
LONGEST_REASON = 300

_WORD = re.compile(r"[A-Za-z0-9_.-]{0,50}")
_WORST_LAST = tuple(Status)


def read(content: bytes, trigger: Trigger, pull: Pull) -> Result:
    """The result that the run for `pull` left as a file. Raises `Unusable` where that is none."""
    told = _parsed(content)
    if told.verdict is None:
        raise Unusable("the result was not judged: `perfgate run` writes one that is")
    if told.verdict.exit_code is not exit_code(told.verdict.findings):
        raise Unusable("the result has another verdict than its findings imply")
    result = _told_by(replace(told, run=_corrected(told.run, trigger, pull)), trigger)
    _try(result, trigger.place(pull.number))
    return result


def lost(reason: str, trigger: Trigger) -> Result:
    """What is told where the run for a pull request has no result: that nothing was measured, and why."""
    run = Run(
        commit=trigger.head,
        branch=trigger.branch,
        dirty=False,
        base="",
        machine=Machine(cpu="unknown", cores=0, memory=0, system="", python=""),
        started=trigger.started.replace("Z", "+00:00"),
        seconds=0.0,
        version=__version__,
        seed=0,
    )
    because = reason if trigger.passed else f"{reason}; the run ended with {trigger.conclusion!r}"
    return Result(run, _verdict([_about(Status.INVALID, Level.FAIL, because)]))


def _parsed(content: bytes) -> Result:
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Unusable("the result has more values than can be told")
    try:
        text = content.decode()
        _check_values(json.loads(text, object_pairs_hook=_once))
        result = runfile.load_result(text, "result")
    except BadRequest as error:
        raise Unusable(one_line(str(error).partition("\n")[0], LONGEST_REASON)) from error
    except UnicodeDecodeError as error:
        raise Unusable("the result is no text") from error
    except (ValueError, RecursionError) as error:
        raise Unusable(f"the result is no usable JSON: {one_line(str(error), LONGEST_REASON)}") from error
    _check_amounts(result)
    return result


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which every key stands once: of two, readers may take either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _check_values(document: object) -> None:
    """Raise ValueError for a text or a number beyond what anybody measures or reads."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError(f"a text is longer than {LONGEST_TEXT} characters")
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
            raise ValueError("a number is larger than anything that is measured")


def _check_amounts(result: Result) -> None:
    """Raise `Unusable` where there is so much of something that writing it down would take for ever."""
    run, findings = result.run, result.verdict.findings if result.verdict else ()
    many: tuple[Sized, ...] = (findings, run.samples, run.statements, run.metrics)
    of_run = (run.loads, run.left_out, run.rounds, run.flaws, run.repeatability, run.phases, run.notes, run.loosened)
    few: tuple[Sized, ...] = (*of_run, result.advice, result.causes)
    steps = max((len(cause.steps) for cause in result.causes), default=0)
    if max(map(len, many)) > MOST_MANY or max(map(len, few)) > MOST_FEW or steps > MOST_STEPS:
        raise Unusable("the result has more entries than can be told")


def _corrected(run: Run, trigger: Trigger, pull: Pull) -> Run:
    """The run, with what GitHub knows in place of what the file says: commit, branch and base."""
    return replace(
        run,
        commit=trigger.head,
        branch=trigger.place(pull.number).branch,
        base=pull.base if run.base else "",
        profile=run.profile if _WORD.fullmatch(run.profile) else "",  # it is part of a command to be typed
    )


def _told_by(result: Result, trigger: Trigger) -> Result:
    """The result with what speaks against believing it."""
    assert result.verdict is not None
    doubts = []
    if result.verdict.exit_code is ExitCode.PASSED and not trigger.passed:
        because = f"the result says that it passed, but its run ended with {trigger.conclusion!r}"
        doubts.append(_about(Status.INVALID, Level.FAIL, because))
    if trigger.fork:
        because = "a fork's own run measured and judged this, with code and budgets that nobody here has reviewed"
        doubts.append(_about(Status.UNSURE, Level.WARN, because))
    return replace(result, verdict=_verdict([*doubts, *result.verdict.findings]))


def _about(status: Status, level: Level, because: str) -> Finding:
    """A finding about the measurement as a whole."""
    return Finding("measurement", Scope(), Unit.COUNT, status, level, because, "validity")


def _verdict(findings: Iterable[Finding]) -> Verdict:
    ordered = tuple(sorted(findings, key=lambda found: -_WORST_LAST.index(found.status)))
    return Verdict(ordered[0].status, exit_code(ordered), ordered)


def _try(result: Result, place: Place) -> None:
    """Write it down in every way: numbers may be such that there are no words for what follows from them."""
    try:
        for report in reports.known():
            report.render(result)
        body(result, place)
    except (ArithmeticError, ValueError) as error:
        raise Unusable(f"the result has numbers that make no sense together: {type(error).__name__}") from error
