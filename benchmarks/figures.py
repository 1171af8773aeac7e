"""perfgate's own figures: `python benchmarks/figures.py [startup|plugin|judging|overhead]...`, all when none is named.

Whatever is compared is timed in turn, A B A B, so that a drift of the machine's speed meets both; medians are printed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from perfgate.judge.verdict import judge
from perfgate.model import Asked, Baseline, Better, Machine, Metric, Noise, Run, Sample, Scope, Unit
from perfgate.plan import Limit, Selector, Tolerance

ROOT = Path(__file__).parents[1]
REPEATS = 11
FINDINGS = 10_000


def seconds(command: Sequence[str]) -> float:
    """The wall time of a command that has to succeed."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - began


def beside(name: str, command: Sequence[str], other_name: str, other: Sequence[str]) -> None:
    """Time two commands in turn, and print the medians and the median ratio."""
    pairs = [(seconds(command), seconds(other)) for _ in range(REPEATS)]
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name}: {first * 1e3:.0f} ms, {other_name}: {second * 1e3:.0f} ms, ratio {ratio:.2f} ({REPEATS} pairs)")


def startup() -> None:
    """`perfgate --help` beside the import of the library that reads its command line."""
    beside(
        "perfgate --help",
        [sys.executable, "-m", "perfgate", "--help"],
        "python -c 'import click'",
        [sys.executable, "-c", "import click"],
    )


def plugin() -> None:
    """pytest with the plugin installed but not asked for, beside pytest without it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
        base = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", folder]
        beside("pytest with the plugin", base, "without it", [*base, "-p", "no:perfgate"])


def judging() -> None:
    """The verdict on 10,000 samples, half exact against a baseline and half sampled against a limit."""
    exact = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "")
    sampled = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "")
    machine = Machine("cpu", 2, 2**32, "Linux", "3")
    samples = tuple(
        Sample(metric.name, Scope("browse", f"GET /{index}"), (1.0,) * rounds, noise=metric.noise)
        for metric, rounds in ((exact, 2), (sampled, 6))
        for index in range(FINDINGS // 2)
    )
    run = Run(
        "", "", False, "", machine, "", 0.0, "", 1, loads={"browse": Asked(rounds=6, max_rounds=12)},
        metrics=(exact, sampled), samples=samples,
    )  # fmt: skip
    accepted = {"browse": Baseline("browse", "", "", "", "", machine, metrics=(exact, sampled), samples=samples)}
    rules = [
        Tolerance(Selector("queries.calls"), None, 0.0, 0.0, "a"),
        *(Limit(Selector("response.p95", endpoint=f"GET /{i}*"), None, 2.0, f"b{i}") for i in range(10)),
    ]
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        verdict = judge(run, rules, accepted)
        spent.append(time.perf_counter() - began)
    print(f"judging {len(verdict.findings)} findings: {statistics.median(spent):.2f} s (median of {REPEATS})")


def overhead() -> None:
    """A whole run of the storefront: its wall time, and what of it was no load. The first run fills the caches."""
    for which in ("first", "second"):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, "-m", "perfgate", "run", "--quiet", "--json", file.name]
            began = time.perf_counter()
            subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
            wall = time.perf_counter() - began
            run = json.loads(Path(file.name).read_text(encoding="utf-8"))["run"]
        load = sum(run["phases"][phase] for phase in ("rounds", "counting"))
        sampling = max(facts["sampler_cpu"] for facts in run["rounds"])
        print(f"{which} run: {wall:.1f} s, of them load {load:.1f} s and the rest {wall - load:.1f} s;")
        print(f"  of the rest: {', '.join(f'{k} {v:.1f} s' for k, v in run['phases'].items())}")
        print(f"  sampling took at most {sampling * 100:.2f} % of a core in a round")


BENCHMARKS: dict[str, Callable[[], None]] = {
    "startup": startup,
    "plugin": plugin,
    "judging": judging,
    "overhead": overhead,
}


def main(names: Sequence[str]) -> None:
    """Run the named benchmarks."""
    for name in names or BENCHMARKS:
        print(f"== {name}")
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
