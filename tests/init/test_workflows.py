"""The workflow that init writes and the one that answers `/perfgate accept`: linted, and their steps really run.

GitHub's own command line is not here: a stand-in of few lines answers what the steps ask for, as GitHub documents it,
and its `--jq` is the real jq. git and perfgate are the real ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import perfgate
from perfgate import files, initialisation
from perfgate.errors import BadRequest
from perfgate.init import workflow
from perfgate.init.draft import surveyed
from perfgate.publish.progress import Progress
from tests.init import projects
from tests.init.projects import made
from tests.projects import visit

ROOT = Path(__file__).parents[2]
ACCEPT = ROOT / "docs/workflows/perfgate-accept.yml"
REPOSITORY = "octo/shop"
BIN = Path(sys.executable).parent

GH = '''\
#!{python}
"""What `gh` does with the calls of the workflow: answers from a file, posts into another."""
import json, os, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
assert os.environ.get("GH_TOKEN") == "ghs_job", "no token"
with (here / "calls").open("a") as calls:
    print(json.dumps(words), file=calls)
if words[:2] == ["run", "download"]:
    folder = pathlib.Path(words[words.index("--dir") + 1])
    assert words[2:5] == ["99", "--name", "perfgate"], words
    folder.mkdir(parents=True)
    result = here / "perfgate.json"
    if not result.exists():
        sys.exit("no artifact matches any of the names")
    (folder / "perfgate.json").write_bytes(result.read_bytes())
elif words[0] == "api" and "-f" not in words:
    answers = json.loads((here / "answers.json").read_text())
    if words[1] not in answers:
        sys.exit("HTTP 404: " + words[1])
    text = json.dumps(answers[words[1]])
    if "--jq" in words:
        jq = ["jq", "-r", words[words.index("--jq") + 1]]
        text = subprocess.run(jq, input=text, capture_output=True, text=True, check=True).stdout
    print(text, end="")
'''


def linted(folder: Path, file: Path) -> list[str]:
    """What zizmor and actionlint complain of."""
    zizmor = ["zizmor", "--offline", "--no-progress", "--format=plain", str(file)]
    commands = (zizmor, ["actionlint", "-oneline", str(file)])
    done = [subprocess.run([str(BIN / c[0]), *c[1:]], cwd=folder, capture_output=True, text=True) for c in commands]
    return [one.stdout + one.stderr for one in done if one.returncode]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize("name", ["FASTAPI", "NODE", "FRONT_END", "DOCKERFILE"])
def test_the_written_workflow_is_clean(name: str, repository: Path) -> None:
    flow = workflow.written(surveyed(made(repository, getattr(projects, name))), repository, "main")
    files.write(repository / flow.path, flow.text)
    assert linted(repository, repository / flow.path) == []


def test_the_workflow_for_accepting_is_clean() -> None:
    assert linted(ROOT, ACCEPT) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reason=${line#/perfgate accept}", 'reason="${{ github.event.comment.body }}"'),
        ("          persist-credentials: false\n", ""),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"),
        (" # zizmor: ignore[dangerous-triggers] nothing of the pull request is run", " #"),
        ("types: [created]", "types: [created, invented]"),
        ("runs-on: ubuntu-latest", "runs-at: ubuntu-latest"),
    ],
)
def test_the_linters_see_a_planted_fault(old: str, new: str, repository: Path) -> None:
    text = ACCEPT.read_text(encoding="utf-8").replace('read -r reason <<< "${line#/perfgate accept}" || true', old)
    assert old in text
    files.write(repository / ".github/workflows/accept.yml", text.replace(old, new))
    assert linted(repository, repository / ".github/workflows/accept.yml")


def test_both_pin_the_actions_that_this_repository_uses_itself() -> None:
    ours = "".join(path.read_text(encoding="utf-8") for path in [*(ROOT / ".github/workflows").glob("*.yml"), ACCEPT])
    for action in ("checkout", "python"):
        assert workflow.ACTIONS[action] in ours
    pins = dict(re.findall(r"uses: (actions/[\w-]+)@(\w+)", ours))
    for used in workflow.ACTIONS.values():
        name, _, commit = used.partition(" ")[0].partition("@")
        assert pins.get(name, commit) == commit
        assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert f"perfgate=={perfgate.__version__}" in ACCEPT.read_text(encoding="utf-8")


def steps_of(project: Path) -> list[dict[str, Any]]:
    """The steps of the workflow for a project that has a repository of its own."""
    found: list[dict[str, Any]] = yaml.safe_load(workflow.written(surveyed(project), project, "main").text)["jobs"][
        "perfgate"
    ]["steps"]
    return found


def test_only_the_step_that_tells_github_has_a_token(tmp_path: Path) -> None:
    steps = steps_of(made(tmp_path, projects.FLASK))
    assert [step["run"].split()[:2] for step in steps if "token" in json.dumps(step)] == [["perfgate", "publish"]]


def test_a_name_that_looks_like_an_expression_is_told_to_the_shell_as_it_stands(tmp_path: Path) -> None:
    made(tmp_path, {"app.py": "", "${{ github.token }}/requirements.txt": "flask", "Procfile": "web: flask run"})
    (step,) = (step for step in steps_of(tmp_path) if step.get("name") == "Install what the service needs")
    assert step["run"] == "python -m pip install -r '${{ '${{' }} github.token }}/requirements.txt'\n"


def test_a_folder_that_a_workflow_cannot_name_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "it's ${{ x }}", {"Procfile": "web: flask run"})
    with pytest.raises(BadRequest, match="a workflow cannot name the folder"):
        workflow.written(surveyed(tmp_path / "it's ${{ x }}"), tmp_path, "main")


def test_a_result_that_the_change_brings_along_is_not_told_where_nothing_was_measured(tmp_path: Path) -> None:
    steps = {step.get("name"): step for step in steps_of(made(tmp_path, projects.NODE))}
    assert steps["Measure and judge"]["id"] == "measure"
    for name in ("Tell GitHub", "Keep the result"):
        assert "steps.measure.outcome != 'skipped'" in steps[name]["if"]


def test_a_project_in_a_folder_of_a_repository_has_a_workflow_and_a_key_of_its_own(repository: Path) -> None:
    folder = made(repository / "services/api", projects.NODE)
    list(initialisation.prepared(folder, Progress(quiet=True), asking=False).write())
    written = repository / ".github/workflows/perfgate-services-api.yml"
    job = yaml.safe_load(written.read_text())["jobs"]["perfgate"]
    assert job["defaults"]["run"]["working-directory"] == "services/api"
    assert "--key services-api" in next(s["run"] for s in job["steps"] if s.get("name") == "Tell GitHub")
    upload = next(step["with"] for step in job["steps"] if step.get("name") == "Keep the result")
    assert upload["name"] == "perfgate-services-api"
    assert upload["path"].split() == ["services/api/perfgate.json", "services/api/report.html"]
    assert linted(repository, written) == []


@dataclass
class Job:
    """The steps of the accepting workflow, run one after the other as a runner would run them."""

    folder: Path
    answers: dict[str, Any]
    comment: str = "/perfgate accept  paging needs one more query"
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def posted(self) -> list[str]:
        """The bodies of the comments that were posted."""
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [words[words.index("-f") + 1].removeprefix("body=") for words in calls if "-f" in words]

    def step(self, name: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a step's script as Actions does: bash -e, inputs through the environment alone."""
        job = yaml.safe_load(ACCEPT.read_text(encoding="utf-8"))["jobs"]["accept"]
        step = next(step for step in job["steps"] if step.get("name") == name)
        assert "${{" not in step["run"]
        env = {name: self.value(text) for name, text in {**job["env"], **step.get("env", {})}.items()}
        output = self.folder / "output"
        output.write_text("")
        own = {
            "PATH": f"{self.folder}:{BIN}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_SERVER_URL": f"file://{self.folder}",
            "GITHUB_RUN_ID": "100",
            "HOME": str(self.folder),
        }
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        argv = ["bash", "-e", "-c", step["run"]]
        done = subprocess.run(argv, cwd=cwd, env={**own, **env}, capture_output=True, text=True, timeout=300)
        self.outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done

    def value(self, text: str) -> str:
        """What an expression of the workflow stands for."""
        known = {
            "github.token": "ghs_job",
            "github.repository": REPOSITORY,
            "github.event.issue.number": "7",
            "github.event.comment.user.login": "alice",
            "github.event.comment.body": self.comment,
            "github.event.comment.html_url": "https://github.example/octo/shop/pull/7#issuecomment-1",
            **{f"steps.asked.outputs.{name}": value for name, value in self.outputs.items()},
        }
        return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda match: known[match[1]], text)


