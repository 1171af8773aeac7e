from __future__ import annotations

import math

import pytest

from perfgate.model import Status
from perfgate.publish.github.comment import body
from perfgate.publish.github.ranking import excess, worst_first
from tests.github.test_comment import PLACE
from tests.publish.literals import CALLS, NOT_JUDGED, P95, PRODUCTS, found, many


@pytest.mark.parametrize(
    ("observed", "reference", "far"),
    [
        (200.0, 100.0, math.log(2)),
        (50.0, 100.0, math.log(2)),
        (100.0, 100.0, 0.0),
        (3.0, 0.0, math.inf),
        (-1.0, 2.0, math.inf),
        (0.0, 0.0, 0.0),
        (0.0, 2.0, math.inf),
        (None, 2.0, 0.0),
        (2.0, None, 0.0),
    ],
)
def test_twice_and_half_of_a_limit_are_equally_far_beyond_it(
    observed: float | None, reference: float | None, far: float
) -> None:
    assert excess(found(Status.FAIL, P95, PRODUCTS, "because", observed, reference)) == pytest.approx(far)


def test_where_it_is_cut_what_is_furthest_beyond_its_limit_is_kept() -> None:
    text = body(worst_first(many(10_000)), PLACE)
    rows = [line for line in text.splitlines() if line.startswith("| **fail**")]
    for row, thing in zip(rows, (0, 9990, 9980), strict=False):
        assert f"&#47;things&#47;{thing}&#93;" in row


def test_what_cannot_be_compared_keeps_its_order() -> None:
    assert worst_first(NOT_JUDGED) == NOT_JUDGED
    result = worst_first(many(3))
    assert result.verdict is not None
    assert [finding.observed for finding in result.verdict.findings] == [0.0, 0.001, 0.002]
    assert excess(found(Status.NEW, CALLS, PRODUCTS, "because", 4)) == 0.0
