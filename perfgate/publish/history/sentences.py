"""What a level shift means for commits, in the words that every report uses."""

from __future__ import annotations

from datetime import UTC, datetime

from perfgate.model import Key
from perfgate.publish import words
from perfgate.publish.report import one_line
from perfgate.trend.shifts import Shift


def commits(one: Shift) -> str:
    """Which commit a shift came with, as far as that is known: `after 1a2b3c, with 4d5e6f or by 7a8b9c`."""
    good, bad, since = (words.commit(name) for name in (one.good, one.bad, one.since))
    if one.outside:
        return f"{since} was measured on both sides of it, so no commit did it"
    return f"after {good}, with {since}" + (f" or by {bad}" if bad != since else "")


def period(one: Shift) -> str:
    """When a shift took place: `2026-03-17 to 2026-03-27`."""
    began, ended = day(one.began), day(one.ended)
    return ended if began == ended else f"{began} to {ended}"


def day(moment: float) -> str:
    """The day of a time in epoch seconds, in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def placed(key: Key) -> str:
    """The name of a sample, and its scenario: `response.p95[GET /products] in browse`."""
    return one_line(f"{key} in {key.scope.scenario}" if key.scope.scenario else str(key))
