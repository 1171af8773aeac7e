"""Histories whose level shifts are known: public sets, installed or given by path, and steps put into noise."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.trend.noises import NOISES

LEVELS = ("step", "regression_start", "regression_end")
"""The labels of the Otava set that are level shifts; outliers, variance and phase are what must not be reported."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Values, and where their level shifts: one set of places for each person who looked, or the one truth."""

    name: str
    values: tuple[float, ...]
    truths: tuple[tuple[int, ...], ...]


def otava_set(seeds: Sequence[int] = (43, 44, 45)) -> Iterator[Labelled]:
    """The suite of PyPI's otava-test-data (Apache-2.0): 110 series a seed, of 50 and 500 values.

    Seed 42 served to choose the thresholds, and is left to that.
    """
    combiner = importlib.import_module("otava_test_data.generators.combiner")
    for seed in seeds:
        for series in combiner.CombinationGenerator(seed=seed).generate_all_test_cases():
            truth = tuple(sorted({label.index for label in series.change_points if label.change_type in LEVELS}))
            yield Labelled(series.generator_name, tuple(float(value) for value in series.data), (truth,))


def turing_set(folder: Path) -> Iterator[Labelled]:
    """The univariate series of a clone of the Turing Change Point Dataset (MIT), five people's labels for each."""
    labels = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("datasets/*/*.json")):
        text = path.read_text(encoding="utf-8")
        loaded: dict[str, Any] = json.loads(text) if text else {"name": "", "series": []}
        if loaded["name"] not in labels or len(loaded["series"]) != 1:
            continue
        raw = loaded["series"][0]["raw"]
        present = [place for place, value in enumerate(raw) if value is not None and value == value]
        place = {old: new for new, old in enumerate(present)}
        truths = tuple(
            tuple(place[old] for old in people if old in place) for people in labels[loaded["name"]].values()
        )
        yield Labelled(loaded["name"], tuple(float(raw[old]) for old in present), truths)


def github_benchmarks(path: Path) -> dict[str, list[float]]:
    """The series of a `data.js` that github-action-benchmark wrote."""
    text = path.read_text(encoding="utf-8")
    runs = json.loads(text[text.index("{") :])["entries"]
    series: dict[str, list[float]] = {}
    for entries in runs.values():
        for entry in entries:
            for bench in entry["benches"]:
                series.setdefault(bench["name"], []).append(float(bench["value"]))
    return series


def steps_in(series: dict[str, list[float]], size: float, each: int = 10, length: int = 80) -> Iterator[Labelled]:
    """A step of `size` at a place by chance in stretches of recorded histories, whatever these do themselves."""
    source = random.Random(5)
    for name, values in series.items():
        for _ in range(each if len(values) > length else 0):
            begin = source.randrange(len(values) - length)
            place = source.randrange(length // 2, length - 30)
            part = values[begin : begin + length]
            stepped = tuple(value * (1.0 + size) if at >= place else value for at, value in enumerate(part))
            yield Labelled(name, stepped, ((place,),))


def steps_in_noise(size: float, each: int = 8) -> Iterator[Labelled]:
    """A step of `size` after 60 of 90 values of each kind of noise."""
    for name, noise in NOISES.items():
        for number in range(each):
            values = noise(random.Random(f"{name} {number}"), 90)
            stepped = tuple(value * (1.0 + size) if at >= 60 else value for at, value in enumerate(values))
            yield Labelled(name, stepped, ((60,),))
