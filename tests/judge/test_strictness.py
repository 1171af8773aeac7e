"""Two rules about one thing, base's and the change's own: the stricter binds, level by level."""

from __future__ import annotations

import pytest

from perfgate.judge.rules import RuleBook
from perfgate.judge.strictness import stricter
from perfgate.model import Better, Key, Scope, Side
from perfgate.plan import Limit, Multiple, Rule, Selector, Tolerance

KEY = Key("response.p95", Scope(scenario="browse", endpoint="GET /a"))
Level = float | Multiple | None


def limit(warn: Level = None, fail: Level = None, side: Side = Side.HEAD, **places: str) -> Limit:
    return Limit(Selector("response.p95", **places), warn, fail, str(side), side)


@pytest.mark.parametrize(
    ("base", "own", "better", "held"),
    [
        ((1.0, 2.0), (1.5, 3.0), Better.LOWER, (1.0, 2.0)),
        ((1.0, 2.0), (0.5, 3.0), Better.LOWER, (0.5, 2.0)),
        ((1.0, 2.0), (None, 1.0), Better.LOWER, (1.0, 1.0)),
        ((None, 2.0), (1.0, None), Better.LOWER, (1.0, 2.0)),
        ((20.0, 10.0), (15.0, 12.0), Better.HIGHER, (20.0, 12.0)),
        ((None, Multiple(1.5)), (None, 0.001), Better.LOWER, (None, Multiple(1.5))),
        ((None, Multiple(1.5)), (None, Multiple(1.2)), Better.LOWER, (None, Multiple(1.2))),
    ],
)
def test_of_two_limits_the_stricter_level_holds(
    base: tuple[Level, Level], own: tuple[Level, Level], better: Better, held: tuple[Level, Level]
) -> None:
    found = stricter(limit(*base, Side.BASE), limit(*own), better)
    assert (found.warn, found.fail) == held
    assert found.where == ("base" if held == base else "head")


def test_a_tolerance_keeps_the_smaller_floor_and_the_smaller_levels() -> None:
    base = Tolerance(Selector("response.p95"), 0.02, 0.05, 0.001, "base", Side.BASE)
    own = Tolerance(Selector("response.p95"), 0.01, 0.50, 0.010, "head")
    found = stricter(base, own, Better.HIGHER)
    assert isinstance(found, Tolerance)
    assert (found.warn, found.fail, found.floor) == (0.01, 0.05, 0.001)


def test_a_more_specific_rule_of_the_change_does_not_get_round_base() -> None:
    rules: list[Rule] = [limit(fail=0.3, side=Side.BASE), limit(fail=10.0, endpoint="GET /a")]
    (found,) = RuleBook(rules, {}).binding(KEY)
    assert found.fail == 0.3


def test_a_change_adds_a_rule_where_base_has_none() -> None:
    other = Key("queries.calls", KEY.scope)
    rules: list[Rule] = [limit(fail=0.3, side=Side.BASE), Limit(Selector("queries.calls"), None, 5.0, "head")]
    (found,) = RuleBook(rules, {}).binding(other)
    assert found.where == "head"


def test_the_direction_is_the_metrics() -> None:
    rules: list[Rule] = [limit(fail=100.0, side=Side.BASE), limit(fail=50.0)]
    (lower,) = RuleBook(rules, {}, {KEY.metric: Better.LOWER}).binding(KEY)
    (higher,) = RuleBook(rules, {}, {KEY.metric: Better.HIGHER}).binding(KEY)
    assert (lower.fail, higher.fail) == (50.0, 100.0)
