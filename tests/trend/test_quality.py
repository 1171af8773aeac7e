"""What the README says of the change points' quality, on the public labelled set and against what others use."""

from __future__ import annotations

import pytest

from tests.trend import bench, labelled
from tests.trend.rivals import METHODS, Method, cusum, perfgate, t_window


def test_on_the_public_labelled_set_what_is_reported_is_right_and_most_is_reported() -> None:
    pytest.importorskip("otava_test_data", reason="pip install --no-deps otava-test-data")
    quality = bench.overall(labelled.otava_set((45,)), perfgate, growing=False)
    assert quality.precision >= 0.9
    assert quality.recall >= 0.65


def test_it_is_better_than_the_method_the_set_was_made_for() -> None:
    pytest.importorskip("otava_test_data", reason="pip install --no-deps otava-test-data")
    pytest.importorskip("otava", reason="pip install --no-deps apache-otava")
    series = list(labelled.otava_set((45,)))
    ours, theirs = (bench.overall(series, METHODS[name], growing=False) for name in ("perfgate", "Apache Otava"))
    assert ours.f1 > theirs.f1
    assert ours.precision > theirs.precision


@pytest.mark.parametrize("rival", [t_window, cusum])
def test_it_is_better_than_simple_rules_on_noise_of_all_kinds(rival: Method) -> None:
    series = list(labelled.steps_in_noise(0.2, each=3))
    assert bench.overall(series, perfgate, growing=False).f1 > bench.overall(series, rival, growing=False).f1


def test_a_step_of_a_fifth_is_mostly_known_within_ten_runs() -> None:
    quality = bench.overall(labelled.steps_in_noise(0.2, each=2), perfgate)
    assert quality.soon is not None
    assert quality.soon >= 0.5


@pytest.mark.parametrize(
    ("truth", "found", "right"), [([10, 50], [12, 49], 2), ([10], [15], 1), ([10], [16], 0), ([10, 12], [11], 1)]
)
def test_a_place_is_right_within_five_values_and_for_one_change_only(
    truth: list[int], found: list[int], right: int
) -> None:
    assert bench.hits(truth, found) == right
