"""Load by several processes over Locust's master and workers: no record gets lost, and no worker does unnoticed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import load
from perfgate.measure.ownership import Owner
from perfgate.model import FlawKind
from tests.measure.locustfiles import harness
from tests.measure.locustfiles.harness import NOISE, Service, Stage, eventually, kinds, serving, unrecorded

TIMED = """
class Visitor(FastHttpUser):
    wait_time = constant(0.002)

    @task
    def fast(self):
        self.client.get(f"/fast/{os.getpid()}/{time.time()}", name=f"by {os.getpid()}")
"""


@pytest.fixture
def service(owner: Owner, tmp_path: Path) -> Iterator[Service]:
    with serving(owner, tmp_path) as service:
        yield service


@pytest.fixture
def stage(owner: Owner, tmp_path: Path) -> Stage:
    return harness.stage(owner, tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_two_workers_share_the_users_and_lose_nothing(service: Service, stage: Stage) -> None:
    with stage.generator(TIMED, users=5, workers=2, round=4.0) as generator:  # longer than Locust's report interval
        made = generator.round(service.url, 1, warmup=0.2)
        log = service.log()
        workers = {entry.path.split("/")[2] for entry in log}
        assert len(workers) == 2
        for worker in workers:  # each has a window of its own, a moment before or after the other's
            records = [record for record in made.records if record.endpoint == f"GET by {worker}"]
            assert len(records) > 100
            assert unrecorded(records, [entry for entry in log if entry.path.split("/")[2] == worker]) == []
        assert kinds(made) <= NOISE
        assert made.reached == pytest.approx(len(made.records) / 4.0)
        counted = generator.count(service.url, lambda endpoint: None)
        assert len(counted.records) == 5
        assert len({entry.path.split("/")[2] for entry in service.log()} - workers) == 1


def test_two_workers_share_the_rate(service: Service, stage: Stage) -> None:
    with stage.generator(TIMED, users=None, rate=60.0, workers=2, round=1.0) as generator:
        made = generator.round(service.url, 1, warmup=0.2)
    assert len(made.records) == pytest.approx(60, abs=3)
    assert len({entry.path.split("/")[2] for entry in service.log()}) == 2
    assert made.asked == 60.0


def test_a_worker_that_is_killed_is_missed_and_replaced_for_the_next_round(service: Service, stage: Stage) -> None:
    with stage.generator(TIMED, users=4, workers=2, round=2.0, timeout=2.0) as generator:
        generator.ready()
        victim = generator._workers[0].pid

        def murder() -> None:
            eventually(lambda: str(victim) in {entry.path.split("/")[2] for entry in service.log()})
            os.kill(victim, signal.SIGKILL)

        murderer = threading.Thread(target=murder)
        murderer.start()
        made = generator.round(service.url, 1, warmup=0.5)
        murderer.join()
        (flaw,) = [flaw for flaw in made.flaws if flaw.kind is FlawKind.WORKER_LOST]
        assert re.fullmatch(r"worker \S+: disconnected", flaw.because)
        assert made.records  # of the other one
        assert kinds(generator.round(service.url, 2, warmup=0.2)) <= NOISE


def remote_worker(owner: Owner, stage: Stage, port: int, locustfile: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "perfgate.measure.load.worker", "--master", f"127.0.0.1:{port}", "-f", locustfile]
    return owner.spawn(program, cwd=stage.folder)


def test_workers_that_connect_from_elsewhere_play_the_rounds_and_leave_with_the_master(
    service: Service, stage: Stage, owner: Owner
) -> None:
    port = free_port()
    plan: dict[str, Any] = {"master": f"127.0.0.1:{port}", "expect_workers": 2}
    with stage.generator(TIMED, users=4, **plan) as generator:
        workers = [remote_worker(owner, stage, port, generator.plan.locustfile) for _ in range(2)]
        made = generator.round(service.url, 1, warmup=0.2)
    assert kinds(made) <= NOISE
    assert {entry.path.split("/")[2] for entry in service.log()} == {str(worker.pid) for worker in workers}
    assert [worker.wait(30) for worker in workers] == [0, 0]


def test_workers_that_do_not_come_or_play_something_else_are_said(
    stage: Stage, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    plan: dict[str, Any] = {"master": f"127.0.0.1:{port}", "expect_workers": 2}
    with stage.generator(TIMED, users=4, **plan) as generator:
        remote_worker(owner, stage, port, generator.plan.locustfile)
        remote_worker(owner, stage, port, stage.write(TIMED + "\n# another one\n"))
        with pytest.raises(NotMeasured, match=r"worker \S+ has perfgate \S+ and locustfile \w+, the master"):
            generator.ready()
    monkeypatch.setattr(load, "WORKERS_TIMEOUT_S", 1.0)
    with stage.generator(TIMED, users=4, **plan) as generator:
        with pytest.raises(NotMeasured, match="0 of 2 workers connected in 1 s") as missing:
            generator.ready()
        assert f"perfgate.measure.load.worker --master 127.0.0.1:{port}" in missing.value.hint


def test_a_taken_port_and_a_malformed_address_are_refused(stage: Stage) -> None:
    with pytest.raises(BadRequest, match="`master: 5557` is no address"), stage.generator(TIMED, master="5557"):
        pytest.fail("started")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            stage.generator(TIMED, users=4, master=address, expect_workers=1) as generator,
            pytest.raises(BadRequest, match=f"nothing can listen on {address}"),
        ):
            generator.ready()


def test_a_worker_reaches_the_service_beside_a_master_elsewhere() -> None:
    code = """
from perfgate.measure.load.distributed import reachable
assert reachable("http://127.0.0.1:8000", "127.0.0.1") == "http://127.0.0.1:8000"
assert reachable("http://127.0.0.1:8000", "perfgate.ci") == "http://perfgate.ci:8000"
assert reachable("http://10.0.0.7:8000", "perfgate.ci") == "http://10.0.0.7:8000"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
