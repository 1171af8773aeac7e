"""A run of two sides: what head is compared with, and what base cannot tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perfgate.errors import ExitCode
from perfgate.judge.conditions import Conditions, of_pairs, usable
from perfgate.judge.verdict import judge
from perfgate.model import (
    Asked,
    Better,
    Finding,
    Flaw,
    FlawKind,
    Metric,
    Noise,
    Postgres,
    Round,
    Run,
    Sample,
    Side,
    Status,
    Unit,
    Verdict,
)
from perfgate.plan import Rule
from tests.judge.literals import (
    BLOCKS,
    CALLS,
    METRICS,
    P95,
    QUIET,
    around,
    baseline,
    elsewhere,
    limit,
    run,
    sample,
    tolerance,
)

ERRORS = Metric("response.errors", Unit.RATIO, Better.LOWER, Noise.SAMPLED, "errors")
BYTES = Metric("response.bytes", Unit.BYTES, Better.LOWER, Noise.SAMPLED, "bytes")
SLOWER = (0.99, 1.01, 1.0, 1.012, 0.988, 1.0)
PAIRS = 12


def on_base(found: Sample) -> Sample:
    return replace(found, side=Side.BASE)


def beside(*samples: Sample, flaws: tuple[Flaw, ...] = ()) -> Run:
    found = replace(run(*samples, flaws=flaws), base="b45e000000", metrics=(*METRICS, ERRORS, BYTES))
    return replace(found, loads={"browse": Asked(rounds=6, max_rounds=20)})


def of(verdict: Verdict, metric: str, endpoint: str = "") -> Finding:
    (found,) = [f for f in verdict.findings if f.metric == metric and f.scope.endpoint == endpoint]
    return found


def latency(factor: float, pairs: int = PAIRS, **scope: Any) -> Sample:
    return sample(P95, *(0.1 * factor * SLOWER[i % 6] for i in range(pairs)), **scope)


FIVE_PER_CENT = [tolerance("response.p95", fail=0.05)]


def test_head_is_compared_with_base_and_not_with_the_stored_times() -> None:
    stored = {"browse": baseline(latency(0.2))}
    verdict = judge(beside(latency(1.0), on_base(around(P95, 0.1, SLOWER * 2))), FIVE_PER_CENT, stored)
    assert of(verdict, "response.p95").status is Status.PASS


def test_only_head_is_judged_by_limits() -> None:
    verdict = judge(beside(latency(1.0), on_base(latency(50.0))), [limit("response.p95", fail=0.2)], {})
    assert [f.status for f in verdict.findings] == [Status.PASS]


def test_a_change_that_fresh_pairs_confirm_is_red() -> None:
    verdict = judge(beside(latency(1.2), on_base(around(P95, 0.1, QUIET * 2))), FIVE_PER_CENT, {})
    assert of(verdict, "response.p95").status is Status.FAIL
    assert verdict.exit_code is ExitCode.FAILED


def test_a_change_that_is_not_confirmed_yet_is_no_red() -> None:
    verdict = judge(beside(latency(1.2, 6), on_base(around(P95, 0.1, SLOWER))), FIVE_PER_CENT, {})
    found = of(verdict, "response.p95")
    assert (found.status, found.confirming) == (Status.UNSURE, True)
    assert found.needed > 6


def test_without_a_baseline_counts_are_compared_with_base() -> None:
    rules = [tolerance("queries.calls", fail=0.0)]
    same = judge(beside(sample(CALLS, 3.0, 3.0), on_base(sample(CALLS, 3.0, 3.0))), rules, {})
    assert of(same, "queries.calls").status is Status.PASS
    more = judge(beside(sample(CALLS, 4.0, 4.0), on_base(sample(CALLS, 3.0, 3.0))), rules, {})
    assert of(more, "queries.calls").status is Status.FAIL


def test_what_was_accepted_binds_counts_whatever_base_does() -> None:
    rules, stored = [tolerance("queries.calls", fail=0.0)], {"browse": baseline(sample(CALLS, 4.0))}
    verdict = judge(beside(sample(CALLS, 4.0, 4.0), on_base(sample(CALLS, 3.0, 3.0))), rules, stored)
    assert of(verdict, "queries.calls").status is Status.PASS


@pytest.mark.parametrize(
    ("accepted", "counted", "said"),
    [
        (3.0, 3.0, "unchanged against the baseline of abcdef01"),
        (4.0, 3.0, "3, was 4 in the baseline of abcdef01"),
        (2.9, 3.0, "3, was 2.90 in the baseline of abcdef01: within tolerance"),
    ],
)
def test_a_count_says_what_binds_it_also_where_base_has_the_same(accepted: float, counted: float, said: str) -> None:
    rules, stored = [tolerance("queries.calls", fail=0.5)], {"browse": baseline(sample(CALLS, accepted))}
    two = beside(sample(CALLS, counted, counted), on_base(sample(CALLS, counted, counted)))
    bound, unbound = (of(judge(two, rules, known), "queries.calls") for known in (stored, {}))
    assert bound.because == said
    assert (bound.against, unbound.against) == ("baseline", "base")


def test_every_finding_with_a_reference_says_what_that_is() -> None:
    rules: list[Rule] = [*FIVE_PER_CENT, limit("response.p95", fail=0.2)]
    found = judge(beside(latency(1.0), on_base(latency(1.0))), rules, {}).findings
    assert {f.kind: f.against for f in found} == {"tolerance": "base", "limit": "limit"}
    added = judge(beside(latency(1.0)), FIVE_PER_CENT, {}).findings
    assert [(f.reference, f.against) for f in added] == [(None, "")]


def test_a_red_that_base_shares_says_so() -> None:
    rules, stored = [tolerance("queries.calls", fail=0.0)], {"browse": baseline(sample(CALLS, 3.0))}
    verdict = judge(beside(sample(CALLS, 4.0, 4.0), on_base(sample(CALLS, 4.0, 4.0))), rules, stored)
    assert "base has the same" in of(verdict, "queries.calls").because


def test_base_stands_in_for_counts_that_were_accepted_on_another_postgres() -> None:
    rules, stored = [tolerance("queries.blocks", fail=0.1)], {"browse": elsewhere(baseline(sample(BLOCKS, 9.0)))}
    verdict = judge(beside(sample(BLOCKS, 5.0, 5.0), on_base(sample(BLOCKS, 5.0, 5.0))), rules, stored)
    assert of(verdict, "queries.blocks").status is Status.PASS


def test_an_endpoint_that_base_lacks_is_new_and_no_pass() -> None:
    verdict = judge(beside(latency(1.0, endpoint="GET /added")), FIVE_PER_CENT, {})
    assert of(verdict, "response.p95", "GET /added").status is Status.NEW


def test_an_endpoint_that_base_refuses_is_new_and_so_is_the_whole() -> None:
    added: dict[str, Any] = {"endpoint": "GET /added"}
    served, refused = sample(ERRORS, *[0.0] * PAIRS, **added), on_base(sample(ERRORS, *[1.0] * PAIRS, **added))
    times = [latency(1.0), latency(1.0, **added), latency(1.0, endpoint="GET /old")]
    rules = [*FIVE_PER_CENT, tolerance("queries.calls", fail=0.0)]
    counts = [sample(CALLS, 2.0, 2.0, **added), on_base(sample(CALLS, 0.0, 0.0, **added))]
    two = beside(*times, *map(on_base, times), served, refused, *counts)
    verdict = judge(two, rules, {})
    assert of(verdict, "response.p95").status is Status.NEW
    assert "does not serve GET /added" in of(verdict, "response.p95").because
    assert of(verdict, "response.p95", "GET /added").status is Status.NEW
    assert of(verdict, "response.p95", "GET /old").status is Status.PASS
    assert not [f for f in verdict.findings if f.status is Status.FAIL]


def test_an_endpoint_that_head_breaks_is_no_endpoint_that_base_lacks() -> None:
    broken = sample(ERRORS, *[1.0] * PAIRS, endpoint="GET /old")
    verdict = judge(
        beside(broken, on_base(replace(broken, values=(0.0,) * PAIRS))), [limit("response.errors", 0.01)], {}
    )
    assert of(verdict, "response.errors", "GET /old").status is Status.FAIL


def test_a_base_that_could_not_be_measured_is_told_and_makes_nothing_green_or_red() -> None:
    lost = Flaw(FlawKind.NOT_MEASURED, "it does not start", "browse", side=Side.BASE)
    verdict = judge(beside(latency(1.0), flaws=(lost,)), FIVE_PER_CENT, {})
    assert {f.status for f in verdict.findings} == {Status.NEW}
    assert "it does not start" in of(verdict, "measurement").because
    assert verdict.exit_code is ExitCode.PASSED


def test_a_flaw_of_base_alone_spoils_nothing_of_head() -> None:
    lost = Flaw(FlawKind.SERVICE_DIED, "gone", "browse", side=Side.BASE)
    verdict = judge(beside(latency(1.0), flaws=(lost,)), [limit("response.p95", fail=1.0)], {})
    assert of(verdict, "response.p95").status is Status.PASS


def facts(side: Side, index: int, *, effort: float = 1e-4, others: float = 0.0, disturbed: bool = False) -> Round:
    return Round(
        scenario="browse",
        index=index,
        seconds=2.0,
        requests=1000,
        reached=500.0,
        generator_cpu=effort * 1000 / 2.0,
        lag=0.0,
        sampler_cpu=0.0,
        side=side,
        others=others,
        disturbed=disturbed,
    )


def paired(efforts: list[float]) -> Run:
    rounds = [facts(Side.BASE, i, effort=1e-4) for i, _ in enumerate(efforts)]
    rounds += [facts(Side.HEAD, i, effort=1e-4 * effort) for i, effort in enumerate(efforts)]
    return replace(beside(), rounds=tuple(rounds))


AROUND_ONE = [1.1, 0.9, 1.2, 0.85, 1.05, 0.95]


def test_conditions_are_those_of_the_pairs_that_count() -> None:
    two = replace(
        beside(),
        rounds=(
            facts(Side.HEAD, 1, others=0.5),
            facts(Side.BASE, 1, others=0.2),
            facts(Side.HEAD, 2, others=9.0, disturbed=True),
            facts(Side.BASE, 2, disturbed=True),
            facts(Side.BASE, 3, others=0.4),
            facts(Side.HEAD, 3, others=0.1),
        ),
    )
    assert of_pairs(two, "browse") == [pytest.approx(Conditions(0.3, 0.0)), pytest.approx(Conditions(-0.3, 0.0))]


def test_effort_that_lies_around_zero_tells_the_speed_of_the_machine() -> None:
    assert any(pair.effort > 0.1 for pair in of_pairs(paired(AROUND_ONE), "browse"))


def test_effort_that_the_change_itself_makes_is_not_taken_out() -> None:
    assert usable("effort", of_pairs(paired(AROUND_ONE), "browse"))
    assert not usable("effort", of_pairs(paired([1.3 * effort for effort in AROUND_ONE]), "browse"))


def test_effort_says_nothing_where_answers_have_another_size() -> None:
    two = paired(AROUND_ONE)
    bigger = [sample(BYTES, *(1100.0 + i for i in range(6))), on_base(sample(BYTES, *(1000.0 + i for i in range(6))))]
    assert not usable("effort", of_pairs(replace(two, samples=tuple(bigger)), "browse"))
    assert usable("company", of_pairs(replace(two, samples=tuple(bigger)), "browse"))


def test_an_endpoint_that_only_base_was_asked_for_is_missing_and_a_rare_one_unsure() -> None:
    asked = [
        sample(ERRORS, *[0.0] * PAIRS, endpoint="GET /gone"),
        sample(ERRORS, 0.0, *[None] * 11, endpoint="GET /rare"),
    ]
    verdict = judge(beside(latency(1.0), *map(on_base, asked)), [limit("response.p95", fail=1.0)], {})
    assert of(verdict, "measurement", "GET /gone").status is Status.MISSING
    assert of(verdict, "measurement", "GET /rare").status is Status.UNSURE


@pytest.mark.parametrize(("size", "warned"), [(0.0, True), (499.0, True), (501.0, False), (2001.0, True)])
def test_answers_of_another_size_are_doubted(size: float, warned: bool) -> None:
    page: dict[str, Any] = {"endpoint": "GET /page"}
    sizes = [sample(BYTES, *[size] * 6, **page), on_base(sample(BYTES, *[1000.0] * 6, **page))]
    verdict = judge(beside(latency(1.0), *sizes), [limit("response.p95", fail=1.0)], {})
    assert [f.status for f in verdict.findings if f.metric == "response.bytes"] == [Status.WARN] * warned


def test_a_red_between_equal_commits_says_that_no_commit_makes_it() -> None:
    two = beside(latency(1.2), on_base(around(P95, 0.1, QUIET * 2)))
    assert (
        "both sides are the same commit"
        in of(judge(replace(two, commit=two.base), FIVE_PER_CENT, {}), "response.p95").because
    )


def test_without_a_baseline_and_without_base_a_tolerance_is_new() -> None:
    lost = Flaw(FlawKind.NOT_MEASURED, "it does not start", side=Side.BASE)
    verdict = judge(beside(sample(CALLS, 3.0, 3.0), flaws=(lost,)), [tolerance("queries.calls", fail=0.0)], {})
    assert of(verdict, "queries.calls").status is Status.NEW
    assert verdict.exit_code is ExitCode.PASSED


def test_a_collector_that_fails_on_base_alone_is_the_reason_that_is_told() -> None:
    failed = Flaw(FlawKind.COLLECTOR_FAILED, "no such view", "browse", side=Side.BASE, metrics=("response.*",))
    verdict = judge(beside(latency(1.0), flaws=(failed,)), FIVE_PER_CENT, {})
    assert "no such view" in of(verdict, "response.p95").because


def test_judging_does_not_depend_on_the_postgres_that_both_sides_share() -> None:
    two = beside(sample(CALLS, 3.0, 3.0), on_base(sample(CALLS, 3.0, 3.0)))
    other = replace(two, postgres=Postgres("docker", "15.1"))
    rules = [tolerance("queries.calls", fail=0.0)]
    assert judge(two, rules, {}).findings == judge(other, rules, {}).findings
