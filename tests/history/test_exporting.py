"""Runs in formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from perfgate.errors import BadRequest, NotMeasured
from perfgate.model import Better, Machine, Metric, Noise, Run, Sample, Scope, Side, Unit
from perfgate.publish.history import exporters, importers
from perfgate.publish.history.exporter import Row, rows
from perfgate.publish.history.exporters import bencher, parquet

MACHINE = Machine("AMD EPYC", 2, 2**34, "Linux", "3.11")
P95 = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "95 % of \\ the\nrequests.")
RATE = Metric("benchmark.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "Calls a second.")
TIME = Metric("benchmark.time", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "Time of a call.")
CALLS = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "Statements a request.")
SIZE = Metric("bundle.raw", Unit.BYTES, Better.LOWER, Noise.EXACT, "Bytes.")
ERRORS = Metric("response.errors", Unit.RATIO, Better.LOWER, Noise.SAMPLED, "Share.")
ODD = Metric("custom.a-b", Unit.COUNT, Better.LOWER, Noise.SAMPLED, "Odd.")
EVEN = Metric("custom.a_b", Unit.COUNT, Better.LOWER, Noise.SAMPLED, "Even.")
PRODUCTS = Scope("browse", "GET /products")
AWKWARD = 'say "hi",\\ back\nand = more'


def run(started: str = "2026-01-02T03:04:05+00:00", *samples: Sample) -> Run:
    return Run(
        commit="a" * 40,
        branch="main",
        dirty=False,
        base="",
        machine=MACHINE,
        started=started,
        seconds=3.0,
        version="1",
        seed=1,
        metrics=(P95, RATE, TIME, CALLS, SIZE, ERRORS, ODD, EVEN),
        samples=samples
        or (
            Sample(P95.name, PRODUCTS, (0.1, None, 0.30000000000000004, 0.2)),
            Sample(P95.name, PRODUCTS, (0.5,), Side.BASE),
            Sample(RATE.name, Scope(benchmark=AWKWARD), (1e-300, 5.0)),
            Sample(TIME.name, Scope(benchmark="sort"), (2e-6, 4e-6, 3e-6)),
            Sample(CALLS.name, PRODUCTS, (7,)),
            Sample(SIZE.name, Scope(artifact="=cmd|' /C calc'!A0"), (-1.5,)),
            Sample(ERRORS.name, Scope("browse"), (None,)),
            Sample(ODD.name, Scope(), (1.0,)),
            Sample(EVEN.name, Scope(), (2.0,)),
        ),
    )


def exported(name: str, runs: Sequence[Run]) -> bytes:
    out = io.BytesIO()
    exporters.named(name).write(iter(runs), out)
    return out.getvalue()


def families(text: bytes) -> dict[str, Any]:
    read = text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
    return {family.name: family for family in read}


def points(text: bytes) -> dict[str, list[Any]]:
    return {name: list(family.samples) for name, family in families(text).items()}


def test_csv_reads_back_as_the_same_values() -> None:
    read = list(csv.DictReader(io.StringIO(exported("csv", [run()]).decode(), newline="")))
    expected = list(rows([run()]))
    assert list(read[0]) == list(Row._fields)
    assert [float(row["value"]) if row["value"] else None for row in read] == [row.value for row in expected]
    assert [row["benchmark"] for row in read] == [row.benchmark for row in expected]
    assert [(row["side"], row["round"]) for row in read[:5]] == [
        ("head", "1"),
        ("head", "2"),
        ("head", "3"),
        ("head", "4"),
        ("base", "1"),
    ]


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_text_in_a_csv_is_a_formula(begin: str) -> None:
    sample = Sample(SIZE.name, Scope(artifact=begin), (-1.5,))
    (row,) = csv.DictReader(io.StringIO(exported("csv", [run("2026-01-02T03:04:05", sample)]).decode(), newline=""))
    assert row["artifact"] == f"'{begin}"
    assert row["value"] == "-1.5"  # a number is none


def test_openmetrics_is_understood_by_prometheus_own_parser() -> None:
    found = points(exported("openmetrics", [run()]))
    (p95,) = found["perfgate_response_p95_seconds"]
    assert p95.value == 0.2
    assert float(p95.timestamp) == 1767323045
    assert p95.labels == {
        "metric": "response.p95",
        "branch": "main",
        "machine": "AMD EPYC x2, 16 GiB",
        "scenario": "browse",
        "endpoint": "GET /products",
    }
    assert found["perfgate_benchmark_rate_per_second"][0].labels["benchmark"] == AWKWARD
    assert found["perfgate_bundle_raw_bytes"][0].value == -1.5
    assert "perfgate_response_errors_ratio" not in found  # nothing was measured


def test_openmetrics_ends_as_it_has_to_even_if_there_is_nothing() -> None:
    assert exported("openmetrics", []) == b"# EOF\n"
    assert exported("openmetrics", [run()]).endswith(b"\n# EOF\n")


def test_a_series_of_openmetrics_goes_forward_in_time_whatever_the_order_of_the_runs() -> None:
    early, late = run("2026-01-02T03:04:05+00:00"), run("2026-01-02T04:04:05+01:00")
    later = run("2026-03-02T03:04:05+00:00")
    found = points(exported("openmetrics", [later, early, late]))
    assert [float(point.timestamp) for point in found["perfgate_queries_calls"]] == [1767323045, 1772420645]


def test_metrics_whose_names_differ_in_a_sign_alone_stay_apart_in_openmetrics() -> None:
    found = points(exported("openmetrics", [run()]))["perfgate_custom_a_b"]
    assert {point.labels["metric"]: point.value for point in found} == {"custom.a-b": 1.0, "custom.a_b": 2.0}


def test_the_units_of_openmetrics_are_said_in_name_and_line() -> None:
    found = families(exported("openmetrics", [run()]))
    assert found["perfgate_response_p95_seconds"].unit == "seconds"
    assert found["perfgate_queries_calls"].unit == ""
    assert {family.type for family in found.values()} == {"gauge"}


def test_parquet_reads_back_as_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    arrow = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet, "BATCH", 4)
    file = arrow.ParquetFile(io.BytesIO(exported("parquet", [run(), run("2026-02-02T03:04:05+00:00")])))
    read = file.read().to_pylist()
    expected = list(rows([run(), run("2026-02-02T03:04:05+00:00")]))
    assert file.num_row_groups == -(-len(expected) // 4)
    assert [{**row, "started": row["started"].isoformat()} for row in read] == [row._asdict() for row in expected]


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(BadRequest, match="needs pyarrow") as refused:
        exported("parquet", [run()])
    assert "perfgate[parquet]" in refused.value.hint


def test_nothing_but_a_header_is_a_file_of_no_runs() -> None:
    assert exported("csv", []).decode().strip().split(",") == list(Row._fields)
    arrow = pytest.importorskip("pyarrow.parquet")
    assert arrow.read_table(io.BytesIO(exported("parquet", []))).num_rows == 0


def test_bencher_has_a_benchmark_for_each_scope_with_value_and_bounds() -> None:
    report = json.loads(exported("bencher", [run()]))
    assert report["browse · GET /products"] == {
        "response.p95": {"value": 0.2, "lower_value": 0.1, "upper_value": 0.30000000000000004},
        "queries.calls": {"value": 7},
    }
    assert report["sort"]["latency"] == pytest.approx({"value": 3000.0, "lower_value": 2000.0, "upper_value": 4000.0})
    assert report[bencher.WHOLE] == {"custom.a-b": {"value": 1.0}, "custom.a_b": {"value": 2.0}}
    assert "browse" not in report  # nothing was measured


@pytest.mark.parametrize("count", [0, 2])
def test_bencher_holds_one_run_and_says_so(count: int) -> None:
    with pytest.raises(BadRequest, match=f"holds one run, and these are {count}"):
        exported("bencher", [run()] * count)


def test_the_names_of_bencher_are_no_longer_than_it_takes() -> None:
    metric = replace(ODD, name="custom." + "x" * 100)
    long = replace(
        run("2026-01-02T03:04:05", Sample(metric.name, Scope(benchmark="y" * 2000), (1.0,))), metrics=(metric,)
    )
    ((benchmark, measures),) = json.loads(exported("bencher", [long])).items()
    assert len(benchmark) == 1024
    assert [len(name) for name in measures] == [64]


@pytest.mark.parametrize(
    ("file", "format"),
    [("a.csv", "csv"), ("a.parquet", "parquet"), ("a.om", "openmetrics"), ("a.bmf.json", "bencher")],
)
def test_a_file_is_written_in_the_format_that_its_name_tells(file: str, format: str, tmp_path: Path) -> None:
    exporters.write([run()], tmp_path / file)
    assert (tmp_path / file).read_bytes() == exported(format, [run()])
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_format_that_is_asked_for_goes_before_the_name_of_the_file(tmp_path: Path) -> None:
    exporters.write([run()], tmp_path / "a.csv", "openmetrics")
    assert (tmp_path / "a.csv").read_bytes().endswith(b"# EOF\n")


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="'cvs'") as refused:
        exporters.named("cvs")
    assert "did you mean 'csv'?" in refused.value.hint
    with pytest.raises(BadRequest, match="tells no format") as refused:
        exporters.write([run()], tmp_path / "a.txt")
    assert ".parquet (parquet)" in refused.value.hint


def test_an_export_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.bmf.json"
    path.write_text("old")
    with pytest.raises(BadRequest):
        exporters.write([run(), run()], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(NotMeasured, match="cannot be written"):
        exporters.write([run()], tmp_path / "none" / "a.csv")


def test_what_was_imported_can_be_exported_in_every_format() -> None:
    (imported,) = importers.read(Path(__file__).parent / "files" / "google-benchmark.json").runs
    assert len(points(exported("openmetrics", [imported]))) == 4
    assert len(exported("csv", [imported]).splitlines()) == 1 + sum(len(s.values) for s in imported.samples)
    assert "BM_Slow" in json.loads(exported("bencher", [imported]))
    assert exported("parquet", [imported]).startswith(b"PAR1")
