"""Recorded rounds of a real service, and jobs put together from them.

A recording holds one JSON object a line, one second of load each: `v` is the variant (A base, A2 and B0 the same code,
B5 5 % more CPU a request, and so on), `gen`, `sr` and `blk` name the block of rounds measured in turn, `cpu` is in
nanoseconds, latencies are in microseconds. Only rounds taken in turn (`mode` int) are used.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Round = Mapping[str, Any]

DATA = Path(__file__).parent / "data"
QUIET = 1.1
"""Cores that other processes may use in either half of a pair before a runner would take it again."""

METRICS: dict[str, Callable[[Round], float]] = {
    "cpu / request": lambda r: float(r["cpu"] / r["req"]),
    "p50": lambda r: float(r["p50"]),
    "requests / s": lambda r: float(r["wall"] / r["req"]),
    "p95": lambda r: float(r["p95"]),
}
VARIANTS = {"A2": 0.0, "B0": 0.0, "B3": 0.03, "B5": 0.05, "B10": 0.10, "B20": 0.20}


def recorded(files: Sequence[Path] = ()) -> list[Round]:
    """The rounds of the files, or of those beside this module."""
    rounds: list[Round] = []
    for path in files or sorted(DATA.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            # blocks of different recordings must not meet
            rounds += [{**json.loads(line), "file": path.name} for line in lines]
    return [r for r in rounds if r.get("mode", "int") == "int"]


def others(found: Round) -> float:
    """Cores that other processes used during a round."""
    ticks = found["busy"] + found["idle"] + found["steal"]
    return float(2.0 * found["busy"] / max(ticks, 1) - found["cpu"] / 1e9 / found["wall"])


def pairs(rounds: Sequence[Round], effect: float, *, quiet: bool) -> list[tuple[Round, Round]]:
    """Head and base rounds of the same block, head being a variant slowed by `effect`."""
    blocks: dict[tuple[Any, ...], dict[str, Round]] = defaultdict(dict)
    for found in rounds:
        blocks[found["file"], found["gen"], found["sr"], found["blk"]][found["v"]] = found
    both = [
        (block[variant], block["A"])
        for block in blocks.values()
        for variant, slowed in VARIANTS.items()
        if slowed == effect and variant in block and "A" in block
    ]
    return [pair for pair in both if not quiet or max(map(others, pair)) <= QUIET]


def jobs(
    source: np.random.Generator, found: Sequence[tuple[Round, Round]], metric: str, count: int, length: int, flip: bool
) -> tuple[Array, Array, Array]:
    """Recorded pairs drawn with replacement, in arrays of shape (count, length).

    They hold the logarithms of head and of base, and how many cores more other processes used during head's half.

    With `flip`, for unchanged code, chance decides which half of each pair is called head.
    """
    read = METRICS[metric]
    values = np.array([[(math.log(read(half)), others(half)) for half in pair] for pair in found])
    drawn = values[source.integers(0, len(values), (count, length))]
    if flip:
        turned = source.random((count, length)) < 0.5
        drawn = np.where(turned[..., None, None], drawn[..., ::-1, :], drawn)
    return drawn[..., 0, 0], drawn[..., 1, 0], drawn[..., 0, 1] - drawn[..., 1, 1]
