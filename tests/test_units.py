"""Quantities: read, shown, and never rounded across a line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.model import Unit
from perfgate.units import EXAMPLES, beside, parse, percent, show

AMOUNTS = st.floats(min_value=1e-9, max_value=1e12, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("150 ms", Unit.SECONDS, 0.15),
        ("150ms", Unit.SECONDS, 0.15),
        ("2 min", Unit.SECONDS, 120.0),
        ("500 KB", Unit.BYTES, 500_000.0),
        ("500 KiB", Unit.BYTES, 512_000.0),
        ("10 %", Unit.RATIO, 0.1),
        ("100/s", Unit.PER_SECOND, 100.0),
        (3, Unit.COUNT, 3.0),
        (0, Unit.SECONDS, 0.0),
    ],
)
def test_a_quantity_is_read_into_base_units(text: object, unit: Unit, value: float) -> None:
    assert parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit", "hint"),
    [
        ("150", Unit.SECONDS, "has no unit; write it like '150 ms'"),
        ("150 KB", Unit.SECONDS, "unknown unit 'KB'; units that fit: 'ns', 'us'"),
        ("fast", Unit.SECONDS, "is not a quantity"),
        (True, Unit.COUNT, "is not a quantity"),
        (None, Unit.BYTES, "is not a quantity"),
        ("1e999 ms", Unit.SECONDS, "is not a finite number"),
        ("5 ms", Unit.COUNT, "none, it is a plain number"),
    ],
)
def test_a_wrong_quantity_says_what_to_type(text: object, unit: Unit, hint: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|units that fit") as caught:
        parse(text, unit)
    assert hint in str(caught.value)


@pytest.mark.parametrize("unit", list(Unit))
def test_every_example_can_be_read(unit: Unit) -> None:
    assert parse(EXAMPLES[unit], unit) > 0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (0.000034, Unit.SECONDS, "34 µs"),
        (2.5, Unit.SECONDS, "2.50 s"),
        (1_234_567, Unit.BYTES, "1.23 MB"),
        (0.1, Unit.RATIO, "10 %"),
        (41.0, Unit.COUNT, "41"),
        (0.0, Unit.SECONDS, "0 µs"),
    ],
)
def test_a_value_is_shown_in_the_unit_a_person_would_choose(value: float, unit: Unit, text: str) -> None:
    assert show(value, unit) == text


@given(limit=AMOUNTS, share=st.floats(min_value=1e-9, max_value=0.5), unit=st.sampled_from(list(Unit)))
def test_rounding_never_moves_a_value_across_its_limit(limit: float, share: float, unit: Unit) -> None:
    for value in (limit * (1 + share), limit * (1 - share)):
        shown = beside(value, limit, unit)
        number = float(shown.rstrip("µmKMGB s/%"))
        scale = value / number
        if value != limit and math.isfinite(scale):
            size = min((1e-6, 1e-3, 0.01, 1.0, 1e3, 1e6, 1e9), key=lambda s: abs(math.log(s / scale)))
            assert (number - limit / size) * (value - limit) > 0


@pytest.mark.parametrize(("change", "text"), [(0.382, "+38 %"), (-0.004, "−0.4 %"), (40.0, "+4000 %"), (0.0, "+0 %")])
def test_a_change_is_shown_with_its_sign(change: float, text: str) -> None:
    assert percent(change) == text
