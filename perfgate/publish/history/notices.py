"""What is told of a project beside its runs: its releases, alerts that were raised, reports that were made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perfgate.publish.history.entry import plain
from perfgate.publish.history.store import Store


@dataclass(frozen=True, slots=True)
class Release:
    """A tag and the commit that it names."""

    name: str
    commit: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that was told. `name` is the same for the same cause; `kind` is a word like "change point"."""

    name: str
    kind: str
    raised: datetime
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A written report about a stretch of time; `format` is "html" or "markdown"."""

    kind: str
    since: datetime
    until: datetime
    format: str
    made: datetime
    content: str


def add_releases(store: Store, releases: Iterable[Release]) -> None:
    """Note releases; a tag that moved names its present commit."""
    with store.transaction() as cursor:
        cursor.executemany(
            "INSERT INTO release VALUES (%s, %s, %s, %s) ON CONFLICT (project, name)"
            " DO UPDATE SET commit = excluded.commit, made = excluded.made",
            [(store.project, plain(one.name), plain(one.commit), one.made) for one in releases],
        )


def releases(store: Store) -> tuple[Release, ...]:
    """All releases, in order of time."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            "SELECT name, commit, made FROM release WHERE project = %s ORDER BY made, name", [store.project]
        )
        return tuple(Release(*row) for row in rows)


def raise_alerts(store: Store, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Note alerts; those that were not raised before, whoever does so at the same time."""
    fresh = []
    with store.transaction() as cursor:
        for one in sorted(alerts, key=lambda alert: alert.name):
            cursor.execute(
                "INSERT INTO alert VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [store.project, plain(one.name), one.kind, one.raised, plain(one.text), json.dumps(dict(one.details))],
            )
            if cursor.rowcount:
                fresh.append(one)
    return tuple(fresh)


def alerts(store: Store, *, limit: int = 100) -> tuple[Alert, ...]:
    """The last alerts, newest first."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            "SELECT name, kind, raised, text, details FROM alert WHERE project = %s"
            " ORDER BY raised DESC, name LIMIT %s",
            [store.project, limit],
        )
        return tuple(Alert(*row) for row in rows)


def keep_report(store: Store, report: Report) -> None:
    """Keep a report in place of a former one on the same."""
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO report VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (project, kind, since, until, format)"
            " DO UPDATE SET made = excluded.made, content = excluded.content",
            [
                *(store.project, report.kind, report.since, report.until, report.format, report.made),
                plain(report.content),
            ],
        )


def reports(store: Store, *, kind: str = "", limit: int = 100) -> tuple[Report, ...]:
    """The last reports, newest first."""
    with store.transaction() as cursor:
        rows = cursor.execute(
            "SELECT kind, since, until, format, made, content FROM report"
            " WHERE project = %(project)s AND %(kind)s IN ('', kind) ORDER BY until DESC, since LIMIT %(limit)s",
            {"project": store.project, "kind": kind, "limit": limit},
        )
        return tuple(Report(*row) for row in rows)
