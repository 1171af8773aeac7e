"""The child process that makes the load: `python -m perfgate.measure.load.driver COMMANDS REPLIES`.

The numbers are file descriptors of pipes to perfgate. It loads Locust and one locustfile once, and then counts and
plays rounds as it is told, until it is told to stop or perfgate is gone. What happens is written to its log.
"""

from __future__ import annotations

import locust  # first, for it patches what others import  # isort: skip

import logging
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from locust.exception import RPCError

from perfgate.measure.load.channel import Channel
from perfgate.measure.load.counting import CountingPass
from perfgate.measure.load.crowd import Crowd
from perfgate.measure.load.distributed import Master, WorkersMissing, parts
from perfgate.measure.load.protocol import Facts, Order, Setup
from perfgate.measure.load.scene import BadLocustfile, Scene, load


class Stage(Protocol):
    """Where rounds are played: in this process, or by workers."""

    def round(self, order: Order) -> list[Facts]:
        """Play one round: what each process saw."""


class Solo:
    """All users in this process."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        scene.environment.create_local_runner()

    def round(self, order: Order) -> list[Facts]:
        """Play one round: what this process saw."""
        (part,) = parts(order, self.scene, 1)
        crowd = Crowd(self.scene, part)
        crowd.start()
        crowd.settle()
        crowd.measure()
        facts = crowd.finish()
        return [store(facts, self.scene, self.folder, order)]


def store(facts: Facts, scene: Scene, folder: Path, order: Order) -> Facts:
    """The facts with the name of the file that holds the records of this process."""
    file = folder / f"driver-{os.getpid()}-{order.index}.records"
    file.write_bytes(scene.recorder.take())
    facts.file = str(file)
    return facts


class Driver:
    """Does what perfgate asks, one command after the other."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.setup = Setup.load(channel.receive())
        self.folder = Path(self.setup.folder)

    def serve(self) -> None:
        """Load the scenario, say whether that went well, and obey until told to stop."""
        try:
            self.scene = load(Path(self.setup.locustfile), Path(self.setup.root))
            stage = self._stage()
            self.scene.drop_statistics()
            environment, events = self.scene.environment, self.scene.events
            events.init.fire(environment=environment, runner=environment.runner, web_ui=None)
            if isinstance(stage, Master):
                self.channel.send(listening=stage.port)
                stage.gather()
        except BadLocustfile as error:
            self.channel.send(bad=str(error), hint=error.hint)
            return
        except WorkersMissing as error:
            self.channel.send(missing=str(error))
            return
        self.channel.send(ready=locust.__version__)
        self._obey(stage)
        events.quitting.fire(environment=environment, reverse=True)
        events.quit.fire(exit_code=0)

    def _stage(self) -> Stage:
        setup = self.setup
        if not setup.workers:
            return Solo(self.scene, self.folder)
        try:
            return Master(self.scene, setup)
        except (SystemExit, RPCError, OSError) as error:
            hint = "give `master:` a host:port of this machine that is free, one for each scenario"
            raise BadLocustfile(f"nothing can listen on {setup.listen}", hint) from error

    def _obey(self, stage: Stage) -> None:
        while (command := self.channel.receive())["do"] != "stop":
            order = Order.load(command["order"])
            if command["do"] == "count":
                facts = CountingPass(self.scene, replace(order, index=0), self._observe).run()
                self.channel.send(facts=[store(facts, self.scene, self.folder, order).dump()])
                continue
            try:
                self.channel.send(facts=[facts.dump() for facts in stage.round(order)])
            except WorkersMissing as error:
                self.channel.send(missing=str(error))

    def _observe(self, endpoint: str) -> None:
        self.channel.send(observe=endpoint)
        self.channel.receive()


def prepare_process() -> None:
    """Settings of a generating process: the log says what is unusual, and sockets are not scarce."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    for name in ("locust.user.task", "locust.user.users"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL
        )  # a traceback for each failing task; the recorder shows a few
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve the pipes named on the command line."""
    prepare_process()
    Driver(Channel(int(sys.argv[1]), int(sys.argv[2]))).serve()


if __name__ == "__main__":
    main()
