"""What was told of level shifts already, so that each is told once, whoever looks and however often."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Any

from perfgate.model import Key, Scope
from perfgate.publish.history import notices
from perfgate.publish.history.notices import Alert
from perfgate.publish.history.store import Store
from perfgate.trend.changepoints import relative
from perfgate.trend.shifts import Shift
from perfgate.units import percent

LEVEL_SHIFT = "level shift"
MOST_TOLD = 100_000


def told(store: Store) -> tuple[Shift, ...]:
    """The level shifts that alerts were raised for."""
    return tuple(_shift(one.details) for one in notices.alerts(store, limit=MOST_TOLD) if one.kind == LEVEL_SHIFT)


def tell(store: Store, shifts: Iterable[Shift], now: datetime) -> tuple[Shift, ...]:
    """Note that shifts are told; those that nobody else told meanwhile, the order kept."""
    alerts = {_name(one): one for one in shifts}
    raised = notices.raise_alerts(store, [_alert(name, one, now) for name, one in alerts.items()])
    fresh = {one.name for one in raised}
    return tuple(one for name, one in alerts.items() if name in fresh)


def _alert(name: str, one: Shift, now: datetime) -> Alert:
    way = "worse" if one.worse else "better"
    details = {**asdict(one), "change": one.change if isfinite(one.change) else None}  # JSON has no infinity
    return Alert(name, LEVEL_SHIFT, now, f"{one.key}: {percent(one.change)} ({way}) since {one.since}", details)


def _name(one: Shift) -> str:
    """The same for the same shift; a digest, because an index holds no row as long as names may be."""
    place = [one.key.metric, asdict(one.key.scope), one.good, one.bad, one.began, one.ended, one.worse]
    return f"{LEVEL_SHIFT} {hashlib.sha256(json.dumps(place).encode()).hexdigest()}"


def _shift(details: Mapping[str, Any]) -> Shift:
    key, change = details["key"], relative(details["before"], details["after"])
    return Shift(**{**details, "key": Key(key["metric"], Scope(**key["scope"])), "change": change})
