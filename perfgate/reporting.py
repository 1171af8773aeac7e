"""Writing reports: wires the spans, git and the store to what is written, and keeps what was."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfgate import keeping
from perfgate.errors import BadRequest, suggestion
from perfgate.publish.report import clean

if TYPE_CHECKING:
    from perfgate.keeping import Place
    from perfgate.publish.history.store import Store
    from perfgate.publish.periodic.account import Account
    from perfgate.publish.periodic.spans import Span

KINDS = ("release", "hourly", "daily", "weekly", "monthly")
FORMATS = {".md": "markdown", ".html": "html"}
"""Formats by the endings of their files."""


@dataclass(frozen=True)
class Wanted:
    """What a report is asked to be about; "" where it was not said. `at` is a date, the others are names."""

    kind: str = "release"
    at: str = ""
    former: str = ""
    latter: str = ""
    scenario: str = ""


@dataclass(frozen=True)
class Written:
    """The texts by their formats; `notes` are for stderr."""

    texts: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())


def write(where: Place, wanted: Wanted, formats: Collection[str], now: datetime | None = None) -> Written:
    """The report in each format. Runs that wait are stored first, and what is written is kept in the store.

    Raises BadRequest for a date, release or scenario that there is none of, NotMeasured where the store cannot be
    reached.
    """
    from perfgate.publish.periodic.account import account

    _check(wanted)
    with keeping.reporting(), keeping.opened(where) as store:
        notes = keeping.catch_up(where)
        moment = now or datetime.now(UTC)
        span = _span(store, wanted, moment)
        _check_scenario(store, wanted.scenario)
        told = account(store, where.project, span, wanted.scenario)
        texts = {one: _text(store, told, one, moment) for one in formats}
    return Written(texts, notes)


def readable(markdown: str) -> str:
    """The Markdown for people who read it as it is: without what keeps names from being taken for markup."""
    return clean(html.unescape(re.sub(r"</?code>", "`", markdown)))


def _check(wanted: Wanted) -> None:
    release = wanted.kind == "release"
    if not release and (wanted.former or wanted.latter):
        raise BadRequest(
            f"--from and --to name releases, and a {wanted.kind} report has none", hint="take --at, or `release`"
        )
    if release and wanted.at:
        raise BadRequest("--at is for hours, days, weeks and months", hint=f"perfgate report weekly --at {wanted.at}")


def _span(store: Store, wanted: Wanted, now: datetime) -> Span:
    from perfgate.publish.history import notices
    from perfgate.publish.periodic import account, spans

    kind = spans.Kind(wanted.kind)
    if kind is spans.Kind.RELEASE:
        return spans.between(notices.releases(store), account.measured(store), now, wanted.former, wanted.latter)
    return spans.calendar(kind, now, spans.moment(wanted.at) if wanted.at else None)


def _check_scenario(store: Store, scenario: str) -> None:
    from perfgate.publish.history import reading
    from perfgate.publish.report import one_line

    known = {one.key.scope.scenario for one in reading.series(store)} - {""}
    if scenario and known and scenario not in known:
        hint = suggestion(scenario, set(map(one_line, known)))
        raise BadRequest(f"the history has no scenario {scenario!r}", hint=hint)


def _text(store: Store, told: Account, form: str, now: datetime) -> str:
    """The report. Of a time whose samples have gone, it is the one that was kept."""
    from perfgate.publish.periodic import shelf

    whole = told.span.over and not told.scenario
    former = shelf.kept(store, told.span, form) if whole and not told.lines else ""
    if former:
        return former
    text = _rendered(told, form)
    if whole and told.lines:
        shelf.keep(store, told.span, form, text, now)
    return text


def _rendered(told: Account, form: str) -> str:
    from perfgate.publish.periodic.html import html
    from perfgate.publish.periodic.markdown import markdown
    from perfgate.publish.periodic.sheet import sheet

    words = sheet(told)
    return html(words) if form == "html" else markdown(words)
