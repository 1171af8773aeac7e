"""The main claims about the paired decision, on a small and fixed part of the bench."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from perfgate.judge.evidence import CHANCE_OF_FALSE_RED
from perfgate.model import Status
from tests.decisions import bench, noise, recordings, rules
from tests.decisions.bench import Cell

JOBS = 150


def decided(kind: str, sd: float, effect: float, most: int = bench.MOST, jobs: int = JOBS) -> Cell:
    head, base = noise.sides(bench.seeded("test", kind, sd), kind, jobs, bench.MOST, sd)
    return bench.ours((head + math.log1p(effect), base, np.zeros_like(head)), most, noise.together(kind))


@pytest.mark.parametrize(("kind", "sd"), [("normal", 0.08), ("autocorrelated", 0.04), (noise.LUCK, 0.04)])
def test_at_most_one_unchanged_run_of_thirty_metrics_in_a_hundred_is_red(kind: str, sd: float) -> None:
    runs = 200
    own, others = bench.reds_in_runs(kind, sd, 0.0, 1, runs)
    assert own <= scipy.stats.binom.ppf(0.999, runs, CHANCE_OF_FALSE_RED)
    assert others > own, "the bench must be able to turn a rule red"


@pytest.mark.parametrize(("kind", "sd"), [("normal", 0.3), ("heavy tails (t3)", 0.3)])
def test_metrics_of_families_make_no_more_unchanged_runs_red(kind: str, sd: float) -> None:
    """Three percentiles for each of ten endpoints, nearly alike, and so much noise that no tolerance protects them."""
    runs = 150
    own, _ = bench.reds_in_runs(kind, sd, 0.8, 3, runs)
    assert own <= scipy.stats.binom.ppf(0.999, runs, CHANCE_OF_FALSE_RED)


def test_one_family_alone_alarms_and_confirms_falsely_in_one_job_of_a_hundred() -> None:
    """All chance in one family of three: the bound itself, which none of its members may take for itself."""
    jobs = 1500
    heads, bases = noise.metrics(bench.seeded("family"), "normal", jobs, bench.MOST, 3, 0.3, 0.8)
    reds = 0
    for head, base in zip(np.exp(heads).tolist(), np.exp(bases).tolist(), strict=True):
        own = [(tuple(h), tuple(b)) for h, b in zip(head, base, strict=True)]
        answers = [rules.judge(*own[i], metrics=3, relatives=[*own[:i], *own[i + 1 :]]) for i in range(3)]
        reds += any(status is Status.FAIL for status, _ in answers)
    assert 0 < reds <= CHANCE_OF_FALSE_RED * jobs


@pytest.mark.parametrize(("kind", "sd"), [("normal", 0.3), ("heavy tails (t3)", 0.3)])
def test_a_decision_with_a_whole_runs_chance_errs_in_one_job_of_a_hundred(kind: str, sd: float) -> None:
    """So much noise that the tolerance protects from nothing, and all chance on one decision: the bound itself."""
    jobs = 4000
    head, base = noise.sides(bench.seeded("bound", kind), kind, jobs, bench.MOST, sd)
    sides = [(tuple(h), tuple(b)) for h, b in zip(np.exp(head).tolist(), np.exp(base).tolist(), strict=True)]
    reds = sum(rules.judge(h, b, metrics=1)[0] is Status.FAIL for h, b in sides)
    assert 0 < reds <= CHANCE_OF_FALSE_RED * jobs


@pytest.mark.parametrize(("sd", "effect", "power"), [(0.04, 0.05, 0.8), (0.04, 0.1, 0.97), (0.08, 0.2, 0.97)])
def test_a_change_is_caught_where_the_noise_allows_it(sd: float, effect: float, power: float) -> None:
    assert decided("normal", sd, effect).red >= power


@pytest.mark.parametrize(("sd", "effect", "power"), [(0.02, 0.05, 0.95), (0.03, 0.05, 0.7), (0.04, 0.1, 0.95)])
def test_it_is_caught_and_confirmed_within_the_pairs_of_stage_one(sd: float, effect: float, power: float) -> None:
    assert decided("normal", sd, effect, rules.SCHEDULE.last).red >= power


@pytest.mark.parametrize("kind", [kind for kind in noise.KINDS if kind != noise.LUCK])
def test_ten_per_cent_is_caught_in_any_kind_of_noise(kind: str) -> None:
    assert decided(kind, 0.04, 0.1, jobs=60).red >= 0.95


def test_what_the_noise_hides_is_unsure_and_not_green() -> None:
    cell = decided("normal", 0.08, 0.05)
    assert cell.passed <= 0.1
    assert 1.0 - cell.red - cell.passed >= 0.7


@pytest.mark.parametrize(("sd", "effect"), [(0.03, 0.05), (0.04, 0.05), (0.03, 0.0), (0.04, 0.0)])
def test_fewer_pairs_are_taken_than_a_fixed_plan_of_equal_power_takes(sd: float, effect: float) -> None:
    head, base = noise.sides(bench.seeded("fixed", sd), "normal", JOBS, bench.FIXED_MOST, sd)
    changed = head + math.log1p(0.05)
    fixed = rules.fixed_pairs(changed, base, bench.ours((changed, base, np.zeros_like(base))).red)
    assert fixed is None or bench.ours((head + math.log1p(effect), base, np.zeros_like(base))).pairs < fixed


def test_a_calm_machine_decides_at_the_first_look() -> None:
    assert decided("normal", 0.01, 0.0).pairs < rules.SCHEDULE.first + 0.5


@pytest.mark.parametrize("metric", recordings.METRICS)
def test_recorded_rounds_of_unchanged_code_are_never_red(metric: str) -> None:
    rounds = recordings.recorded()
    found = recordings.pairs(rounds, 0.0, quiet=False)
    cell = bench.ours(recordings.jobs(bench.seeded(metric), found, metric, JOBS, bench.MOST, flip=True))
    assert cell.red == 0.0


def test_recorded_rounds_of_a_service_slowed_by_a_fifth_are_red() -> None:
    found = recordings.pairs(recordings.recorded(), 0.2, quiet=True)
    metric = "cpu / request"
    assert bench.ours(recordings.jobs(bench.seeded(), found, metric, JOBS, bench.MOST, flip=False)).red >= 0.85


def test_other_recordings_are_read_packed_or_plain(tmp_path: Path) -> None:
    packed = recordings.DATA / "mixed.jsonl.gz"
    plain = tmp_path / "mixed.jsonl"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    read = [recordings.pairs(recordings.recorded([path]), 0.1, quiet=False) for path in (packed, plain)]
    assert len(read[0]) == len(read[1]) > 20
