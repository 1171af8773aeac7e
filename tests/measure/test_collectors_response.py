"""The metrics of answers are exact arithmetic on the raw requests, and absent where there are too few of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.measure.collector import Reading, Target
from perfgate.measure.collectors import response
from perfgate.measure.load import Load
from perfgate.measure.load.records import Record
from perfgate.model import Key, Scope


def record(seconds: float, *, ok: bool = True, endpoint: str = "GET /", size: int = 100, waited: float = 0.0) -> Record:
    return Record(endpoint, due=1000.0, started=1000.0 + waited, seconds=seconds, size=size, ok=ok)


def load(*records: Record, seconds: float = 2.0) -> Load:
    return Load("browse", 1, seconds, records, asked=None, reached=1.0, generator_cpu=0.1, lag=0.0)


def readings(made: Load) -> dict[Key, Reading]:
    target = Target(Path(), load=made)
    return {Key(found.metric.name, found.scope): found for found in response.COLLECTOR.finish(target)}


def value(made: Load, metric: str, endpoint: str = "") -> float | None:
    return readings(made)[Key(f"response.{metric}", Scope(endpoint=endpoint))].value


@given(st.lists(st.floats(0.0, 60.0), min_size=100, max_size=300))
def test_percentiles_are_those_of_the_raw_times(times: list[float]) -> None:
    made = load(*map(record, times))
    latencies = [one.latency for one in made.records]
    for name, share in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)):
        assert value(made, name) == pytest.approx(float(np.percentile(latencies, share)))
    assert value(made, "max") == max(latencies)
    assert value(made, "mean") == pytest.approx(sum(latencies) / len(latencies))


@pytest.mark.parametrize(("percentile", "needed"), [("p50", 5), ("p90", 10), ("p95", 20), ("p99", 100)])
def test_a_percentile_takes_enough_requests(percentile: str, needed: int) -> None:
    key = Key(f"response.{percentile}", Scope())
    enough = readings(load(*[record(0.1)] * needed))[key]
    few = readings(load(*[record(0.1)] * (needed - 1), record(0.1, ok=False)))[key]
    assert enough.value == pytest.approx(0.1)
    assert enough.note == ""
    assert few.value == pytest.approx(0.1)
    assert few.note == f"too few requests: {needed - 1}, {percentile} needs {needed}: make `round:` longer"


def test_waiting_for_ones_turn_is_part_of_the_time() -> None:
    made = load(record(0.1, waited=0.9))
    assert value(made, "max") == pytest.approx(1.0)


def test_failed_requests_are_an_error_ratio_and_nothing_else() -> None:
    made = load(record(0.1, size=100), record(9.0, ok=False, size=9), record(0.3, size=300), seconds=4.0)
    assert value(made, "errors") == pytest.approx(1 / 3)
    assert value(made, "rate") == pytest.approx(0.5)
    assert value(made, "bytes") == pytest.approx(200.0)
    assert value(made, "mean") == pytest.approx(0.2)
    assert value(made, "max") == pytest.approx(0.3)


def test_without_a_success_there_are_no_times_but_a_rate_of_zero_and_all_errors() -> None:
    made = load(record(0.1, ok=False))
    assert value(made, "errors") == 1.0
    assert value(made, "rate") == 0.0
    assert [value(made, name) for name in ("p50", "max", "mean", "bytes")] == [None] * 4
    assert readings(made)[Key("response.max", Scope())].note == "no request succeeded"


def test_without_requests_everything_but_the_rate_is_absent() -> None:
    values = {key.metric: found.value for key, found in readings(load()).items()}
    assert values.pop("response.rate") == 0.0
    assert set(values.values()) == {None}


def test_a_load_that_never_began_has_no_rate() -> None:
    assert value(load(seconds=0.0), "rate") is None


def test_every_endpoint_has_its_own_readings_beside_those_of_all() -> None:
    made = load(record(0.1, endpoint="GET /b"), record(0.3, endpoint="GET /a"), record(0.5, endpoint="GET /a"))
    assert value(made, "mean") == pytest.approx(0.3)
    assert value(made, "mean", "GET /a") == pytest.approx(0.4)
    assert value(made, "rate", "GET /b") == pytest.approx(0.5)
    scopes = list(dict.fromkeys(key.scope.endpoint for key in readings(made)))
    assert scopes == ["", "GET /a", "GET /b"]


def test_every_metric_is_read_and_every_reading_is_declared() -> None:
    found = {key.metric for key in readings(load(record(0.1)))}
    assert found == {metric.name for metric in response.COLLECTOR.metrics}


def test_the_failures_that_were_seen_most_are_named() -> None:
    errors = {"GET /: 500 Internal Server Error": 7, "GET /: 404 Not Found": 2, "GET /other: 400 Bad Request": 9}
    made = replace(load(record(0.1), record(0.1, ok=False)), errors=errors)
    note = readings(made)[Key("response.errors", Scope(endpoint="GET /"))].note
    assert note == "7 times 500 Internal Server Error, 2 times 404 Not Found"
    assert readings(made)[Key("response.errors", Scope())].note.startswith("9 times GET /other: 400 Bad Request")
