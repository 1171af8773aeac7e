"""A load worker for `workers:` and `master:`: `python -m perfgate.measure.load.worker --master HOST:PORT -f FILE`.

Connects to the driver of a perfgate run, plays the rounds that it orders, and ends when the run ends. Needs the same
version of perfgate and the same locustfile; see docs/distributed-load.md.
"""

from __future__ import annotations

import locust  # noqa: F401  # first, for it patches what others import  # isort: skip

import argparse
import sys
from pathlib import Path

from perfgate.measure.load.distributed import WorkerPart
from perfgate.measure.load.driver import prepare_process
from perfgate.measure.load.scene import BadLocustfile, load


def main() -> int:
    """Serve one master; the exit code is 0 when it said goodbye."""
    parser = argparse.ArgumentParser(prog="python -m perfgate.measure.load.worker", description="A load worker.")
    parser.add_argument("--master", required=True, metavar="HOST:PORT", help="where `master:` of the scenario listens")
    parser.add_argument("-f", "--locustfile", required=True, type=Path, help="the scenario's locustfile")
    arguments = parser.parse_args()
    host, _, port = arguments.master.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--master {arguments.master}: write it like perfgate:5557")
    prepare_process()
    path = arguments.locustfile.resolve()
    try:
        scene = load(path, Path.cwd())
        part = WorkerPart(scene, host, int(port), path)
    except (BadLocustfile, OSError) as error:
        print(f"{error}\n  {getattr(error, 'hint', f'is there a master at {arguments.master}?')}", file=sys.stderr)
        return 2
    scene.drop_statistics()
    scene.events.init.fire(environment=scene.environment, runner=part.runner, web_ui=None)
    part.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
