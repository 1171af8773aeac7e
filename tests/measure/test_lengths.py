"""How long rounds are: long enough for the rarest endpoint, alike on both sides, and told where that is not enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from perfgate.measure import lengths
from perfgate.measure.lengths import ENOUGH, LONGEST_S, Tally
from tests.projects import Project, visit
from tests.test_worktree import git

USERS = "users: 2"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return visit(tmp_path)


@pytest.mark.parametrize(
    ("asked", "sides", "expected"),
    [
        (1.0, [{"a": 400}], 1.0),
        (1.0, [{"a": 196}], 1.2),
        (1.0, [{"a": 196, "b": 144}], 1.7),
        (1.0, [{"a": 400}, {"a": 144}], 1.7),
        (1.0, [{"a": 144}, {"a": 400}], 1.7),
        (1.0, [{"a": 90}], 2.9),
        (1.0, [{"a": 86}], 3.0),
        (1.0, [{"a": 40}], 1.0),
        (1.0, [{"a": 1}], 1.0),
        (1.0, [{"a": 400}, {}], 1.0),
        (1.0, [{}, {}], 1.0),
        (1.0, [], 1.0),
        (8.0, [{"a": 1}], 8.0),
    ],
)
def test_the_rarest_endpoint_of_the_slower_side_says_how_long(
    asked: float, sides: Sequence[Mapping[str, int]], expected: float
) -> None:
    assert lengths.settled(asked, 1.0, sides) == expected


def test_counts_of_a_shorter_stretch_are_counts_of_a_higher_rate() -> None:
    assert (lengths.settled(0.5, 0.5, [{"a": 100}]), lengths.settled(0.5, 1.0, [{"a": 100}])) == (1.3, 2.5)


@pytest.mark.parametrize(
    ("asked", "warmup", "expected"),
    [(2.0, 2.0, (1.0, 1.0)), (0.3, 0.1, (0.05, 0.5)), (2.9, 0.0, (0.0, 0.5)), (3.0, 2.0, None), (8.0, 2.0, None)],
)
def test_requests_are_counted_in_the_warm_up_and_only_where_something_hangs_on_them(
    asked: float, warmup: float, expected: tuple[float, float] | None
) -> None:
    assert lengths.trial(asked, warmup) == expected


def tally(*rounds: Mapping[str, int]) -> Tally:
    made = Tally()
    for requests in rounds:
        made.add(requests)
    return made


def test_endpoints_with_few_requests_a_round_are_named_rarest_first() -> None:
    head, base = tally({"GET /a": 300, "GET /x": 50}, {"GET /a": 400, "GET /x": 64}), tally({"GET /a": 150})
    for sides in ([head, base], [base, head]):
        words = lengths.doubt("browse", sides)
        assert words.startswith("scenario browse: requests a round: 57 of GET /x, 150 of GET /a: their percentiles")
    many = lengths.doubt("browse", [tally({f"GET /{number}": number for number in range(10, 16)})])
    assert "10 of GET /10, 11 of GET /11, 12 of GET /12 and of 3 more endpoints" in many


@pytest.mark.parametrize(("count", "said"), [(ENOUGH - 1, True), (ENOUGH, False), (ENOUGH + 1, False)])
def test_nothing_is_said_where_every_endpoint_got_enough(count: int, said: bool) -> None:
    assert bool(lengths.doubt("browse", [tally({"GET /a": count})])) == said


def test_no_rounds_at_all_are_nobodys_doubt() -> None:
    assert lengths.doubt("browse", [tally(), tally()]) == ""


def taken(result: Mapping[str, Any]) -> set[float]:
    """How long the rounds of a run were."""
    return {round(facts["seconds"], 1) for facts in result["run"]["rounds"]}


def doubts(result: Mapping[str, Any]) -> list[str]:
    return [note for note in result["run"]["notes"] if "a round" in note]


def test_all_rounds_are_as_long_as_the_rate_of_requests_needs(project: Project) -> None:
    project.replace("budgets.yaml", USERS, "rate: 200/s")
    _, output, result = project.gate()
    (seconds,) = taken(result)
    assert 1.0 <= seconds <= 2.0, output
    assert result["run"]["loads"]["visit"]["round"] == 0.3
    assert result["run"]["rounds"][0]["index"] == 1
    page = (project.folder / ".perfgate" / "report.html").read_text(encoding="utf-8")
    assert f"3 rounds of 300 ms, taken as {seconds:.2f} s" in page


def test_a_closed_model_gets_its_requests_too(project: Project) -> None:
    _, output, result = project.gate()
    (seconds,) = taken(result)
    assert seconds <= LONGEST_S, output
    if not doubts(result):
        assert min(facts["requests"] for facts in result["run"]["rounds"]) >= ENOUGH / 2


RARE = """
    @task
    def rare(self):
        if next(numbers) % 4 == 0:
            self.client.get("/rare")
"""


def test_an_endpoint_that_stays_rare_is_told_and_stops_nothing(project: Project) -> None:
    project.replace("budgets.yaml", USERS, "rate: 60/s")
    text = (project.folder / "visit.py").read_text(encoding="utf-8")
    project.write("visit.py", f"import itertools\n{text.rstrip()}\n{RARE}\n\nnumbers = itertools.count()\n")
    code, output, result = project.gate()
    assert code == 0, output
    assert taken(result) == {0.3}
    (doubt,) = doubts(result)
    assert doubt.startswith("scenario visit: requests a round: ")
    assert "of GET /rare, " in doubt
    assert doubt in output


def test_workers_play_rounds_of_the_length_that_all_of_them_need_together(project: Project) -> None:
    project.replace("budgets.yaml", USERS, "rate: 200/s\n    workers: 2")
    _, output, result = project.gate()
    (seconds,) = taken(result)
    assert 1.0 <= seconds <= 2.0, output


SLOW = "time.sleep(0.005)"


def test_the_slower_side_decides_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "visit").mkdir()
    project = visit(tmp_path / "visit")
    project.write(".gitignore", ".perfgate\nresult.json\n")
    git(project.folder, "init", "-q", "-b", "main")
    git(project.folder, "add", "-A")
    git(project.folder, "commit", "-qm", "x")
    project.write("behaviour.py", SLOW)
    _, output, result = project.gate("--base", "HEAD")
    (seconds,) = taken(result)
    assert seconds >= 0.6 or doubts(result), output  # two users who wait 5 ms have 200 answers in half a second
    assert {facts["side"] for facts in result["run"]["rounds"]} == {"head", "base"}


HELPER = """
import subprocess

helper = subprocess.Popen(["sleep", "1000"])
"""
MORTAL = """
import pathlib
import __main__

if self.path == "/hello" and not pathlib.Path("killed").exists():
    pathlib.Path("killed").touch()
    __main__.helper.kill()
"""


def test_whoever_dies_while_requests_are_counted_is_missed_by_the_first_round(project: Project) -> None:
    text = (project.folder / "server.py").read_text(encoding="utf-8")
    project.write("server.py", text.replace('print("listening', f'{HELPER}\nprint("listening'))
    project.write("behaviour.py", MORTAL)
    _, output, result = project.gate()
    restarted = [flaw for flaw in result["run"]["flaws"] if flaw["kind"] == "service restarted"]
    assert [flaw["round"] for flaw in restarted] == [1], output
    assert "sleep (process " in restarted[0]["because"]
