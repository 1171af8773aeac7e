"""The gate on a real service: every planted fault ends as it should, for the right reason, and no fault ends green."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.test_worktree import git

REPOSITORY = Path(__file__).parents[1]
SHORTER = {"users: 8": "users: 8\n    round: 1 s\n    warmup: 500 ms\n    timeout: 3 s"}
TIMEOUT_S = 300
SHOP = "scenarios/storefront"
ORDERS = "GET /customers/{id}/orders"


@dataclass(frozen=True)
class Ended:
    """How a run of perfgate ended."""

    code: int
    output: str
    document: Mapping[str, Any]

    def findings(self, *statuses: str) -> list[Mapping[str, Any]]:
        return [found for found in self.document["findings"] if found["status"] in statuses]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the storefront in it, gated as at home but with shorter rounds, and its accepted baseline."""
    project = tmp_path_factory.mktemp("shop")
    shutil.copytree(
        REPOSITORY / "scenarios", project / "scenarios", ignore=shutil.ignore_patterns("dist", "__pycache__")
    )
    text = (REPOSITORY / "budgets.yaml").read_text(encoding="utf-8")
    for old, new in SHORTER.items():
        assert old in text
        text = text.replace(old, new)
    (project / "budgets.yaml").write_text(text, encoding="utf-8")
    first = gate(project)
    assert first.code == 1
    assert {found["kind"] for found in first.findings("missing")} == {"baseline"}, first.output
    accept = perfgate(project, "accept", "--reason", "first baseline")
    assert accept.returncode == 0, accept.stdout + accept.stderr
    return project


