"""Rounds of pytest-benchmark arrive as it measured them, and a wrong file says what to do."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.errors import BadRequest
from perfgate.measure.collector import Reading, Target
from perfgate.measure.collectors.benchmark import COLLECTOR, batches, readings
from perfgate.model import Side


def read(root: Path, pattern: str, side: Side = Side.HEAD) -> list[Reading]:
    return list(COLLECTOR.finish(Target(root, side=side, options={"json": pattern})))


def write(root: Path, content: object, name: str = "bench.json") -> None:
    (root / name).write_text(content if isinstance(content, str) else json.dumps(content))


def entry(name: str, rounds: Sequence[object]) -> dict[str, object]:
    return {"fullname": name, "stats": {"data": rounds}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pytest-benchmark itself writes for two functions: one timed singly, one in rounds of several calls."""
    root = tmp_path_factory.mktemp("benchmarks")
    (root / "test_it.py").write_text(
        "def test_one(benchmark): benchmark.pedantic(sorted, ([3, 1],), rounds=7)\n"
        "def test_many(benchmark): benchmark.pedantic(sum, (range(2000),), rounds=4, iterations=5)\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:perfgate", "--benchmark-json=out/bench.json", "test_it.py"]
    (root / "out").mkdir()
    subprocess.run(argv, cwd=root, check=True, capture_output=True)
    return root


def test_the_raw_rounds_of_pytest_benchmark_become_the_values(written: Path) -> None:
    found = read(written, "out/*.json")
    wanted = json.loads((written / "out/bench.json").read_text())["benchmarks"]
    assert [(reading.scope.benchmark, reading.value) for reading in found] == [
        (benchmark["fullname"], seconds) for benchmark in wanted for seconds in benchmark["stats"]["data"]
    ]
    assert len(found) == 7 + 4


def test_without_the_option_nothing_is_read(written: Path) -> None:
    assert read(written, "") == []
    assert list(COLLECTOR.finish(Target(written))) == []


def test_live_rounds_become_the_same_readings_as_those_from_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"benchmarks": [entry("t.py::a", [0.5, 0.25]), entry("t.py::b", [1])]})
    assert read(tmp_path, "*.json") == list(readings([("t.py::a", (0.5, 0.25)), ("t.py::b", (1.0,))]))


@given(st.lists(st.floats(0, 10), max_size=400))
def test_there_are_at_most_fifty_values_and_few_stay_as_they_are(seconds: list[float]) -> None:
    values = batches(seconds)
    assert len(values) == min(50, len(seconds))
    assert values == seconds or len(seconds) > 50


def test_many_rounds_become_medians_of_equal_stretches_in_order() -> None:
    seconds = [float(number**3) for number in range(5000)]
    assert batches(seconds) == [statistics.median(seconds[start : start + 100]) for start in range(0, 5000, 100)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([], "was not written by pytest-benchmark"),
        ({"benchmarks": {}}, "was not written by pytest-benchmark"),
        ({"benchmarks": []}, "has no benchmarks"),
        ({"benchmarks": [1]}, "no 'fullname' or 'stats'"),
        ({"benchmarks": [{"fullname": "t"}]}, "no 'fullname' or 'stats'"),
        ({"benchmarks": [{"fullname": "t", "stats": {"mean": 1}}]}, "--benchmark-save-data"),
        ({"benchmarks": [entry("t", [])]}, "--benchmark-save-data"),
        ({"benchmarks": [entry("t", [0.1, "x"])]}, "no times"),
        ({"benchmarks": [entry("t", [True])]}, "no times"),
        ({"benchmarks": [entry("t", [-0.1])]}, "no times"),
        ({"benchmarks": [entry("t", [10**400])]}, "no times"),
        ('{"benchmarks": [{"fullname": "t", "stats": {"data": [NaN]}}]}', "no times"),
    ],
)
def test_a_file_of_the_wrong_shape_is_a_bad_request_that_names_it(tmp_path: Path, content: object, said: str) -> None:
    write(tmp_path, content)
    with pytest.raises(BadRequest) as raised:
        read(tmp_path, "*.json")
    assert said in str(raised.value)
    assert str(tmp_path / "bench.json") in str(raised.value)
    assert "--benchmark-json=PATH" in raised.value.hint


def test_bytes_that_are_no_text_are_a_bad_request(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(BadRequest, match="is not JSON"):
        read(tmp_path, "*.json")


def test_one_benchmark_in_two_files_is_a_bad_request(tmp_path: Path) -> None:
    for name in ("0001_old.json", "0002_new.json"):
        write(tmp_path, {"benchmarks": [entry("t.py::a", [0.5])]}, name)
    with pytest.raises(BadRequest, match=r"t\.py::a is in .*0001_old\.json and in .*0002_new\.json"):
        read(tmp_path, "*.json")


def test_missing_files_are_a_bad_request_for_the_head_alone(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"no file matches .*\.json"):
        read(tmp_path, "benchmarks/*.json")
    assert read(tmp_path, "benchmarks/*.json", Side.BASE) == []


def test_an_absolute_glob_is_a_bad_request(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="is not a glob"):
        read(tmp_path, "/tmp/*.json")
