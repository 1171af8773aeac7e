"""What moves together, and what a label did."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from perfgate.model import Better, Key, Scope, Unit
from perfgate.trend.changepoints import change_points
from perfgate.trend.labels import effect
from perfgate.trend.series import Point, Series
from perfgate.trend.together import Pair, together
from tests.trend.noises import normal, steady


def series(name: str, values: Sequence[float], runs: Sequence[int] | None = None) -> Series:
    numbers = runs or range(1, len(values) + 1)
    points = (Point(1e9 + run, f"c{run}", value, run) for run, value in zip(numbers, values, strict=True))
    return Series(Key(name, Scope()), Unit.SECONDS, Better.LOWER, tuple(points))


def found(*all_series: Series) -> tuple[Pair, ...]:
    return together(all_series, {one.key: change_points(one.values) for one in all_series})


def shaken(seed: int, count: int, by: Sequence[float], share: float = 0.9) -> list[float]:
    """Noise that follows `by` in part."""
    source = random.Random(seed)
    return [100.0 * math.exp(share * math.log(b / 100.0) + source.gauss(0.0, 0.02)) for b in by[:count]]


def test_two_metrics_that_share_their_noise_are_a_pair() -> None:
    cpu = normal(random.Random(1), 100)
    (pair,) = found(
        series("cpu", cpu), series("p95", shaken(2, 100, cpu)), series("other", normal(random.Random(3), 100))
    )
    assert {pair.one.metric, pair.other.metric} == {"cpu", "p95"}
    assert pair.correlation > 0.8
    assert pair.runs == 99


def test_metrics_that_go_against_each_other_are_a_pair_with_the_sign_of_it() -> None:
    rate = normal(random.Random(1), 100)
    (pair,) = found(series("rate", rate), series("p95", shaken(2, 100, rate, -0.9)))
    assert pair.correlation < -0.8


def test_two_trends_and_two_steps_alone_are_no_pair() -> None:
    one, other = (normal(random.Random(seed), 150) for seed in (4, 5))
    assert not found(
        series("one", [value * (1 + at / 50) for at, value in enumerate(one)]),
        series("other", [value * (1 + at / 40) * (2 if at > 75 else 1) for at, value in enumerate(other)]),
    )


def test_a_common_spike_alone_is_no_pair() -> None:
    one, other = (normal(random.Random(seed), 80) for seed in (6, 7))
    one[40] *= 20
    other[40] *= 20
    assert not found(series("one", one), series("other", other))


def test_among_many_unrelated_metrics_there_is_no_pair() -> None:
    wrong = sum(
        len(found(*(series(f"m{n}", normal(random.Random(f"{k} {n}"), 40)) for n in range(20)))) for k in range(5)
    )
    assert wrong == 0


def test_only_runs_that_both_have_are_compared() -> None:
    cpu = normal(random.Random(8), 120)
    p95 = shaken(9, 120, cpu)
    (pair,) = found(series("cpu", cpu), series("p95", p95[::2], range(1, 121, 2)))
    assert pair.runs == 59
    assert pair.correlation > 0.8


def test_a_few_common_runs_are_not_enough() -> None:
    assert not found(series("cpu", [1, 2, 3, 4, 5, 9]), series("p95", [1, 2, 3, 4, 5, 9]))


def test_a_pair_tells_the_shifts_that_both_have() -> None:
    cpu = [value * (1.5 if at >= 60 else 1) for at, value in enumerate(normal(random.Random(10), 120))]
    (pair,) = found(series("cpu", cpu), series("p95", shaken(11, 120, cpu)))
    assert len(pair.shared) == 1


def flags(*spans: tuple[int, str | None], name: str = "flag") -> list[dict[str, str]]:
    return [{} if value is None else {name: value} for count, value in spans for _ in range(count)]


def test_the_effect_of_a_flag_is_the_step_where_it_was_switched() -> None:
    values = [value * (1.1 if at >= 30 else 1.0) for at, value in enumerate(steady(random.Random(1), 60))]
    (told,) = effect(values, flags((30, "off"), (30, "on")), "flag", change_points(values))
    assert (told.old, told.new, told.switches, told.unsure) == ("off", "on", 1, "")
    assert told.low < 0.1 < told.high
    assert told.high - told.low < 0.03


def test_switches_there_and_back_are_averaged_in_one_direction() -> None:
    labels = flags((20, "off"), (20, "on"), (20, "off"), (20, "on"))
    values = [
        value * (1.1 if one["flag"] == "on" else 1.0)
        for one, value in zip(labels, normal(random.Random(2), 80), strict=True)
    ]
    (told,) = effect(values, labels, "flag")
    assert told.switches == 3
    assert told.low < 0.1 < told.high
    assert told.change == pytest.approx(0.1, abs=0.04)
    assert not told.unsure


def test_a_flag_that_did_nothing_may_be_chance() -> None:
    (told,) = effect(normal(random.Random(3), 60), flags((30, "off"), (30, "on")), "flag")
    assert told.unsure == "the difference may be chance"


def test_what_changed_elsewhere_is_not_put_down_to_the_flag() -> None:
    values = [value * (1.5 if at >= 36 else 1.0) for at, value in enumerate(steady(random.Random(4), 60))]
    (told,) = effect(values, flags((30, "off"), (30, "on")), "flag", change_points(values))
    assert abs(told.change) < 0.02


def test_two_labels_that_changed_at_once_leave_both_unsure() -> None:
    labels = [{"flag": "on" if at >= 30 else "off", "django": "5" if at >= 30 else "4"} for at in range(60)]
    values = [value * (1.3 if at >= 30 else 1.0) for at, value in enumerate(steady(random.Random(5), 60))]
    (told,) = effect(values, labels, "flag")
    assert told.unsure == "django changed with the same run"


def test_runs_without_the_label_and_labels_never_switched_say_nothing() -> None:
    values = steady(random.Random(6), 60)
    assert effect(values, flags((60, "on")), "flag") == ()
    assert effect(values, flags((30, None), (30, "on")), "flag") == ()
    assert effect(values, flags((58, "off"), (2, "on")), "flag") == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_flag_in_noise_that_does_nothing_is_hardly_ever_sure(seed: int) -> None:
    labels = flags(*((15, "off" if n % 2 else "on") for n in range(8)))
    sure = sum(
        not told.unsure for n in range(10) for told in effect(normal(random.Random(f"{seed} {n}"), 120), labels, "flag")
    )
    assert sure <= 2
