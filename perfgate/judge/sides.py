"""What two sides tell about each other besides their figures: that they were asked for, and gave, the same things."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.judge.conditions import BYTES
from perfgate.judge.evidence import level
from perfgate.judge.references import ERRORS
from perfgate.model import Finding, Run, Scope, Side, Status, Unit
from perfgate.stats import mean

OFTEN = 0.5
"""Share of base's rounds that asked for an endpoint: from there on it is no chance that no round of head did."""

MOST_GROWTH = 2.0
"""Times that an endpoint's answers may have grown or shrunk before it is doubted that they are the same ones."""


def asked_of_base_alone(run: Run) -> Iterator[Finding]:
    """Endpoints that base was asked for and head was not: the load depends on what the service answers."""
    heads = {(s.scope.scenario, s.scope.endpoint) for s in run.samples if s.side is Side.HEAD}
    for sample in run.samples:
        place = (sample.scope.scenario, sample.scope.endpoint)
        here = sample.side is Side.BASE and sample.metric == ERRORS and sample.scope.endpoint
        if not here or place in heads or not sample.present:
            continue
        often = len(sample.present) >= OFTEN * len(sample.values)
        status = Status.MISSING if often else Status.UNSURE
        rounds = f"{len(sample.present)} of {len(sample.values)} rounds"
        words = f"base {run.base[:8]} was asked for it in {rounds}, head in none: does the load depend on the answers?"
        yield _finding("measurement", sample.scope, status, words)


def other_answers(run: Run) -> Iterator[Finding]:
    """Endpoints whose answers have another size by far: a page that is empty, or an error, is quick as well."""
    sizes = {(s.scope, s.side): mean(s.present) for s in run.samples if s.metric == BYTES and s.present}
    for (scope, side), size in sorted(sizes.items()):
        before = sizes.get((scope, Side.BASE))
        if side is not Side.HEAD or not scope.endpoint or before is None:
            continue
        if max(size, before) > MOST_GROWTH * min(size, before):
            words = f"its answers have {size:.0f} bytes, base's {before:.0f}: are they the same ones?"
            yield _finding(BYTES, scope, Status.WARN, words)


def _finding(metric: str, scope: Scope, status: Status, because: str) -> Finding:
    unit = Unit.BYTES if metric == BYTES else Unit.COUNT
    return Finding(metric, scope, unit, status, level(status), because, kind="validity")
