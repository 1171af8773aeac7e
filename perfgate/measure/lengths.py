"""How long the rounds of a scenario are, and whether that gives every endpoint requests enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

ENOUGH = 200
"""Requests of an endpoint in a round: a 95th percentile then rests on the ten slowest."""

LONGEST_S = 3.0
"""A round is not made longer than this, unless a longer one was asked for: more pairs say more than longer ones."""

TRIAL_S = 0.5
"""How long requests are counted at least before the first round."""

SHOWN = 3


def trial(asked: float, warmup: float) -> tuple[float, float] | None:
    """A warm-up and a stretch to count requests in, together as long as a warm-up; None where nothing hangs on them."""
    return None if asked >= LONGEST_S else (warmup / 2, max(warmup / 2, TRIAL_S))


def settled(asked: float, seconds: float, sides: Iterable[Mapping[str, int]]) -> float:
    """The length in which the rarest endpoint is likely to get `ENOUGH` requests on each side, as far as there is one.

    `sides` count the requests of each endpoint that were answered in so many seconds. It is `asked` at least,
    `LONGEST_S` at most, and `asked` where even that would not be enough; in tenths of a second.
    """
    fewest = min((count for counts in sides for count in counts.values()), default=None)
    if fewest is None:
        return asked
    likely = max(fewest - 2 * math.sqrt(fewest), 0.0)  # counts of what comes at random vary by their root
    needed = math.ceil(10 * ENOUGH * seconds / likely) / 10 if likely else math.inf
    return max(asked, needed) if needed <= LONGEST_S else asked


class Tally:
    """The requests of each endpoint in the rounds of one side that count."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._rounds = 0

    def add(self, requests: Mapping[str, int]) -> None:
        """One more round."""
        self._requests.update(requests)
        self._rounds += 1

    def a_round(self) -> dict[str, int]:
        """How many requests a round each endpoint got, on average."""
        return {endpoint: round(count / self._rounds) for endpoint, count in self._requests.items()}


def doubt(scenario: str, tallies: Sequence[Tally]) -> str:
    """What to say of endpoints that got too few requests, on the side that had fewer; "" where all got enough."""
    fewest: dict[str, int] = {}
    for tally in tallies:
        for endpoint, count in tally.a_round().items():
            fewest[endpoint] = min(count, fewest.get(endpoint, count))
    rare = sorted((count, endpoint) for endpoint, count in fewest.items() if count < ENOUGH)
    if not rare:
        return ""
    named = ", ".join(f"{count} of {endpoint}" for count, endpoint in rare[:SHOWN])
    left = len(rare) - SHOWN
    more = f" and of {left} more endpoint{'s' if left > 1 else ''}" if left > 0 else ""
    whose = "its" if len(rare) == 1 else "their"
    words = f"scenario {scenario}: requests a round: {named}{more}: {whose} percentiles rest on few"
    return f"{words}; a longer `round:` or more load gives {ENOUGH}"
