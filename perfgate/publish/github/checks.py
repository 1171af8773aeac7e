"""The verdict at the commit itself: a check run with remarks in the files, or a status where a check may not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from perfgate.errors import ExitCode
from perfgate.model import Level, Status
from perfgate.publish.github.annotations import Annotation
from perfgate.publish.github.api import Api, Refused
from perfgate.publish.report import clean, one_line
from perfgate.publish.reports.markdown import Markdown
from perfgate.publish.words import LONGEST_HEADLINE, headline
from perfgate.result import Result

NAME = "perfgate"
LONGEST_SUMMARY = 65_535
LONGEST_DESCRIPTION = 140
LONGEST_TITLE = 255
LONGEST_MESSAGE = 64_000
"""Bytes; GitHub takes 64 KB."""

BATCH = 50
"""Annotations of one request."""
MOST_ANNOTATIONS = 500
"""Ten requests' worth: who has to be told more reads the summary."""


class Conclusion(StrEnum):
    """What a check run ends with. NEUTRAL blocks nothing, and does not say that all is well."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"


_STATES = {Conclusion.SUCCESS: "success", Conclusion.NEUTRAL: "pending", Conclusion.FAILURE: "failure"}
"""A status knows no neutral end; the pending one is neither red nor green."""

_LEVELS = {Level.FAIL: "failure", Level.WARN: "warning", Level.INFO: "notice"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands at the commit now: a `check` with its page, or a `status`, and why it is no check."""

    kind: str
    url: str = ""
    because: str = ""


def publish(api: Api, key: str, result: Result, annotations: Sequence[Annotation]) -> Shown:
    """Shows the verdict at the commit of the place; `annotations` come worst first, and the worst 500 are shown.

    Raises `Refused` where GitHub takes neither a check nor a status.
    """
    try:
        return Shown("check", _check(api, key, result, annotations))
    except Refused as refused:
        if not refused.denied:
            raise
        _status(api, key, result)
        return Shown("status", because=refused.reason)


def name(key: str) -> str:
    """What the check of a configuration is called; "" is the only one."""
    return f"{NAME} ({key})" if key else NAME


def conclusion(result: Result) -> Conclusion:
    """What the verdict comes to: only what was decided is a success, and what was not measured is none."""
    if result.verdict is None:
        return Conclusion.NEUTRAL
    if result.verdict.exit_code is not ExitCode.PASSED:
        return Conclusion.FAILURE
    unsure = any(finding.status is Status.UNSURE for finding in result.verdict.findings)
    return Conclusion.NEUTRAL if unsure else Conclusion.SUCCESS


def _check(api: Api, key: str, result: Result, annotations: Sequence[Annotation]) -> str:
    """The page of a check run; all annotations but the first are added to it batch by batch."""
    shown = [_annotation(one) for one in annotations if one.path][:MOST_ANNOTATIONS]
    title = one_line(headline(result), LONGEST_HEADLINE)
    said = {"title": title, "summary": Markdown(LONGEST_SUMMARY).render(result)}
    reference = f"{key}:{api.place.run}:{api.place.attempt}"
    check = api.create_check(
        name(key),
        reference,
        {
            "status": "completed",
            "conclusion": conclusion(result).value,
            "details_url": api.place.run_url,
            "output": {**said, "annotations": shown[:BATCH]},
        },
    )
    for start in range(BATCH, len(shown), BATCH):
        batch = shown[start : start + BATCH]
        api.update_check(check.id, {"output": {**said, "annotations": batch}}, start + len(batch))
    return check.url


def _status(api: Api, key: str, result: Result) -> None:
    told = one_line(headline(result), LONGEST_DESCRIPTION)
    api.create_status(_STATES[conclusion(result)], name(key), told, api.place.run_url)


def _annotation(one: Annotation) -> dict[str, str | int]:
    message = clean(one.message).encode()[:LONGEST_MESSAGE].decode(errors="ignore")
    return {
        "path": one.path,
        "start_line": one.line,
        "end_line": one.line,
        "annotation_level": _LEVELS[one.level],
        "title": one_line(one.title, LONGEST_TITLE),
        "message": message or one_line(one.title),
    }