def git(folder: Path, *arguments: str) -> str:
    ours = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    return subprocess.run(["git", *ours, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def answers(
    sha: str, *, permission: str = "write", head: str = REPOSITORY, status: str = "completed"
) -> dict[str, Any]:
    of_pull = {"state": "open", "head": {"sha": sha, "ref": "topic", "repo": {"full_name": head}}}
    runs = [
        {"id": 98, "status": "completed", "head_repository": {"full_name": "mallory/shop"}},
        {"id": 99, "status": status, "head_repository": {"full_name": REPOSITORY}},
    ]
    asked = f"repos/{REPOSITORY}/actions/workflows/perfgate.yml/runs?head_sha={sha}&event=pull_request"
    return {
        f"repos/{REPOSITORY}/collaborators/alice/permission": {"permission": permission},
        f"repos/{REPOSITORY}/pulls/7": of_pull,
        asked: {"workflow_runs": runs},
    }


@pytest.fixture
def job(tmp_path: Path) -> Job:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's runners have it")
    gh = tmp_path / "gh"
    gh.write_text(GH.replace("{python}", sys.executable))
    ours = tmp_path / "perfgate"
    ours.write_text(
        f'#!/bin/sh\n[ -z "$GH_TOKEN" ] || exit 9  # what reads the branch gets no token\nexec {BIN}/perfgate "$@"\n'
    )
    for program in (gh, ours):
        program.chmod(0o755)
    (tmp_path / "calls").touch()
    (tmp_path / "perfgate.json").write_text('{"verdict": "fail"}')
    return Job(tmp_path, answers("a" * 40))


@pytest.mark.parametrize("permission", ["read", "none"])
def test_a_comment_of_somebody_without_the_right_to_write_does_nothing(permission: str, job: Job) -> None:
    job.answers = answers("a" * 40, permission=permission)
    assert job.step("Who asks", job.folder).returncode == 1
    assert job.posted == []


@pytest.mark.parametrize("permission", ["admin", "write"])
def test_who_may_write_may_accept(permission: str, job: Job) -> None:
    job.answers = answers("a" * 40, permission=permission)
    assert job.step("Who asks", job.folder).returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"comment": "/perfgate accept  "}, "Say why"),
        ({"answers": answers("a" * 40, head="mallory/shop")}, "The branch is in a fork"),
        ({"answers": answers("a" * 40, status="in_progress")}, "No run has measured aaaa"),
        ({"result": '{"verdict": "invalid"}'}, "did not measure everything"),
        ({"result": ""}, "has kept no result"),
    ],
    ids=["no reason", "fork", "not yet measured", "invalid", "no result"],
)
def test_what_cannot_be_accepted_is_answered_with_the_reason(change: dict[str, Any], said: str, job: Job) -> None:
    job.comment, job.answers = change.get("comment", job.comment), change.get("answers", job.answers)
    if "result" in change:
        (job.folder / "perfgate.json").write_text(change["result"])
    if change.get("result") == "":
        (job.folder / "perfgate.json").unlink()
    assert job.step("What is asked", job.folder).returncode == 1
    assert [body for body in job.posted if said in body]
    assert "sha" not in job.outputs


