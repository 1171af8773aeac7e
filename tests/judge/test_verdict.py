"""From findings to one exit code; and that nothing passes by accident."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from perfgate.errors import ExitCode
from perfgate.judge.presence import absences
from perfgate.judge.verdict import judge
from perfgate.model import Asked, Flaw, FlawKind, Noise, Status
from perfgate.plan import TESTS, Rule
from tests.judge.literals import CALLS, P95, SIZE, around, baseline, limit, only, run, sample, tolerance

SLOW = around(P95, 9.0)
FAST = around(P95, 0.1)
BUDGET = limit("response.p95", fail=0.3)


def test_a_run_in_which_nothing_was_judged_is_red() -> None:
    assert judge(run(), [], {}).exit_code is ExitCode.FAILED


def test_a_budget_about_nothing_is_missing() -> None:
    verdict = judge(run(FAST), [BUDGET, limit("response.p95", fail=0.3, endpoint="GET /renamed")], {})
    assert verdict.findings[0].status is Status.MISSING
    assert verdict.exit_code is ExitCode.FAILED


def test_a_scenario_that_lacks_a_metric_others_have_is_missing_it() -> None:
    two = replace(run(FAST), loads={"browse": Asked(), "pay": Asked()})
    verdict = judge(two, [BUDGET], {})
    assert [(f.scope.scenario, f.status) for f in verdict.findings] == [
        ("pay", Status.MISSING),
        ("browse", Status.PASS),
    ]


def test_what_the_baseline_had_and_the_run_has_not_is_missing() -> None:
    accepted = {"browse": baseline(FAST, around(P95, 0.1, endpoint="GET /gone"))}
    verdict = judge(run(FAST), [BUDGET], accepted)
    assert verdict.findings[0].scope.endpoint == "GET /gone"
    assert verdict.exit_code is ExitCode.FAILED


def test_a_rule_for_all_endpoints_together_is_about_none_alone() -> None:
    verdict = judge(
        run(FAST, around(P95, 9.0, endpoint="GET /")), [limit("response.p95", 0.3, endpoint="together")], {}
    )
    assert only(verdict).status is Status.PASS


def test_a_rule_for_all_endpoints_together_is_missing_where_there_is_no_such_figure() -> None:
    verdict = judge(run(around(P95, 0.1, endpoint="GET /")), [limit("response.p95", 0.3, endpoint="together")], {})
    assert only(verdict).status is Status.MISSING
    assert only(verdict).scope.scenario == "browse"


def test_an_endpoint_so_rare_that_no_round_asked_for_it_is_unsure_and_not_gone() -> None:
    rare: dict[str, Any] = {"endpoint": "GET /rare"}
    accepted = {"browse": baseline(FAST, around(P95, 0.1, **rare), sample(CALLS, 2.0, **rare))}
    verdict = judge(run(FAST, sample(CALLS, 2.0, 2.0, **rare)), [BUDGET], accepted)
    assert [f.status for f in verdict.findings if f.scope.endpoint] == [Status.UNSURE]


def test_the_baseline_of_a_scenario_that_was_not_asked_for_is_left_alone() -> None:
    accepted = {"pay": baseline(sample(P95, 0.1, scenario="pay"), scenario="pay")}
    asked_for_browse = replace(run(FAST), left_out=("pay",))
    assert judge(asked_for_browse, [BUDGET], accepted).exit_code is ExitCode.PASSED


def test_the_baseline_of_a_scenario_that_the_run_does_not_even_name_is_a_gap() -> None:
    accepted = {"pay": baseline(sample(P95, 0.1, scenario="pay"), scenario="pay")}
    verdict = judge(run(FAST), [BUDGET], accepted)
    assert verdict.findings[0].scope.scenario == "pay"
    assert verdict.findings[0].status is Status.MISSING
    assert verdict.exit_code is ExitCode.FAILED


@pytest.mark.parametrize("scenario", ["pay", "pa*"])
@pytest.mark.parametrize("left_out", [(), ("pay",)])
def test_a_rule_about_an_absent_scenario_is_missing_unless_that_was_left_out(
    scenario: str, left_out: tuple[str, ...]
) -> None:
    rules = [BUDGET, limit("response.p95", fail=0.3, scenario=scenario)]
    verdict = judge(replace(run(FAST), left_out=left_out), rules, {})
    assert verdict.status is (Status.PASS if left_out else Status.MISSING)


@pytest.mark.parametrize(
    ("planned", "left_out", "absent"),
    [
        (("browse",), (), []),
        (("browse", "pay"), (), ["pay"]),
        (("browse", "pay"), ("pay",), []),
        (("browse", TESTS), (), []),
    ],
)
def test_a_planned_scenario_is_there_or_left_out_by_name(
    planned: tuple[str, ...], left_out: tuple[str, ...], absent: list[str]
) -> None:
    found = absences(replace(run(FAST), left_out=left_out), {}, planned)
    assert [f.scope.scenario for f in found] == absent


def test_what_tests_add_is_not_missed_where_no_tests_were_run() -> None:
    accepted = {TESTS: baseline(sample(P95, 0.1, scenario=TESTS), scenario=TESTS)}
    assert judge(run(FAST), [BUDGET], accepted).exit_code is ExitCode.PASSED


def test_a_tolerance_without_any_baseline_is_missing_and_says_what_to_type() -> None:
    found = only(judge(run(sample(CALLS, 1.0)), [tolerance("queries.calls", fail=0.0)], {}))
    assert found.status is Status.MISSING
    assert "perfgate accept" in found.because


def test_a_flaw_makes_its_scenario_invalid_and_never_slow() -> None:
    flaw = Flaw(FlawKind.GENERATOR_SATURATED, "it had no time", scenario="browse")
    verdict = judge(run(SLOW, flaws=(flaw,)), [BUDGET], {"browse": baseline(FAST, sample(CALLS, 1.0))})
    assert {f.status for f in verdict.findings} == {Status.INVALID}
    assert verdict.exit_code is ExitCode.NOT_MEASURED


def test_a_scenario_without_a_single_sample_is_invalid_where_a_flaw_explains_it() -> None:
    flaw = Flaw(FlawKind.UNANSWERED, "8 requests to GET / were unanswered", scenario="browse")
    assert judge(run(flaws=(flaw,)), [BUDGET], {"browse": baseline(FAST)}).exit_code is ExitCode.NOT_MEASURED


def test_a_flaw_of_one_round_that_was_taken_again_spoils_nothing() -> None:
    flaw = Flaw(FlawKind.GENERATOR_SATURATED, "it had no time", scenario="browse", round=2)
    assert judge(run(FAST, flaws=(flaw,)), [BUDGET], {}).exit_code is ExitCode.PASSED


def test_a_flaw_without_any_rule_to_spoil_is_told_all_the_same() -> None:
    flaw = Flaw(FlawKind.SERVICE_DIED, "exit code 1")
    assert only(judge(run(flaws=(flaw,)), [], {})).because == "service died: exit code 1"


def test_a_failed_rule_outweighs_an_invalid_measurement() -> None:
    flaw = Flaw(FlawKind.COLLECTOR_FAILED, "broken", metrics=("bundle.*",))
    verdict = judge(run(SLOW, flaws=(flaw,)), [BUDGET, limit("bundle.brotli", fail=1)], {})
    assert verdict.exit_code is ExitCode.FAILED


def test_unsure_is_a_warning_unless_strict() -> None:
    now = run(sample(P95, 0.1))
    assert judge(now, [BUDGET], {}).exit_code is ExitCode.PASSED
    assert judge(now, [BUDGET], {}, strict=True).exit_code is ExitCode.FAILED


@pytest.mark.parametrize("reverse", [False, True])
def test_the_most_specific_rule_wins_wherever_it_stands(reverse: bool) -> None:
    rules: list[Rule] = [
        limit("response.p95", fail=0.3),
        limit("response.p95", fail=20.0, endpoint="GET /slow"),
        limit("response.p95", fail=0.2, endpoint="GET *"),
        limit("response.*", fail=0.001),
    ]
    now = run(around(P95, 9.0, endpoint="GET /slow"), FAST)
    verdict = judge(now, rules[::-1] if reverse else rules, {})
    assert {(f.scope.endpoint, f.reference) for f in verdict.findings if f.status is not Status.MISSING} == {
        ("GET /slow", 20.0),
        ("", 0.3),
    }


def test_statements_are_judged_only_by_rules_that_name_one() -> None:
    noisy = sample(CALLS, 99.0, endpoint="GET /", statement="abc")
    verdict = judge(run(sample(CALLS, 1.0), noisy), [limit("queries.calls", fail=3)], {})
    assert verdict.exit_code is ExitCode.PASSED
    named = judge(run(sample(CALLS, 1.0), noisy), [limit("queries.calls", fail=3, statement="abc")], {})
    assert named.exit_code is ExitCode.FAILED


def test_a_statement_can_be_named_by_its_text() -> None:
    now = run(sample(CALLS, 9.0, endpoint="GET /", statement="abc"), statements={"abc": "SELECT * FROM orders"})
    verdict = judge(now, [limit("queries.calls", fail=3, statement="*FROM orders*")], {})
    assert verdict.exit_code is ExitCode.FAILED


def test_judging_the_same_run_twice_says_the_same() -> None:
    now = run(SLOW, FAST, sample(SIZE, 5.0))
    assert judge(now, [BUDGET], {}) == judge(now, [BUDGET], {})


def test_unchanged_code_at_its_limit_fails_less_than_once_in_a_hundred_runs() -> None:
    """Thirty metrics whose true value lies exactly on their limit: the worst case for a false red."""
    source, runs, red = random.Random(11), 400, 0
    names = [f"GET /{index}" for index in range(30)]
    for _ in range(runs):
        samples = [
            sample(P95, *(0.3 * source.lognormvariate(0, 0.15) for _ in range(6)), endpoint=name) for name in names
        ]
        red += judge(run(*samples), [BUDGET], {}).exit_code is not ExitCode.PASSED
    assert red <= 0.01 * runs + 4 * (0.01 * 0.99 * runs) ** 0.5


def test_a_demoted_exact_sample_is_not_taken_for_certain() -> None:
    now = sample(CALLS, 1.0, 4.0, noise=Noise.SAMPLED, note="not exact here")
    assert only(judge(run(now), [limit("queries.calls", fail=2)], {})).status is Status.UNSURE
