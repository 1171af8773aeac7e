"""Who is heard first, that nobody is lost with another, and how a red finding is led back to what may be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.causes import causes
from perfgate.diagnose.consultation import consult, distinct, ranked
from perfgate.diagnose.subject import Subject
from perfgate.errors import NotMeasured
from perfgate.model import Key, Noise, Sample, Scope, Unit
from tests.diagnose.laboratory import SCENARIO, failed, subject_of


def advice(title: str, severity: Severity = Severity.MEDIUM, endpoint: str = "", **changes: object) -> Advice:
    scope = Scope(SCENARIO, endpoint)
    found = Advice("index", severity, title, ("it reads much",), "less", Effort.MINUTES, "do it", scope)
    return replace(found, **changes)  # type: ignore[arg-type]


BLOCKS = ("queries.blocks",)
TRIED = (Trial("blocks of GET /a a request", Unit.COUNT, 100.0, 10.0),)


class Says(Advisor):
    category = "says"

    def advise(self, subject: Subject) -> Iterable[Advice]:
        return [advice("listen")]


class Fails(Advisor):
    category = "fails"

    def advise(self, subject: Subject) -> Iterable[Advice]:
        yield advice("too early")
        raise ValueError("secret=hunter2")


class Cannot(Advisor):
    category = "cannot"

    def advise(self, subject: Subject) -> Iterable[Advice]:
        raise NotMeasured("the copy is gone")


def test_severity_comes_before_all_else() -> None:
    explained = advice("explains", Severity.MEDIUM, "GET /a", metrics=BLOCKS, verified=TRIED)
    assert [a.title for a in ranked([advice("hint", Severity.LOW), explained, advice("top", Severity.HIGH)], [])] == [
        "top",
        "explains",
        "hint",
    ]


def test_what_explains_a_failure_comes_first_and_then_what_was_tried() -> None:
    one, other = (
        advice("tried", endpoint="GET /a", verified=TRIED),
        advice("explains", endpoint="GET /b", metrics=BLOCKS),
    )
    assert ranked([one, other], [failed("queries.blocks", "GET /b")])[0] is other
    assert ranked([one, other], [failed("queries.blocks", "GET /a")])[0] is one
    assert ranked([other, one], [])[0] is one


def test_a_failure_of_all_endpoints_together_is_explained_by_one_of_them() -> None:
    one, other = advice("a", endpoint="GET /a"), advice("b", endpoint="GET /b", metrics=BLOCKS)
    assert ranked([one, other], [failed("queries.blocks")])[0] is other


def test_the_same_remedy_of_two_scenarios_is_said_once() -> None:
    twins = [advice("index", endpoint=e, sql=("CREATE INDEX ON a (b)",)) for e in ("GET /a", "GET /b")]
    assert distinct(twins) == twins[:1]
    assert len(distinct([replace(a, sql=()) for a in twins])) == 2


def test_an_advisor_that_fails_costs_no_other_and_tells_no_secret() -> None:
    said: list[str] = []
    found = consult([Fails(), Cannot(), Says()], subject_of(), said.append)
    assert [a.title for a in found] == ["listen"]
    assert len(said) == 2
    assert said[0].startswith("advisor fails failed at test_consultation.py:")
    assert "hunter2" not in said[0]
    assert said[1] == "advisor cannot could not finish: the copy is gone"


def sample(metric: str, value: float, statement: str = "") -> Sample:
    return Sample(metric, Scope(SCENARIO, "GET /a", statement), (value,), noise=Noise.EXACT)


def test_a_cause_leads_from_the_finding_to_the_statement_and_the_remedy() -> None:
    samples = [sample("queries.calls", 41.0, "f1"), sample("queries.calls", 2.0, "f2")]
    subject = subject_of(samples=samples, red=[failed("response.p95", "GET /a", change=0.38)])
    run = replace(subject.run, statements={"f1": "SELECT a FROM items WHERE id = ?", "f2": "SELECT 1"})
    known = {Key("queries.calls", samples[0].scope): 1.0, Key("queries.calls", samples[1].scope): 2.0}
    one = advice("fetch them at once", endpoint="GET /a", metrics=("response.*",), verified=TRIED, code="app.py:12")
    (cause,) = causes(replace(subject, run=run, references=known), [advice("another"), one])
    assert cause.metric == "response.p95"
    assert cause.steps == (
        "GET /a response.p95 +38 %",
        "statement `SELECT a FROM items WHERE id = ?` now 41 calls a request (was 1)",
        "at app.py:12",
        "fetch them at once, tried here: blocks of GET /a a request −90 %",
    )


def test_nothing_is_said_of_a_finding_that_nothing_is_known_of() -> None:
    subject = subject_of(samples=[sample("queries.calls", 2.0, "f2")], red=[failed("memory.peak")])
    assert list(causes(subject, [advice("another", metrics=BLOCKS)])) == []


def test_a_statement_that_stayed_as_it_was_is_no_cause() -> None:
    samples = [sample("queries.calls", 6.0, "f2")]
    subject = subject_of(samples=samples, red=[failed("response.p95", "GET /a")])
    assert list(causes(replace(subject, references={samples[0].key: 6.0}), [])) == []
