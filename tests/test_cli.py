"""The command line: every way in, and every way out with its exit code and a word about what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfgate import checkup
from tests.projects import Project, visit

PATIENCE_S = 60.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return visit(tmp_path)


def test_a_run_measures_judges_reports_and_ends_with_its_verdict(project: Project) -> None:
    done = project.perfgate(
        "run", "--json", "out/result.json", "--report", "a.html", "--report", "b.md", "--report", "c.xml"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASSED")
    assert "response.p50" in done.stdout
    assert json.loads((project.folder / "out/result.json").read_text())["exit_code"] == 0
    for name, beginning in (("a.html", "<!doctype html>"), ("b.md", "#"), ("c.xml", "<?xml")):
        assert (project.folder / name).read_text(encoding="utf-8").lower().lstrip().startswith(beginning), name


def test_the_stages_say_together_what_the_run_says_alone(project: Project) -> None:
    assert project.perfgate("measure", "--json", "m.json").returncode == 0
    first = project.perfgate("judge", "m.json", "--json", "j1.json")
    again = project.perfgate("judge", "m.json", "--json", "j2.json")
    assert first.returncode == again.returncode == 0
    assert (project.folder / "j1.json").read_bytes() == (project.folder / "j2.json").read_bytes()
    project.break_limit()
    assert project.perfgate("judge", "m.json").returncode == 1
    told = project.perfgate("publish", "j1.json", "--report", "page.html")
    assert told.returncode == 0
    assert (project.folder / "page.html").is_file()
    assert project.perfgate("publish", "m.json").returncode == 2


def test_errors_of_the_service_are_red(project: Project) -> None:
    project.write("behaviour.py", "self.status = 500 if self.path == '/hello' else 200")
    code, output, document = project.gate()
    assert code == 1, output
    assert document["verdict"] == "fail"
    assert "response.errors" in output


@pytest.mark.parametrize(
    ("behaviour", "because"),
    [
        ("if self.path == '/hello': time.sleep(100)", "unanswered requests"),
        ("import os; self.path == '/hello' and (print('last words', flush=True), os._exit(3))", "last words"),
    ],
)
def test_a_service_that_hangs_or_dies_is_not_measured(project: Project, behaviour: str, because: str) -> None:
    project.write("behaviour.py", behaviour)
    code, output, document = project.gate()
    assert code == 3, output
    assert document["verdict"] == "invalid"
    assert because in output


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "said"),
    [
        ("budgets.yaml", "fail: 2 s", "fail: 2 KB", 2, "budgets.yaml:17: fail: '2 KB': unknown unit 'KB'"),
        ("budgets.yaml", "ready: /ready", "ready: /ready\n  ready_timeout: 1 s", 0, "PASSED"),
        ("budgets.yaml", "python server.py", "python no_server.py", 3, "no_server.py"),
        ("budgets.yaml", "python server.py", "no-such-program", 2, "no-such-program"),
        ("visit.py", "class Visitor", "clas Visitor", 2, "visit.py:4"),
        ("visit.py", "from locust", "import nothing_of_that_name\nfrom locust", 2, "nothing_of_that_name"),
        ("visit.py", "    @task\n", "", 2, "visit.py"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    project: Project, file: str, old: str, new: str, code: int, said: str
) -> None:
    project.replace(file, old, new)
    done = project.perfgate("run")
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert said in output
    assert "Traceback (most recent call last)" not in output or said in output


def test_a_run_that_ends_early_leaves_no_older_verdict_behind(project: Project) -> None:
    assert project.perfgate("run", "--json", "r.json").returncode == 0
    project.replace("visit.py", "class Visitor", "clas Visitor")
    assert project.perfgate("run", "--json", "r.json").returncode == 2
    ended = json.loads((project.folder / "r.json").read_text(encoding="utf-8"))
    assert (ended["verdict"], ended["samples"]) == ("invalid", [])
    assert project.perfgate("accept", "--result", "r.json", "--reason", "none").returncode != 0
    assert project.perfgate("accept", "--reason", "old").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "vist"], "did you mean 'visit'?"),
        (["run", "--config", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["run", "--report", "page.pdf"], "endings: "),
        (["run", "--report", "md=page.md"], "or NAME=PATH"),
        (["run", "--base", "v1"], "--base"),
        (["judge", "nowhere.json"], "there is no such file"),
        (["accept", "--reason", "why"], "type `perfgate run` first"),
        (["accept"], "--reason"),
        (["explain", "respons.p50"], "did you mean 'response.p50'?"),
        (["rum"], "No such command 'rum'"),
    ],
)
def test_a_wrong_request_ends_with_2_and_says_what_to_type(project: Project, arguments: list[str], said: str) -> None:
    done = project.perfgate(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


def test_accepting_needs_a_green_run_and_a_reason(project: Project) -> None:
    project.break_limit()
    assert project.gate()[0] == 1
    refused = project.perfgate("accept", "--reason", "why")
    assert refused.returncode == 2
    assert "--even-if-red" in refused.stderr
    assert project.perfgate("accept", "--reason", " ", "--even-if-red").returncode == 2
    dry = project.perfgate("accept", "--reason", "why", "--even-if-red", "--dry-run")
    assert dry.returncode == 0
    assert not (project.folder / "baselines").exists()
    taken = project.perfgate("accept", "--reason", "why", "--even-if-red")
    assert taken.returncode == 0
    assert json.loads((project.folder / "baselines/visit.json").read_text())["baseline"]["reason"] == "why"


def test_an_endpoint_that_is_renamed_after_it_was_accepted_is_missing(project: Project) -> None:
    assert project.gate()[0] == 0
    assert project.perfgate("accept", "--reason", "first").returncode == 0
    project.replace("visit.py", '"/hello"', '"/renamed"')
    code, output, document = project.gate()
    assert code == 1, output
    assert any(f["status"] == "missing" and f["scope"].get("endpoint") == "GET /hello" for f in document["findings"])


def test_a_metric_is_explained_with_its_rules_and_what_was_said_last(project: Project) -> None:
    project.gate()
    done = project.perfgate("explain", "response.p50")
    assert done.returncode == 0
    assert "budgets.yaml:16: fail 2 s" in done.stdout
    assert "is under the limit of 2 s" in done.stdout


def test_the_schemas_are_printed(project: Project) -> None:
    assert "budgets" in json.loads(project.perfgate("schema", "budgets").stdout)["properties"]
    assert "findings" in json.loads(project.perfgate("schema", "result").stdout)["properties"]


def test_the_doctor_looks_at_what_measuring_needs(project: Project) -> None:
    done = project.perfgate("doctor")
    assert done.returncode == 0, done.stdout
    assert "ok      Locust" in done.stdout


def test_the_doctor_says_how_to_get_docker_for_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    (check,) = [check for check in checkup.examine() if check.name == "Docker"]
    assert str(check) == (
        "warning Docker: docker for Python is not installed — "
        "pip install 'perfgate[docker]'; needed only for `provider: docker`"
    )


def ours(folder: Path) -> list[str]:
    """The command lines of living processes that run in the folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").resolve() == folder and (process / "stat").read_text().rsplit(")")[-1].split()[
                    0
                ] != "Z":
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


