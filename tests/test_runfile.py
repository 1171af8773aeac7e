"""Result and baseline files: read back as written, and never a traceback."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfgate import runfile
from perfgate.errors import BadRequest, PerfgateError
from perfgate.judge.verdict import judge
from perfgate.model import Asked, Baseline, Flaw, FlawKind, Round, Side
from perfgate.plan import TESTS
from perfgate.result import Result
from tests.judge.literals import CALLS, P95, around, baseline, limit, run, sample

RESULT = Result(run(around(P95, 0.1), sample(CALLS, 1.0, None), statements={"ab": "SELECT ?"}))
JUDGED = replace(RESULT, verdict=judge(RESULT.run, [limit("response.p95", fail=0.3)], {}))
BASELINE = baseline(sample(CALLS, 2.0), around(P95, 0.1), statements={"ab": "SELECT ?"})


@pytest.mark.parametrize("result", [RESULT, JUDGED], ids=["measured", "judged"])
def test_a_result_is_read_back_as_it_was_written(result: Result) -> None:
    assert runfile.load_result(runfile.dump_result(result), "result.json") == result


def test_a_result_keeps_its_contract() -> None:
    document = json.loads(runfile.dump_result(JUDGED))
    assert {"schema", "verdict", "exit_code", "run", "findings", "samples", "advice", "causes"} == set(document)
    assert {"commit", "branch", "base", "machine", "started", "seconds"} <= set(document["run"])
    wanted = {"metric", "scope", "unit", "status", "level", "because"}
    wanted |= {"observed", "reference", "change", "interval", "rounds"}
    assert wanted <= set(document["findings"][0])
    jsonschema.validate(document, runfile.schema())


def test_a_result_keeps_which_scenarios_were_left_out_and_an_older_one_left_out_none() -> None:
    result = replace(RESULT, run=replace(RESULT.run, left_out=("pay",)))
    document = json.loads(runfile.dump_result(result))
    assert document["run"]["left_out"] == ["pay"]
    jsonschema.validate(document, runfile.schema())
    del document["run"]["left_out"]
    assert runfile.load_result(json.dumps(document), "x.json") == RESULT


def test_a_sample_of_a_scenario_without_load_is_refused() -> None:
    result = replace(RESULT, run=replace(RESULT.run, loads={}))
    with pytest.raises(BadRequest, match=r"x\.json: it has samples of the scenario 'browse'"):
        runfile.load_result(runfile.dump_result(result), "x.json")


BASE_ROUND = Round("browse", 1, 2.0, 9, 4.5, 0.1, 0.0, 0.0, side=Side.BASE)
OF_BASE = replace(sample(CALLS, 2.0), side=Side.BASE)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"base": "b45e", "rounds": (BASE_ROUND,)}, "rounds of base in 'browse', and no samples"),
        ({"samples": (OF_BASE,)}, "samples of no base"),
        ({"loads": {"browse": Asked(rounds=9, max_rounds=6)}}, "more rounds than its most"),
        ({"loads": {"browse": Asked(pairs_a_start=0)}}, "pairs_a_start"),
    ],
)
def test_a_result_that_would_have_nothing_compared_is_refused(changed: dict[str, Any], said: str) -> None:
    text = runfile.dump_result(Result(replace(run(sample(CALLS, 2.0)), **changed)))
    with pytest.raises(BadRequest, match=said):
        runfile.load_result(text, "x.json")


def test_a_result_whose_base_was_lost_on_the_way_is_read() -> None:
    lost = Flaw(FlawKind.SERVICE_DIED, "gone", "browse", side=Side.BASE)
    two = replace(run(sample(CALLS, 2.0), flaws=(lost,)), base="b45e", rounds=(BASE_ROUND,))
    assert runfile.load_result(runfile.dump_result(Result(two)), "x.json").run == two


@pytest.mark.parametrize("scenario", ["", TESTS])
def test_what_belongs_to_the_project_or_to_tests_needs_no_load(scenario: str) -> None:
    result = Result(replace(run(sample(CALLS, 1.0, scenario=scenario)), loads={}))
    assert runfile.load_result(runfile.dump_result(result), "x.json") == result


@pytest.mark.parametrize("value", [1e100, -1e100, 5e-324])
def test_every_number_that_can_be_measured_is_read(value: float) -> None:
    result = Result(run(sample(CALLS, value)))
    assert runfile.load_result(runfile.dump_result(result), "x.json") == result


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1" + 101 * "0", "-1.1e100"])
def test_a_number_that_overflows_as_soon_as_it_is_added_to_another_is_refused(value: str) -> None:
    text = runfile.dump_result(Result(run(sample(CALLS, 12345.0))))
    assert "12345.0" in text
    with pytest.raises(BadRequest, match="larger than anything"):
        runfile.load_result(text.replace("12345.0", value), "x.json")


def test_a_result_is_json_even_where_a_finding_has_no_finite_bounds() -> None:
    assert JUDGED.verdict is not None
    odd = replace(JUDGED.verdict.findings[0], change=math.inf, interval=(-math.inf, 1.0), observed=math.nan)
    text = runfile.dump_result(replace(JUDGED, verdict=replace(JUDGED.verdict, findings=(odd,))))
    (read,) = runfile.load_result(text, "x.json").verdict.findings  # type: ignore[union-attr]
    assert read == replace(odd, change=None, interval=None, observed=None)


def test_a_finding_may_be_larger_than_what_it_was_found_in() -> None:
    assert JUDGED.verdict is not None
    far = replace(JUDGED.verdict.findings[0], change=1e200, interval=(-1e300, 1e300))
    result = replace(JUDGED, verdict=replace(JUDGED.verdict, findings=(far,)))
    assert runfile.load_result(runfile.dump_result(result), "x.json") == result


def test_a_baseline_is_read_back_as_it_was_written() -> None:
    loaded = runfile.load_baseline(runfile.dump_baseline(BASELINE), "browse.json")
    assert replace(loaded, samples=()) == replace(BASELINE, samples=())
    assert set(loaded.samples) == set(BASELINE.samples)


def test_a_changed_value_is_one_changed_line() -> None:
    other = replace(BASELINE, samples=(sample(CALLS, 3.0), BASELINE.samples[1]))
    before, after = (runfile.dump_baseline(b).splitlines() for b in (BASELINE, other))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_the_order_of_samples_does_not_show_in_a_baseline() -> None:
    turned = replace(BASELINE, samples=BASELINE.samples[::-1])
    assert runfile.dump_baseline(turned) == runfile.dump_baseline(BASELINE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.json:1: not JSON"),
        ("{\n]", "x.json:2: not JSON"),
        ("[]", "schema is None, this perfgate reads 1"),
        ('{"schema": 2}', "schema is 2, this perfgate reads 1"),
        ('{"schema": 1}', "Field required"),
        ('{"schema": 1, "baseline": {"scenario": NaN}}', "NaN is not a finite number"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(text: str, said: str) -> None:
    for read in (runfile.load_baseline, runfile.load_result):
        with pytest.raises(BadRequest, match=r"x\.json") as caught:
            read(text, "x.json")
        if said != "Field required":
            assert said in str(caught.value)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


def spoilt(text: str, chosen: int, junk: Any) -> str:
    document = json.loads(text)
    path = places(document)[chosen % len(places(document))]
    if not path:
        return json.dumps(junk)
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = junk
    return json.dumps(document)


@settings(max_examples=300, deadline=None)
@given(chosen=st.integers(0, 10_000), junk=PLAIN)
def test_no_spoilt_result_or_baseline_ends_in_a_traceback(chosen: int, junk: Any) -> None:
    for dump, read in (
        (runfile.dump_result(JUDGED), runfile.load_result),
        (runfile.dump_baseline(BASELINE), runfile.load_baseline),
    ):
        try:
            loaded = read(spoilt(dump, chosen, junk), "x.json")
        except PerfgateError as error:
            assert "x.json" in str(error)
        else:
            _judge_it(loaded)


def _judge_it(loaded: Result | Baseline) -> None:
    """What can be read can be judged: odd values must not end in a traceback later either."""
    rules = [limit("response.p95", fail=0.3), limit("queries.*", fail=3)]
    if isinstance(loaded, Result):
        judge(loaded.run, rules, {"browse": BASELINE})
    else:
        judge(RESULT.run, rules, {loaded.scenario: loaded})
