"""The GitHub workflow for a project: what it installs, measures and keeps, with no right that it does not need."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from perfgate.errors import BadRequest
from perfgate.init.draft import Draft

FOLDER = ".github/workflows"

ACTIONS = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "node": "actions/setup-node@820762786026740c76f36085b0efc47a31fe5020 # v7.0.0",
    "upload": "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
}

_TEXT = """\
# Written by `perfgate init`. The job's exit code is the verdict: make this job a required check.
name: perfgate{suffix}

on:
  pull_request:
  merge_group:
  push:
    branches: [{branch}]
  workflow_dispatch:

permissions: {{}}

concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.event.pull_request.number || github.ref }}}}
  cancel-in-progress: true

jobs:
  perfgate:
    name: perfgate{suffix}
    runs-on: ubuntu-latest
    timeout-minutes: 30
    permissions:
      contents: read
      pull-requests: write # the comment
      checks: write # the check with remarks at the lines it is about
{defaults}    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
          fetch-depth: 0 # the base that the change is compared with
      - uses: {python}
        with:
          python-version: "3.12"
{steps}      - name: Install perfgate
        run: python -m pip install {package}
      # the service, its build and the load are the change's own code: they get no token
      - name: Measure and judge
        id: measure
        run: perfgate run --json perfgate.json --report report.html
      - name: Tell GitHub
        # without a run, the file would be one that the change has brought along
        if: ${{{{ !cancelled() && steps.measure.outcome != 'skipped' && hashFiles('{place}perfgate.json') != '' }}}}
        run: perfgate publish perfgate.json --report report.html --github{key}
        env:
          GITHUB_TOKEN: ${{{{ github.token }}}}
      - name: Keep the result
        if: ${{{{ !cancelled() && steps.measure.outcome != 'skipped' }}}}
        uses: {upload}
        with:
          name: perfgate{suffix}
          path: |
            {place}perfgate.json
            {place}report.html
          if-no-files-found: ignore
"""


_SPECIAL = re.compile(r"""[^ -~\w]|["'`$*?\[\]\\!]""")
"""What has a meaning of its own in an expression of GitHub's, or in a pattern for files."""


@dataclass(frozen=True)
class Workflow:
    """The file's path from the top of the repository, what it says, and what to check in it."""

    path: str
    text: str
    checks: tuple[str, ...]


def written(draft: Draft, top: Path, branch: str) -> Workflow:
    """The workflow for a project, whose folder may be one of several in the repository at `top`."""
    place = draft.root.resolve().relative_to(top.resolve()).as_posix()
    inside = "" if place == "." else place
    if _SPECIAL.search(inside):
        raise BadRequest(
            f"a workflow cannot name the folder {inside!r}", hint="rename it, without quotes, $, *, ? or ["
        )
    key = re.sub(r"[^A-Za-z0-9._-]+", "-", inside).strip("-")
    package, check = requirement()
    steps = "".join(_steps(draft))
    bare = "installs nothing that the service needs: no requirements.txt, pyproject.toml or package.json was found"
    text = _TEXT.format(
        **ACTIONS,
        suffix=f"-{key}" if key else "",
        branch=json.dumps(branch) if re.search(r"[^\w./-]", branch) else branch,
        defaults=f"    defaults:\n      run:\n        working-directory: {json.dumps(inside)}\n" if inside else "",
        steps=steps,
        package=package,
        key=f" --key {key}" if key else "",
        place=f"{inside}/" if inside else "",
    )
    name = f"{FOLDER}/perfgate{f'-{key}' if key else ''}.yml"
    return Workflow(name, text, tuple(filter(None, (check, "" if steps else bare))))


def _steps(draft: Draft) -> Iterator[str]:
    """What the project needs, before perfgate: pip must not find a conflict that perfgate has settled."""
    commands = (
        [draft.service.command, draft.service.build, *(draft.database.setup if draft.database else ())]
        if draft.service
        else []
    )
    uses_node = bool(draft.artifacts) or any(re.search(r"\b(node|npm|npx)\b", command) for command in commands)
    folders = {PurePosixPath(folder).parent.as_posix() for folder in draft.artifacts.values()} - {"."}
    if uses_node:
        yield f"      - uses: {ACTIONS['node']}\n        with:\n          node-version: lts/*\n"
    steps = [step for step in draft.installs if uses_node or not step.startswith("npm")]
    steps += [f"npm --prefix {folder} ci" for folder in sorted(folders)]
    if steps:
        yield "      - name: Install what the service needs\n        run: |\n"
        yield from (f"          {_literal(step)}\n" for step in steps)
    if draft.artifacts and draft.service is None:
        yield "      - name: Build\n        run: npm run build\n"


def _literal(step: str) -> str:
    """The step as the shell is to get it: GitHub would take what begins like an expression for one."""
    return step.replace("${{", "${{ '${{' }}")


def requirement() -> tuple[str, str]:
    """What pip installs to have this perfgate, quoted for a shell, and what to check about it.

    It comes from where this one came from: the index, or the address that pip noted when it was installed.
    """
    found = metadata.distribution("perfgate")
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    url, commit = origin.get("url", ""), origin.get("vcs_info", {}).get("commit_id", "")
    if commit:
        return f"'perfgate[embedded,github] @ git+{url}@{commit}'", ""
    if url.startswith("https://"):
        return f"'perfgate[embedded,github] @ {url}'", ""
    pinned = f"'perfgate[embedded,github]=={found.version}'"
    if url:
        return pinned, f"this perfgate was installed from a folder; say where the runner gets {pinned} from"
    return pinned, ""
