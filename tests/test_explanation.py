from __future__ import annotations

from pathlib import Path

from perfgate import runner
from perfgate.explanation import explain
from perfgate.settings import load

BUDGETS = """
version: 1
service: {command: "serve {port}"}
scenarios: {browse: {locustfile: load.py, users: 1}}
budgets:
  - {metric: response.p95, fail: 1 s}
"""


def test_a_rule_is_explained_with_its_place_and_one_that_has_none_with_how_to_replace_it(tmp_path: Path) -> None:
    (tmp_path / "load.py").touch()
    file = tmp_path / "budgets.yaml"
    file.write_text(BUDGETS, encoding="utf-8")
    plan = load(file, runner.known())
    assert "  budgets.yaml:6: fail 1 s" in explain("response.p95", plan, None)
    assert "  default, until a budget is added for it: fail 1 %" in explain("response.errors", plan, None)
