"""`python -m tests.decisions`: print the bench's tables. See `--help`."""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.decisions import bench, noise, rules

RUN_NOISES = (
    ("normal", 0.04),
    ("normal", 0.08),
    ("heavy tails (t3)", 0.08),
    ("autocorrelated", 0.04),
    (noise.LUCK, 0.04),
)


FAMILY = 3
"""Percentiles of one endpoint, say."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.decisions", description=bench.__doc__)
    parser.add_argument("--fast", action="store_true", help="a quarter of the jobs")
    parser.add_argument("--jobs", type=int, default=400, help="jobs in a cell (default 400)")
    parser.add_argument("--processes", type=int, default=None, help="processes to share the work (default: one a core)")
    parser.add_argument(
        "--rounds", nargs="+", type=Path, default=[], metavar="FILE", help="replay these recordings only"
    )
    asked = parser.parse_args()
    jobs = max(asked.jobs // 4, 25) if asked.fast else asked.jobs
    with ProcessPoolExecutor(asked.processes) as pool:
        decisions(pool, jobs, asked.rounds)
        if not asked.rounds:
            whole_runs(pool, 5 * jobs)


def decisions(pool: ProcessPoolExecutor, jobs: int, files: list[Path]) -> None:
    schedule = rules.SCHEDULE
    print(f"One decision among {rules.METRICS}, tolerance {rules.TOLERANCE:.0%}, {jobs} jobs a cell:")
    print("% red / % passed / mean pairs; the rest is unsure. The false-alarm rate is what is red at +0 %.")
    print(
        f"perfgate looks from {schedule.first} pairs to {schedule.last}, and confirms with up to {schedule.last} more."
    )
    label = ""
    for row in bench.single_decisions(pool, jobs, files):
        if row.noise != label:
            label = row.noise
            print(f"\n{label:34}" + "".join(f"{f'{effect:+.0%}':>23}" for effect in bench.EFFECTS))
        print(f"  {row.rule:32}" + "".join(f"{_cell(cell):>23}" for cell in row.cells), flush=True)


def _cell(cell: bench.Cell) -> str:
    passed = "" if math.isnan(cell.passed) else f"{cell.passed * 100:.1f}"
    pairs = f"> {bench.FIXED_MOST}" if math.isnan(cell.pairs) else f"{cell.pairs:.1f}"
    return f"{cell.red * 100:.1f} / {passed:>5} / {pairs:>4}"


def whole_runs(pool: ProcessPoolExecutor, runs: int) -> None:
    print(f"\nUnchanged runs of {rules.METRICS} metrics: red of {runs}; pairs taken, all decided (of {runs // 50})")
    cells = [(*found, *alike) for found in RUN_NOISES for alike in ((0.0, 1), (0.8, 1), (0.8, FAMILY))]
    reds = [pool.submit(bench.reds_in_runs, *cell, runs) for cell in cells]
    costs = [pool.submit(bench.pairs_of_runs, *cell, runs // 50) for cell in cells]
    for (kind, sd, correlation, family), red, cost in zip(cells, reds, costs, strict=True):
        own, others = red.result()
        pairs, decided = cost.result()
        whose = f" in {rules.METRICS // family} families" if family > 1 else ""
        label = f"{kind}, {sd:.0%}, correlation {correlation}{whose}"
        print(f"  {label:58} perfgate {own:3} ({own / runs:.2%})  Mann-Whitney U {others / runs:4.0%}", end="")
        print(f"  {pairs:5.1f} pairs, {decided:4.0%} decided", flush=True)


if __name__ == "__main__":
    main()
