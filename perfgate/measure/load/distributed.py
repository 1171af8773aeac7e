"""The two ends of distributed load over Locust's own master and workers: what they say beyond what Locust says.

Locust connects workers, watches their heartbeats and carries reports. Rounds are ordered by messages of perfgate's
own, for Locust's would start users without a window and stop them without waiting for answers. Raw records travel in
Locust's reports to the master every few seconds, the last ones with the facts that end a round.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.queue import Queue
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from perfgate import __version__
from perfgate.measure.load.crowd import STOP_TIMEOUT_S, Crowd, shares
from perfgate.measure.load.protocol import Facts, Order, Setup
from perfgate.measure.load.records import LAYOUT
from perfgate.measure.load.scene import Scene

HELLO, ROUND, SETTLED, MEASURE, DONE = (f"perfgate_{word}" for word in ("hello", "round", "settled", "measure", "done"))
REPORT = "perfgate"
GRACE_S = 10.0
"""On top of what a step may take, for messages on a busy machine."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class WorkersMissing(Exception):
    """Too few workers are there, or they are not the same as the master."""


@dataclass
class Worker:
    """What the master knows of one worker, and has from it in this round."""

    name: str
    file: Path
    endpoints: list[str] = field(default_factory=list)
    received: int = 0
    settled: bool = False
    facts: Facts | None = None
    lost: str = ""

    def store(self, report: dict[str, Any]) -> None:
        """Keep the records of a report."""
        self.endpoints = report["endpoints"]
        self.received += len(report["records"])
        with self.file.open("ab") as file:
            file.write(report["records"])


class Master:
    """Has the workers that connect to this process play a round together."""

    def __init__(self, scene: Scene, setup: Setup) -> None:
        self.scene, self.setup, self.folder = scene, setup, Path(setup.folder)
        host, _, port = setup.listen.rpartition(":")
        self.runner: MasterRunner = scene.environment.create_master_runner(host, int(port))
        self.port: int = self.runner.server.port
        self._identity = identity(Path(setup.locustfile))
        self._hellos: dict[str, list[str]] = {}
        self._workers: dict[str, Worker] = {}
        self._round = 0
        for message, listener in ((HELLO, self._on_hello), (SETTLED, self._on_settled), (DONE, self._on_done)):
            self.runner.register_message(message, listener)
        scene.events.worker_report.add_listener(self._on_report)

    def gather(self) -> list[str]:
        """The names of as many workers as are expected, once they are connected; WorkersMissing when they are not."""
        expected, patience = self.setup.workers, self.setup.patience
        deadline = time.time() + patience
        while len(found := self._connected()) < expected:
            if time.time() > deadline:
                raise WorkersMissing(f"{len(found)} of {expected} workers connected in {patience:.0f} s")
            gevent.sleep(0.05)
        if strangers := [name for name in found if self._hellos[name] != self._identity]:
            theirs = " and ".join(self._hellos[strangers[0]])
            raise WorkersMissing(f"worker {strangers[0]} has {theirs}, the master {' and '.join(self._identity)}")
        return found[:expected]

    def round(self, order: Order) -> list[Facts]:
        """One round by all workers; what each saw. A worker that got lost has its facts in what it had sent."""
        names = self.gather()
        self._round = order.index
        self._workers = {name: Worker(name, self.folder / f"{name}-{order.index}.records") for name in names}
        for worker in self._workers.values():
            worker.file.write_bytes(b"")
        for name, part in zip(names, parts(order, self.scene, len(names)), strict=True):
            self.runner.send_message(ROUND, part.dump(), name)
        self._await("start its users", lambda worker: worker.settled, order.warmup + order.timeout + GRACE_S)
        for name in names:
            self.runner.send_message(MEASURE, {}, name)
        patience = order.seconds + order.timeout + 2 * STOP_TIMEOUT_S + GRACE_S
        self._await("end the round", lambda worker: worker.facts is not None, patience)
        return [self._facts(worker) for worker in self._workers.values()]

    def _await(self, what: str, arrived: Callable[[Worker], bool], seconds: float) -> None:
        deadline = time.time() + seconds
        while waiting := [w for w in self._workers.values() if not w.lost and not arrived(w)]:
            for worker in waiting:
                if not self._is_connected(worker.name):
                    worker.lost = "disconnected"
                elif time.time() > deadline:
                    worker.lost = f"did not {what} in {seconds:.0f} s"
            gevent.sleep(0.01)

    def _facts(self, worker: Worker) -> Facts:
        facts = worker.facts or Facts()
        facts.worker, facts.file, facts.endpoints = worker.name, str(worker.file), worker.endpoints
        short = facts.recorded - worker.received // LAYOUT.size
        facts.lost = worker.lost or (f"{short} of its {facts.recorded} records did not arrive" if short > 0 else "")
        return facts

    def _connected(self) -> list[str]:
        return sorted(name for name in self._hellos if self._is_connected(name))

    def _is_connected(self, name: str) -> bool:
        client = self.runner.clients.get(name)
        return client is not None and client.state != STATE_MISSING

    def _on_hello(self, msg: Any, **_: object) -> None:
        self._hellos[msg.node_id] = list(msg.data["identity"])

    def _on_settled(self, msg: Any, **_: object) -> None:
        if worker := self._playing(msg.node_id, msg.data["round"]):
            worker.settled = True

    def _on_done(self, msg: Any, **_: object) -> None:
        if worker := self._playing(msg.node_id, msg.data["round"]):
            worker.store(msg.data)
            worker.facts = Facts.load(msg.data["facts"])

    def _on_report(self, client_id: str, data: dict[str, Any]) -> None:
        report = data.get(REPORT)
        if report and (worker := self._playing(client_id, report["round"])):
            worker.store(report)

    def _playing(self, name: str, index: int) -> Worker | None:
        """The worker, unless what it says belongs to another round."""
        return self._workers.get(name) if index == self._round else None


