"""What a change is measured beside in each event of CI, and that it cannot choose the rules that judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Project, visit
from tests.test_worktree import git

LIMIT = "    fail: 2 s\n"
IMPOSSIBLE = "    fail: 1 us\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository on a branch that is at `main`, with a service whose answers take longer than nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GITHUB_BASE_REF", "GITHUB_REPOSITORY", "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "visit").mkdir()
    made = visit(tmp_path / "visit")
    made.write("behaviour.py", "time.sleep(0.02)  # most of an answer, so that a noisy machine moves it little\n")
    made.write(".gitignore", ".perfgate\nresult.json\nevent.json\n")
    git(made.folder, "init", "-q", "-b", "main")
    save(made)
    git(made.folder, "checkout", "-qb", "change")
    return made


def save(project: Project) -> str:
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x", "--allow-empty")
    return git(project.folder, "rev-parse", "HEAD")


def on_main(project: Project, old: str, new: str) -> None:
    """Change what main asks for, and start the branch there."""
    git(project.folder, "checkout", "-q", "main")
    project.replace("budgets.yaml", old, new)
    save(project)
    git(project.folder, "checkout", "-qB", "change")


def pull_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_BASE_REF", "main")


def event(project: Project, monkeypatch: pytest.MonkeyPatch, name: str, payload: Mapping[str, Any]) -> None:
    path = project.write("event.json", json.dumps(payload))
    head = git(project.folder, "rev-parse", "HEAD")
    variables = {"REPOSITORY": "octo/shop", "EVENT_NAME": name, "EVENT_PATH": str(path), "SHA": head}
    for variable, value in variables.items():
        monkeypatch.setenv(f"GITHUB_{variable}", value)


def test_a_pull_request_that_raises_the_limit_it_breaks_is_red_all_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_main(project, LIMIT, IMPOSSIBLE)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    save(project)
    pull_request(monkeypatch)
    code, output, result = project.gate()
    assert code == 1, output
    assert result["run"]["loosened"][0].startswith("response.p50: fail 1 µs → 2 s")
    assert "judge all the same" in result["run"]["loosened"][1]
    failed = [found for found in result["findings"] if found["status"] == "fail"]
    assert {found["rule"] for found in failed} == {"budgets.yaml:16"}
    again = project.perfgate("judge", "result.json")
    assert again.returncode == 1, again.stdout


def test_a_repository_may_let_changes_judge_themselves(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    on_main(project, "version: 1\n", "version: 1\nrules_of: head\n")
    on_main(project, LIMIT, IMPOSSIBLE)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    save(project)
    pull_request(monkeypatch)
    code, output, result = project.gate()
    assert code == 0, output
    assert len(result["run"]["loosened"]) == 1


def test_a_change_cannot_let_itself_be_its_own_judge(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    on_main(project, LIMIT, IMPOSSIBLE)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    project.replace("budgets.yaml", "version: 1\n", "version: 1\nrules_of: head\n")
    save(project)
    pull_request(monkeypatch)
    code, output, _ = project.gate()
    assert code == 1, output


def test_a_limit_that_the_change_tightens_binds_it_already(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.replace("budgets.yaml", LIMIT, IMPOSSIBLE)
    save(project)
    pull_request(monkeypatch)
    code, output, _ = project.gate()
    assert code == 1, output


def test_an_endpoint_may_go_with_the_rule_that_was_about_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    on_main(project, LIMIT, LIMIT + "  - metric: response.p95\n    endpoint: GET /gone\n    fail: 1 s\n")
    project.replace("budgets.yaml", "  - metric: response.p95\n    endpoint: GET /gone\n    fail: 1 s\n", "")
    save(project)
    pull_request(monkeypatch)
    code, output, result = project.gate()
    assert code == 0, output
    assert "GET /gone" in result["run"]["loosened"][0]


def test_where_base_has_no_rules_the_changes_own_judge_and_say_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_main(project, "version: 1\n", "version: 9\n")
    project.replace("budgets.yaml", "version: 9\n", "version: 1\n")
    save(project)
    pull_request(monkeypatch)
    code, output, result = project.gate()
    assert code == 0, output
    assert any("judged by this change's own rules" in note for note in result["run"]["notes"])


def test_a_merge_queues_group_is_measured_beside_what_it_goes_on_top_of(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, head = git(project.folder, "rev-parse", "HEAD"), save(project)
    group = {"head_sha": head, "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-abc", "base_sha": base}
    event(project, monkeypatch, "merge_group", {"merge_group": group})
    code, output, result = project.gate()
    assert code == 0, output
    assert result["run"]["base"] == base


def test_a_push_is_measured_beside_what_was_there_before(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = git(project.folder, "rev-parse", "HEAD")
    save(project)
    event(project, monkeypatch, "push", {"before": before})
    code, output, result = project.gate()
    assert code == 0, output
    assert result["run"]["base"] == before


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("push", {"before": "0" * 40}, "no base: nothing was there before this push"),
        ("push", {"before": "ab" * 20}, "no base: what was there before this push cannot be had: --base: git knows no"),
        ("schedule", {}, "no base: schedule has none; `--base REF` names one"),
    ],
)
def test_the_absence_of_a_base_is_explained(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, payload: Mapping[str, Any], told: str
) -> None:
    event(project, monkeypatch, name, payload)
    code, output, result = project.gate()
    assert code == 0, output
    assert result["run"]["base"] == ""
    assert any(told in note for note in result["run"]["notes"])


def test_a_queues_group_whose_base_cannot_be_had_is_a_wrong_request(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {"head_sha": save(project), "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-abc", "base_sha": "ab" * 20}
    event(project, monkeypatch, "merge_group", {"merge_group": group})
    done = project.perfgate("run")
    assert done.returncode == 2, done.stderr
    assert "git knows no" in done.stderr


def test_the_rules_are_the_pull_requests_bases_though_another_commit_is_measured_beside_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git(project.folder, "rev-parse", "HEAD")
    on_main(project, LIMIT, IMPOSSIBLE)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    save(project)
    pull_request(monkeypatch)
    code, output, result = project.gate("--base", first)
    assert code == 1, output
    assert result["run"]["base"] == first
