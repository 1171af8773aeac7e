"""perfgate on a web application that nobody here wrote: Wagtail over gunicorn, gated by one page of `budgets.yaml`."""

from __future__ import annotations

import importlib.util
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

SITE = Path(__file__).parents[2] / "scenarios" / "wagtail"
PAGE = 60
"""Lines that a `budgets.yaml` of one page has at most."""

SHORTER = {"    round: 8 s ": "    warmup: 1 s\n    max_rounds: 3\n    round: 1 s "}
TIMEOUT_S = 900

NEEDED = ("wagtail", "gunicorn", "dj_database_url")
ABSENT = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_wagtail = pytest.mark.skipif(
    bool(ABSENT) and not os.environ.get("PERFGATE_REQUIRE_WAGTAIL"),
    reason=f"not installed: {', '.join(ABSENT)}; type `pip install -r scenarios/wagtail/requirements.txt`",
)


@dataclass(frozen=True)
class Ended:
    """How a run of perfgate ended."""

    code: int
    output: str
    findings: tuple[Mapping[str, Any], ...]

    def where(self, status: str, metric: str) -> dict[str, str]:
        """For each endpoint (or "") whose finding on a metric has this status: why."""
        found = (f for f in self.findings if (f["status"], f["metric"]) == (status, metric))
        return {f["scope"].get("endpoint", ""): f["because"] for f in found}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the magazine, gated as at home but with shorter rounds."""
    copy = tmp_path / "magazine"
    shutil.copytree(SITE, copy, ignore=shutil.ignore_patterns("media", "baselines", ".perfgate", "__pycache__"))
    replace(copy / "budgets.yaml", SHORTER)
    return copy


def replace(file: Path, changes: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def perfgate(site: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "perfgate", *arguments],
        cwd=site,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def gate(site: Path) -> Ended:
    code, output = perfgate(site, "run", "visit", "--json", "result.json")
    document = json.loads((site / "result.json").read_text(encoding="utf-8"))
    assert document["exit_code"] == code
    return Ended(code, output, tuple(document["findings"]))


def test_the_budgets_of_the_magazine_fit_on_one_page() -> None:
    assert len((SITE / "budgets.yaml").read_text(encoding="utf-8").splitlines()) <= PAGE


@needs_wagtail
def test_wagtail_is_green_while_it_is_unchanged_and_red_once_a_list_asks_for_each_author(site: Path) -> None:
    first = gate(site)
    assert first.code == 1, first.output
    assert {f["kind"] for f in first.findings if f["level"] == "fail"} == {"baseline"}, first.output
    assert perfgate(site, "accept", "--reason", "first baseline")[0] == 0

    again = gate(site)
    assert again.code == 0, again.output
    assert set(again.where("pass", "queries.calls")) == {
        "",
        "GET /",
        "GET /search/",
        "GET /{section}/",
        "GET /{section}/{article}/",
    }
    assert set(again.where("pass", "queries.rows")) == set(again.where("pass", "queries.calls"))
    assert all(because.startswith("unchanged") for because in again.where("pass", "queries.calls").values())

    replace(site / "home" / "models.py", {'select_related("author", "picture")': 'select_related("picture")'})
    chatty = gate(site)
    assert chatty.code == 1, chatty.output
    red = chatty.where("fail", "queries.calls")
    assert set(red) == {"", "GET /", "GET /{section}/"}, chatty.output
    assert all("home_author" in red[endpoint] for endpoint in ("GET /", "GET /{section}/"))
