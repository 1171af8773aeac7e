"""Base against itself: what it says can be detected is what the shipped decision detects, and what it writes holds."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from perfgate import calibration_report, runner, settings
from perfgate.calibration import MINUTES, Calibrated, Calibration, Row
from perfgate.errors import BadRequest
from perfgate.judge.detection import TOLERANCES, change, move, spread_of, tolerances, visible
from perfgate.judge.pairs import Schedule
from perfgate.judge.stretch import Pair
from perfgate.model import Better, Machine, Metric, Noise, Round, Run, Sample, Scope, Unit
from perfgate.plan import Plan, Scenario, Selector, Tolerance
from perfgate.proposals import Proposal, edited, proposals, put, settled
from perfgate.replays import Recording, Replayed, replayed
from tests.projects import Project, visit

P50 = Metric("response.p50", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "")
RATE = Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "")
SCHEDULE = Schedule(6, 20)
ALPHA = 0.01


def recording(sd: float, pairs: int = 60, together: int = 1, luck: float = 0.0) -> Recording:
    """Pairs with normal noise, of which the starts of a process have `luck` in common."""
    chance = random.Random(f"{sd}:{pairs}:{together}")
    starts = []
    for start in range(pairs // together):
        common = chance.gauss(0, luck)
        noise = [common + chance.gauss(0, sd) for _ in range(together)]
        starts.append(tuple(Pair(start, math.exp(x), 1.0) for x in noise))
    return Recording(tuple(starts))


@pytest.mark.parametrize("metric", [P50, RATE], ids=lambda metric: metric.name)
@pytest.mark.parametrize("sd", [0.01, 0.04, 0.1])
def test_the_shipped_decision_keeps_and_catches_what_is_proposed(sd: float, metric: Metric) -> None:
    recorded = recording(sd)
    spread = spread_of(recorded.pairs(1), metric.better)
    tolerance = tolerances(spread, metric.better, 20, SCHEDULE, ALPHA)[0]
    checked = replayed(recorded, metric, Tolerance(Selector("x"), None, tolerance, 0.0, ""), SCHEDULE, ALPHA, 20)
    assert checked.red == 0
    assert checked.passed >= 0.75
    assert checked.caught >= 0.75


@pytest.mark.parametrize("sd", [0.03, 0.1])
def test_the_smallest_change_that_is_seen_is_caught_and_half_of_it_is_mostly_missed(sd: float) -> None:
    recorded = recording(sd)
    seen = visible(spread_of(recorded.pairs(1), Better.LOWER), 20, SCHEDULE, ALPHA, overtime=20)
    assert seen is not None
    caught = []
    for part in (2, 4):
        rule = Tolerance(Selector("x"), None, change(seen, Better.LOWER) / part, 0.0, "")
        caught.append(replayed(recorded, P50, rule, SCHEDULE, ALPHA, 20).caught)
    assert caught[0] >= 0.7
    assert caught[1] < 0.5


def test_more_pairs_see_smaller_changes_and_too_few_see_none() -> None:
    spread = spread_of(recording(0.05).pairs(1), Better.LOWER)
    seen = [visible(spread, pairs, Schedule(6, max(pairs // 2, 6)), ALPHA) for pairs in (9, 10, 30, 100)]
    assert seen[0] is None
    found = [moved for moved in seen if moved is not None]
    assert len(found) == 3
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("alpha", [1e-5, 0.2])
def test_pairs_that_share_a_process_start_are_one_piece_of_evidence(alpha: float) -> None:
    spread = spread_of(recording(0.05).pairs(1), Better.LOWER)
    together, alone = (visible(spread, 40, Schedule(6, 20, n), alpha) for n in (2, 1))
    assert together is not None
    assert alone is not None
    assert together > 1.3 * alone


@pytest.mark.parametrize(("sd", "luck", "share"), [(0.05, 0.0, 2**-0.5), (0.005, 0.05, 1.0)])
def test_noise_averages_out_within_a_process_start_and_the_luck_of_the_start_does_not(
    sd: float, luck: float, share: float
) -> None:
    recorded = recording(sd, 60, together=2, luck=luck)
    by_start, by_pair = (spread_of(recorded.pairs(n), Better.LOWER).plain for n in (2, 1))
    assert by_start == pytest.approx(share * by_pair, rel=0.12)


def test_what_is_too_noisy_gets_no_tolerance() -> None:
    spread = spread_of(recording(2.0).pairs(1), Better.LOWER)
    assert tolerances(spread, Better.LOWER, 20, SCHEDULE, ALPHA) == []


def test_a_tolerance_is_never_below_what_the_floor_allows_anyway() -> None:
    spread = spread_of(recording(0.005).pairs(1), Better.LOWER)
    assert tolerances(spread, Better.LOWER, 20, SCHEDULE, ALPHA, floor=0.12)[0] == 0.15


def test_a_rate_cannot_lose_more_than_all() -> None:
    assert move(1.0, Better.HIGHER) == math.inf
    spread = spread_of(recording(0.001).pairs(1), Better.HIGHER)
    assert 0.5 not in tolerances(spread, Better.HIGHER, 20, SCHEDULE, ALPHA)


RULES = """\
    fail: 2 s  # for now
  - metric: response.p95
    regression: {fail: 45 %}
  - metric: response.max
    endpoint: GET /hello
    regression: {fail: 45 %}
