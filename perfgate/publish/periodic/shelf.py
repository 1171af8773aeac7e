"""Reports that were written, kept in the store: they tell of a time after its samples have gone."""

from __future__ import annotations

from datetime import datetime

from perfgate.publish.history import notices
from perfgate.publish.history.store import Store
from perfgate.publish.periodic.spans import Span


def kept(store: Store, span: Span, form: str) -> str:
    """The report on the span in this format that was kept; "" without one."""
    with store.transaction() as cursor:
        row = cursor.execute(
            "SELECT content FROM report WHERE project = %s AND kind = %s AND since = %s AND until = %s AND format = %s",
            [store.project, span.kind, span.since, span.until, form],
        ).fetchone()
    return row[0] if row else ""


def keep(store: Store, span: Span, form: str, text: str, now: datetime) -> None:
    """Keep a report, unless the role may only read."""
    from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

    try:
        notices.keep_report(store, notices.Report(span.kind, span.since, span.until, form, now, text))
    except (InsufficientPrivilege, ReadOnlySqlTransaction):
        return
