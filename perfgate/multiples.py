"""Limits that move with their reference, as they are written: `1.5 x baseline, at least 300 ms`."""

from __future__ import annotations

import re

from perfgate.model import Unit
from perfgate.plan import Multiple
from perfgate.units import EXAMPLES, parse

_FORM = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*[x×*]\s*(\w+)\s*(?:,(.*))?", re.DOTALL)
_BOUND = re.compile(r"\s*at\s+(least|most)\s+(.*)", re.DOTALL)
_NAMES = ("baseline", "base")


def is_multiple(text: object) -> bool:
    """Whether the text is meant to be a multiple, be it a good one or not."""
    return isinstance(text, str) and _FORM.match(text) is not None


def bounds(text: str) -> dict[str, str]:
    """What `least` and `most` are, as they are written. Raises ValueError for anything else behind the multiple."""
    form, found = _FORM.fullmatch(text), dict[str, str]()
    for part in form[3].split(",") if form and form[3] is not None else ():
        bound = _BOUND.fullmatch(part)
        if bound is None or bound[1] in found:
            raise ValueError(f"{part.strip()!r} is no bound; write `at least ...` or `at most ...`, each once")
        found[bound[1]] = bound[2].strip()
    return found


def parsed(text: str, unit: Unit) -> Multiple:
    """Read `1.5 x baseline, at least 300 ms, at most 2 s`. Raises ValueError with what to type instead."""
    form = _FORM.fullmatch(text)
    if form is None or form[2] not in _NAMES:
        raise ValueError(f"{text!r} is no multiple; write it like '1.5 x baseline, at least {EXAMPLES[unit]}'")
    factor = float(form[1])
    if not 0 < factor <= 1e6:
        raise ValueError(f"{text!r}: {factor:g} times something is no limit; write it like '1.5 x baseline'")
    found = {word: parse(bound, unit) for word, bound in bounds(text).items()}
    least, most = found.get("least"), found.get("most")
    if least is not None and most is not None and least > most:
        raise ValueError(f"{text!r}: `at least` is more than `at most`")
    return Multiple(factor, least, most)
