"""Precision, recall and delay of change points: `python -m tests.trend [--tcpd CLONE] [--history DATA.JS] [--quick]`.

The public labelled set and the method it was made for come from PyPI, with nothing but numpy and scipy besides:
`pip install --no-deps otava-test-data apache-otava`. --tcpd takes a clone of the Turing Change Point Dataset, --history
a file of github-action-benchmark to put steps into. --quick leaves out delays and all but one seed.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.trend import bench, labelled
from tests.trend.rivals import METHODS


def table(title: str, rows: Iterator[tuple[str, bench.Quality]]) -> None:
    print(f"\n{title}\n{'':16}precision  recall     F1   delay  within {bench.SOON}      time")
    for name, quality in rows:
        delay = f"{quality.delay:5.0f}" if quality.delay is not None else "    -"
        soon = f"{quality.soon:8.0%}" if quality.soon is not None else "       -"
        scores = f"{quality.precision:9.3f} {quality.recall:7.3f} {quality.f1:6.3f}"
        print(f"{name:16}{scores}   {delay}   {soon} {quality.seconds:8.2f} s", flush=True)


def compared(
    series: list[labelled.Labelled], quality: Callable[..., bench.Quality]
) -> Iterator[tuple[str, bench.Quality]]:
    for name, method in METHODS.items():
        if name == "Apache Otava" and importlib.util.find_spec("otava") is None:
            continue
        yield name, quality(series, method)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tcpd", type=Path)
    parser.add_argument("--history", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()

    def counted(series: list[labelled.Labelled], method: Callable[..., list[int]]) -> bench.Quality:
        return bench.overall(series, method, growing=not asked.quick)

    if importlib.util.find_spec("otava_test_data"):
        series = list(labelled.otava_set((43,)) if asked.quick else labelled.otava_set())
        table(f"otava-test-data: {len(series)} series, level shifts", compared(series, counted))
    else:
        print("otava-test-data is not installed: pip install --no-deps otava-test-data apache-otava")
    if asked.tcpd:
        series = list(labelled.turing_set(asked.tcpd))
        table(f"Turing Change Point Dataset: {len(series)} series, five people", compared(series, bench.by_people))
    for size in (0.05, 0.1, 0.2):
        table(f"a step of {size:+.0%} in 13 kinds of noise", compared(list(labelled.steps_in_noise(size)), counted))
    for size in (0.05, 0.1, 0.2) if asked.history else ():
        recorded = list(labelled.steps_in(labelled.github_benchmarks(asked.history), size))
        table(
            f"a step of {size:+.0%} in a recorded history (its own shifts count as false)", compared(recorded, counted)
        )


if __name__ == "__main__":
    main()
