"""Files of other tools, read as runs."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perfgate import runfile
from perfgate.errors import BadRequest
from perfgate.model import Better, Key, Run, Scope, Unit
from perfgate.publish.history import importers
from perfgate.publish.history.foreign import benchmark, reading
from perfgate.publish.history.importer import LARGEST_FILE, MOST_VALUES, Origin
from perfgate.result import Result

FILES = Path(__file__).parent / "files"
COMMIT = "1305df628fc63ed70829902edf934ab186b112c7"
ALL = {
    "pytest-benchmark.json": "pytest-benchmark",
    "hyperfine.json": "hyperfine",
    "google-benchmark.json": "google-benchmark",
    "locust_stats.csv": "locust",
    "locust_stats_history.csv": "locust",
    "k6-summary.json": "k6",
    "k6-export.json": "k6",
    "asv": "asv",
}


def values(run: Run, metric: str, scope: Scope) -> list[float | None]:
    found = [list(sample.values) for sample in run.samples if sample.key == Key(metric, scope)]
    assert len(found) == 1, sorted(str(sample.key) for sample in run.samples)
    return found[0]


def bench(name: str, value: object, unit: str = "iter/sec") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "range": "stddev: 0.1", "extra": "rounds: 5"}


def entry(*benches: dict[str, Any], tool: str = "pytest", commit: str = COMMIT, date: int = 1650371123811) -> Any:
    return {
        "commit": {"id": commit, "timestamp": "2022-04-19T10:36:47Z"},
        "date": date,
        "tool": tool,
        "benches": benches,
    }


def data_js(path: Path, **suites: list[Any]) -> Path:
    document = {"lastUpdate": 1778230609350, "repoUrl": "https://example.org", "entries": suites}
    path.write_text(f"window.BENCHMARK_DATA = {json.dumps(document, indent=2)}", encoding="utf-8")
    return path


def only(path: Path, origin: Origin | None = None) -> Run:
    (run,) = importers.read(path, origin).runs
    return run


@pytest.mark.parametrize(("name", "format"), ALL.items())
def test_a_format_is_told_by_the_content_and_not_by_the_name(name: str, format: str, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless"
    nameless.symlink_to(FILES / name)
    assert importers.detect(nameless).name == format


@pytest.mark.parametrize("name", ALL)
def test_what_was_imported_is_a_result_like_any_other(name: str) -> None:
    run = only(FILES / name)
    assert runfile.load_result(runfile.dump_result(Result(run)), name).run == run


@pytest.mark.parametrize("name", ALL)
def test_importing_twice_gives_the_same_run(name: str) -> None:
    assert only(FILES / name) == only(FILES / name)


def test_an_unknown_format_is_refused_with_all_that_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"benchmarks": 3}')
    with pytest.raises(BadRequest, match="no format that can be imported") as refused:
        importers.read(path)
    assert all(importer.name in refused.value.hint for importer in importers.known())
    assert len(importers.known()) == 7


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"[" * 100_000, b'{"a":'])
def test_what_is_no_text_or_no_json_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadRequest):
        importers.read(path)


def test_a_file_that_is_not_there_or_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no such file"):
        importers.read(tmp_path / "none")
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(BadRequest, match="too many"):
        importers.read(sparse)


def test_pytest_benchmark_continues_the_series_that_perfgate_measures() -> None:
    run = only(FILES / "pytest-benchmark.json")
    assert [(m.name, m.unit, m.better) for m in run.metrics] == [("benchmark.time", Unit.SECONDS, Better.LOWER)]
    document = json.loads((FILES / "pytest-benchmark.json").read_text())
    short = next(one for one in document["benchmarks"] if "join" in one["name"])
    assert values(run, "benchmark.time", Scope(benchmark=short["fullname"])) == short["stats"]["data"]
    assert (run.commit, run.branch) == (document["commit_info"]["id"], document["commit_info"]["branch"])
    assert (run.machine.cores, run.machine.python) == (2, "3.11.7")
    assert run.started == document["datetime"][:19] + "+00:00"


def test_rounds_beyond_fifty_become_medians() -> None:
    run = only(FILES / "pytest-benchmark.json")
    found = values(run, "benchmark.time", Scope(benchmark="test_words.py::test_sort"))
    assert len(found) == MOST_VALUES


def test_pytest_benchmark_without_raw_rounds_gives_its_median(tmp_path: Path) -> None:
    document = json.loads((FILES / "pytest-benchmark.json").read_text())
    for one in document["benchmarks"]:
        del one["stats"]["data"]
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(document))
    first = document["benchmarks"][0]
    assert values(only(path), "benchmark.time", Scope(benchmark=first["fullname"])) == [first["stats"]["median"]]


def test_hyperfine_gives_every_run_of_a_command_and_its_cpu_time() -> None:
    run = only(FILES / "hyperfine.json", Origin(commit=COMMIT, branch="main", started="2026-01-02T03:04:05+01:00"))
    first = json.loads((FILES / "hyperfine.json").read_text())["results"][0]
    assert values(run, "benchmark.time", Scope(benchmark="sleep 0.01")) == first["times"]
    assert values(run, "benchmark.cpu", Scope(benchmark="sleep 0.01")) == [first["user"] + first["system"]]
    assert (run.commit, run.branch, run.started, run.notes) == (COMMIT, "main", "2026-01-02T02:04:05+00:00", ())


def test_a_file_that_tells_no_time_has_that_of_its_last_change_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "hyperfine.json"
    path.write_bytes((FILES / "hyperfine.json").read_bytes())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    run = only(path)
    assert run.started == datetime.fromtimestamp(1_700_000_000, UTC).isoformat()
    assert run.notes == ("its time is that of the file it was imported from",)


@pytest.mark.parametrize(
    ("origin", "complaint"),
    [(Origin(commit="HEAD"), "--commit: 'HEAD' is no commit"), (Origin(started="yesterday"), "--started: 'yesterday'")],
)
def test_what_the_user_says_of_a_run_is_checked(origin: Origin, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        importers.read(FILES / "hyperfine.json", origin)


def test_google_benchmark_has_repetitions_as_rounds_and_no_aggregates() -> None:
    run = only(FILES / "google-benchmark.json")
    listed = json.loads((FILES / "google-benchmark.json").read_text())["benchmarks"]
    name = "BM_Copy/64/repeats:3"
    single = [one["real_time"] * 1e-9 for one in listed if one["name"] == name]
    assert len(single) == 3
    assert values(run, "benchmark.time", Scope(benchmark=name)) == pytest.approx(single)
    slow = next(one["real_time"] for one in listed if one["name"] == "BM_Slow")
    assert values(run, "benchmark.time", Scope(benchmark="BM_Slow")) == pytest.approx([slow * 1e-6])
    assert benchmark("throughput") in run.metrics
    assert "depth" in run.notes[0]


def test_google_benchmark_that_failed_has_no_value_but_its_reason() -> None:
    run = only(FILES / "google-benchmark.json")
    failed = next(sample for sample in run.samples if sample.scope.benchmark == "BM_Broken")
    assert failed.values == (None,)
    assert failed.note == "it failed: no such file"


def test_google_benchmark_with_aggregates_only_gives_the_median(tmp_path: Path) -> None:
    document = json.loads((FILES / "google-benchmark.json").read_text())
    document["benchmarks"] = [one for one in document["benchmarks"] if one["run_type"] == "aggregate"]
    path = tmp_path / "aggregates.json"
    path.write_text(json.dumps(document))
    median = next(one for one in document["benchmarks"] if one["aggregate_name"] == "median")
    found = values(only(path), "benchmark.time", Scope(benchmark=median["run_name"]))
    assert found == pytest.approx([median["real_time"] * 1e-9])


def test_locust_has_the_names_of_our_own_metrics_in_our_units() -> None:
    run = only(FILES / "locust_stats.csv")
    home = Scope("locust", "GET /")
    assert values(run, "response.p95", home) == [0.006]
    assert values(run, "response.bytes", home) == [513.0]
    assert values(run, "response.max", home) == pytest.approx([0.04599843799951486])
    assert values(run, "response.mean", home) == pytest.approx([0.003696383258594745])
    assert values(run, "response.errors", Scope("locust", "GET /missing/[id]")) == [1.0]
    everything = Scope("locust")
    assert values(run, "response.errors", everything) == [70 / 275]
    assert values(run, "response.rate", everything) == pytest.approx([54.96624420837595 - 13.991407616677513])
    assert run.started == "2026-11-22T13:03:08+00:00"  # of the history beside it


def test_locust_without_its_history_beside_it_has_the_time_of_the_file(tmp_path: Path) -> None:
    alone = tmp_path / "locust_stats.csv"
    alone.write_bytes((FILES / "locust_stats.csv").read_bytes())
    assert "its time is that of the file it was imported from" in only(alone).notes


def test_the_course_of_a_locust_run_has_a_value_for_each_time_with_traffic() -> None:
    run = only(FILES / "locust_stats_history.csv", Origin(scenario="browse"))
    assert list(run.loads) == ["browse"]
    assert values(run, "response.p50", Scope("browse", "GET /")) == [0.004, 0.003, 0.003]
    assert (run.started, run.seconds) == ("2026-11-22T13:03:08+00:00", 5.0)


def test_k6_times_are_those_of_successful_requests_in_seconds() -> None:
    run = only(FILES / "k6-summary.json")
    assert values(run, "response.p95", Scope("k6")) == [0.06]
    assert values(run, "response.p95", Scope("k6", "GET /products")) == [0.03]
    assert values(run, "response.errors", Scope("k6")) == [0.05]
    assert values(run, "response.rate", Scope("k6")) == pytest.approx([48.85 * 0.95])
    assert values(run, "custom.checkout_time.p95", Scope("k6")) == [0.21]
    assert run.seconds == 10.2345
    assert any("basket_size" in note and "checkout_time" not in note for note in run.notes)


def test_what_k6_exports_has_no_types_and_gives_the_same_requests() -> None:
    run = only(FILES / "k6-export.json")
    assert values(run, "response.p95", Scope("k6")) == [0.06125]
    assert values(run, "response.errors", Scope("k6")) == [0.05]
    assert any("checkout_time" in note for note in run.notes)


def test_asv_has_a_benchmark_for_each_combination_of_parameters() -> None:
    run = only(FILES / "asv")
    place = "existing-py_usr_bin_python3"
    assert values(run, "benchmark.time", Scope(place, benchmark="words.Sort.time_sort(1000, 'list')")) == pytest.approx(
        [6.760004907846451e-06]
    )
    assert values(run, "benchmark.bytes", Scope(place, benchmark="words.peakmem_list")) == [24686592]
    assert values(run, "benchmark.value", Scope(place, benchmark="words.track_depth [levels]")) == [7]
    assert values(run, "benchmark.time", Scope(place, benchmark="words.time_fails")) == [None]
    assert not any("(1000, 'tuple')" in sample.scope.benchmark for sample in run.samples)  # does not apply
    assert (run.machine.cpu, run.machine.cores, run.machine.memory) == ("AMD EPYC", 2, 25276510208)
    assert (run.commit[:8], run.started) == ("0159fa3e", "2026-11-22T13:03:05+00:00")


def test_a_broken_file_of_asv_is_named_and_the_others_can_be_had(tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "vm").mkdir(parents=True)
    for file in ("benchmarks.json", "vm/machine.json", "vm/0159fa3e-existing-py_usr_bin_python3.json"):
        (results / file).write_bytes((FILES / "asv" / file).read_bytes())
    (results / "vm" / "torn.json").write_text('{"commit_hash": "01')
    with pytest.raises(BadRequest, match=r"vm/torn.json: cannot be read"):
        importers.read(results)
    found = importers.read(results, skip_broken=True)
    assert len(found.runs) == 1
    assert "vm/torn.json" in found.broken[0]


def test_a_data_js_has_a_run_for_each_entry_and_a_scenario_for_each_suite(tmp_path: Path) -> None:
    path = data_js(
        tmp_path / "data.js",
        CPython=[entry(bench("merge", 10.5)), entry(bench("merge", 11.5), commit="b" * 40, date=1650371124000)],
        PyPy=[entry(bench("merge", 30.0))],
    )
    found = importers.read(path, Origin(branch="main")).runs
    assert [(run.commit[:4], run.branch, list(run.loads)) for run in found] == [
        ("1305", "main", ["CPython"]),
        ("bbbb", "main", ["CPython"]),
        ("1305", "main", ["PyPy"]),
    ]
    assert values(found[1], "benchmark.rate", Scope("CPython", benchmark="merge")) == [11.5]
    assert found[0].metrics == (benchmark("rate"),)
    assert found[0].metrics[0].better is Better.HIGHER
    assert found[0].started == "2022-04-19T12:25:23+00:00"


@pytest.mark.parametrize(
    ("tool", "unit", "value", "metric", "ours", "shown"),
    [
        ("pytest", "iter/sec", 2.0, "benchmark.rate", 2.0, "it"),
        ("benchmarkjs", "ops/sec", 2.0, "benchmark.rate", 2.0, "it"),
        ("cargo", "ns/iter", 2.0, "benchmark.time", 2e-9, "it"),
        ("go", "B/op", 512, "benchmark.bytes", 512.0, "it"),
        ("go", "allocs/op", 3, "benchmark.value", 3.0, "it (allocs/op)"),
        ("jmh", "ops/ms", 2.0, "benchmark.rate", 2000.0, "it"),
        ("catch2", "us", "2.5", "benchmark.time", 2.5e-6, "it"),
        ("customSmallerIsBetter", "Percent", 50, "benchmark.ratio", 0.5, "it"),
        ("customSmallerIsBetter", "Megabytes", "70", "benchmark.bytes", 70e6, "it"),
        ("customBiggerIsBetter", "Megabytes", 70, "benchmark.bytes.higher", 70e6, "it"),
        ("customBiggerIsBetter", "", 30, "benchmark.value.higher", 30.0, "it"),
        ("customBiggerIsBetter", "widgets", 30, "benchmark.value.higher", 30.0, "it (widgets)"),
        ("customSmallerIsBetter", "errors/s", 30, "benchmark.rate.lower", 30.0, "it (errors/s)"),
    ],
)
def test_units_and_directions_of_all_tools_become_ours(
    tool: str, unit: str, value: object, metric: str, ours: float, shown: str, tmp_path: Path
) -> None:
    run = only(data_js(tmp_path / "data.js", Suite=[entry(bench("it", value, unit), tool=tool)]))
    assert values(run, metric, Scope("Suite", benchmark=shown)) == pytest.approx([ours])
    assert run.metrics[0].name == metric
    bigger = tool in ("pytest", "benchmarkjs", "customBiggerIsBetter") or metric == "benchmark.rate"
    assert run.metrics[0].better is (Better.HIGHER if bigger else Better.LOWER)


def test_megabits_are_no_megabytes() -> None:
    assert reading("Mb").kind == "value"
    assert reading("MB").scale == 1e6


@pytest.mark.parametrize(
    ("spoiled", "complaint"),
    [
        (entry(bench("merge", "fast")), r"entries\.Suite\[1\]\.benches\[0\]\.value: 'fast' is no number"),
        (entry(bench("merge", 1e300)), r"Suite\[1\]\.benches\[0\]\.value: 1e\+300 is no number"),
        (entry(bench("merge", True)), r"value: True is no number"),
        (entry(bench("merge", float("nan"))), r"value: nan is no number"),
        (entry({"name": "merge"}), r"Suite\[1\]\.benches\[0\]: "),
        (entry(bench("", 1.0)), r"Suite\[1\]\.benches\[0\]\.name: is no text"),
        (entry(), r"Suite\[1\]: has no measurements"),
        (entry(bench("merge", 1.0), commit="--upload-pack=x"), r"Suite\[1\]\.commit\.id: '--upload-pack=x' is no"),
        (entry(bench("merge", 1.0), date=10**20), r"Suite\[1\]\.date: 10+ is no time"),
        (entry(bench("merge", 1.0, "widgets"), tool="other"), r"neither tool 'other' nor unit 'widgets'"),
        ({"tool": "pytest", "benches": [bench("merge", 1.0)]}, r"Suite\[1\]: has no 'commit'"),
        ("text", r"Suite\[1\]: has no 'tool'"),
        (None, r"Suite\[1\]: has no 'tool'"),
    ],
)
def test_a_broken_entry_is_named_and_spoils_the_import_unless_it_may_be_skipped(
    spoiled: Any, complaint: str, tmp_path: Path
) -> None:
    good = entry(bench("merge", 1.0))
    path = data_js(tmp_path / "data.js", Suite=[good, spoiled, good])
    with pytest.raises(BadRequest, match=complaint) as refused:
        importers.read(path)
    assert "--skip-broken" in refused.value.hint
    found = importers.read(path, skip_broken=True)
    assert len(found.runs) == 2
    assert len(found.broken) == 1
    assert found.broken[0].startswith(f"{path}: ")


def test_a_file_of_broken_entries_alone_is_refused_even_if_they_may_be_skipped(tmp_path: Path) -> None:
    path = data_js(tmp_path / "data.js", Suite=[None] * 8)
    with pytest.raises(BadRequest, match="and 3 more"):
        importers.read(path, skip_broken=True)


def test_a_torn_data_js_is_named_with_its_line(tmp_path: Path) -> None:
    path = data_js(tmp_path / "data.js", Suite=[entry(bench("merge", 1.0))])
    text = path.read_text().splitlines()
    path.write_text("\n".join(text[:12]))
    with pytest.raises(BadRequest, match=r"data.js:12: not JSON"):
        importers.read(path)


def test_names_from_outside_hide_nothing(tmp_path: Path) -> None:
    path = data_js(tmp_path / "data.js", Suite=[entry(bench("a\x00b\x1b[31mc\ud800\u202ed\ne", 1.0))])
    assert only(path).samples[0].scope.benchmark == "a\ufffdbc\ufffd\ufffdd e"


@pytest.mark.parametrize(
    ("old", "broken", "complaint"),
    [
        ("GET,/,205", "GET,/,many", "line 2: Request Count: 'many' is no number"),
        ("GET,/,205,0,", "GET,/,", "line 2: does not have as many fields"),
        (",46,46,46\n", ",46,46,46,47\n", "line 2: does not have as many fields"),
    ],
)
def test_a_broken_line_of_locust_is_named(old: str, broken: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "x_stats.csv"
    text = (FILES / "locust_stats.csv").read_bytes().decode().replace("\r\n", "\n")
    assert old in text
    path.write_text(text.replace(old, broken, 1))
    with pytest.raises(BadRequest, match=complaint):
        importers.read(path)


def test_twenty_megabytes_are_imported_in_seconds_and_some_hundred_megabytes(tmp_path: Path) -> None:
    entries = [
        entry(*(bench(f"tests/bench.py::test_{n}", 10.0 + n) for n in range(6)), date=1650371123811 + 1000 * at)
        for at in range(9_000)
    ]
    for one in entries:
        one["commit"]["message"] = "what was done and why, " * 40
    path = data_js(tmp_path / "data.js", Suite=entries)
    del entries
    assert path.stat().st_size > 20_000_000
    begin = time.process_time()
    assert len(importers.read(path).runs) == 9_000
    assert time.process_time() - begin < 30  # a second or two where nothing else runs
    head = json.loads(path.read_text().partition("=")[2])["entries"]["Suite"][:1000]
    small = data_js(tmp_path / "small.js", Suite=head)
    tracemalloc.start()
    importers.read(small)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 15 * small.stat().st_size
