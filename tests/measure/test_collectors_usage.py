"""Memory, CPU and processes of a real service under requests, and of the Postgres behind it."""

from __future__ import annotations

import http.client
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from perfgate.measure import database, service
from perfgate.measure.collector import Collector, Reading, Target
from perfgate.measure.collectors import cpu, memory, processes
from perfgate.measure.database import ServiceDatabase
from perfgate.measure.load import Load
from perfgate.measure.load.records import Record
from perfgate.measure.ownership import Owner
from perfgate.measure.service import RunningService
from perfgate.measure.usage import Usage, UsageSampler
from perfgate.model import Comparable
from perfgate.plan import Database, Service

COLLECTORS: tuple[Collector, ...] = (memory.COLLECTOR, cpu.COLLECTOR, processes.COLLECTOR)
MB = 1_000_000
# Every request burns CPU, half of it in a child that ends with it; /leak/N keeps N bytes for good.
SERVER = """
import http.server, os, sys, time
kept = []
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, number = self.path.strip("/").partition("/")
        if kind == "burn":
            if os.fork() == 0:
                burn(float(number) / 2)
                os._exit(0)
            burn(float(number) / 2)
            os.wait()
        elif kind == "leak":
            kept.append(b"x" * int(number))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Owner() as made:
        yield made


@pytest.fixture
def running(tmp_path: Path, owner: Owner) -> Iterator[RunningService]:
    asked = Service(command=shlex.join([sys.executable, "-c", SERVER, "{port}"]))
    with service.start(asked, tmp_path, {}, owner, tmp_path / "service.log") as started:
        yield started


@pytest.fixture
def postgres(tmp_path: Path, owner: Owner) -> Iterator[ServiceDatabase]:
    with database.start(Database(provider="embedded"), owner, lambda text: None) as server:
        yield server.create("head")


def ask(url: str, path: str) -> Record:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    began = time.time()
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return Record("GET /", began, began, time.time() - began, len(body), True)


@dataclass
class Stretch:
    """A round: some requests that do not count, then those that do."""

    target: Target
    running: RunningService

    def take(self, *paths: str, warmup: tuple[str, ...] = ()) -> Mapping[str, Reading]:
        with UsageSampler(self.running.processes) as sampler:
            for collector in COLLECTORS:
                collector.begin(self.target)
            for path in warmup:
                ask(self.running.url, path)
            began = time.time()
            records = tuple(ask(self.running.url, path) for path in paths)
            seconds = time.time() - began
        self.target.load, self.target.usage = load(*records, seconds=seconds), sampler.usage
        return read(self.target)


def load(*records: Record, seconds: float = 1.0) -> Load:
    return Load("browse", 1, seconds, records, asked=None, reached=1.0, generator_cpu=0.1, lag=0.0)


def read(target: Target) -> Mapping[str, Reading]:
    return {found.metric.name: found for collector in COLLECTORS for found in collector.finish(target)}


@pytest.fixture
def stretch(running: RunningService, tmp_path: Path) -> Stretch:
    return Stretch(Target(tmp_path, service=running), running)


def value(found: Mapping[str, Reading], metric: str) -> float:
    got = found[metric].value
    assert got is not None
    return got


def test_cpu_per_request_is_what_a_request_burns_without_the_warm_up(stretch: Stretch) -> None:
    found = stretch.take(*["/burn/0.04"] * 30, warmup=("/burn/0.5",) * 2)
    assert 0.038 < value(found, "cpu.per_request") < 0.055


def test_memory_follows_what_the_service_keeps(stretch: Stretch) -> None:
    before = stretch.take("/leak/0")
    after = stretch.take("/leak/50000000", "/burn/0.5")
    for metric in ("memory.rss", "memory.anonymous", "memory.pss", "memory.peak"):
        assert value(after, metric) > value(before, metric) + 30 * MB
    assert value(after, "memory.peak") >= value(after, "memory.rss") > value(after, "memory.anonymous")


def test_growth_is_bytes_kept_per_request(stretch: Stretch) -> None:
    found = stretch.take(*["/burn/0.6", "/leak/30000000", "/leak/30000000", "/burn/0.6"])
    assert value(found, "memory.growth") == pytest.approx(60 * MB / 4, rel=0.1)


def test_processes_counts_the_child_of_a_request(stretch: Stretch) -> None:
    found = stretch.take("/burn/1.0")
    assert value(found, "process.count") == 2
    assert value(found, "process.threads") == 2
    assert value(found, "process.open_files") >= 4
    assert value(found, "process.context_switches") > 0


def test_a_round_without_requests_or_without_a_service_gives_reasons_for_values(stretch: Stretch) -> None:
    stretch.take("/leak/0")
    stretch.target.load = load()
    found = read(stretch.target)
    per_request = ("cpu.per_request", "memory.growth", "process.context_switches")
    assert {found[metric].note for metric in per_request} == {"no request was answered"}
    assert all(found[metric].value is None for metric in per_request)
    stretch.target.usage = Usage(note="no process of it was seen")
    found = read(stretch.target)
    assert found["memory.rss"] == Reading(memory.RSS, None, note="no process of it was seen")
    assert found["process.threads"].value is None


def test_what_may_not_be_looked_at_is_absent_and_said_so(stretch: Stretch) -> None:
    stretch.take("/leak/0")
    assert stretch.target.usage is not None
    stretch.target.usage = replace(stretch.target.usage, open_files=(), pss=(), note="processes of another user")
    found = read(stretch.target)
    assert found["process.open_files"] == Reading(processes.OPEN_FILES, None, note="processes of another user")
    assert found["memory.pss"].value is None
    assert found["memory.peak"].note == "processes of another user"


def test_cpu_of_postgres_is_that_of_its_backends_too(stretch: Stretch, postgres: ServiceDatabase) -> None:
    stretch.target.database = postgres
    assert postgres.server.pid is not None
    for collector in COLLECTORS:
        collector.begin(stretch.target)
    with UsageSampler(stretch.running.processes) as sampler:
        began = time.time()
        with postgres.connect() as ended:
            spent = burn(ended)
        lasting = postgres.connect()
        spent += burn(lasting)
        record = Record("GET /", began, began, time.time() - began, 0, True)
    stretch.target.load, stretch.target.usage = load(record, seconds=record.seconds), sampler.usage
    found = read(stretch.target)
    lasting.close()
    assert spent > 1.0
    assert value(found, "cpu.database_per_request") == pytest.approx(spent, rel=0.3)


def burn(connection: psycopg.Connection) -> float:
    """Have a backend use half a second of CPU; how much it used."""
    from perfgate.measure import procfs

    spent = procfs.cpu_time(connection.info.backend_pid) or 0.0
    before = spent
    while spent - before < 0.5:
        connection.execute("SELECT count(*) FROM generate_series(1, 300000)")
        spent = procfs.cpu_time(connection.info.backend_pid) or 0.0
    return spent - before


def test_without_a_database_there_is_no_reading_of_its_cpu(stretch: Stretch) -> None:
    assert "cpu.database_per_request" not in stretch.take("/leak/0")


def test_every_metric_is_bound_to_the_kind_of_machine() -> None:
    metrics = [metric for collector in COLLECTORS for metric in collector.metrics]
    assert {metric.comparable for metric in metrics} == {Comparable.SAME_MACHINE}
    assert len({metric.name for metric in metrics}) == len(metrics)
