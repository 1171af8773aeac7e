"""Services of a few lines, run with an agent in them and driven as a stand drives them, without a database."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perfgate.measure import load
from perfgate.measure.examine import Theatre
from perfgate.measure.ownership import Owner
from perfgate.measure.stand import Stand
from perfgate.measure.stopwatch import Stopwatch
from perfgate.model import Side
from perfgate.plan import Plan, Scenario, Service

SERVER = """\
import http.server
import os
import sys

import work


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        status = work.answer(self.path) if self.path != "/ready" else 200
        self.send_response(status or 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
"""

SERVING = "server.serve_forever()\n"

FORKING = """\
if os.fork() == 0:
    server.serve_forever()
os.wait()
"""

ASYNC = """\
import asyncio

server.server_close()


async def talk(reader, writer):
    while line := await reader.readline():
        while (await reader.readline()).strip():
            pass
        path = line.split()[1].decode()
        if path != "/ready":
            await work.answer(path)
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
        await writer.drain()


async def main():
    async with await asyncio.start_server(talk, "127.0.0.1", int(sys.argv[1])) as listener:
        await listener.serve_forever()


asyncio.run(main())
"""

LOCUSTFILE = """\
from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def one(self):
        self.client.get("/one")

    @task
    def two(self):
        self.client.get("/two")
"""

WORK = '''\
import time


def burn(seconds):
    """Spend CPU time."""
    done = time.thread_time() + seconds
    while time.thread_time() < done:
        pass


def answer(path):
    burn(0.004 if path == "/one" else 0.0005)
'''

_names = itertools.count()


@contextmanager
def theatre(
    folder: Path,
    owner: Owner,
    work: str = WORK,
    *,
    serving: str = SERVING,
    command: str = "",
    side: Side = Side.HEAD,
    **env: str,
) -> Iterator[Theatre]:
    """A theatre of one scenario with the endpoints GET /one and GET /two, which `work.answer(path)` serves.

    It may return a status.
    """
    for name, text in {"server.py": SERVER + serving, "work.py": work, "visit.py": LOCUSTFILE}.items():
        (folder / name).write_text(text, encoding="utf-8")
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    service = Service(command or f"{sys.executable} server.py {{port}}", ready="/ready", env=env)
    scenario = Scenario("visit.py", users=1, timeout=2.0)
    plan = Plan(folder, folder / "budgets.yaml", service, None, {"visit": scenario}, {}, ())
    stand = Stand(plan, side, folder, None, owner, logs, Stopwatch(), lambda _: None)
    with load.start("visit", scenario, folder, owner, owner.folder(f"load-{next(_names)}")) as generator:
        yield Theatre("visit", stand, generator)
