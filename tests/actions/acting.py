"""A scratch repository with this work tree's files, and GitHub's engine, act, that runs the workflows in it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.github.fake import PULL, REPOSITORY, Hub
from tests.github.fake_actions import HOME, RUN, STARTED

ROOT = Path(__file__).parents[2]
STAND_INS = Path(__file__).with_name("stand_ins")
PAYLOADS = ROOT / "tests/github/payloads"
TIMEOUT_S = 900
FORK = 283462325
"""The number of a stranger's fork of the repository."""

STRANGER = "stranger"

BUDGETS = """\
version: 1
service:
  build: python -m scenarios.storefront.build
  command: uvicorn scenarios.storefront.service:app --port {port} --no-access-log --log-level warning
  ready: /healthz
  env: {DATABASE_URL: "{database_url}"}
database:
  provider: embedded
  setup: [scenarios/storefront/schema.sql, scenarios/storefront/seed.sql]
scenarios:
  browse:
    {locustfile: scenarios/storefront/browse.py, users: 4, warmup: 200 ms, round: 1 s, rounds: 3, max_rounds: 3,
     counting: 2}
artifacts:
  storefront: scenarios/storefront/dist/*
budgets:
  - metric: queries.calls
    regression: {fail: 0 %}
  - metric: bundle.brotli
    fail: 15 KB
"""
"""The storefront's, with what is exact and settled soon."""

BASE_PYTHON = str(Path(sys.base_prefix) / "bin/python3")

OWN_PYTHON = """\
#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then exec cp -al '{packed}/.' "$3"; fi
exec '{python}' "$@"
"""

Event = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """How act ended, what it said, and the folder with the artifacts."""

    exit_code: int
    log: str
    artifacts: Path

    @property
    def failed_steps(self) -> list[str]:
        """The names of the steps that failed; a step in an action follows the action's own."""
        return re.findall(r"❌  Failure - Main (.+?) \[", self.log)


