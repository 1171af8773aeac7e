"""Counts that chance decides anew at each start of a service are never called red, and real ones always are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perfgate.measure.scenario import COUNTING_PASSES, MOST_PASSES
from tests.projects import Project, visit

SERVER = """\
import http.server, os, pathlib, sys
import psycopg

starts = pathlib.Path("starts")
start = int(starts.read_text()) + 1
starts.write_text(str(start))
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
more = eval(pathlib.Path("coin").read_text())

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/hello":
            connection.execute("SELECT word FROM greetings")
            if more:
                connection.execute("SELECT count(*) FROM greetings")
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SERVICE = """\
  ready: /ready
  env: {DATABASE_URL: "{database_url}"}
database:
  provider: embedded
  setup: [schema.sql]
"""
BUDGETS = """\
budgets:
  - metric: queries.calls
    regression: {fail: 0 %}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A service that sends one statement a request, whose baseline says so."""
    project = visit(tmp_path_factory.mktemp("coin"))
    project.write("server.py", SERVER)
    project.write("schema.sql", "CREATE TABLE greetings (word text); INSERT INTO greetings VALUES ('hello');")
    project.replace("budgets.yaml", "  ready: /ready\n", SERVICE)
    project.replace("budgets.yaml", "counting: 0", "counting: 2")
    project.write("budgets.yaml", (project.folder / "budgets.yaml").read_text().partition("budgets:")[0] + BUDGETS)
    tossed(project, "False")
    accepted = project.perfgate("accept", "--reason", "first baseline")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    return project


def tossed(project: Project, coin: str) -> tuple[int, str, Mapping[str, Any]]:
    """Gate the service, whose start number `start` sends a statement more where `coin` says so."""
    project.write("starts", "0")
    project.write("coin", coin)
    return project.gate()


def counted(document: Mapping[str, Any]) -> list[float]:
    """The statements a request of all endpoints together, one value a counting pass."""
    (sample,) = (
        sample
        for sample in document["samples"]
        if sample["metric"] == "queries.calls" and sample["scope"] == {"scenario": "visit"}
    )
    return list(sample["values"])


def statuses(document: Mapping[str, Any]) -> set[str]:
    return {found["status"] for found in document["findings"] if found["kind"] == "tolerance"}


def test_an_unchanged_count_is_green_after_two_passes(project: Project) -> None:
    code, output, document = tossed(project, "False")
    assert code == 0, output
    assert counted(document) == [1.0] * COUNTING_PASSES
    assert statuses(document) == {"pass"}


@pytest.mark.parametrize("other", [3, MOST_PASSES])
def test_a_count_that_one_start_contradicts_is_unsure_and_not_red(project: Project, other: int) -> None:
    code, output, document = tossed(project, f"start != {other}")
    assert code == 0, output
    assert counted(document) == [2.0] * (other - 1) + [1.0]
    assert statuses(document) == {"unsure"}
    assert "not exact here" in output


def test_a_count_that_every_start_confirms_is_red_after_seven_passes(project: Project) -> None:
    code, output, document = tossed(project, "True")
    assert code == 1, output
    assert counted(document) == [2.0] * MOST_PASSES
    assert statuses(document) == {"fail"}
    assert "SELECT count(*) FROM greetings" in output
