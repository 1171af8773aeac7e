"""`python -m tests.advice_cases`: print how good the advice is over all cases. See `--help`."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.advice_cases import gating, held_out, scoring
from tests.advice_cases.cases import CASES


def main() -> int:
    names = {case.name: case for case in (*CASES, *held_out.CASES)}
    parser = argparse.ArgumentParser(prog="python -m tests.advice_cases", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CASE", help="run these cases only")
    parser.add_argument("--jobs", type=int, default=1, help="cases at one time (default 1: they share the cores)")
    parser.add_argument("--all", action="store_true", help="print all that was said, and not the first alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the projects, with their results, in there")
    parser.add_argument(
        "--held-out", action="store_true", help="run those only that nobody had looked at when they were written"
    )
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    chosen = [names[name] for name in asked.names] or list(held_out.CASES if asked.held_out else names.values())
    began, outcomes = time.monotonic(), []
    with ThreadPoolExecutor(asked.jobs) as pool:
        for outcome in pool.map(lambda case: gating.gate(case, asked.keep), chosen):
            outcomes.append(outcome)
            print(scoring.line(outcome), flush=True)
            for said in outcome.said if asked.all else ():
                print(f"{'':24}{said.severity:6} {said.category}: {said.title}")
    for what, cases in (("", CASES), ("held out: ", held_out.CASES)):
        if some := [outcome for outcome in outcomes if outcome.case in cases]:
            print(f"{what}{scoring.summary(some)}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if scoring.score(outcomes).is_perfect else 1


if __name__ == "__main__":
    sys.exit(main())
