"""`pytest --perfgate`: a test for each rule, measured once, beside ordinary tests, and nothing without the flag."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.projects import Project, visit

RULES = """\
  - metric: response.p50
    endpoint: GET /hello
    fail: 1 us
  - metric: custom.answer
    fail: 1 s
  - metric: benchmark.time
    fail: 1 s
"""
TESTS = """\
import urllib.request

def test_ordinary():
    pass

def test_the_service_answers(perfgate_service, perfgate_sample):
    for _ in range(3):
        urllib.request.urlopen(perfgate_service.url + "/hello").read()
        perfgate_sample("custom.answer", 0.001, unit="s")

def test_sum(benchmark):
    benchmark(sum, [1, 2])
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = visit(tmp_path)
    found.answer_steadily()
    found.write("budgets.yaml", (tmp_path / "budgets.yaml").read_text(encoding="utf-8") + RULES)
    found.write("test_it.py", TESTS)
    found.write("pytest.ini", "[pytest]\n")
    return found


def run(project: Project, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:locust", "-rA", *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=project.folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_each_rule_is_a_test_beside_the_ordinary_ones(project: Project) -> None:
    code, output = run(project, "--perfgate", "--junitxml=junit.xml")
    assert code == 1, output
    for passed in (
        "test_it.py::test_ordinary",
        "budgets.yaml::visit::response.p50",
        "budgets.yaml::visit::response.errors",
        "budgets.yaml::visit::measurement",
        "budgets.yaml::pytest::custom.answer",
        "budgets.yaml::pytest::benchmark.time",
    ):
        assert f"PASSED {passed}" in output, output
    assert "FAILED budgets.yaml::visit::response.p50[GET /hello]" in output
    assert "is over the limit of 1 µs" in output
    assert "Traceback" not in output
    failed = [
        case for case in ET.parse(project.folder / "junit.xml").iter("testcase") if case.find("failure") is not None
    ]
    assert [case.get("name") for case in failed] == ["response.p50[GET /hello]"]
    assert (project.folder / ".perfgate" / "report.html").is_file()


def test_deselected_rules_are_not_measured(project: Project) -> None:
    code, output = run(project, "--perfgate", "-k", "ordinary")
    assert code == 0, output
    assert not (project.folder / ".perfgate").exists()


def test_the_budgets_file_can_be_named_alone(project: Project) -> None:
    code, output = run(project, "--perfgate", "-x", "budgets.yaml::visit")
    assert code == 1, output
    assert "test_ordinary" not in output
    assert "1 failed" in output


def test_a_benchmark_that_did_not_run_is_missing_and_red(project: Project) -> None:
    code, output = run(project, "--perfgate", "--benchmark-disable", "-k", "benchmark or sum")
    assert code == 1, output
    assert "FAILED budgets.yaml::pytest::benchmark.time" in output
    assert "missing: benchmark.time" in output


def test_without_the_flag_nothing_of_the_gate_is_loaded_or_run(project: Project) -> None:
    project.write(
        "conftest.py",
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    print('loaded:', sorted(n for n in sys.modules if n.startswith('perfgate')), file=sys.stderr)\n",
    )
    code, output = run(project)
    assert code == 0, output
    assert "budgets.yaml" not in output
    assert "SKIPPED [1] test_it.py" in output
    assert "loaded: ['perfgate', 'perfgate.plugin']" in output


def test_a_wrong_budgets_file_is_a_usage_error_without_a_traceback(project: Project) -> None:
    project.replace("budgets.yaml", "fail: 2 s", "fail: 2 KB")
    code, output = run(project, "--perfgate")
    assert code == 4, output
    assert "unknown unit 'KB'" in output
    assert "Traceback" not in output


def test_workers_of_xdist_measure_once_together(project: Project) -> None:
    project.replace("server.py", "print(", "open(f'started-{time.time_ns()}', 'w').close()\nprint(")
    state = project.folder / ".perfgate"
    state.mkdir()
    for name in ("xdist-old.json", "xdist-old.lock", "xdist-young.json", "xdist-young.lock"):
        os.utime(project.write(f".perfgate/{name}", "{}"), times=(0, 0) if "old" in name else None)
    code, output = run(project, "--perfgate", "-n", "2", "-k", "visit")
    assert code == 1, output
    assert "PASSED budgets.yaml::visit::response.errors" in output
    assert len(list(project.folder.glob("started-*"))) == 1
    assert {path.name for path in state.glob("xdist-*")} >= {"xdist-young.json", "xdist-young.lock"}
    assert not list(state.glob("xdist-old*"))


@pytest.mark.parametrize(("arguments", "warned"), [(("-n", "2"), True), (("-n", "1"), False), ((), False)])
def test_who_spreads_samples_over_processes_is_warned(
    project: Project, arguments: tuple[str, ...], warned: bool
) -> None:
    code, output = run(project, "--perfgate", *arguments)
    assert code == 1, output
    assert ("may run in different processes" in output) is warned


def test_a_red_finding_that_no_rule_speaks_for_is_red_all_the_same(project: Project) -> None:
    project.replace("budgets.yaml", "metric: benchmark.time", "metric: b*.brotli")
    project.replace("budgets.yaml", "budgets:", "artifacts: {page: server.py}\nbudgets:")
    project.replace("budgets.yaml", "metric: b*.brotli\n    fail: 1 s", "metric: b*.brotli\n    fail: 1 B")
    code, output = run(project, "--perfgate", "-k", "brotli or everything")
    assert code == 1, output
    assert "bundle.brotli[page]" in output


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "-1.0"])
def test_a_sample_that_is_no_measurement_is_refused(project: Project, value: str) -> None:
    project.replace("test_it.py", "0.001", value)
    code, output = run(project, "--perfgate", "-k", "answers")
    assert code == 1, output
    assert "is no measurement" in output


def test_a_budget_in_another_unit_than_its_test_records_is_refused(project: Project) -> None:
    project.replace("budgets.yaml", "custom.answer\n    fail: 1 s", "custom.answer\n    fail: 1 KB")
    code, output = run(project, "--perfgate", "-k", "answer")
    assert code == 1, output
    assert "custom.answer is recorded in s, its budget is in B" in output


def test_a_profile_is_chosen_by_option_or_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project.folder / "budgets.yaml").open("a", encoding="utf-8") as file:
        file.write("profiles:\n  lax:\n    budgets: [{metric: response.p50, endpoint: GET /hello, fail: 2 s}]\n")
    code, output = run(project, "--perfgate", "-k", "visit", "--perfgate-profile", "lax")
    assert code == 0, output
    assert "PASSED budgets.yaml::visit::response.p50[GET /hello]" in output
    monkeypatch.setenv("PERFGATE_PROFILE", "laxer")
    code, output = run(project, "--perfgate", "-k", "visit")
    assert code == 4, output
    assert "no profile is called 'laxer'" in output
