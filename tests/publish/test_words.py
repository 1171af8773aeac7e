from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.errors import ExitCode
from perfgate.model import Asked, Flaw, FlawKind, Side, Status, Unit, Verdict
from perfgate.publish import words
from perfgate.result import Result

from .literals import ALL, CALLS, CART, NOT_MEASURED, P95, PRODUCTS, QUIET, found


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("failed", "FAILED: 3 of 14 checks failed, 1 missing, 2 invalid"),
        ("warned", "PASSED: 4 checks of 1 rule, 1 warning, 1 unsure, 2 new"),
        ("passed", "PASSED: 2 checks of 1 rule"),
        ("not_measured", "NOT MEASURED: service died in browse, round 2"),
        ("not_judged", "NOT JUDGED: 1 sample of 1 round"),
        ("nothing_judged", "FAILED: nothing was judged"),
    ],
)
def test_the_headline_is_the_verdict_in_one_sentence(name: str, headline: str) -> None:
    assert words.headline(ALL[name]) == headline


@pytest.mark.parametrize(
    ("statuses", "headline"),
    [
        ([Status.MISSING], "FAILED: 1 of 1 check missing"),
        ([Status.MISSING, Status.PASS], "FAILED: 1 of 2 checks missing"),
        ([Status.FAIL, Status.MISSING, Status.WARN], "FAILED: 1 of 3 checks failed, 1 missing"),
    ],
)
def test_a_failure_is_counted_by_its_kind(statuses: list[Status], headline: str) -> None:
    findings = tuple(found(status, CALLS, CART, "because") for status in statuses)
    assert words.headline(Result(QUIET, Verdict(statuses[0], ExitCode.FAILED, findings))) == headline


def test_what_ended_the_run_is_named_before_what_spoilt_a_round() -> None:
    flaws = (
        Flaw(FlawKind.GENERATOR_SATURATED, "97 % of a core", "browse", 1),
        Flaw(FlawKind.DATABASE_LOST, "the server closed the connection", "browse", side=Side.BASE),
    )
    result = replace(NOT_MEASURED, run=replace(NOT_MEASURED.run, flaws=flaws))
    assert words.headline(result) == "NOT MEASURED: database lost in browse of the base"


def test_a_run_that_never_began_says_why_in_its_headline() -> None:
    flaws = (Flaw(FlawKind.NOT_MEASURED, "the service was not ready after 60 s", "browse"),)
    result = replace(NOT_MEASURED, run=replace(NOT_MEASURED.run, flaws=flaws))
    assert words.headline(result) == "NOT MEASURED: browse: the service was not ready after 60 s"


@pytest.mark.parametrize(
    ("observed", "reference", "told"),
    [
        (0.412, 0.3, ("412 ms", "300 ms")),
        (0.30004, 0.3, ("300.04 ms", "300 ms")),
        (0.3, 0.3, ("300 ms", "300 ms")),
        (0.1006, 0.10051, ("101 ms", "100.5 ms")),
        (0.412, None, ("412 ms", "")),
        (None, 0.3, ("", "300 ms")),
    ],
)
def test_rounding_never_hides_which_side_of_the_line_a_value_is_on(
    observed: float | None, reference: float | None, told: tuple[str, str]
) -> None:
    assert words.pair(found(Status.FAIL, P95, PRODUCTS, "", observed, reference)) == told


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
def test_two_different_values_never_look_the_same(observed: float, reference: float) -> None:
    seen, line = words.pair(found(Status.FAIL, P95, PRODUCTS, "", observed, reference))
    assert (seen == line) == (observed == reference)


@pytest.mark.parametrize(
    ("kind", "told"), [("limit", "310 ms to 440 ms"), ("tolerance", "+31 % to +44 %"), ("baseline", "+31 % to +44 %")]
)
def test_an_interval_is_told_in_the_terms_of_its_rule(kind: str, told: str) -> None:
    assert words.interval(found(Status.FAIL, P95, PRODUCTS, "", 0.3, 0.2, interval=(0.31, 0.44), kind=kind)) == told


