"""One case as a project in a temporary folder, gated by a perfgate of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from tests.advice_cases.cases import Case
from tests.advice_cases.scoring import Outcome, Said

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
TIMEOUT_S = 300
GATED = (0, 1)
"""The exit codes of a run that measured something and judged it."""
SCENARIO = "visit"
PACKAGE = "visited"
"""The folder of the service within the project."""


def gate(case: Case, kept: Path | None = None) -> Outcome:
    """Run the gate with a closer look, whatever the verdict; in a folder of its name within `kept`, if any."""
    if kept is not None:
        folder = kept / case.name
        folder.mkdir(parents=True, exist_ok=True)
        return _gated(case, folder)
    with tempfile.TemporaryDirectory(prefix=f"advice-{case.name}-") as name:
        return _gated(case, Path(name))


def _gated(case: Case, folder: Path) -> Outcome:
    write(case, folder)
    began = time.monotonic()
    try:
        done = _perfgate(folder)
    except subprocess.TimeoutExpired:
        return Outcome(case, (), time.monotonic() - began, f"did not end within {TIMEOUT_S} s")
    failure = _failure(done.returncode, done.stdout + done.stderr)
    said = () if failure else tuple(_said(json.loads((folder / "result.json").read_text(encoding="utf-8"))))
    return Outcome(case, said, time.monotonic() - began, failure)


def write(case: Case, folder: Path) -> None:
    """The project's files."""
    (folder / PACKAGE).mkdir(exist_ok=True)
    for name in ("__init__.py", "service.py", f"{case.service}.py"):
        shutil.copy(HERE / name, folder / PACKAGE / name)
    shutil.copy(HERE / "visit.py", folder / "visit.py")
    (folder / "schema.sql").write_text(case.schema, encoding="utf-8")
    endpoints = [asdict(endpoint) for endpoint in case.endpoints]
    (folder / "endpoints.json").write_text(json.dumps(endpoints), encoding="utf-8")
    (folder / "budgets.yaml").write_text(yaml.safe_dump(budgets(case), sort_keys=False), encoding="utf-8")


def budgets(case: Case) -> dict[str, Any]:
    """What the project's budgets.yaml says."""
    return {
        "version": 1,
        "service": {
            "command": f"uvicorn {PACKAGE}.{case.service}:app --port {{port}} --no-access-log --log-level warning",
            "ready": "/healthz",
            "env": {"DATABASE_URL": "{database_url}", "ADVICE_CASE": case.name, "ADVICE_POOL": str(case.pool)},
        },
        "database": {"provider": "embedded", "setup": ["schema.sql"], "settings": dict(case.postgres)},
        "advisors": {name: dict(options) for name, options in case.advisors.items()},
        "scenarios": {SCENARIO: _scenario(case.settings)},
        "budgets": [
            {"metric": "response.errors", "fail": "1 %"},
            {"metric": "response.p95", "fail": "30 s"},
            *(dict(limit) for limit in case.budgets),
        ],
    }


def _scenario(settings: Mapping[str, Any]) -> dict[str, Any]:
    rounds = {"users": 4, "rounds": 3, "max_rounds": 3, "round": "500 ms", "warmup": "300 ms"}
    return {"locustfile": "visit.py", **rounds, **settings}


def _perfgate(folder: Path) -> subprocess.CompletedProcess[str]:
    arguments = ("run", "--base", "none", "--diagnose", "always", "--json", "result.json")
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "perfgate", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _failure(code: int, output: str) -> str:
    """Why nothing can be said of a run, or that an advisor broke in it."""
    broken = [line.strip() for line in output.splitlines() if "this is a bug in it" in line]
    if code in GATED:
        return broken[0] if broken else ""
    return f"exit code {code}: {' / '.join(line.strip() for line in output.strip().splitlines()[-3:])}"


def _said(document: Mapping[str, Any]) -> Iterator[Said]:
    for advice in document["advice"]:
        text = "\n".join((advice["title"], advice.get("code", ""), *advice.get("sql", ())))
        yield Said(advice["category"], advice["severity"], advice["title"], text)
