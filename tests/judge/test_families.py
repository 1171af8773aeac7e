"""Response times of one endpoint share one part of the chance of an alarm, and help each other to alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import le
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.judge.evidence import Answer, Case
from perfgate.judge.families import Families, stepped_up
from perfgate.judge.pairs import CHANCE_OF_ALARM, Relative, Schedule, judge_pairs
from perfgate.judge.verdict import judge
from perfgate.model import Asked, Better, Finding, Metric, Noise, Run, Sample, Side, Status, Unit
from tests.judge.literals import METRICS, P95, RATE, run, sample, tolerance

ERRORS = Metric("response.errors", Unit.RATIO, Better.LOWER, Noise.SAMPLED, "errors")
CPU = Metric("cpu.per_request", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "cpu")
P50, P90 = (replace(P95, name=f"response.{name}") for name in ("p50", "p90"))
SCHEDULE = Schedule(6, 20)
SHAPES = ((0.97, 1.03, 1.0, 0.98, 1.02, 1.0), (1.01, 0.97, 1.03, 1.0, 0.98, 1.01), (0.98, 1.0, 0.99, 1.03, 0.97, 1.03))
RULE = tolerance("response.*", fail=0.01)


@pytest.mark.parametrize(
    ("chances", "alarmed"),
    [
        ((0.05, 0.055, 0.06), 3),
        ((0.05, 0.055, 0.061), 0),
        ((0.025, 0.03, 0.5), 2),
        ((0.025, 0.031, 0.5), 0),
        ((0.02, 0.031, 0.5), 1),
        ((0.021, 0.5, 0.5), 0),
        ((), 0),
    ],
)
def test_the_more_of_a_family_alarm_the_weaker_each_of_them_may(chances: tuple[float, ...], alarmed: int) -> None:
    if chances:
        level = stepped_up(0.06, [partial(le, chance) for chance in chances])
        assert sum(chance <= level for chance in chances) == alarmed


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6), st.floats(0.001, 0.2))
def test_the_level_of_a_family_lies_between_an_equal_part_and_the_whole(chances: list[float], alpha: float) -> None:
    level = stepped_up(alpha, [partial(le, chance) for chance in chances])
    assert alpha / len(chances) <= level <= alpha


def test_times_of_one_endpoint_are_one_family_and_everything_else_stands_alone() -> None:
    metrics = (P50, P95, RATE, ERRORS, CPU)
    decided = [(sample(m, 1.0, endpoint=endpoint), m) for m in metrics for endpoint in ("", "GET /a", "GET /b")]
    families = Families([*decided, (sample(P95, 1.0, scenario="other"), P95)])
    assert (families.of("browse"), families.of("other"), families.of("third")) == (3 * 4, 1, 0)
    of_a = families.relatives(sample(P50, 1.0, endpoint="GET /a"), P50)
    assert [(s.metric, s.scope.endpoint) for s in of_a] == [("response.p95", "GET /a")]
    assert families.relatives(sample(RATE, 1.0), RATE) == []


def moved(metric: Metric, factor: float, shape: int, pairs: int = 6, side: Side = Side.HEAD, **places: Any) -> Sample:
    values = (0.1 * factor * SHAPES[shape][i % 6] for i in range(pairs))
    return replace(sample(metric, *values, **places), side=side)


def steady(metric: Metric, pairs: int = 6, **places: Any) -> Sample:
    return replace(sample(metric, *[0.1] * pairs, **places), side=Side.BASE)


def answered(alpha: float, relatives: Sequence[Relative] = (), factor: float = 1.03) -> Answer:
    case = Case(moved(P95, factor, 0), P95, alpha)
    return judge_pairs(case, RULE, steady(P95), SCHEDULE, (), relatives)


def relative(metric: Metric, factor: float, shape: int, pairs: int = 6) -> Relative:
    return Relative(metric, moved(metric, factor, shape, pairs), steady(metric, pairs), RULE)


ALIKE = [relative(P50, 1.03, 1), relative(P90, 1.03, 2)]
SHARE = 0.1


def test_a_family_that_moves_together_alarms_where_none_of_it_would_alone() -> None:
    assert answered(SHARE, ALIKE).confirming
    assert not answered(SHARE / 3).confirming
    assert answered(SHARE).confirming, "it is what a family of one would have had"


def test_a_member_that_moves_alone_alarms_only_at_its_equal_part() -> None:
    still = [relative(P50, 1.0, 1), relative(P90, 1.0, 2)]
    assert not answered(SHARE, still).confirming
    assert answered(SHARE, still, factor=1.12).confirming


@pytest.mark.parametrize("gaps", [(0,), (3,), (5,)])
def test_relatives_help_only_with_pairs_of_the_same_rounds(gaps: tuple[int, ...]) -> None:
    def with_gaps(found: Sample) -> Sample:
        return replace(found, values=tuple(None if i in gaps else v for i, v in enumerate(found.values)))

    others = [relative(P50, 1.03, 1, pairs=8), relative(P90, 1.03, 2, pairs=8)]
    assert answered(SHARE, others).confirming
    assert not answered(SHARE, [replace(own, head=with_gaps(own.head)) for own in others]).confirming


def test_what_comes_after_an_alarm_of_a_family_does_not_take_it_back() -> None:
    later = [replace(own, head=replace(own.head, values=(*own.head.values, 0.01, None, 0.01))) for own in ALIKE]
    assert answered(SHARE, later) == answered(SHARE, ALIKE)


WEAK = (1.05, 1.01, 1.045, 1.02)


def coming_again(others: float) -> Answer:
    """Three that alarmed together; after it this one comes again weakly, and the others move by a factor."""
    heads = [moved(metric, 1.1, shape, side=Side.HEAD) for shape, metric in enumerate((P95, P50, P90))]
    fresh = [WEAK, *([tuple(others * factor for factor in WEAK)] * 2)]
    longer = [
        replace(head, values=(*head.values, *(0.1 * f for f in own))) for head, own in zip(heads, fresh, strict=True)
    ]
    relatives = [Relative(m, h, steady(m, 10), RULE) for m, h in zip((P50, P90), longer[1:], strict=True)]
    return judge_pairs(Case(longer[0], P95, 0.2), RULE, steady(P95, 10), SHORT, (), relatives)


SHORT = Schedule(6, 4)


def test_members_that_alarm_together_confirm_together() -> None:
    assert coming_again(1.0).status is Status.FAIL
    assert coming_again(0.95).status is not Status.FAIL


def test_a_member_that_alarmed_before_takes_nothing_from_a_later_confirmation() -> None:
    """P50 alarms from the first look on; P95 does after 14 pairs, and comes again weakly while P50 does not."""
    late = (0.99, 1.02, 0.985, 1.01, 0.98, 1.015, 1.05, 1.04, 1.06, 1.045, 1.055, 1.042, 1.048, 1.051)
    early = (1.2, 1.21, 1.19, 1.195, 1.205, 1.202, *(1.2 + 0.001 * i for i in range(8)))
    head = sample(P95, *(0.1 * factor for factor in (*late, 1.05, 1.02, 1.045, 1.03)))
    other = sample(P50, *(0.1 * factor for factor in (*early, 0.95, 0.94, 0.95, 0.93)))
    relatives = [Relative(P50, other, steady(P50, 18), RULE)]
    answer = judge_pairs(Case(head, P95, 0.03), RULE, steady(P95, 18), SCHEDULE, (), relatives)
    assert "confirmed by 4 fresh pairs" in answer.because


NOISY = (0.8, 1.3, 0.9, 1.25, 0.75, 1.1, 1.2, 0.85, 0.95, 1.15)


def noisy(metric: Metric, **places: Any) -> Sample:
    return sample(metric, *(0.1 * NOISY[i % 10] for i in range(20)), **places)


def test_what_can_be_seen_is_what_a_member_sees_alone() -> None:
    def said(alpha: float, relatives: Sequence[Relative] = ()) -> str:
        case = Case(noisy(P95), P95, alpha)
        return judge_pairs(case, RULE, steady(P95, 20), SCHEDULE, (), relatives).because

    still = [Relative(metric, steady(metric, 20), steady(metric, 20), RULE) for metric in (P50, P90)]
    assert "20 pairs show changes from " in said(0.03)
    assert said(0.03, still) == said(0.01) != said(0.03)


def test_each_family_has_its_part_of_the_scenarios_chance() -> None:
    samples = [
        made for e in ("", "GET /a") for m in (P95, P50) for made in (noisy(m, endpoint=e), steady(m, 20, endpoint=e))
    ]
    samples += [noisy(RATE), steady(RATE, 20)]
    found = of_p95(beside(*samples))
    alone = judge_pairs(Case(noisy(P95), P95, CHANCE_OF_ALARM / 3 / 2), RULE, steady(P95, 20), SCHEDULE)
    assert found.because == alone.because


def beside(*samples: Sample) -> Run:
    found = replace(run(*samples), base="b45e000000", metrics=(*METRICS, P50, P90, ERRORS, CPU))
    return replace(found, loads={"browse": Asked(rounds=6, max_rounds=20)})


def of_p95(two: Run, endpoint: str = "") -> Finding:
    found = judge(two, [RULE], {}).findings
    (own,) = [f for f in found if f.metric == P95.name and f.scope.endpoint == endpoint]
    return own


def test_families_have_equal_parts_of_the_scenarios_chance_and_their_members_step_up() -> None:
    endpoints = ("", "GET /a", "GET /b")
    heads = [moved(m, 1.036, i, endpoint=e) for i, m in enumerate((P95, P50, P90)) for e in endpoints]
    bases = [steady(m, endpoint=e) for m in (P95, P50, P90) for e in endpoints]
    rates = [moved(RATE, 1.0, 0), steady(RATE)]
    found = of_p95(beside(*heads, *bases, *rates), "GET /a")
    share, family = CHANCE_OF_ALARM / 4, [relative(P50, 1.036, 1), relative(P90, 1.036, 2)]
    case = Case(moved(P95, 1.036, 0, endpoint="GET /a"), P95, share)
    direct = judge_pairs(case, RULE, steady(P95, endpoint="GET /a"), SCHEDULE, (), family)
    assert (found.because, found.needed, found.status) == (direct.because, direct.needed, direct.status)
    assert found.confirming
    assert not judge_pairs(replace(case, alpha=share / 3), RULE, steady(P95), SCHEDULE).confirming


def test_a_time_that_base_lacks_takes_its_part_and_helps_nobody() -> None:
    heads = [moved(m, 1.036, i) for i, m in enumerate((P95, P50, P90))]
    alone = of_p95(beside(*heads, steady(P95)))
    assert alone.status is Status.UNSURE
    case = Case(heads[0], P95, CHANCE_OF_ALARM / 3)
    assert alone.because == judge_pairs(case, RULE, steady(P95), SCHEDULE).because
