"""How much of the database's work in a timed round the counting pass has told the reasons of.

What no request sends when it is asked alone comes from elsewhere: background jobs, caches that are filled once, or
requests that only happen side by side. Times are compared, because a round has no fixed number of requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.fingerprint import fingerprint, normalise
from perfgate.measure.statements import OWN, Snapshot, Statements, is_chatter, since
from perfgate.model import Better, Comparable, Metric, Noise, Unit

if TYPE_CHECKING:
    from perfgate.measure.database import ServiceDatabase

ATTRIBUTED = Metric(
    "queries.attributed",
    Unit.RATIO,
    Better.HIGHER,
    Noise.SAMPLED,
    "Share of the time Postgres spent on statements in a round that single requests were seen to send.",
    Comparable.ANYWHERE,
    drift=0.05,
)
MOST_NAMED = 2
LONGEST = 100


class Attribution(Collector):
    """Nothing is read where no counting pass named any statement, or where no statement ran."""

    name = "attribution"
    metrics = (ATTRIBUTED,)
    stretch = Stretch.ROUND
    options: ClassVar[Mapping[str, object]] = {}

    def __init__(self) -> None:
        self._statements: Statements | None = None
        self._before: Snapshot = {}

    def begin(self, target: Target) -> None:
        """Raises NotMeasured when the server is gone."""
        self._statements = None
        if target.database is not None and target.statements:
            with target.database.server.reporting("counting statements"):
                self._statements = Statements.of(target.database.server.monitor, target.database.name)
                self._before = self._statements.read()

    def finish(self, target: Target) -> list[Reading]:
        """Raises NotMeasured when the server is gone."""
        if self._statements is None or target.database is None:
            return []
        spent = self._spent(self._statements, target.database)
        everything = sum(spent.values())
        if not everything:
            return []
        strange = {text: seconds for text, seconds in spent.items() if fingerprint(text) not in target.statements}
        note = _named(sorted(strange, key=lambda text: -strange[text]))
        return [Reading(ATTRIBUTED, 1.0 - sum(strange.values()) / everything, note=note)]

    def _spent(self, statements: Statements, database: ServiceDatabase) -> dict[str, float]:
        """Seconds by normalised text."""
        with database.server.reporting("counting statements"):
            used, texts = since(self._before, statements.read()), statements.texts()
        spent: dict[str, float] = defaultdict(float)
        for statement, counters in used.items():
            text = normalise(texts[statement]) if OWN not in texts.get(statement, OWN) else ""
            if text and not is_chatter(text):
                spent[text] += counters.seconds
        return spent


def _named(strangers: list[str]) -> str:
    if not strangers:
        return ""
    shown = " and ".join(f"`{text[:LONGEST]}`" for text in strangers[:MOST_NAMED])
    return f"no request that was asked alone sends {shown}"


COLLECTOR = Attribution()