@pytest.fixture
def running(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A run in the middle of its load."""
    project.replace("budgets.yaml", "round: 300 ms", "round: 60 s")
    project.write("behaviour.py", "self.path == '/hello' and open('hit', 'w').close()")
    process = subprocess.Popen(
        [sys.executable, "-m", "perfgate", "run", "--json", "result.json"],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    wait_until(lambda: (project.folder / "hit").exists() or process.poll() is not None)
    yield process
    process.kill()
    process.communicate()


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_stops_everything_and_says_so(
    project: Project, running: subprocess.Popen[str], sent: signal.Signals, code: int
) -> None:
    running.send_signal(sent)
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == code, output
    assert "Traceback" not in output
    wait_until(lambda: not ours(project.folder))
    assert not (project.folder / "result.json").exists()


def test_a_run_that_is_killed_leaves_no_process_behind(project: Project, running: subprocess.Popen[str]) -> None:
    assert len(ours(project.folder)) > 2
    running.kill()
    running.wait(PATIENCE_S)
    wait_until(lambda: not ours(project.folder))


def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(project: Project) -> None:
    done = project.perfgate("run", "--json", "/dev/full/result.json")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written" in done.stderr
    assert "scenario" not in done.stderr


def test_a_slow_service_is_red_however_few_requests_it_answers(project: Project) -> None:
    project.replace("budgets.yaml", "response.p50\n    fail: 2 s", "response.p95\n    fail: 20 ms")
    project.write("behaviour.py", "self.path == '/hello' and time.sleep(0.2)")
    code, output, _ = project.gate()
    assert code != 0, output


def test_the_baseline_of_a_scenario_that_is_gone_is_not_forgotten(project: Project) -> None:
    assert project.gate()[0] == 0
    assert project.perfgate("accept", "--reason", "first").returncode == 0
    project.replace("budgets.yaml", "  visit:", "  renamed:")
    done = project.perfgate("run")
    assert done.returncode == 2, done.stdout
    assert "baselines/visit.json" in done.stderr


def test_a_result_of_another_project_is_refused(project: Project) -> None:
    assert project.gate()[0] == 0
    project.replace("result.json", '"visit"', '"../../evil"')
    assert project.perfgate("judge", "result.json").returncode == 2
    assert project.perfgate("accept", "--reason", "why", "--result", "result.json").returncode == 2


def test_closed_streams_do_not_change_the_verdict(project: Project) -> None:
    command = f"{sys.executable} -m perfgate run -q --json r.json"
    for closed in (">&-", "2>&-", "<&-"):
        done = subprocess.run(["sh", "-c", f"{command} {closed}"], cwd=project.folder, capture_output=True, check=False)
        assert done.returncode == 0, done


@pytest.mark.parametrize("option", [["--json", "budgets.yaml"], ["--report", "html=visit.py"]])
def test_nobodys_file_is_overwritten(project: Project, option: list[str]) -> None:
    before = {path.name: path.read_bytes() for path in project.folder.iterdir()}
    done = project.perfgate("run", *option)
    assert done.returncode == 2, done.stdout + done.stderr
    assert {path.name: path.read_bytes() for path in project.folder.iterdir() if path.is_file()} == before
