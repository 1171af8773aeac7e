from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.errors import ExitCode
from perfgate.model import Level, Status, Verdict
from perfgate.publish.github import checks
from perfgate.publish.github.annotations import Annotation, annotate
from perfgate.publish.github.api import Refused
from perfgate.publish.github.checks import Conclusion, conclusion, publish
from perfgate.result import Result
from tests.github.fake import DENIED, Hub
from tests.github.talking import HEAD, api_of, place_of
from tests.publish import literals


def remarks(count: int, level: Level = Level.WARN) -> list[Annotation]:
    return [Annotation("budgets.yaml", line, level, f"title {line}", "slow") for line in range(1, count + 1)]


def with_status(status: Status, code: ExitCode = ExitCode.PASSED) -> Result:
    assert literals.PASSED.verdict is not None
    first, *others = literals.PASSED.verdict.findings
    findings = (replace(first, status=status, level=Level.WARN), *others)
    return replace(literals.PASSED, verdict=Verdict(status, code, findings))


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (literals.PASSED, Conclusion.SUCCESS),
        (with_status(Status.WARN), Conclusion.SUCCESS),
        (with_status(Status.UNSURE), Conclusion.NEUTRAL),
        (with_status(Status.UNSURE, ExitCode.FAILED), Conclusion.FAILURE),
        (literals.NOT_JUDGED, Conclusion.NEUTRAL),
        (literals.NOTHING_JUDGED, Conclusion.FAILURE),
        (literals.FAILED, Conclusion.FAILURE),
        (literals.NOT_MEASURED, Conclusion.FAILURE),
        (with_status(Status.PASS, ExitCode.INTERRUPTED), Conclusion.FAILURE),
    ],
)
def test_only_what_was_measured_and_decided_is_a_success(result: Result, wanted: Conclusion) -> None:
    assert conclusion(result) is wanted


def test_the_check_stands_at_the_head_of_the_pull_request(hub: Hub) -> None:
    shown = publish(api_of(hub), "", literals.FAILED, annotate(literals.FAILED))
    (check,) = hub.checks.values()
    assert (shown.kind, shown.url) == ("check", check["html_url"])
    told = {name: check[name] for name in ("name", "head_sha", "status", "conclusion", "details_url")}
    assert told == {
        "name": "perfgate",
        "head_sha": HEAD,
        "status": "completed",
        "conclusion": "failure",
        "details_url": place_of(hub).run_url,
    }
    assert check["output"]["title"].startswith("FAILED: ")
    assert "budgets.yaml" in {note["path"] for note in hub.annotations[check["id"]]}


def test_each_configuration_and_each_run_has_a_check_of_its_own(hub: Hub) -> None:
    for key, attempt in [("api", 1), ("web", 1), ("api", 2)]:
        publish(api_of(hub, place_of(hub, attempt=attempt)), key, literals.PASSED, ())
    assert [check["name"] for check in hub.checks.values()] == ["perfgate (api)", "perfgate (web)", "perfgate (api)"]
    assert len({check["external_id"] for check in hub.checks.values()}) == 3


@pytest.mark.parametrize(
    ("count", "batches"), [(0, [0]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20]), (501, [50] * 10)]
)
def test_annotations_come_in_batches_worst_first(hub: Hub, count: int, batches: list[int]) -> None:
    publish(api_of(hub), "", literals.FAILED, remarks(count))
    (notes,) = hub.annotations.values()
    sent = [len(asked.body["output"]["annotations"]) for asked in hub.asked if "check-runs" in asked.path]
    assert sent == batches
    assert [note["start_line"] for note in notes] == list(range(1, min(count, 500) + 1))


@pytest.mark.parametrize("done", [True, False])
def test_a_batch_whose_answer_was_lost_is_added_once(hub: Hub, done: bool) -> None:
    hub.fail("PATCH", "/check-runs", 502, done=done)
    publish(api_of(hub), "", literals.FAILED, remarks(120))
    (notes,) = hub.annotations.values()
    assert [note["start_line"] for note in notes] == list(range(1, 121))


def test_levels_and_places_are_githubs(hub: Hub) -> None:
    levels = (Level.FAIL, Level.WARN, Level.INFO)
    found = [Annotation("app.py", 3, level, "slow", "") for level in levels]
    publish(api_of(hub), "", literals.FAILED, [*found, Annotation("", 0, Level.FAIL, "nowhere", "x")])
    (notes,) = hub.annotations.values()
    assert [note["annotation_level"] for note in notes] == ["failure", "warning", "notice"]
    assert {(note["path"], note["start_line"], note["end_line"], note["message"]) for note in notes} == {
        ("app.py", 3, 3, "slow")
    }


def test_what_is_too_long_or_hostile_is_taken_all_the_same(hub: Hub) -> None:
    text = "\x1b[31m::set-output name=a::b\n@everyone \u202e" + "ü" * 70_000
    publish(api_of(hub), "", literals.hostile(text[:200]), [Annotation("a.py", 1, Level.FAIL, text, text)])
    ((note,),) = hub.annotations.values()
    assert len(note["message"].encode()) <= 64 * 1024
    assert len(note["title"]) <= 255
    assert not {"\x1b", "\u202e"} & set(note["message"] + note["title"])


def test_ten_thousand_findings_fit(hub: Hub) -> None:
    result = literals.many(10_000)
    publish(api_of(hub), "", result, annotate(result))
    (check,) = hub.checks.values()
    assert 30_000 < len(check["output"]["summary"]) <= checks.LONGEST_SUMMARY


@pytest.mark.parametrize(
    ("result", "state"),
    [(literals.PASSED, "success"), (literals.FAILED, "failure"), (with_status(Status.UNSURE), "pending")],
)
def test_a_status_stands_in_where_a_check_may_not_be(hub: Hub, result: Result, state: str) -> None:
    hub.deny("POST", "/check-runs")
    shown = publish(api_of(hub), "api", result, remarks(3))
    (status,) = hub.statuses
    assert (shown.kind, DENIED in shown.because) == ("status", True)
    assert (status["state"], status["context"], status["sha"]) == (state, "perfgate (api)", HEAD)
    assert 0 < len(status["description"]) <= 140


def test_a_rate_limit_is_not_taken_for_a_missing_permission(hub: Hub) -> None:
    hub.fail("POST", "/check-runs", 403, message="API rate limit exceeded", headers={"Retry-After": "3600"}, times=9)
    with pytest.raises(Refused, match="rate limit"):
        publish(api_of(hub), "", literals.PASSED, ())
    assert not hub.statuses


def test_a_token_of_a_fork_is_refused_both(hub: Hub) -> None:
    hub.deny("POST", "")
    with pytest.raises(Refused, match="set the status of the commit: 403 Resource not accessible") as told:
        publish(api_of(hub), "", literals.PASSED, ())
    assert told.value.denied