@pytest.fixture(scope="session")
def repository(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop in a repository of its own, without a baseline: base is all there is to compare it with."""
    project = tmp_path_factory.mktemp("repository") / "shop"
    shutil.copytree(shop, project, ignore=shutil.ignore_patterns(".perfgate", "baselines", "result.json", "dist"))
    (project / ".gitignore").write_text(".perfgate\nresult.json\ndist\n__pycache__\n", encoding="utf-8")
    git(project.parent, "init", "-q", "shop")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "the shop")
    return project


def perfgate(project: Path, *arguments: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "STOREFRONT_FAULT": fault, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "perfgate", *arguments],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def gate(project: Path, fault: str = "", *arguments: str) -> Ended:
    done = perfgate(project, "run", "browse", "--json", "result.json", *arguments, fault=fault)
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    written = project / "result.json"
    document = json.loads(written.read_text(encoding="utf-8"))
    assert document["exit_code"] == done.returncode
    return Ended(done.returncode, output, document)


def test_the_unchanged_shop_is_green_and_was_measured_and_needs_no_advice(shop: Path) -> None:
    ended = gate(shop, "", "--diagnose", "always")
    assert ended.code == 0, ended.output
    assert not ended.findings("fail", "missing", "invalid")
    judged = {found["metric"] for found in ended.findings("pass", "improved", "warn")}
    assert {"queries.calls", "queries.rows", "queries.blocks", "cpu.per_request", "bundle.brotli"} <= judged
    assert {advice["severity"] for advice in ended.document["advice"]} <= {"low"}, ended.output


@pytest.mark.parametrize(
    ("fault", "metric", "endpoint", "because", "category", "code"),
    [
        ("slow", "cpu.per_request", "", "is over the limit of 4 ms", "cpu_hotspot", f"{SHOP}/faults.py:"),
        ("n_plus_one", "queries.calls", ORDERS, "order_items", "n_plus_one", f"{SHOP}/orders.py:"),
        ("missing_index", "queries.blocks", ORDERS, "order_items", "missing_index", ""),
        ("leak", "memory.growth", "", "is over the limit of 20 KB", "memory_leak", f"{SHOP}/faults.py:"),
        ("errors", "response.errors", "GET /products/{id}", "is over the limit of 1 %", "failing_requests", ""),
        ("bloat", "bundle.brotli", "", "is over the limit of 15 KB", "bundle_growth", f"{SHOP}/dist/storefront.js"),
    ],
)
def test_a_planted_regression_is_red_for_the_right_reason_and_its_advice_comes_first(
    shop: Path, fault: str, metric: str, endpoint: str, because: str, category: str, code: str
) -> None:
    ended = gate(shop, fault)
    assert ended.code == 1, ended.output
    red = [f for f in ended.findings("fail") if f["metric"] == metric and f["scope"].get("endpoint", "") == endpoint]
    assert red, ended.output
    assert because in red[0]["because"]
    assert metric in ended.output
    first = ended.document["advice"][0]
    assert (first["category"], first["severity"]) == (category, "high"), ended.output
    assert first["verified"], ended.output
    assert first["code"].startswith(code), ended.output
    causes = [
        c for c in ended.document["causes"] if (c["metric"], c["scope"].get("endpoint", "")) == (metric, endpoint)
    ]
    assert causes, ended.output
    assert first["title"] in causes[0]["steps"][-1]


def test_the_advised_index_turns_the_gate_green(shop: Path, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(shop, project)
    assert gate(project, "missing_index").code == 1
    fixed = perfgate(project, "fix", "--try", "--write", "index.sql", fault="missing_index")
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert f"blocks a request of {ORDERS}" in fixed.stdout
    budgets = (project / "budgets.yaml").read_text(encoding="utf-8")
    seeded = "    - scenarios/storefront/seed.sql\n"
    assert seeded in budgets
    (project / "budgets.yaml").write_text(budgets.replace(seeded, f"{seeded}    - index.sql\n"), encoding="utf-8")
    ended = gate(project, "missing_index")
    assert ended.code == 0, ended.output


MENDED = (
    ("orders.py", "faults.one_by_one(items) if faults.Fault.N_PLUS_ONE in faults.PLANTED else items", "items"),
    ("faults.py", "done = time.thread_time() + SLOW_SECONDS", "done = time.thread_time()"),
    ("faults.py", 'kept.append(b"x" * LEAKED_BYTES)', "pass"),
    ("faults.py", "next(seen) % ERROR_EVERY == 0", "False"),
    ("faults.py", "next(seen) > HANG_AFTER", "False"),
    ("faults.py", "next(seen) == CRASH_AT", "False"),
    ("build.py", 'faults.vendor_chunk() if faults.Fault.BLOAT in faults.PLANTED else ""', '""'),
)
"""What is done about each fault's advice, in the code that it leads to."""


def test_code_that_is_mended_as_advised_turns_the_gate_green(shop: Path, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    shutil.copytree(shop, project)
    for name, old, new in MENDED:
        file = project / SHOP / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    ended = gate(project, "n_plus_one,slow,leak,errors,hang,crash_mid_load,bloat")
    assert ended.code == 0, ended.output


@pytest.mark.parametrize(
    ("fault", "because", "detail"),
    [
        ("hang", "unanswered requests", "GET /products/{id}"),
        ("crash_mid_load", "service died", "planted crash at request 200"),
    ],
)
def test_a_service_that_stops_serving_is_not_measured_and_never_slow(
    shop: Path, fault: str, because: str, detail: str
) -> None:
    ended = gate(shop, fault)
    assert ended.code == 3, ended.output
    assert not ended.findings("fail", "missing")
    assert not [found for found in ended.findings("pass") if found["metric"].startswith(("response", "cpu", "memory"))]
    assert because in ended.findings("invalid")[0]["because"]
    assert detail in ended.output
    first = ended.document["advice"][0]
    assert (first["category"], first["severity"]) == ("service_died", "high"), ended.output
    assert first["verified"], ended.output
    assert first["code"].startswith(f"{SHOP}/faults.py:"), ended.output


def test_every_planted_regression_is_red_beside_a_base_that_has_none(repository: Path) -> None:
    planted = {
        ("cpu.per_request", "", "tolerance"),
        ("queries.calls", "GET /customers/{id}/orders", "tolerance"),
        ("queries.blocks", "GET /customers/{id}/orders", "tolerance"),
        ("memory.growth", "", "limit"),
        ("bundle.brotli", "", "limit"),
    }
    ended = gate(repository, "slow,n_plus_one,missing_index,leak,bloat", "--base", "HEAD")
    assert ended.code == 1, ended.output
    red = {(f["metric"], f["scope"].get("endpoint", ""), f["kind"]) for f in ended.findings("fail")}
    assert planted <= red, ended.output


@pytest.mark.parametrize(("fault", "code"), [("errors", 1), ("hang", 3), ("crash_mid_load", 3)])
def test_beside_a_base_a_service_that_fails_ends_as_it_does_alone(repository: Path, fault: str, code: int) -> None:
    ended = gate(repository, fault, "--base", "HEAD")
    assert ended.code == code, ended.output
