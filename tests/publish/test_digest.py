"""What every report says of findings, flaws and scenarios, before it is written in any format."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfgate.errors import ExitCode
from perfgate.model import (
    Finding,
    Flaw,
    FlawKind,
    Metric,
    Noise,
    Repeatability,
    Round,
    Run,
    Sample,
    Scope,
    Side,
    Status,
    Verdict,
)
from perfgate.publish.digest import Digest
from perfgate.publish.reports.html import Html
from perfgate.publish.reports.junit import JUnit
from perfgate.publish.reports.markdown import Markdown
from perfgate.publish.reports.terminal import Terminal
from perfgate.publish.rows import Row
from perfgate.result import Result

from .literals import (
    BESIDE,
    BUNDLE,
    CALLS,
    CART,
    FAILED,
    LOOKUP,
    MEMORY,
    NOT_MEASURED,
    P95,
    PASSED,
    PRODUCTS,
    QUIET,
    RATE,
    SIZE,
    found,
)


def digested(*findings: Finding, run: Run = QUIET) -> Digest:
    return Digest(Result(run, Verdict(Status.PASS, ExitCode.PASSED, findings)))


def row(finding: Finding, run: Run = QUIET) -> Row:
    return digested(finding, run=run).rows[0]


def beside(metric: Metric, base: tuple[float, ...]) -> Run:
    """A run beside its base, with what the base gave for `PRODUCTS`; nothing where it gave nothing."""
    samples = (Sample(metric.name, PRODUCTS, base, Side.BASE),) if base else ()
    return replace(QUIET, base="abc12345", samples=samples)


@pytest.mark.parametrize(
    ("metric", "base", "kind", "told"),
    [
        (CALLS, (), "tolerance", "2 passes"),
        (replace(P95, name="queries.time"), (), "tolerance", "2 passes"),  # sampled, but in the counting pass
        (P95, (), "tolerance", "2 rounds"),
        (CALLS, (4.0, 4.0), "tolerance", "2 passes"),
        (P95, (0.1, 0.2), "tolerance", "2 pairs of rounds"),
        (P95, (0.1, 0.2), "limit", "2 rounds"),
    ],
)
def test_what_was_taken_is_called_by_its_name(metric: Metric, base: tuple[float, ...], kind: str, told: str) -> None:
    finding = found(Status.PASS, metric, PRODUCTS, "", 1, 1, rounds=2, kind=kind)
    assert row(finding, beside(metric, base)).evidence == told


@pytest.mark.parametrize(
    ("base", "kind", "needed", "told"),
    [
        ((0.1, 0.2), "tolerance", 24, "about 24 pairs of rounds would probably decide it"),
        ((0.1, 0.2), "limit", 24, "about 24 rounds would probably decide it"),
        ((), "tolerance", 9, "about 9 rounds would probably decide it"),
        ((0.1, 0.2), "tolerance", 0, ""),
    ],
)
def test_what_is_undecided_says_what_would_decide_it(
    base: tuple[float, ...], kind: str, needed: int, told: str
) -> None:
    finding = found(Status.UNSURE, P95, PRODUCTS, "", 1, 1, rounds=6, kind=kind, needed=needed)
    assert row(finding, beside(P95, base)).needed == told


def test_pairs_whose_values_were_adjusted_say_so() -> None:
    finding = found(Status.PASS, P95, PRODUCTS, "", 1, 1, rounds=2)
    run = beside(P95, (0.1, 0.2))
    assert row(replace(finding, adjusted=True), run).evidence == "2 pairs of rounds, adjusted"
    assert row(finding, run).evidence == "2 pairs of rounds"


def test_a_figure_that_was_adjusted_differs_from_the_plain_one_with_a_word() -> None:
    whole = Scope("browse")
    samples = tuple(Sample(P95.name, whole, (v, v), side) for v, side in ((0.776, Side.HEAD), (0.7, Side.BASE)))
    run = replace(QUIET, base="abc12345", samples=samples)
    adjusted = replace(found(Status.PASS, P95, whole, "", 0.762, 0.7, 0.089, rounds=2), adjusted=True, against="base")
    limited = found(Status.PASS, P95, whole, "", 0.776, 1.0, rounds=2, kind="limit")
    for order in ((adjusted, limited), (limited, adjusted)):
        result = Result(run, Verdict(Status.PASS, ExitCode.PASSED, order))
        (panel,) = Digest(result).panels
        assert panel.vitals == (("response.p95", "776 ms", "700 ms"),)
        assert "+8.9 %, adjusted" in [figure.told for figure in panel.figures]
        assert "+8.9 %, adjusted" in Terminal().render(result)
        assert '<td class="n">762 ms</td><td class="n">+8.9 %, adjusted</td>' in Html().render(result)


@pytest.mark.parametrize(("against", "told"), [("baseline", "was"), ("base", "base")])
def test_what_binds_is_shown_also_where_the_other_is_equal(against: str, told: str) -> None:
    equal = replace(found(Status.PASS, CALLS, PRODUCTS, "", 4.0, 4.0), against=against)
    shown = row(equal, beside(CALLS, (4.0, 4.0)))
    assert (shown.against, shown.reference, shown.before) == (told, "4", "4")


@pytest.mark.parametrize(
    ("metric", "reference", "base", "against"),
    [
        (CALLS, 4.0, (4.0, 4.0), "base"),
        (CALLS, 3.0, (4.0, 4.0), "was"),  # what was accepted binds a count, whatever base does
        (CALLS, 4.0, (), "was"),
        (P95, 4.02, (4.0, 4.1), "base"),
        (P95, 4.02, (), "was"),
    ],
)
def test_only_what_base_showed_is_called_the_base(
    metric: Metric, reference: float, base: tuple[float, ...], against: str
) -> None:
    finding = found(Status.PASS, metric, PRODUCTS, "", 4.0, reference)
    assert row(finding, beside(metric, base)).against == against


def test_a_base_that_could_not_be_measured_is_not_called_measured() -> None:
    assert "against base abc12345, which was not measured" in digested(run=replace(QUIET, base="abc12345")).subject


def test_disturbed_rounds_are_told_apart_from_those_that_count() -> None:
    taken = Round("browse", 1, 2.0, 280, 140.0, 0.3, 0.0004, 0.02)
    run = replace(QUIET, rounds=(taken, replace(taken, reached=90.0, disturbed=True), replace(taken, index=2)))
    digest = Digest(Result(run))
    assert [(own.rounds, own.mark) for own in digest.rounds] == [("1", ""), ("1", "disturbed"), ("2", "")]
    (together,) = digest.stretches
    assert (together.rounds, together.rate) == ("2 rounds, 1 more disturbed and taken again", "140/s")


def test_the_noise_of_the_machine_is_told_as_a_ratio() -> None:
    found = (Repeatability("browse", "response.p95", 0.0953, 12), Repeatability("browse", "response.rate", 0.01, 11))
    digest = Digest(Result(replace(QUIET, repeatability=found)))
    assert digest.noise == (("browse", "response.p95 ±10 % (12 pairs), response.rate ±1.0 % (11 pairs)"),)


def test_a_rule_that_stands_in_no_file_says_how_to_change_it() -> None:
    finding = found(Status.FAIL, replace(P95, name="response.errors"), CART, "", rule="default")
    assert row(finding).rule == "a default; add a budget for response.errors to change it"


@pytest.mark.parametrize("report", [Terminal(), Markdown(), JUnit()], ids=lambda report: str(report.name))
def test_a_statement_that_is_the_finding_is_told_once(report: Terminal | Markdown | JUnit) -> None:
    assert report.render(BESIDE).count("FROM favourites WHERE") == 1


def test_two_statements_are_never_told_as_one() -> None:
    run = replace(QUIET, statements={"a": "SELECT 1", "b": "SELECT 2"})
    findings = [
        found(Status.NEW, CALLS, replace(PRODUCTS, statement=name), f"a statement more: {text}", 1, kind="statement")
        for name, text in run.statements.items()
    ]
    assert [group.rows[0].statement for group in digested(*findings, run=run).attention] == ["SELECT 1", "SELECT 2"]


def test_a_flaw_that_sums_up_those_of_rounds_is_told_alone() -> None:
    saturated = Flaw(FlawKind.GENERATOR_SATURATED, "it used 97 % of a core", "browse", 2)
    lasting = replace(saturated, round=None, because="1 of 4 rounds were valid, 6 are needed; it used 97 % of a core")
    other = replace(saturated, kind=FlawKind.UNANSWERED, because="3 requests were unanswered", round=3)
    elsewhere = replace(saturated, scenario="checkout")
    run = replace(QUIET, flaws=(saturated, replace(saturated, round=3), other, lasting, elsewhere))
    assert [trouble.title for trouble in Digest(replace(NOT_MEASURED, run=run)).troubles] == [
        "generator saturated in browse",
        "unanswered requests in browse, round 3",
        "generator saturated in checkout, round 2",
    ]


def test_the_settings_of_postgres_are_counted_and_stand_whole_in_the_page() -> None:
    for report in (Terminal(), Markdown(), JUnit()):
        assert "2 settings not the default" in report.render(PASSED)
        assert "shared" not in report.render(PASSED)
    assert "shared_buffers = 64MB, fsync = off" in Html().render(PASSED)


def test_a_run_beside_its_base_names_it_and_what_it_cost() -> None:
    digest = Digest(BESIDE)
    assert "against base abc12345d0, measured beside it" in digest.subject
    rows = {(found.finding.metric, found.status): found for found in digest.rows}
    red = rows["response.p95", Status.FAIL]
    assert (red.against, red.before, red.observed, red.change, red.limit) == ("base", "297 ms", "413 ms", "+39 %", "")
    limited = rows["memory.peak", Status.PASS]
    assert (limited.against, limited.before, limited.observed, limited.limit) == (
        "limit",
        "213 MB",
        "215 MB",
        "400 MB",
    )


def test_a_stored_baseline_is_not_called_the_base() -> None:
    assert row(found(Status.PASS, P95, PRODUCTS, "", 1, 2)).against == "was"
    assert "base" not in digested().subject


@pytest.mark.parametrize(
    ("observed", "reference", "metric", "share", "told"),
    [
        (0.15, 0.3, P95, 0.5, "50 % of the limit"),
        (0.2997, 0.3, P95, 0.999, "99 % of the limit"),
        (0.3, 0.3, P95, 1.0, "100 % of the limit"),
        (0.0003, 0.3, P95, 0.001, "under 1 % of the limit"),
        (0.0, 0.3, P95, 0.0, "0 % of the limit"),
        (0.0, 0.0, P95, 1.0, "100 % of the limit"),
        (200.0, 100.0, RATE, 0.5, "the floor is 50 % of it"),
    ],
)
def test_how_close_a_value_came_is_never_rounded_onto_the_line(
    observed: float, reference: float, metric: Metric, share: float, told: str
) -> None:
    finding = found(Status.PASS, metric, PRODUCTS, "", observed, reference, kind="limit")
    (figure,) = digested(finding).panels[0].figures
    assert figure.share == pytest.approx(share)
    assert figure.told == told


def test_of_all_endpoints_the_one_that_came_closest_is_the_figure() -> None:
    findings = [
        found(Status.PASS, P95, scope, "", value, 0.3, kind="limit") for scope, value in ((PRODUCTS, 0.1), (CART, 0.2))
    ]
    peak = found(Status.PASS, MEMORY, Scope("browse"), "", 390e6, 400e6, kind="limit")
    (panel,) = digested(*findings, peak).panels
    assert [(figure.row.name, figure.told, figure.among) for figure in panel.figures] == [
        ("memory.peak", "97 % of the limit", ""),
        ("response.p95[POST /cart]", "66 % of the limit", "closest of 2 checks"),
    ]


@pytest.mark.parametrize(
    ("values", "told", "among"),
    [
        (((4, 4),), "unchanged", ""),
        (((4, 4), (9, 9)), "unchanged", "like all 2 checks"),
        (((4, 4), (9, 10)), "−10 %", "moved most of 2 checks: 1 unchanged, 1 improved"),
    ],
)
def test_what_is_compared_with_before_tells_what_moved(
    values: tuple[tuple[float, float], ...], told: str, among: str
) -> None:
    findings = [
        found(
            status=Status.PASS if now == was else Status.IMPROVED,
            metric=CALLS,
            scope=scope,
            because="",
            observed=now,
            reference=was,
            change=(now - was) / was,
        )
        for scope, (now, was) in zip((PRODUCTS, CART), values, strict=False)
    ]
    (figure,) = digested(*findings).panels[0].figures
    assert (figure.share, figure.told, figure.among) == (None, told, among)


def test_a_panel_tells_what_the_whole_scenario_did_with_or_without_a_rule() -> None:
    samples = (
        Sample("response.rate", Scope("browse"), (140.0, 142.0, 141.0)),
        Sample("response.p95", PRODUCTS, (0.1,)),
        Sample("queries.calls", Scope("browse"), (3.5,), noise=Noise.EXACT),
        Sample("response.rate", Scope("checkout"), (9.0,)),
    )
    run = replace(QUIET, samples=samples)
    finding = found(Status.PASS, P95, PRODUCTS, "", 0.1, 0.3, kind="limit")
    (panel,) = digested(finding, run=run).panels
    assert panel.vitals == (("response.rate", "141/s", ""), ("queries.calls", "3.50", ""))


def test_a_value_that_was_judged_is_told_as_its_check_tells_it() -> None:
    run = replace(QUIET, samples=(Sample("response.rate", Scope("browse"), (140.0, 142.0, 144.0)),))
    judged = found(Status.PASS, RATE, Scope("browse"), "", 141.3, 100, kind="limit")
    (panel,) = digested(judged, run=run).panels
    assert panel.vitals == (("response.rate", panel.figures[0].row.observed, ""),)


def test_what_belongs_to_no_scenario_comes_last() -> None:
    run = replace(QUIET, samples=(Sample("response.rate", Scope("browse"), (140.0, 142.0, 141.0)),))
    size = found(Status.PASS, SIZE, BUNDLE, "", 1, 2, kind="limit")
    peak = found(Status.PASS, MEMORY, Scope("browse"), "", 1, 2, kind="limit")
    assert [panel.scenario for panel in digested(size, peak, run=run).panels] == ["browse", "project"]


def test_a_phase_that_took_some_time_never_takes_none_of_it() -> None:
    run = replace(QUIET, seconds=100.0, phases={"rounds": 99.6, "build": 0.4, "nothing": 0.0})
    assert [share for _, _, share in Digest(Result(run)).phases] == ["100 %", "under 1 %", "0 %"]


def test_what_needs_attention_is_no_figure() -> None:
    names = {figure.row.status for panel in Digest(FAILED).panels for figure in panel.figures}
    assert names == {Status.PASS, Status.IMPROVED}
    assert digested(found(Status.NEW, SIZE, BUNDLE, "", 1), found(Status.NEW, CALLS, LOOKUP, "", 1)).panels == ()


def test_the_page_of_a_green_run_opens_with_its_figures() -> None:
    page = Html().render(PASSED)
    assert page.index("How close it came") < page.index("Where the time went") < page.index("Everything else")
    assert "82 % of the limit" in page
