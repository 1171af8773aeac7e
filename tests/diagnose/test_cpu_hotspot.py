"""CPU hotspots: what grew against base, what is dear without one, and what says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.cpu_hotspot import ADVISOR
from perfgate.diagnose.consultation import explained_by
from perfgate.model import Finding, Side
from perfgate.profiled import Place, Profile
from tests.diagnose.laboratory import SCENARIO, failed, subject_of

LIST, ITEM = "GET /products", "GET /products/{id}"


def spent(function: str, cpu: float, *, sends: bool = False) -> Place:
    return Place("shop/views.py", 42, function, cpu, cpu / 20, sends)


def profile(side: Side, endpoints: Mapping[str, tuple[float, tuple[Place, ...]]]) -> Profile:
    totals = {name: total for name, (total, _) in endpoints.items()}
    return Profile(SCENARIO, side, totals, {name: places for name, (_, places) in endpoints.items()})


def advice(head: Profile, base: Profile | None = None, *red: Finding) -> list[Advice]:
    profiles = {Side.HEAD: {SCENARIO: head}, Side.BASE: {SCENARIO: base} if base else {}}
    return list(ADVISOR.advise(replace(subject_of(red=red), profiles=profiles)))


RED = failed("cpu.per_request")
SLOW = profile(Side.HEAD, {LIST: (0.017, (spent("render", 0.015), spent("page", 0.001)))})


def test_what_grew_against_base_is_named_with_both_sides_and_explains_the_red_metric() -> None:
    base = profile(Side.BASE, {LIST: (0.003, (spent("render", 0.001), spent("page", 0.001)))})
    (found,) = advice(SLOW, base, RED)
    assert found.severity is Severity.HIGH
    assert found.title == "GET /products spends 15 ms of CPU a request in render, shop/views.py:42"
    assert found.code == "shop/views.py:42"
    assert found.evidence[1] == "in base it takes 1.00 ms of the 3 ms of GET /products"
    (trial,) = found.verified
    assert (trial.before, trial.after) == (0.017, 0.003)
    assert list(explained_by(found, [RED]))


def test_without_a_base_the_place_that_takes_most_of_an_endpoint_is_named() -> None:
    (found,) = advice(SLOW, None, RED)
    assert found.severity is Severity.HIGH
    assert found.evidence == ("render takes 88.2 % of the 17 ms that the service spends on a request of GET /products",)
    assert found.verified[0].after == pytest.approx(0.002)


def test_one_place_that_several_endpoints_share_is_told_once_for_all_of_them() -> None:
    both = profile(Side.HEAD, {name: (0.017, (spent("render", 0.015),)) for name in (LIST, ITEM)})
    (found,) = advice(both, None, RED)
    assert found.title.startswith("GET /products and 1 more spend 15 ms")
    assert (found.scope.endpoint, len(found.verified), len(found.evidence)) == ("", 2, 2)


def test_where_nothing_is_red_a_hotspot_is_a_hint() -> None:
    assert [one.severity for one in advice(SLOW)] == [Severity.LOW]


@pytest.mark.parametrize(
    ("head", "base"),
    [
        ({LIST: (0.017, (spent("render", 0.015),))}, {LIST: (0.017, (spent("render", 0.0149),))}),
        ({LIST: (0.017, (spent("fetch", 0.015, sends=True),))}, None),
        ({LIST: (0.017, (spent("fetch", 0.015, sends=True),))}, {LIST: (0.003, ())}),
        ({LIST: (0.017, (spent("render", 0.006),))}, None),
        ({LIST: (0.0007, (spent("render", 0.0005),))}, None),
        ({LIST: (1.0, (spent("render", 0.02),))}, {LIST: (1.0, ())}),
        ({LIST: (0.0, ())}, None),
    ],
    ids=[
        "grew no more than noise",
        "sends statements",
        "sends more statements",
        "a small share",
        "little time",
        "a small growth",
        "nothing",
    ],
)
def test_what_explains_nothing_is_not_told(
    head: Mapping[str, tuple[float, tuple[Place, ...]]], base: Mapping[str, tuple[float, tuple[Place, ...]]] | None
) -> None:
    assert not advice(profile(Side.HEAD, head), profile(Side.BASE, base) if base else None, RED)
