"""What `--json` writes and the stages hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

from perfgate.advice import Advice, Cause
from perfgate.model import Run, Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """A run, a verdict once it was judged, and what a closer look at it found."""

    run: Run
    verdict: Verdict | None = None
    advice: tuple[Advice, ...] = ()
    causes: tuple[Cause, ...] = ()
