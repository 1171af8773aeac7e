"""Which of two rules allows less."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from perfgate.model import Better
from perfgate.plan import Limit, Multiple, Rule, Tolerance

LEVELS = ("warn", "fail")

R = TypeVar("R", Limit, Tolerance)


def is_looser(was: float | Multiple | None, now: float | Multiple | None, better: Better) -> bool:
    """Whether a limit that was there went, or moved the wrong way; a multiple is looser whenever it may be."""
    if was is None or was == now:
        return False
    if isinstance(was, Multiple) and isinstance(now, Multiple):
        return not _is_within(now, was) if better is Better.LOWER else True
    if now is None or isinstance(was, Multiple) or isinstance(now, Multiple):
        return True
    return now > was if better is Better.LOWER else now < was


def _is_within(now: Multiple, was: Multiple) -> bool:
    """Whether a ceiling that is a multiple is never above another."""
    least = (now.at_least or 0.0) <= (was.at_least or 0.0)
    most = was.at_most is None or (now.at_most is not None and now.at_most <= was.at_most)
    return now.factor <= was.factor and least and most


def stricter(base: Rule, own: Rule, better: Better) -> Rule:
    """Base's rule, tightened where the change's `own` of the same kind is stricter: level by level.

    `better` is the metric's; what a change loosens waits until it is a base itself.
    """
    if isinstance(base, Limit) and isinstance(own, Limit):
        return _tightened(base, own, better)
    if isinstance(base, Tolerance) and isinstance(own, Tolerance):
        return replace(_tightened(base, own, Better.LOWER), floor=min(base.floor, own.floor))
    return base


def _tightened(base: R, own: R, better: Better) -> R:
    held = {level: getattr(own, level) for level in LEVELS if not _loosens(base, own, level, better)}
    tightens = any(value != getattr(base, level) for level, value in held.items())
    return replace(base, **held, where=own.where if tightens else base.where)


def _loosens(base: Limit | Tolerance, own: Limit | Tolerance, level: str, better: Better) -> bool:
    return is_looser(getattr(base, level), getattr(own, level), better)
