"""What recording every request costs the load generator: `python benchmarks/raw_recording.py [--rounds 20]`.

FastHttpUsers drive a small loopback service as fast as they can: rounds of Locust as it is and of Locust as perfgate
drives it, in turn and in random order. Printed are the medians and the share of Locust's rate that remains. On a busy
machine the rates are noise; CPU time for each request is not, and sets the rate once the generator has a core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

LOCUSTFILE = """\
from locust import FastHttpUser, task

class Visitor(FastHttpUser):
    @task
    def product(self):
        self.client.get("/products/17?page=2")
"""
WARMUP_S = 0.3
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


class Answering(asyncio.Protocol):
    """Answers each request, which comes in one piece on loopback, at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """One answer for each request."""
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    """Say the port, and serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Plain:
    """Locust as it is."""

    def __init__(self, folder: Path, url: str, users: int) -> None:
        from locust.env import Environment
        from locust.util.load_locustfile import load_locustfile

        classes, _ = load_locustfile(str(folder / "locustfile.py"))
        self.environment = Environment(user_classes=list(classes.values()), host=url)
        self.runner, self.users = self.environment.create_local_runner(), users

    def play(self, seconds: float) -> tuple[float, float]:
        """Requests per second, and CPU seconds a request, of one round."""
        import gevent

        self.runner.start(self.users, spawn_rate=self.users)
        gevent.sleep(WARMUP_S)
        total, began, cpu = self.environment.stats.total, time.perf_counter(), time.process_time()
        before = total.num_requests
        gevent.sleep(seconds)
        requests = total.num_requests - before
        passed, used = time.perf_counter() - began, time.process_time() - cpu
        self.runner.stop()
        return requests / passed, used / requests


class Recording:
    """Locust as perfgate drives it."""

    def __init__(self, folder: Path, url: str, users: int) -> None:
        from perfgate.measure.load import scene as scenes
        from perfgate.measure.load.protocol import Order

        self.scene = scenes.load(folder / "locustfile.py", folder)
        self.scene.environment.create_local_runner()
        self.scene.drop_statistics()
        self.order = Order(url, 1, seed=1, timeout=10.0, warmup=WARMUP_S, users=users, classes={"Visitor": users})

    def play(self, seconds: float) -> tuple[float, float]:
        """Requests per second, and CPU seconds a request, of one round."""
        from perfgate.measure.load.crowd import Crowd

        crowd = Crowd(self.scene, replace(self.order, seconds=seconds))
        crowd.start()
        crowd.settle()
        crowd.measure()
        facts = crowd.finish()
        self.scene.recorder.take()
        return facts.recorded / facts.seconds, facts.cpu * facts.seconds / facts.recorded


def generate(kind: str, port: str, seconds: float, users: int) -> None:
    """Play a round in this process for each line that comes in, and print what it gave as a line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "locustfile.py").write_text(LOCUSTFILE, encoding="utf-8")
        made = (Recording if kind == "recording" else Plain)(Path(folder), f"http://127.0.0.1:{port}", users)
    for _ in sys.stdin:
        print(json.dumps(made.play(seconds)), flush=True)


class Child:
    """This program in another role, spoken to in lines."""

    def __init__(self, *arguments: str) -> None:
        program = [sys.executable, __file__, *arguments]
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self) -> Any:
        """Send a line, and read one."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> Any:
        """The next line it prints."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


def compare(rounds: int, options: list[str]) -> None:
    """Play rounds of both kinds in turn, and print medians and the ratio."""
    service = Child("serve", *options)
    children = [service]
    try:
        port = str(service.read())
        kinds = {kind: Child(kind, "--port", port, *options) for kind in ("plain", "recording")}
        children += kinds.values()
        for kind in kinds:
            kinds[kind].ask()  # the first round of a process is slower
        taken: dict[str, list[Any]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in random.sample(sorted(kinds), 2):
                taken[kind].append(kinds[kind].ask())
    finally:
        for child in children:
            child.process.kill()
    medians = {
        kind: [statistics.median(column) for column in zip(*values, strict=True)] for kind, values in taken.items()
    }
    for kind, (rate, cpu) in medians.items():
        print(f"{kind:10} {rate:8.0f} requests/s {cpu * 1e6:8.1f} µs of CPU each")
    (plain, plain_cpu), (recording, recording_cpu) = medians["plain"], medians["recording"]
    print(f"what remains of Locust's rate: {recording / plain:.1%} (by CPU: {plain_cpu / recording_cpu:.1%})")


def main() -> None:
    """Play the role named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", nargs="?", choices=("compare", "serve", "plain", "recording"), default="compare")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--port", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "serve":
        asyncio.run(serve())
    elif arguments.role == "compare":
        compare(arguments.rounds, ["--seconds", str(arguments.seconds), "--users", str(arguments.users)])
    else:
        generate(arguments.role, arguments.port, arguments.seconds, arguments.users)


if __name__ == "__main__":
    main()
