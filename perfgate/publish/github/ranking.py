"""Which of many findings are told where there is no room for all: those that are furthest beyond their lines."""

from __future__ import annotations

import math
from dataclasses import replace

from perfgate.model import Finding
from perfgate.result import Result


def worst_first(result: Result) -> Result:
    """The result with the findings of each status in that order; what cannot be compared keeps its place at the end."""
    if result.verdict is None:
        return result
    findings = tuple(sorted(result.verdict.findings, key=lambda found: -excess(found)))
    return replace(result, verdict=replace(result.verdict, findings=findings))


def excess(found: Finding) -> float:
    """How far it is from its reference, as the logarithm of their ratio: twice and half of it are equally far."""
    seen, line = found.observed, found.reference
    if seen is None or line is None or seen == line:
        return 0.0
    return abs(math.log(seen / line)) if line and seen / line > 0 else math.inf
