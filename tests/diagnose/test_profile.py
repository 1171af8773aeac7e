"""The profiler in real services: threads, forks, drivers, leaks, and processes that are none of its business."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfgate.measure.ownership import Owner
from perfgate.measure.profile import AGENT, Mode, function_at, profile
from perfgate.measure.profiler.reports import Reports
from perfgate.model import Side
from perfgate.profiled import Place, Profile
from tests.diagnose import services

ONE, TWO = "GET /one", "GET /two"

LEAK = """\
kept = []
cache = {}


def remember(path):
    kept.append(b"x" * 20_000)
    if len(kept) == 12:  # in the first pass: six requests came before it, and one cycle that does not count
        cache[path] = b"y" * 500_000


def answer(path):
    remember(path)
"""

DRIVER = """\
def execute(statement):
    return sum(range(60_000))
"""

SENDS = """\
import psycopg2_like.psycopg2.cursor as cursor


def fetch():
    return cursor.execute("SELECT 1")


def answer(path):
    if path == "/one":
        fetch()
"""


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


@pytest.mark.parametrize("serving", [services.SERVING, services.FORKING], ids=["threads", "a forked worker"])
def test_the_function_that_burns_the_time_is_named_with_what_it_burns(
    tmp_path: Path, owner: Owner, serving: str
) -> None:
    with services.theatre(tmp_path, owner, serving=serving) as theatre:
        found = profile(theatre, Mode.CPU)
    assert (found.scenario, found.side, set(found.endpoints)) == ("visit", Side.HEAD, {ONE, TWO})
    dearest = found.lines[ONE][0]
    assert (dearest.path, dearest.function, dearest.sends_statements) == ("work.py", "burn", False)
    assert dearest.line in {line_of(services.WORK, "while time") + extra for extra in (0, 1)}
    assert dearest.cpu == pytest.approx(0.004, rel=0.3)
    assert found.endpoints[ONE] > dearest.cpu - 3 * dearest.error
    assert found.endpoints[TWO] < found.endpoints[ONE] / 2


def test_what_a_request_leaves_behind_is_told_by_line_and_a_cache_that_is_full_is_not(
    tmp_path: Path, owner: Owner
) -> None:
    with services.theatre(tmp_path, owner, LEAK) as theatre:
        found = profile(theatre, Mode.MEMORY)
    (first, *others) = found.grown
    assert (first.path, first.line, first.function) == ("work.py", line_of(LEAK, "kept.append"), "remember")
    assert first.bytes == pytest.approx(20_000, rel=0.05)
    assert not [one for one in others if one.bytes > 1000]
    assert not found.endpoints


def test_code_that_works_in_a_database_driver_is_who_sends_the_statements(tmp_path: Path, owner: Owner) -> None:
    driver = tmp_path / "site-packages" / "psycopg2_like" / "psycopg2"
    driver.mkdir(parents=True)
    (driver / "cursor.py").write_text(DRIVER, encoding="utf-8")
    path = str(tmp_path / "site-packages")
    with services.theatre(tmp_path, owner, SENDS, PYTHONPATH=path) as theatre:
        found = profile(theatre, Mode.CPU)
    sender = found.sender(ONE)
    assert sender is not None
    assert (sender.code, sender.function) == (f"work.py:{line_of(SENDS, 'cursor.execute')}", "fetch")
    assert found.sender(TWO) is None


def test_a_service_that_is_not_python_has_an_empty_profile(tmp_path: Path, owner: Owner) -> None:
    script = "-S"  # nor is one whose Python does not look for a sitecustomize
    command = f"{sys.executable} {script} server.py {{port}}"
    with services.theatre(tmp_path, owner, command=command) as theatre:
        assert profile(theatre, Mode.CPU) == Profile("visit", Side.HEAD)


def test_another_sitecustomize_runs_as_well_and_the_path_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.other_ran = __name__\n", encoding="utf-8")
    reports = tmp_path / "reports"
    reports.mkdir()
    code = "import sys, threading; print(sys.other_ran, [p for p in sys.path if 'profiler' in p])"
    env = {**os.environ, "PYTHONPATH": f"{AGENT}{os.pathsep}{tmp_path}"}
    for asked in ("", str(reports)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**env, "PERFGATE_AGENT": asked, "PERFGATE_AGENT_ROOT": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr) == ("sitecustomize []\n", "")
        assert Reports(reports).any() is bool(asked)


def test_what_a_process_wrote_before_it_was_killed_is_read_and_a_torn_line_is_not(tmp_path: Path) -> None:
    lines = (
        '{"pid": 1}',
        '{"place": ["a.py", 3, "f", false, true], "number": 1}',
        '{"samples": [[5.0, 0.25, 1], [6.0, 0.5, 0]]}',
        '{"samples": [[7.0,',
    )
    (tmp_path / "1.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (written,) = Reports(tmp_path).read(tmp_path)
    assert [(one.cpu, one.spot.path if one.spot else "") for one in written.samples] == [(0.25, "a.py"), (0.5, "")]


def place(function: str, cpu: float, error: float = 0.0, *, sends: bool = False) -> Place:
    return Place("shop.py", 1, function, cpu, error, sends)


@pytest.mark.parametrize(("more", "is_told"), [(0.0029, False), (0.0031, True)])
def test_a_place_costs_more_than_in_base_only_beyond_what_sampling_explains(more: float, is_told: bool) -> None:
    head = Profile("s", Side.HEAD, {ONE: 0.02}, {ONE: (place("f", 0.01 + more, 0.001),)})
    base = Profile("s", Side.BASE, {ONE: 0.02}, {ONE: (place("f", 0.01),)})
    assert bool(head.against(base, ONE)) is is_told


def test_of_those_who_send_statements_the_one_that_grew_is_preferred() -> None:
    own = (place("list", 0.02, sends=True), place("items", 0.01, sends=True), place("render", 0.05))
    head = Profile("s", Side.HEAD, {ONE: 0.08}, {ONE: own})
    base = Profile("s", Side.BASE, {ONE: 0.08}, {ONE: (own[0], place("items", 0.001, sends=True), own[2])})
    alone, beside, unchanged = head.sender(ONE), head.sender(ONE, base), head.sender(ONE, head)
    assert alone is not None
    assert beside is not None
    assert unchanged is not None
    assert (alone.function, beside.function, unchanged.function) == ("list", "items", "list")


@pytest.mark.parametrize(("line", "function"), [(1, ""), (2, "outer"), (5, "inner"), (6, "outer"), (9, "")])
def test_a_line_is_in_the_innermost_function_around_it(tmp_path: Path, line: int, function: str) -> None:
    text = "x = 1\ndef outer():\n    y = 2\n    def inner():\n        return y\n    return inner\n\n\nz = 3\n"
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    assert function_at(tmp_path / "m.py", line) == function
    assert function_at(tmp_path / "none.py", line) == ""