@pytest.mark.parametrize(
    ("kind", "observed", "change", "interval", "told"),
    [
        ("limit", 0.3, None, (0.16, 0.45), "160 ms to 450 ms"),
        ("limit", 0.3, None, (0.14, 0.45), ""),  # wider than the value: so few rounds that it tells nothing
        ("limit", 0.0, None, (0.0, 0.0), ""),
        ("tolerance", 0.3, 0.0, (-0.5, 0.5), "−50 % to +50 %"),
        ("tolerance", 0.3, 0.0, (-0.6, 0.5), ""),
        ("tolerance", 3.0, 9.0, (7.0, 11.0), "+700 % to +1100 %"),  # to ten times, give or take a fifth
    ],
)
def test_an_interval_that_tells_nothing_is_not_told(
    kind: str, observed: float, change: float | None, interval: tuple[float, float], told: str
) -> None:
    assert words.interval(found(Status.PASS, P95, PRODUCTS, "", observed, 0.2, change, interval, kind=kind)) == told


def test_checks_are_counted_and_the_rules_behind_them() -> None:
    rules = ("budgets.yaml:3", "budgets.yaml:3", "budgets.yaml:9", "")
    findings = tuple(found(Status.PASS, CALLS, CART, "", rule=rule) for rule in rules)
    assert words.headline(Result(QUIET, Verdict(Status.PASS, ExitCode.PASSED, findings))) == (
        "PASSED: 4 checks of 2 rules"
    )


@pytest.mark.parametrize(
    ("sentence", "part", "tells"),
    [
        ("31, was 1", "1", True),
        ("31 calls", "1", False),
        ("1.5 s", "1", False),
        ("now 4.", "4", True),
        ("412 ms is over", "412 ms", True),
        ("412 msec", "412 ms", False),
        ("anything", "", True),
    ],
)
def test_a_number_is_told_only_as_a_word_of_its_own(sentence: str, part: str, tells: bool) -> None:
    assert words.tells(sentence, part) is tells


def test_both_sides_are_drawn_on_one_scale_with_gaps_where_a_round_gave_nothing() -> None:
    assert words.bars((1.0, None), (2.0, 1.5)) == "▁× → █▅"
    assert words.bars((), (1.0,)) == ""
    assert words.bars((3.0,), (3.0,)) == ""


def test_what_hardly_moves_is_not_drawn_as_a_cliff() -> None:
    flat = words.bars((50.0e6, 50.1e6), (50.0e6, 50.2e6))
    assert set(flat) <= set("▄▅ →"), flat
    assert words.bars((50.0e6, 50.1e6), (58.0e6, 58.1e6)) == "▁▁ → ██"


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ((100.0, 102.0), (95.95, 106.05)),
        ((95.0, 105.0), (95.0, 105.0)),
        ((90.0, 110.0), (90.0, 110.0)),
        ((-102.0, -100.0), (-106.05, -95.95)),
        ((0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_a_drawing_spans_a_tenth_of_the_mean_at_least(values: tuple[float, float], ends: tuple[float, float]) -> None:
    assert words.spread_out(values) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "of 2 s after"), (2.04, "of 2 s after"), (3.02, "of 2 s, taken as 3 s after"), (2.6, "taken as 2.60 s")],
)
def test_rounds_that_were_made_longer_say_how_long_they_were(seconds: float, told: str) -> None:
    load = Asked(locustfile="x.py", users=8, warmup=2.0, round=2.0, rounds=6, max_rounds=20)
    assert told in words.asked(load, seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.8, "800 ms"), (59.4, "59.4 s"), (60, "1 min"), (192.4, "3 min 12 s"), (3840, "1 h 4 min")]
)
def test_durations_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.1, None, 0.4), "200 ms"),  # as a limit judges it: ratios are what matters
        ((0.1, 0.0), "50 ms"),
        ((0.1, 0.1, 0.1), "100 ms"),
        ((0.3,), "300 ms"),
        ((None,), ""),
    ],
)
def test_a_typical_value_is_the_one_that_judges_compare(values: tuple[float | None, ...], told: str) -> None:
    assert words.typical(values, Unit.SECONDS) == told


def test_equal_counts_stay_whole() -> None:
    assert words.typical((7.0, 7.0, 7.0), Unit.COUNT) == "7"
