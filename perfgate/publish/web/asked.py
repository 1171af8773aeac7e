"""What a page is asked for: which stretch of time, which branch, which scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from perfgate.errors import BadRequest
from perfgate.publish.history.reading import EVER, Window

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year", "all": "all", "custom": "from … to …"}
USUAL = "90"
LONGEST_NAME = 300
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Asked:
    """The filters of a page, as its form sends them; `since` and `until` are dates, both included."""

    period: str = USUAL
    since: str = ""
    until: str = ""
    branch: str = ""
    scenario: str = ""

    @property
    def query(self) -> str:
        """What follows the name of a page in a link that keeps the filters; "" for the usual ones."""
        usual = Asked()
        parts = {name: value for name, value in vars(self).items() if value != getattr(usual, name)}
        return f"?{urlencode(parts)}" if parts else ""

    def window(self, now: datetime) -> Window:
        """The stretch of time that is meant. Raises BadRequest for dates that are none."""
        if self.period == "custom":
            since, until = self._days(now.date())
        else:
            until = now
            since = EVER if self.period == "all" else now - int(self.period) * DAY
        return Window(since, until, self.branch, self.scenario)

    def _days(self, today: date) -> tuple[datetime, datetime]:
        try:
            until = _date(self.until, today) + DAY
            since = _date(self.since, (until - 90 * DAY).date())
        except OverflowError as error:
            raise BadRequest("there are no days around these", hint="write them like 2026-11-22") from error
        if since >= until:
            raise BadRequest("the first day is after the last one", hint="exchange them")
        return since, until


def asked(parameters: Mapping[str, str]) -> Asked:
    """The filters of a query string. Raises BadRequest for what is none."""
    found = Asked(**{name: parameters[name].strip() for name in vars(Asked()) if parameters.get(name, "").strip()})
    if found.period not in PERIODS:
        raise BadRequest(f"period {found.period[:20]!r} is not known", hint=f"one of {', '.join(PERIODS)}")
    for name in ("branch", "scenario"):
        if len(getattr(found, name)) > LONGEST_NAME or "\0" in getattr(found, name):
            raise BadRequest(f"{name} is no name of a {name}", hint="take one of the form's")
    return found


def _date(text: str, otherwise: date) -> datetime:
    """The beginning of the day in UTC."""
    try:
        day = date.fromisoformat(text) if text else otherwise
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + 0 * DAY
    except ValueError as error:
        raise BadRequest(f"{text[:20]!r} is no date", hint="write it like 2026-11-22") from error