def test_a_comment_is_a_reason_and_no_program(job: Job) -> None:
    job.comment = "/perfgate accept $(touch pwned) `touch pwned`; touch pwned\x1b[31m\r\nsha=evil\n"
    done = job.step("What is asked", job.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert job.outputs["reason"] == "$(touch pwned) `touch pwned`; touch pwned[31m"
    assert job.outputs["sha"] == "a" * 40
    assert not list(job.folder.rglob("pwned"))


def test_a_red_run_is_accepted_by_a_commit_on_its_own_branch(job: Job, tmp_path: Path) -> None:
    origin, head = tmp_path / REPOSITORY, tmp_path / "head"
    origin.mkdir(parents=True)
    git(origin, "init", "-q", "--bare")
    head.mkdir()
    project = visit(head)
    project.break_limit()
    git(head, "init", "-q", "-b", "topic")
    git(head, "add", ".")
    git(head, "commit", "-qm", "A change")
    git(head, "push", "-q", str(origin), "topic")
    git(head, "checkout", "-q", "--detach")
    (tmp_path / "perfgate.json").unlink()
    assert project.perfgate("run", "--json", str(tmp_path / "perfgate.json"), "--base", "none").returncode == 1
    git(head, "clean", "-qfdx")
    job.answers = answers(git(head, "rev-parse", "HEAD").strip())
    asked = job.step("What is asked", tmp_path)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    done = job.step("Accept", head)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(origin, "rev-parse", "topic^").strip() == job.outputs["sha"]
    assert git(origin, "diff", "--name-only", "topic^", "topic").split() == ["baselines/visit.json"]
    assert "paging needs one more query" in git(origin, "show", "topic:baselines/visit.json")
    assert git(origin, "log", "-1", "--format=%an", "topic").strip() == "alice"
    assert any("Accepted, in" in body for body in job.posted)