def parts(order: Order, scene: Scene, workers: int) -> Iterable[Order]:
    """The order for each of so many processes: its share of the users or of the rate."""
    classes = shares(scene.user_classes, order.users, workers) if order.rate is None else [{}] * workers
    rate = None if order.rate is None else order.rate / workers
    return [replace(order, classes=share, rate=rate, worker=number) for number, share in enumerate(classes)]


def identity(locustfile: Path) -> list[str]:
    """What must be the same in a master and its workers."""
    digest = hashlib.sha256(locustfile.read_bytes()).hexdigest()[:12]
    return [f"perfgate {__version__}", f"locustfile {digest}"]


class WorkerPart:
    """Plays rounds on the master's order, until the master or Locust says that it is over."""

    def __init__(self, scene: Scene, host: str, port: int, locustfile: Path) -> None:
        self.scene, self.host = scene, host
        self._orders: Queue[Order | None] = Queue()
        self._measure = Event()
        self._round: int | None = None
        self.runner: WorkerRunner = scene.environment.create_worker_runner(host, port)
        self.runner.register_message(ROUND, lambda msg, **_: self._orders.put(Order.load(msg.data)))
        self.runner.register_message(MEASURE, lambda **_: self._measure.set())
        scene.events.report_to_master.add_listener(self._report)
        self.runner.send_message(HELLO, {"identity": identity(locustfile)})

    def serve(self) -> None:
        """Play rounds until the connection ends."""
        gevent.spawn(self._watch_connection)
        while (order := self._orders.get()) is not None:
            self._play(order)

    def _watch_connection(self) -> None:
        self.runner.greenlet.join()
        self._orders.put(None)

    def _play(self, order: Order) -> None:
        self._measure.clear()
        self._round = order.index
        crowd = Crowd(self.scene, replace(order, url=reachable(order.url, self.host)))
        crowd.start()
        crowd.settle()
        self.runner.send_message(SETTLED, {"round": order.index})
        self._measure.wait(order.timeout + GRACE_S + order.warmup)
        crowd.measure()
        facts = crowd.finish()
        self.runner.send_message(DONE, {**self._records(), "facts": facts.dump()})
        self._round = None

    def _report(self, data: dict[str, Any], **_: object) -> None:
        if self._round is not None:
            data[REPORT] = self._records()

    def _records(self) -> dict[str, Any]:
        recorder = self.scene.recorder
        return {"round": self._round, "records": recorder.take(), "endpoints": recorder.endpoints.names}


def reachable(url: str, master: str) -> str:
    """The service's address as this worker reaches it: on the master's host, when it runs beside a remote master."""
    address = urlsplit(url)
    if address.hostname not in _LOOPBACK or master in _LOOPBACK:
        return url
    return address._replace(netloc=f"{master}:{address.port}").geturl()
