"""What a change is measured beside in each event of CI, and that it cannot choose the rules that judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perfgate import baselines, loosening, runner, settings
from perfgate.model import Baseline, Machine, Sample, Scope
from perfgate.plan import Plan
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
    made.answer_steadily()
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
    assert any("judged by this change's own rules" in told for told in result["run"]["loosened"])


def test_a_budgets_file_that_becomes_a_link_to_another_one_is_told_on_top(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_main(project, LIMIT, IMPOSSIBLE)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    (project.folder / "budgets.yaml").rename(project.folder / "loose.yaml")
    (project.folder / "budgets.yaml").symlink_to("loose.yaml")
    save(project)
    pull_request(monkeypatch)
    _, output, result = project.gate()
    assert result["run"]["loosened"], output
    assert "LOOSER" in output


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            LIMIT,
            LIMIT + "  - metric: response.p50\n    endpoint: GET /h*\n    fail: 9 s\n",
            "response.p50[GET /h*]: fail 2 s → 9 s",
        ),
        (
            LIMIT,
            LIMIT + "  - metric: response.p*\n    scenario: visit\n    warn: 1 s\n",
            "response.p*[visit]: fail 2 s → none",
        ),
        ("    users: 2\n", "    users: 1\n", "scenario visit: users 2 → 1"),
        ("    round: 300 ms\n", "    round: 200 ms\n", "scenario visit: round 300 ms → 200 ms"),
        ("  visit:\n", "  other:\n", "scenario visit: not measured any more"),
        ("scenarios:\n", "time: 10 s\nscenarios:\n", "time: 300 s → 10 s"),
        ("'*.py'", "'*.rs'", "artifact code: *.py → *.rs"),
        (
            "scenarios:\n",
            "collectors: {queries: {settle_ms: 1}}\nscenarios:\n",
            "collector queries: settle_ms its default → 1",
        ),
    ],
)
def test_what_a_change_measures_less_of_or_excepts_from_a_rule_is_told(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    before, now = plans(tmp_path, old, new)
    assert [*loosening.of_rules(before, "HEAD", now), *loosening.of_load(before, now)] == [told]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LIMIT, LIMIT + "  - metric: response.p50\n    endpoint: GET /h*\n    fail: 1 s\n"),
        (LIMIT, LIMIT + "  - metric: response.p95\n    fail: 9 s\n"),
        ("    users: 2\n", "    users: 3\n"),
        ("scenarios:\n", "scenarios:\n  other: {locustfile: visit.py, users: 1}\n"),
        (LIMIT, LIMIT),
    ],
)
def test_what_asks_for_more_or_as_much_is_not_told(old: str, new: str, tmp_path: Path) -> None:
    before, now = plans(tmp_path, old, new)
    assert (*loosening.of_rules(before, "HEAD", now), *loosening.of_load(before, now)) == ()


def plans(folder: Path, old: str, new: str) -> tuple[Plan, Plan]:
    """What base and head ask for, where head has `new` for `old`; both have an artifact, and a limit of errors."""
    found = []
    for name in ("base", "head"):
        (folder / name).mkdir()
        made = visit(folder / name)
        made.replace("budgets.yaml", LIMIT, LIMIT + "  - metric: response.errors\n    fail: 5 %\n")
        made.replace("budgets.yaml", "scenarios:\n", "artifacts: {code: '*.py'}\nscenarios:\n")
        if name == "head":
            made.replace("budgets.yaml", old, new)
        found.append(settings.load(made.folder / "budgets.yaml", runner.known()))
    return found[0], found[1]


def test_a_baseline_that_takes_the_place_of_base_is_told(tmp_path: Path) -> None:
    before, now = plans(tmp_path, LIMIT, LIMIT)
    machine = Machine(cpu="x", cores=1, memory=1, system="", python="")
    theirs = Baseline("visit", "c" * 40, "2026-11-22T00:00:00+00:00", "Mallory", "it is fine", machine, None)
    sample = Sample("response.p50", Scope("visit"), (1.0,))
    list(
        baselines.write(
            now.root / baselines.FOLDER, [replace(theirs, metrics=(now.metrics["response.p50"],), samples=(sample,))]
        )
    )
    assert loosening.of_baselines(before, now) == ("baseline of visit: added by Mallory: it is fine",)


@pytest.mark.parametrize("tag", ["main", "origin/main"])
def test_a_tag_of_the_name_of_the_branch_does_not_take_its_place(
    project: Project, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    on_main(project, LIMIT, IMPOSSIBLE)
    main = git(project.folder, "rev-parse", "HEAD")
    git(project.folder, "update-ref", "refs/remotes/origin/main", main)
    project.replace("budgets.yaml", IMPOSSIBLE, LIMIT)
    git(project.folder, "tag", tag, save(project))
    pull_request(monkeypatch)
    code, output, result = project.gate()
    assert code == 1, output
    assert result["run"]["base"] == main


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
