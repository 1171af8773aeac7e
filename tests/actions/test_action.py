"""What `action.yml` promises by its text: pins, inputs, and which of them it refuses before anything is measured."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from perfgate.options import CONFIG
from tests.actions.test_linters import ACTION, ROOT, shipped

DEFINED: dict[str, Any] = yaml.safe_load((ROOT / ACTION).read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in DEFINED["runs"]["steps"]}
GOOD = {"KEY": "", "COMMENT": "always", "REQUIRED": "false"}


def test_an_action_is_pinned_to_one_commit_whose_version_is_named() -> None:
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in shipped():
        for line in re.findall(r"^ +(?:- )?uses: (.+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            if line != "./":
                found = re.fullmatch(r"([\w-]+/[\w-]+)(?:/[\w-]+)*@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line)
                assert found, f"{path.name}: {line}"
                pins.setdefault(found[1], set()).add((found[2], found[3]))
    assert pins
    assert all(len(versions) == 1 for versions in pins.values()), pins


def test_shells_get_inputs_by_their_environment_alone() -> None:
    assert not [name for name, step in STEPS.items() if "${{" in step.get("run", "")]


def test_the_token_is_in_the_environment_of_the_step_that_tells_alone() -> None:
    assert [name for name, step in STEPS.items() if "inputs.token" in str(step)] == ["Tell GitHub"]


def test_every_input_is_used_and_every_used_input_is_there() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", str(DEFINED["runs"])))
    assert used == set(DEFINED["inputs"])


def test_the_budgets_file_is_the_one_of_the_command_line() -> None:
    assert DEFINED["inputs"]["config"]["default"] == CONFIG


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        ({}, 0),
        ({"KEY": "api", "COMMENT": "red", "REQUIRED": "true"}, 0),
        ({"KEY": "a" * 50}, 0),
        ({"KEY": "a" * 51}, 2),
        ({"KEY": "a b"}, 2),
        ({"KEY": "api\n"}, 2),
        ({"KEY": ".."}, 2),
        ({"COMMENT": "never"}, 2),
        ({"COMMENT": ""}, 2),
        ({"REQUIRED": "yes"}, 2),
        ({"REQUIRED": "true\nfalse"}, 2),
    ],
)
def test_an_input_that_cannot_be_is_refused(given: dict[str, str], exit_code: int) -> None:
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS["Inputs"]["run"]],
        env={**os.environ, **GOOD, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code
    assert ("::error title=perfgate::" in done.stdout) == bool(exit_code)
