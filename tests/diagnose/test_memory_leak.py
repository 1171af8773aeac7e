"""Leaks: the line that holds more after each request, and what is no leak."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.memory_leak import ADVISOR
from perfgate.diagnose.consultation import explained_by
from perfgate.model import Finding, Side
from perfgate.profiled import Growth, Profile
from tests.diagnose.laboratory import SCENARIO, failed, subject_of

RED = failed("memory.growth")


def held(function: str, size: float, line: int = 7) -> Growth:
    return Growth("shop/views.py", line, function, size)


def advice(head: tuple[Growth, ...], base: tuple[Growth, ...] | None = None, *red: Finding) -> list[Advice]:
    sides = {Side.HEAD: head, **({Side.BASE: base} if base is not None else {})}
    profiles = {side: {SCENARIO: Profile(SCENARIO, side, grown=grown)} for side, grown in sides.items()}
    return list(ADVISOR.advise(replace(subject_of(red=red), profiles=profiles)))


def test_a_leak_is_told_with_its_line_and_its_bytes() -> None:
    (found,) = advice((held("keep", 65_536), held("log", 40)), None, RED)
    assert found.severity is Severity.HIGH
    assert found.title == "each request leaves 65.5 KB behind, allocated in keep, shop/views.py:7"
    assert found.code == "shop/views.py:7"
    assert (found.verified[0].before, found.verified[0].after) == (65_576, 40)
    assert list(explained_by(found, [RED]))


def test_beside_a_base_its_own_growth_is_what_is_left() -> None:
    (found,) = advice((held("keep", 65_536),), (held("keep", 100, line=6),), RED)
    assert (found.verified[0].before, found.verified[0].after) == (65_536, 100)
    assert found.evidence[1].endswith("in base, keep leaves 100 B")


@pytest.mark.parametrize(
    ("head", "base", "red"),
    [
        ((held("keep", 65_536),), None, ()),
        ((held("keep", 65_536),), (held("keep", 60_000, line=6),), (RED,)),
        ((held("keep", 500),), None, (RED,)),
        ((), None, (RED,)),
    ],
    ids=["nothing is red", "base leaks as well", "next to nothing", "nothing"],
)
def test_what_is_no_leak_of_this_change_is_not_told(
    head: tuple[Growth, ...], base: tuple[Growth, ...] | None, red: tuple[Finding, ...]
) -> None:
    assert not advice(head, base, *red)