"""

FILE = """\
version: 1   # the format
budgets:
  # how it answers
  - metric: response.p50   # the median
    warn: 100 ms
    regression: {warn: 2 %, fail: 10 %, floor: 2 ms}  # agreed in May
  - metric: response.p95
    endpoint: GET /teas
    regression:
      fail: "20 %"
  - metric: cpu.per_request
    regression: {warn: 3 %}   # to be decided

# artifacts come last
artifacts: {page: dist/*}
"""


def proposal(metric: str, tolerance: float, **places: str) -> Proposal:
    return Proposal(Selector(metric, **places), tolerance, 0.031)


@pytest.mark.parametrize(
    ("own", "old", "new"),
    [
        (proposal("response.p50", 0.05), "{warn: 2 %, fail: 10 %, f", "{warn: 2 %, fail: 5 %, f"),
        (proposal("response.p95", 0.075, endpoint="GET /teas"), 'fail: "20 %"', "fail: 7.5 %"),
        (proposal("cpu.per_request", 0.1), "{warn: 3 %}", "{fail: 10 %, warn: 3 %}"),
    ],
    ids=lambda value: value.target.metric if isinstance(value, Proposal) else "",
)
def test_a_tolerance_that_is_there_changes_in_its_place_and_nothing_else_does(
    own: Proposal, old: str, new: str
) -> None:
    assert edited(FILE, [own], "today") == FILE.replace(old, new)


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_a_metric_without_tolerance_gets_an_entry_at_the_end_of_the_list(eol: str) -> None:
    text = FILE.replace("\n", eol)
    added = (
        "  # calibrated today: noise 3.1 % a pair\n"
        "  - metric: memory.peak\n"
        "    scenario: browse\n"
        "    regression: {fail: 3 %}\n"
    )
    last = "    regression: {warn: 3 %}   # to be decided\n"
    expected = FILE.replace(last, last + added).replace("\n", eol)
    assert edited(text, [proposal("memory.peak", 0.03, scenario="browse")], "calibrated today") == expected


def test_an_entry_for_a_place_is_no_entry_for_the_metric() -> None:
    became = edited(FILE, [proposal("response.p95", 0.03)], "today")
    assert became.count("metric: response.p95") == 2
    assert 'fail: "20 %"' in became


def test_a_file_without_a_last_line_break_gets_its_entry_on_a_line_of_its_own() -> None:
    became = edited("version: 1\nbudgets:\n- metric: response.p50\n  fail: 1 s", [proposal("memory.peak", 0.1)], "x")
    assert became.endswith("  fail: 1 s\n# x: noise 3.1 % a pair\n- metric: memory.peak\n  regression: {fail: 10 %}\n")


@pytest.mark.parametrize(
    "entries",
    [
        " [{metric: response.p50, fail: 1 s}]",
        "\n- metric: response.p90\n  regression: {fail: &x 5 %}\n- metric: response.p50\n  regression: {fail: *x}",
        "\n- metric: response.p90\n  regression: &x {fail: 5 %}\n- metric: response.p50\n  regression: *x",
    ],
    ids=["a list in brackets", "an alias", "an alias of the mapping"],
)
def test_a_file_that_would_change_in_more_than_the_tolerance_is_refused(entries: str) -> None:
    with pytest.raises(BadRequest, match="left as it is"):
        edited(f"version: 1\nbudgets:{entries}\n", [proposal("response.p50", 0.02)], "today")


def calibration(*rows: Row, rules: tuple[Tolerance, ...] = (), left_out: tuple[str, ...] = ()) -> Calibration:
    """Of the scenarios that the rows are of."""
    names = sorted({row.scope.scenario for row in rows})
    plan = Plan(
        root=Path(),
        file=Path("budgets.yaml"),
        service=None,
        database=None,
        scenarios={name: Scenario(locustfile="load.py", users=1) for name in names},
        artifacts={},
        rules=rules,
        left_out=left_out,
    )
    own = [tuple(row for row in rows if row.scope.scenario == name) for name in names]
    scenarios = [Calibrated(name, 9, 9, 1.0, 1, 9, 60.0, (6,), rows, {}) for name, rows in zip(names, own, strict=True)]
    return Calibration(cast(Run, None), plan, tuple(scenarios))


def row(scenario: str, tolerance: float | None) -> Row:
    sample, target = Sample("response.p50", Scope(scenario), (1.0, 1.1)), Selector("response.p50")
    return Row(sample, Unit.SECONDS, 0.03, (None, 0.1, 0.05), target, tolerance)


def targets(found: Calibration) -> list[tuple[str, float, float | None]]:
    return [(own.target.scenario, own.tolerance, own.present) for own in proposals(found)]


def test_scenarios_share_a_rule_with_the_largest_of_their_tolerances() -> None:
    assert targets(calibration(row("browse", 0.05), row("checkout", 0.1))) == [("", 0.1, None)]


def test_a_scenario_that_keeps_no_tolerance_gets_no_rule() -> None:
    assert targets(calibration(row("browse", 0.05), row("checkout", None))) == [("browse", 0.05, None)]


def test_nothing_is_decided_for_a_scenario_that_was_not_measured() -> None:
    rule = Tolerance(Selector("response.p50"), None, 0.2, 0.0, "budgets.yaml:7")
    found = calibration(row("browse", 0.05), rules=(rule,), left_out=("checkout",))
    assert targets(found) == [("browse", 0.05, None)]


@pytest.mark.parametrize(("present", "changes"), [(0.2, [("", 0.05, 0.2)]), (0.05, [])])
def test_a_rule_that_is_there_is_changed_unless_it_says_the_same(
    present: float, changes: list[tuple[str, float, float]]
) -> None:
    rule = Tolerance(Selector("response.p50"), None, present, 0.0, "budgets.yaml:7")
    assert targets(calibration(row("browse", 0.05), row("checkout", None), rules=(rule,))) == changes


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = visit(tmp_path)
    made.replace("budgets.yaml", "round: 300 ms", "round: 200 ms")
    made.replace("budgets.yaml", "max_rounds: 3", "max_rounds: 20")
    made.replace("budgets.yaml", "    fail: 2 s\n", RULES)
    return made


def test_a_project_without_git_is_built_once_measured_twice_and_its_file_gets_tolerances(project: Project) -> None:
    project.replace("budgets.yaml", "service:\n", "service:\n  build: python build.py\n")
    project.write("build.py", "print('built', file=open('built.txt', 'a'))")
    done = project.perfgate("calibrate", "--time", "25 s", "--json", "out.json", "--write", COLUMNS="100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "built.txt").read_text() == "built\n"
    assert max(map(len, done.stdout.splitlines())) <= 100
    scenario = json.loads((project.folder / "out.json").read_text())["scenarios"]["visit"]
    metrics = {(figure["metric"], figure["endpoint"]): figure for figure in scenario["metrics"]}
    assert {(name, "") for name in ("response.p50", "response.p95", "cpu.per_request", "memory.peak")} <= metrics.keys()
    assert set(metrics["memory.peak", ""]["seen"]) == {f"{minutes} min" for minutes in MINUTES}
    assert metrics["response.max", ""]["why"]
    assert [endpoint for _, endpoint in metrics if endpoint] == ["GET /hello"]
    rules = settings.load(project.folder / "budgets.yaml", runner.known()).rules
    written = {(r.selector.metric, r.selector.endpoint): r.fail for r in rules if isinstance(r, Tolerance)}
    proposed = {name: figure["tolerance"] for name, figure in metrics.items() if figure["tolerance"] is not None}
    assert proposed
    assert written == {("response.p95", ""): 0.45, ("response.max", "GET /hello"): 0.45, **proposed}
    assert set(proposed.values()) <= set(TOLERANCES)
    text = (project.folder / "budgets.yaml").read_text()
    assert "fail: 2 s  # for now\n" in text
    assert "noise" in text


@pytest.mark.parametrize("write", [False, True])
def test_the_file_changes_when_that_is_asked_for_and_the_entries_are_shown(project: Project, write: bool) -> None:
    file = project.folder / "budgets.yaml"
    before = file.read_text()
    found = calibration(row("visit", 0.05))
    machine = Machine("A processor", 2, 2**34, "Linux", "3.11")
    run = Run(
        "", "", dirty=False, base="", machine=machine, started="2026-01-02T03:04", seconds=1.0, version="", seed=1
    )
    found = replace(found, run=run, plan=replace(found.plan, file=file))
    said = "\n".join(settled(found, write=write))
    about = "# calibrated 2026-01-02 03:04 UTC on A processor x2, 16 GiB"
    shown = f"\n  {about}\n  # noise 3.0 % a pair\n  - metric: response.p50\n"
    assert shown in said
    assert (f"{about}: noise 3.0 % a pair\n  - metric: response.p50\n" in file.read_text()) is write
    assert (file.read_text() == before) is not write
    assert [path.name for path in project.folder.iterdir() if "calibrated" in path.name] == []


def test_a_file_that_would_not_load_is_left_as_it_is(project: Project) -> None:
    file = project.folder / "budgets.yaml"
    project.replace("budgets.yaml", "version: 1\n", "version: 1\nbudget: []\n")
    before = file.read_bytes()
    with pytest.raises(BadRequest, match="budget"):
        put(file, [proposal("memory.peak", 0.1)], "today")
    assert file.read_bytes() == before
    assert len(list(project.folder.iterdir())) == 3


def test_a_time_too_short_for_a_decision_is_not_measured_and_says_how_long_to_give(project: Project) -> None:
    done = project.perfgate("calibrate", "--time", "1 ms", "--json", "out.json", "--quiet")
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.startswith("perfgate: visit: 1 pair")
    assert re.search(r"--time '\d+ min'", done.stderr)
    assert not (project.folder / "out.json").exists()


def test_a_service_that_does_not_start_is_not_measured(project: Project) -> None:
    project.write("server.py", "raise SystemExit('out of order')")
    done = project.perfgate("calibrate", "--time", "5 s")
    assert done.returncode == 3
    assert "out of order" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--time", "soon"), "--time"),
        (("--time", "0 s"), "--time"),
        (("--time", "nan s"), "--time"),
        (("--time", "180"), "no unit"),
        (("elsewhere",), "no scenario is called"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_starts(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    done = project.perfgate("calibrate", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("width", [80, 100])
def test_the_report_keeps_to_its_width_whatever_names_and_figures_are(width: int) -> None:
    plain = row("browse", 0.05)
    long = replace(plain, sample=replace(plain.sample, scope=Scope("browse", "GET /customers/{id}/orders/{id}/lines")))
    hopeless = replace(plain, seen=(None, math.inf, 0.5), tolerance=None, why="too noisy")
    checked = replace(plain, checked=Replayed(100, 1.0, 0.0, 1.0))
    round_ = Round("browse", 1, 2.0, 100, 50.0, 0.1, 0.0, 0.0, others=0.4)
    machine = Machine("A processor", 2, 2**34, "Linux", "3.11")
    run = Run("", "", dirty=False, base="", machine=machine, started="", seconds=1.0, version="", seed=1)
    found = replace(calibration(plain, long, hopeless, checked), run=replace(run, rounds=(round_,)))
    lines = calibration_report.text(found, width, colour=False).splitlines()
    assert max(map(len, lines)) <= width
    figures = [line.split() for line in lines if line.endswith("100 %")]
    assert figures == [
        ["response.p50", *["3.0", "%", "-", "10", "%", "5.0", "%", "5", "%", "100", "%", "0", "%", "100", "%"]]
    ]
    assert any("-  > 100 %" in line for line in lines)
    assert "-: no alarm and its confirmation fit into so little time." in lines
    assert json.loads(calibration_report.document(found))["scenarios"]["browse"]["metrics"][2]["seen"] == {
        "1 min": None,
        "3 min": "> 100 %",
        "10 min": 0.5,
    }
