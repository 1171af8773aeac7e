"""Writes the golden reports anew, to be read and committed: `python -m tests.periodic.written`."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from perfgate.measure import database as databases
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
from perfgate.publish.history import notices
from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.periodic.account import Account, account, measured
from perfgate.publish.periodic.html import html
from perfgate.publish.periodic.markdown import markdown
from perfgate.publish.periodic.sheet import sheet
from perfgate.publish.periodic.spans import Kind, Span, between, calendar, moment
from tests.periodic import shop

FOLDER = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
CASES = {
    "october": ("monthly", "2026-10"),
    "week": ("weekly", ""),
    "day": ("daily", "2026-11-15"),
    "hour": ("hourly", "2026-11-15T12"),
    "between": ("release", "v1.0 v1.2"),
    "since": ("release", ""),
}


def told(store: Store, name: str) -> Account:
    """What the shop's history says of a case."""
    kind, asked = CASES[name]
    return account(store, "octo/shop", _span(store, Kind(kind), asked))


def _span(store: Store, kind: Kind, asked: str) -> Span:
    if kind is Kind.RELEASE:
        return between(notices.releases(store), measured(store), NOW, *asked.split())
    return calendar(kind, NOW, moment(asked) if asked else None)


def as_markdown(found: Account) -> str:
    return markdown(sheet(found))


def as_html(found: Account) -> str:
    return html(sheet(found))


if __name__ == "__main__":
    with Owner() as owner, databases.start(Database(provider="embedded"), owner, print) as server:
        with closing(connect(server.create("golden").url)) as connection:
            place = open_store(connection, "octo/shop")
            shop.fill(place)
            for case in CASES:
                (FOLDER / f"{case}.md").write_text(as_markdown(told(place, case)), encoding="utf-8")
                if len(sys.argv) > 1:
                    (Path(sys.argv[1]) / f"{case}.html").write_text(as_html(told(place, case)), encoding="utf-8")
