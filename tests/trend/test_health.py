"""The score, its parts, opportunities, and the history in a line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.trend.health import Opportunity, Standing, health, opportunities
from perfgate.trend.sparkline import sparkline

shares = st.floats(-1.0, 3.0)
standings = st.lists(
    st.builds(Standing, worsened=shares, crept=shares, used=st.none() | st.floats(0, 3), weight=st.floats(0.1, 5)),
    min_size=1,
    max_size=8,
)


def score(*all_standings: Standing, odd: float = 0.0) -> float:
    found = health(all_standings, odd)
    assert found is not None
    return found.score


def test_nothing_measured_has_no_health() -> None:
    assert health([]) is None


@pytest.mark.parametrize(
    ("standing", "odd", "points"),
    [
        (Standing(used=0.8), 0.0, 100.0),
        (Standing(used=1.0), 0.0, 80.0),
        (Standing(used=1.2), 0.0, 60.0),
        (Standing(used=0.5, worsened=0.1), 0.0, 85.0),
        (Standing(used=0.5, crept=0.2), 0.0, 80.0),
        (Standing(used=0.5), 0.05, 95.0),
        (Standing(used=2.0, worsened=1.0, crept=1.0), 1.0, 0.0),
        (Standing(), 0.0, 100.0),
        (Standing(worsened=0.2), 0.0, 50.0),
    ],
)
def test_points_are_lost_as_documented(standing: Standing, odd: float, points: float) -> None:
    assert score(standing, odd=odd) == pytest.approx(points)


@given(standings, st.floats(0, 1))
def test_the_parts_add_up_to_a_score_between_0_and_100(all_standings: list[Standing], odd: float) -> None:
    found = health(all_standings, odd)
    assert found is not None
    assert found.score == pytest.approx(sum(part.points for part in found.parts))
    assert sum(part.worth for part in found.parts) == pytest.approx(100.0)
    assert -1e-9 <= found.score <= 100.0 + 1e-9


@given(standings, st.floats(0, 1), st.data(), st.sampled_from(["worsened", "crept", "used"]), st.floats(0, 2))
def test_whatever_becomes_worse_never_raises_the_score(
    all_standings: list[Standing], odd: float, data: st.DataObject, name: str, more: float
) -> None:
    place = data.draw(st.integers(0, len(all_standings) - 1))
    before = getattr(all_standings[place], name)
    if before is None:
        return
    worse = [*all_standings]
    worse[place] = replace(worse[place], **{name: before + more})
    assert score(*worse, odd=odd) <= score(*all_standings, odd=odd) + 1e-9


def test_a_part_says_why_it_has_not_all_its_points() -> None:
    found = health([Standing(used=0.5), Standing(used=1.5, worsened=0.1)])
    assert found is not None
    assert {part.name: part.because for part in found.parts} == {
        "limits": "1 of 2 close to their limit or over it",
        "release": "1 of 2 worse than the release",
        "drift": "",
        "steadiness": "",
    }


def test_opportunities_are_the_five_best_by_impact_times_ease() -> None:
    candidates = [
        Opportunity(f"o{n}", impact, ease) for n, (impact, ease) in enumerate([(0.5, 0.2), (0.3, 1.0), (0, 1)])
    ]
    candidates += [Opportunity(f"p{n}", 0.01 * n, 0.5) for n in range(1, 6)]
    assert [one.title for one in opportunities(candidates)] == ["o1", "o0", "p5", "p4", "p3"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([3.0], "▄"),
        ([5.0, 5.0, 5.0], "▄▄▄"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        ([1.0, None, 2.0], "▁ █"),
        ([None, None], "  "),
        ([-1e308, 1e308], "▁█"),
    ],
)
def test_a_sparkline_has_a_bar_for_each_value(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


def test_a_long_history_is_squeezed_into_the_width_by_medians() -> None:
    assert sparkline([1.0] * 50 + [2.0] * 49 + [90.0], 10) == "▁▁▁▁▁█████"
    assert sparkline([1.0, 2.0], 10) == "▁█"


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=50), st.integers(1, 20))
def test_a_sparkline_is_never_wider_than_asked(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width)) == min(len(values), width)
