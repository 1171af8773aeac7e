"""What the documentation shows is what the code does."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from perfgate import runner
from perfgate.cli import cli
from perfgate.measure import collectors
from perfgate.model import Noise, Status
from perfgate.plan import Database, Scenario, Service
from perfgate.settings import BudgetsFile, load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BUDGETS = (ROOT / "docs/budgets.md").read_text(encoding="utf-8")
METRICS = ROOT / "docs/metrics.md"


def metrics_page() -> str:
    """The page that lists every metric, as the code describes them."""
    lines = ["# Metrics", "", "Written from the collectors; `perfgate explain METRIC` says the same of one.", ""]
    for collector in collectors.known():
        lines += [f"## {collector.name}", "", "| metric | kind | better | written like | |", "|---|---|---|---|---|"]
        for metric in collector.metrics:
            kind = "exact" if metric.noise is Noise.EXACT else "sampled"
            unit = {"s": "150 ms", "B": "500 KB", "count": "3", "ratio": "10 %", "1/s": "100/s"}[metric.unit]
            lines.append(f"| `{metric.name}` | {kind} | {metric.better} | `{unit}` | {metric.meaning} |")
        if collector.options:
            named = ", ".join(f"`{name}: {value!r}`" for name, value in collector.options.items())
            lines += ["", f"Options, with their defaults: {named}."]
        lines.append("")
    return "\n".join(lines)


def test_the_page_of_metrics_is_what_the_collectors_say() -> None:
    assert METRICS.read_text(encoding="utf-8") == metrics_page(), "write it anew: python -m tests.test_docs"


def test_every_command_stands_in_the_readme_and_every_command_there_exists() -> None:
    listed = set(re.findall(r"^\| `perfgate (\w+)", README, re.MULTILINE))
    assert listed == set(cli.commands)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith("Usage:")


def test_options_named_in_the_documentation_exist() -> None:
    known = {option for command in cli.commands.values() for parameter in command.params for option in parameter.opts}
    for pattern, text in ((r"perfgate \w+[^`\n]*`", README), (r"`(--[a-z-]+)`", README)):
        for said in re.findall(pattern, text):
            for option in re.findall(r"--[a-z][a-z-]+", said):
                assert option in known | {"--perfgate", "--junitxml", "--dist"}, option


def test_every_status_is_explained() -> None:
    for status in Status:
        assert f"`{status}`" in README


@pytest.mark.parametrize(("section", "kind"), [("service", Service), ("database", Database), ("scenarios", Scenario)])
def test_every_key_stands_in_its_table_with_its_default(section: str, kind: type[Any]) -> None:
    text = BUDGETS.split(f"## `{section}`")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)`(?:, `\w+`)? \|([^|]*)\|", text, re.MULTILINE))
    keys = {f.name for f in fields(kind)}
    assert keys == set(rows) | set(re.findall(r"^\| `\w+`, `(\w+)`", text, re.MULTILINE))
    for field in fields(kind):
        shown = rows.get(field.name, "").strip("` ")
        if shown and field.default is not MISSING:
            number = float(shown.split()[0]) if isinstance(field.default, int | float) else shown
            assert number == field.default, field.name


def test_every_section_of_the_file_is_explained() -> None:
    for field in fields(BudgetsFile):
        assert field.name == "version" or f"## `{field.name}`" in BUDGETS


def test_the_example_in_the_readme_is_a_good_file(tmp_path: Path) -> None:
    example = README.split("```yaml\n")[1].split("```")[0]
    for path in ("schema.sql", "load/browse.py"):
        assert path in example
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    file = tmp_path / "budgets.yaml"
    file.write_text(example, encoding="utf-8")
    assert set(load(file, runner.known()).scenarios) == set(yaml.safe_load(example)["scenarios"])


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


if __name__ == "__main__":
    METRICS.write_text(metrics_page(), encoding="utf-8")
