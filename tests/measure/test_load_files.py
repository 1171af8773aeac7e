"""Locustfiles that cannot be used are refused with the place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import load
from perfgate.measure.ownership import Owner
from perfgate.plan import Scenario

IMPORTS = "from locust import FastHttpUser, TaskSet, events, task\n"
VISITOR = "class Visitor(FastHttpUser):\n"
TASK = "    @task\n    def fast(self): ...\n"
OPTION = """\
@events.init_command_line_parser.add_listener
def add(parser):
    parser.add_argument("--token", {})
"""
HAS_TOKEN = OPTION.format("default='secret'")
NEEDS_TOKEN = OPTION.format("required=True")
INIT = """\
@events.init.add_listener
def check(environment, runner, **_):
    print(environment.parsed_options.token, type(runner).__name__)
"""


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("class Visitor(:\n    pass\n", "bad.py:1: invalid syntax", "mend"),
        ("x = 1\nimport no_such_thing.below\n", "bad.py:2: ModuleNotFoundError: No module", "install 'no_such_thing'"),
        ("import json\n\njson.loads('{')\n", "bad.py:3: JSONDecodeError: Expecting property name", "locust -f"),
        ("import sys\nsys.exit(3)\n", "bad.py:2: SystemExit: 3", "locust -f"),
        ("import beside\n", "bad.py (beside.py:1): ZeroDivisionError: division by zero", "locust -f"),
        ("x = 1\n", "bad.py has no User class", "class Visitor(FastHttpUser)"),
        (f"{IMPORTS}{VISITOR}    abstract = True\n{TASK}", "bad.py has no User class", "@task"),
        (f"{IMPORTS}{VISITOR}    def fast(self): ...\n", "bad.py:2: class Visitor has no tasks", "@task"),
        (
            f"{IMPORTS}class Empty(TaskSet): ...\n{VISITOR}    tasks = [Empty]\n",
            "bad.py:2: class Empty has no tasks",
            "@task",
        ),
        (f"{IMPORTS}{VISITOR}    weight = 0\n{TASK}", "bad.py: There are no users with weight > 0.", "weights"),
        (f"{IMPORTS}{NEEDS_TOKEN}{VISITOR}{TASK}", "bad.py wants command line options", "default"),
    ],
)
def test_a_bad_locustfile_is_refused_with_its_place(
    owner: Owner, tmp_path: Path, text: str, message: str, hint: str
) -> None:
    (tmp_path / "bad.py").write_text(text)
    (tmp_path / "beside.py").write_text("1 / 0\n")
    scenario = Scenario("bad.py", users=1)
    with load.start("browse", scenario, tmp_path, owner, tmp_path / "logs") as generator:
        with pytest.raises(BadRequest) as refused:
            generator.ready()
        with pytest.raises(BadRequest):
            generator.ready()
    assert refused.value.args[0].startswith(f"scenario browse: {message}")
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario("nowhere.py", users=1), "scenario browse: no file nowhere.py"),
        (Scenario("fine.py"), "scenario browse: needs either `users:` or `rate:`"),
        (Scenario("fine.py", users=1, rate=2.0), "scenario browse: needs either `users:` or `rate:`"),
    ],
)
def test_what_can_be_seen_before_locust_is_loaded_is_refused_at_once(
    owner: Owner, tmp_path: Path, scenario: Scenario, message: str
) -> None:
    (tmp_path / "fine.py").touch()
    with pytest.raises(BadRequest) as refused, load.start("browse", scenario, tmp_path, owner, tmp_path):
        pytest.fail("started")
    assert refused.value.args[0] == message


def test_a_driver_that_cannot_start_is_not_measured_and_shows_its_last_lines(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\nprint('so long', flush=True)\nos._exit(7)\n")
    with load.start("browse", Scenario("bad.py", users=1), tmp_path, owner, tmp_path / "logs") as generator:
        with pytest.raises(NotMeasured) as failed:
            generator.ready()
        assert failed.value.args[0] == "scenario browse: Locust ended (exit code 7) before it was ready"
        assert "so long" in failed.value.hint


def test_options_that_a_locustfile_adds_have_their_defaults(owner: Owner, tmp_path: Path) -> None:
    text = f"{IMPORTS}{HAS_TOKEN}{INIT}{VISITOR}{TASK}"
    (tmp_path / "options.py").write_text(text)
    with load.start("browse", Scenario("options.py", users=1), tmp_path, owner, tmp_path / "logs") as generator:
        generator.ready()
    assert "secret LocalRunner" in (tmp_path / "logs" / "load-browse.log").read_text()
