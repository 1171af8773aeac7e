"""What of the service a closer look takes: only what may explain something red, within its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from perfgate.errors import ExitCode
from perfgate.measure import profile, secondpass
from perfgate.measure.examine import Theatre
from perfgate.measure.ownership import Owner
from perfgate.model import Finding, Flaw, FlawKind, Level, Scope, Side, Status, Unit, Verdict
from perfgate.servicelook import ServiceLook
from tests.diagnose import services
from tests.diagnose.laboratory import RUN

VISIT = Scope("visit")
LEAVES = "kept = []\n\n\ndef answer(path):\n    kept.append(b'x' * 5000)\n"
DIED = Flaw(FlawKind.SERVICE_DIED, "the service ended", "visit")


@pytest.fixture(autouse=True)
def _short_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "SECONDS", 0.2)
    monkeypatch.setattr(secondpass, "CYCLES", 5)


def finding(metric: str, scope: Scope = VISIT, status: Status = Status.FAIL) -> Finding:
    level = Level.INFO if status is Status.PASS else Level.FAIL
    return Finding(metric, scope, Unit.COUNT, status, level, "because", "limit")


def look(
    theatre: Theatre | None, *red: Finding, flaws: Sequence[Flaw] = (), until: float = math.inf, always: bool = False
) -> tuple[ServiceLook, list[str]]:
    notes: list[str] = []
    made = ServiceLook(
        {Side.HEAD: {"visit": theatre}} if theatre else {},
        replace(RUN, flaws=tuple(flaws)),
        Verdict(Status.FAIL, ExitCode.FAILED, red),
        until,
        notes.append,
        always,
    )
    made.take()
    return made, notes


@pytest.mark.parametrize(
    ("red", "flaws", "always", "expected"),
    [
        (["cpu.per_request"], [], False, "cpu"),
        (["queries.calls"], [], False, "cpu"),
        (["memory.growth"], [], False, "memory"),
        (["cpu.per_request", "memory.peak"], [], False, "cpu memory"),
        (["response.errors"], [], False, "pass"),
        ([], [DIED], False, "pass"),
        ([], [replace(DIED, side=Side.BASE)], False, ""),
        (["queries.blocks"], [], False, ""),
        ([], [], True, "cpu"),
    ],
)
def test_only_what_may_explain_something_red_is_looked_at(
    tmp_path: Path, owner: Owner, red: list[str], flaws: list[Flaw], always: bool, expected: str
) -> None:
    with services.theatre(tmp_path, owner, LEAVES) as theatre:
        found, notes = look(theatre, *map(finding, red), flaws=flaws, always=always)
    own = found.profiles[Side.HEAD].get("visit")
    taken = {
        "cpu": bool(own and own.endpoints),
        "memory": bool(own and own.grown),
        "pass": "visit" in found.passes,
    }
    assert " ".join(name for name, was in taken.items() if was) == expected
    assert not notes


@pytest.mark.parametrize(
    "other",
    [finding("cpu.per_request", Scope("other")), finding("cpu.per_request", status=Status.PASS)],
    ids=["another scenario", "a metric that passed"],
)
def test_what_is_red_elsewhere_is_no_reason(tmp_path: Path, owner: Owner, other: Finding) -> None:
    with services.theatre(tmp_path, owner) as theatre:
        found, _ = look(theatre, other)
    assert not found.profiles[Side.HEAD]


def test_when_the_time_is_over_nothing_is_begun_and_that_is_said(tmp_path: Path, owner: Owner) -> None:
    with services.theatre(tmp_path, owner) as theatre:
        found, (note,) = look(theatre, finding("cpu.per_request"), until=0.0)
    assert not found.profiles[Side.HEAD]
    assert note == "the service of scenario visit was not looked into on head: the time for it is over"


def test_a_service_that_does_not_start_any_more_is_noted_and_raises_nothing(tmp_path: Path, owner: Owner) -> None:
    with services.theatre(tmp_path, owner, "raise SystemExit(3)\n") as theatre:
        found, (note,) = look(theatre, finding("cpu.per_request"))
    assert not found.profiles[Side.HEAD]
    assert "could not be looked into on head" in note


def test_files_are_weighed_of_artifacts_that_are_red_on_every_side(tmp_path: Path) -> None:
    for side, text in {"head": "longer", "base": "short"}.items():
        (tmp_path / side / "dist").mkdir(parents=True)
        (tmp_path / side / "dist" / "app.js").write_text(text, encoding="utf-8")
    found, _ = look(None, finding("bundle.raw", Scope(artifact="shop")))
    roots = {Side.HEAD: tmp_path / "head", Side.BASE: tmp_path / "base"}
    found.weigh({"shop": ["dist/*"], "admin": ["dist/*"]}, roots)
    sizes = {
        side: {name: [one.raw for one in files] for name, files in own.items()} for side, own in found.shipped.items()
    }
    assert sizes == {Side.HEAD: {"shop": [6]}, Side.BASE: {"shop": [5]}}
