"""The live proof: `python -m benchmarks.live_proof`, from the top of the repository.

Runs the gate beside a base many times on this machine, with nothing changed and with an endpoint of the storefront made
slower by a known part, in random order, and prints how often each was red. Every run is a line in `--log` at once, so
that a proof that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PLANTED = {"": 20, "slower_5": 10, "slower_10": 10}
NAMES = {"": "nothing", "slower_5": "+5 % CPU", "slower_10": "+10 % CPU"}
TIMEOUT_S = 1200


@dataclass(frozen=True)
class Outcome:
    """How one run of the gate ended; `load` is the machine's load average when it began."""

    planted: str
    exit_code: int
    red: tuple[str, ...]
    unsure: tuple[str, ...]
    pairs: int
    disturbed: int
    seconds: float
    load: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the runs that the log lacks, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--log", type=Path, default=Path("live-proof.jsonl"), help="one line a run; default: %(default)s"
    )
    parser.add_argument("--table", action="store_true", help="print the table of the log, and measure nothing")
    asked = parser.parse_args(arguments)
    outcomes = _read(asked.log)
    if not asked.table:
        with tempfile.TemporaryDirectory(prefix="live-proof-") as folder:
            project = _project(Path(folder) / "shop")
            for planted in _left(outcomes):
                outcomes.append(_run(project, planted))
                with asked.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(asdict(outcomes[-1])) + "\n")
                print(outcomes[-1], flush=True)
    print(table(outcomes))


def _left(outcomes: Sequence[Outcome]) -> list[str]:
    """What is still to be run, in random order: a machine that changes over the hours must not favour one kind."""
    left = [
        planted
        for planted, runs in PLANTED.items()
        for _ in range(runs - sum(outcome.planted == planted for outcome in outcomes))
    ]
    random.shuffle(left)
    return left


def _read(log: Path) -> list[Outcome]:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [Outcome(**json.loads(line)) for line in lines]


def _project(folder: Path) -> Path:
    """A repository with the storefront and the proof's budgets, all committed."""
    shutil.copytree(REPOSITORY / "scenarios" / "storefront", folder / "scenarios" / "storefront")
    (folder / "scenarios" / "__init__.py").touch()
    for name in ("budgets.yaml", "products.py"):
        shutil.copy(HERE / name, folder / name)
    (folder / ".gitignore").write_text(".perfgate\n__pycache__\n", encoding="utf-8")
    identity = ["-c", "user.name=perfgate", "-c", "user.email=perfgate@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "the storefront"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


def _run(project: Path, planted: str) -> Outcome:
    env = {**os.environ, "STOREFRONT_FAULT": planted, "XDG_CACHE_HOME": str(project.parent / "cache")}
    load, began = os.getloadavg()[0], time.monotonic()
    result = project.parent / "result.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "perfgate",
            "run",
            "--diagnose",
            "never",
            "--base",
            "HEAD",
            "--quiet",
            "--json",
            str(result),
        ],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    document = json.loads(result.read_text(encoding="utf-8"))
    rounds = [facts for facts in document["run"]["rounds"] if facts["side"] == "head"]
    return Outcome(
        planted=planted,
        exit_code=done.returncode,
        red=_metrics(document, "fail"),
        unsure=_metrics(document, "unsure"),
        pairs=sum(facts["valid"] and not facts["disturbed"] for facts in rounds),
        disturbed=sum(facts["disturbed"] for facts in rounds),
        seconds=round(time.monotonic() - began, 1),
        load=round(load, 2),
    )


def _metrics(document: dict[str, list[dict[str, str]]], status: str) -> tuple[str, ...]:
    return tuple(sorted({found["metric"] for found in document["findings"] if found["status"] == status}))


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as Markdown."""
    load = statistics.median(outcome.load for outcome in outcomes)
    machine = f"{_processor()}, {os.cpu_count()} cores, load average {load:.1f} (median) when a run began"
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {machine}",
        "",
        "| planted | runs | red | unsure | green | pairs (median) | seconds (median) |",
        "|---|---|---|---|---|---|---|",
    ]
    for planted in PLANTED:
        own = [outcome for outcome in outcomes if outcome.planted == planted]
        if own:
            red = sum(outcome.exit_code == 1 for outcome in own)
            unsure = sum(outcome.exit_code == 0 and bool(outcome.unsure) for outcome in own)
            pairs, seconds = (
                statistics.median(values) for values in zip(*((o.pairs, o.seconds) for o in own), strict=True)
            )
            cells = (NAMES[planted], len(own), red, unsure, len(own) - red - unsure, f"{pairs:.0f}", f"{seconds:.0f}")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return next(
        (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line), platform.machine()
    )


if __name__ == "__main__":
    main()
