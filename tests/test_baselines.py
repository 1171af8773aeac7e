"""Accepted runs: what is kept, what is rewritten, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perfgate import baselines
from perfgate.errors import BadRequest
from perfgate.model import Baseline, Run, Side
from tests.judge.literals import BLOCKS, CALLS, MACHINE, P95, QUIET, around, baseline, run, sample


def take(now: Run, stored: dict[str, Baseline], *globs: str) -> list[Baseline]:
    changes = baselines.changes(now, stored, globs)
    return baselines.accepted(now, stored, changes, by="me", reason="why", when="2026-02-02T00:00:00+00:00")


def test_a_first_accept_keeps_every_value() -> None:
    (kept,) = take(run(sample(CALLS, 2.0, 2.0), around(P95, 0.1)), {})
    assert kept.scenario == "browse"
    assert {key.metric for key in (s.key for s in kept.samples)} == {"queries.calls", "response.p95"}
    assert next(s for s in kept.samples if s.metric == "queries.calls").values == (2.0,)
    assert (kept.by, kept.reason, kept.commit) == ("me", "why", "1234567890")


def test_only_heads_values_are_accepted() -> None:
    base = replace(sample(CALLS, 9.0, 9.0), side=Side.BASE)
    (kept,) = take(run(sample(CALLS, 2.0, 2.0), base), {})
    assert [s.values for s in kept.samples] == [(2.0,)]


def test_sampled_values_stay_while_they_move_within_their_noise() -> None:
    stored = {"browse": baseline(sample(CALLS, 2.0), around(P95, 0.1, QUIET))}
    assert baselines.changes(run(sample(CALLS, 2.0), around(P95, 0.11, QUIET)), stored) == []
    moved = baselines.changes(run(sample(CALLS, 2.0), around(P95, 0.5, QUIET)), stored)
    assert [str(change.key) for change in moved] == ["response.p95"]


def test_an_exact_value_is_rewritten_when_it_differs_at_all() -> None:
    stored = {"browse": baseline(sample(CALLS, 1 / 3))}
    assert baselines.changes(run(sample(CALLS, 1 / 3)), stored) == []
    (change,) = baselines.changes(run(sample(CALLS, 1 / 3 + 1e-12)), stored)
    assert change.after is not None
    assert change.after.values == (1 / 3 + 1e-12,)


def test_only_the_named_metrics_are_taken() -> None:
    stored = {"browse": baseline(sample(CALLS, 1.0), sample(BLOCKS, 1.0))}
    (kept,) = take(run(sample(CALLS, 2.0), sample(BLOCKS, 2.0)), stored, "queries.c*")
    assert {s.metric: s.values[0] for s in kept.samples} == {"queries.calls": 2.0, "queries.blocks": 1.0}


def test_what_the_run_lacks_is_taken_out() -> None:
    stored = {"browse": baseline(sample(CALLS, 1.0), sample(CALLS, 1.0, endpoint="GET /gone"))}
    (kept,) = take(run(sample(CALLS, 1.0)), stored)
    assert [str(s.key) for s in kept.samples] == ["queries.calls"]


def test_a_scenario_that_was_not_run_is_left_alone() -> None:
    stored = {"pay": baseline(sample(CALLS, 1.0, scenario="pay"), scenario="pay")}
    assert baselines.changes(run(), stored) == []


def test_machines_are_never_mixed_in_one_baseline() -> None:
    elsewhere = replace(run(sample(CALLS, 2.0), around(P95, 0.1)), machine=replace(MACHINE, cores=64))
    stored = {"browse": baseline(sample(CALLS, 1.0), around(P95, 0.1), around(P95, 0.1, endpoint="GET /"))}
    (exact_only,) = take(elsewhere, stored, "queries.*")
    assert exact_only.machine == MACHINE
    with pytest.raises(BadRequest, match="another machine"):
        baselines.accepted(
            elsewhere, stored, baselines.changes(elsewhere, stored)[:2], by="me", reason="why", when="now"
        )
    (all_of_it,) = take(elsewhere, stored)
    assert all_of_it.machine.cores == 64


def test_baselines_are_read_back_from_their_folder(tmp_path: Path) -> None:
    stored = [baseline(sample(CALLS, 1.0)), baseline(sample(CALLS, 1.0, scenario=""), scenario="")]
    assert [path.name for path in baselines.write(tmp_path, stored)] == ["browse.json", "_project.json"]
    assert baselines.load_all(tmp_path) == {b.scenario: b for b in stored}
    assert baselines.load_all(tmp_path / "nowhere") == {}


def test_a_baseline_without_samples_is_removed(tmp_path: Path) -> None:
    list(baselines.write(tmp_path, [baseline(sample(CALLS, 1.0))]))
    list(baselines.write(tmp_path, [baseline()]))
    assert list(tmp_path.iterdir()) == []


def test_a_renamed_baseline_file_is_refused(tmp_path: Path) -> None:
    list(baselines.write(tmp_path, [baseline(sample(CALLS, 1.0))]))
    (tmp_path / "browse.json").rename(tmp_path / "other.json")
    with pytest.raises(BadRequest, match=r"rename it to browse\.json"):
        baselines.load_all(tmp_path)


def test_a_damaged_baseline_says_how_to_get_it_back(tmp_path: Path) -> None:
    (tmp_path / "browse.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match="git checkout"):
        baselines.load_all(tmp_path)