class Workshop:
    """The scratch repository `shop`, a Python for jobs, and act's own folders, all below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = folder / "shop"
        self._fill()
        self.main = self.commit("The storefront", {"budgets.yaml": BUDGETS})
        self._git("update-ref", "refs/remotes/origin/main", self.main)
        self._git("remote", "add", "origin", f"https://github.com/{REPOSITORY}")
        self._equip()

    def commit(self, message: str, changes: dict[str, str]) -> str:
        """Commit files with these contents; the commit's name."""
        for name, text in changes.items():
            (self.shop / name).write_text(text, encoding="utf-8")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD")

    def branch(self, name: str, message: str, file: str, old: str, new: str) -> str:
        """A branch from main with one commit, in which `old` is replaced by `new` in a file; the commit's name."""
        self._git("checkout", "--quiet", "-B", name, self.main)
        text = (self.shop / file).read_text(encoding="utf-8")
        assert old in text
        return self.commit(message, {file: text.replace(old, new)})

    def act(self, event: str, workflow: str, payload: Event, hub: Hub, token: str) -> Job:
        """Run a workflow of the commit that is checked out, for an event, with the fake as GitHub's API."""
        artifacts = Path(tempfile.mkdtemp(prefix="artifacts-", dir=self.folder))
        event_file = artifacts.with_suffix(".json")
        event_file.write_text(json.dumps(payload), encoding="utf-8")
        variables = {
            "GITHUB_API_URL": hub.url,
            "STAND_IN_JOB_PYTHON": str(self.folder / "job/bin/python"),
            "STAND_IN_OWN_PYTHON": str(self.folder / "own"),
            "STAND_IN_ARTIFACTS": str(artifacts),
        }
        command = [
            *(str(Path(sys.executable).with_name("act")), event, "--eventpath", str(event_file)),
            *("--workflows", f".github/workflows/{workflow}", "--platform", "ubuntu-latest=-self-hosted"),
            *("--action-offline-mode", "--no-cache-server", "--secret", f"GITHUB_TOKEN={token}"),
            *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
            *(part for stand_in in replaced() for part in ("--local-repository", stand_in)),
        ]
        exit_code, log = self._run(command)
        return Job(exit_code, log, artifacts)

    def _run(self, command: list[str]) -> tuple[int, str]:
        """The exit code and what was printed. Whatever else happens, none of its processes stays."""
        with subprocess.Popen(
            command,
            cwd=self.shop,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                log, _ = process.communicate(timeout=TIMEOUT_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, log

    def _environment(self) -> dict[str, str]:
        """As on a runner: nothing of the tests' own environment, and of CI's no variable of GitHub's."""
        ours = str(Path(sys.executable).parent)
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != ours)
        strange = re.compile("GITHUB_|PYTHON|PERFGATE_|VIRTUAL_ENV")
        kept = {name: text for name, text in os.environ.items() if not strange.match(name)}
        return {**kept, "PATH": path, "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}

    def _equip(self) -> None:
        """Two Pythons: `job`, which a job finds on its PATH, and `own`, whose environments are made from `packed`.

        All have the packages that perfgate needs, as links to the same files, so that they are unpacked once and not by
        each run; perfgate itself every run installs anew.
        """
        packed, own = self.folder / "packed", self.folder / "own"
        subprocess.run([BASE_PYTHON, "-m", "venv", packed], check=True)
        everything = f"{self.shop}[docker,embedded,github]"
        subprocess.run([packed / "bin/python", "-m", "pip", "install", "--quiet", everything], check=True)
        subprocess.run(["cp", "-al", packed, self.folder / "job"], check=True)
        own.write_text(OWN_PYTHON.format(packed=packed, python=BASE_PYTHON), encoding="utf-8")
        own.chmod(0o755)

    def _fill(self) -> None:
        """The files that git has or would take, as they stand in the work tree."""
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = ROOT / name, self.shop / name
            if source.is_file() and not name.startswith("baselines/"):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        self._git("init", "--quiet", "--initial-branch", "main")
        for name, value in (("user.name", "Ada"), ("user.email", "ada@shop.test")):
            self._git("config", name, value)

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.shop), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()


def replaced() -> list[str]:
    """What act takes instead of GitHub's own actions, for every version of them that is named somewhere."""
    sources = [ROOT / "action.yml", *(ROOT / ".github/workflows").glob("*.yml")]
    used = {found for source in sources for found in re.findall(r"uses: ([\w./-]+@\w+)", source.read_text())}
    pairs = {(name.split("/")[1], version) for name, version in (one.split("@") for one in used)}
    return [
        f"actions/{name}@{version}={STAND_INS / name}" for name, version in sorted(pairs) if (STAND_INS / name).is_dir()
    ]


def payload(name: str) -> Event:
    """An event as GitHub sends it."""
    event: Event = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def pull_request(head: str, base: str, source: int = HOME) -> Event:
    """A push to the pull request, which comes from the repository with the number `source`."""
    event = payload("pull_request_synchronize")
    pull = event["pull_request"]
    pull["head"] |= {"sha": head, "ref": "change", "repo": pull["head"]["repo"] | {"id": source}}
    pull["base"] |= {"sha": base, "ref": "main", "repo": pull["base"]["repo"] | {"id": HOME}}
    pull["number"] = event["number"] = PULL
    return event | {"repository": _repository(event)}


def push(head: str, before: str) -> Event:
    """A push to the default branch."""
    event = payload("push") | {"ref": "refs/heads/main", "before": before, "after": head}
    return event | {"repository": _repository(event)}


def end_of_a_fork_s_run(head: str, conclusion: str) -> Event:
    """The end of the run for a fork's pull request, as the workflow that follows it is told."""
    event = payload("workflow_run")
    home = _repository(event)
    fork = home | {"id": FORK, "full_name": f"{STRANGER}/shop", "owner": home["owner"] | {"login": STRANGER}}
    run = {
        "id": RUN,
        "name": "perfgate",
        "event": "pull_request",
        "status": "completed",
        "conclusion": conclusion,
        "run_started_at": STARTED,
        "head_sha": head,
        "head_branch": "change",
        "head_repository": fork,
        "repository": home,
        "pull_requests": [],
    }
    return event | {"action": "completed", "repository": home, "workflow_run": event["workflow_run"] | run}


def _repository(event: Event) -> Event:
    """The repository of an event, made the one of the fake."""
    return {**event["repository"], "full_name": REPOSITORY, "default_branch": "main", "id": HOME}
