"""Small projects to gate: a service of thirty lines without a database, so that a whole run takes seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 300

SERVER = '''\
"""A service that answers at once; what it does beyond that is read from a file, so that tests can change it."""

import http.server
import pathlib
import sys
import time

behaviour = pathlib.Path(__file__).with_name("behaviour.py")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two of them wait 40 ms for each other

    def do_GET(self):
        exec(behaviour.read_text() if behaviour.exists() else "", {"self": self, "time": time})
        body = b"hello"
        self.send_response(getattr(self, "status", 200))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


print("listening on", sys.argv[1], flush=True)
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''

LOCUSTFILE = """\
from locust import FastHttpUser, constant, task


class Visitor(FastHttpUser):
    wait_time = constant(0.002)

    @task
    def hello(self):
        self.client.get("/hello")
"""

BUDGETS = """\
version: 1
service:
  command: python server.py {port}
  ready: /ready
scenarios:
  visit:
    locustfile: visit.py
    users: 2
    warmup: 100 ms
    round: 300 ms
    rounds: 3
    max_rounds: 3
    counting: 0
    timeout: 1 s
budgets:
  - metric: response.p50
    fail: 2 s
"""


@dataclass(frozen=True)
class Project:
    """A folder with a service, a locustfile and a budgets file in it."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def answer_steadily(self) -> None:
        """Have answers take a time that even a busy machine changes little: a limit far below is surely broken."""
        self.write("behaviour.py", "time.sleep(0.05)\n")

    def break_limit(self) -> None:
        """Have the limit of the answers broken, surely."""
        self.answer_steadily()
        self.replace("budgets.yaml", "fail: 2 s", "fail: 1 us")

    def perfgate(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "perfgate", *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def gate(self, *arguments: str) -> tuple[int, str, Mapping[str, Any]]:
        """Run the gate: its exit code, all it said, and its result."""
        done = self.perfgate("run", "--json", "result.json", *arguments)
        output = done.stdout + done.stderr
        assert "Traceback" not in output, output
        document = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        return done.returncode, output, document


def visit(folder: Path) -> Project:
    """The project, with all its files, in an existing folder."""
    project = Project(folder)
    project.write("server.py", SERVER)
    project.write("visit.py", LOCUSTFILE)
    project.write("budgets.yaml", BUDGETS)
    return project
