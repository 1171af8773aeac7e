"""Load by Locust: a child process per scenario makes it, and gives back every single request.

perfgate itself never imports Locust, which patches the process that does. `start` gives a `Generator`, whose counting
pass and timed rounds give `Load`s: raw records, how well the generator kept up, and the flaws that spoil them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure.load import records, validity
from perfgate.measure.load.child import Child, ChildLost, spawn
from perfgate.measure.load.endpoints import MOST_ENDPOINTS
from perfgate.measure.load.protocol import Facts, Order, Setup
from perfgate.measure.load.records import Record
from perfgate.model import Flaw, FlawKind
from perfgate.plan import Scenario

if TYPE_CHECKING:
    import subprocess

    from perfgate.measure.ownership import Owner

__all__ = ["Generator", "Load", "Record", "start"]

LOADING_TIMEOUT_S = 120.0
WORKERS_TIMEOUT_S = 120.0
"""How long Locust and the locustfile may take to load, and then all workers to connect."""

EXPLAINED_BY_LOG = (FlawKind.LOAD_FAILED, FlawKind.NO_REQUESTS, FlawKind.USERS_MISSING)
"""Flaws whose cause the driver has written down: what a task or an `on_start` raised."""

PATIENCE_S = 60.0
"""How long the driver may take on top of what its work may last, before it counts as stuck."""


@dataclass(frozen=True)
class Load:
    """What one stretch of load gave. `index` counts rounds from 1 and is 0 for the counting pass.

    `records` are the answered requests that were due, or sent, within a window of `seconds`. `asked` and `reached` are
    task starts per second in an open model; in a closed one `asked` is None, and `reached` requests per second.
    `generator_cpu` is the share of a core that the busiest generating process used, `lag` the worst median delay of an
    event loop, in seconds. `errors` counts failures by text ("GET /x: 500 Internal Server Error"), `unanswered`
    requests that nobody answered in time by endpoint.
    """

    scenario: str
    index: int
    seconds: float
    records: tuple[Record, ...]
    asked: float | None
    reached: float
    generator_cpu: float
    lag: float
    flaws: tuple[Flaw, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    unanswered: Mapping[str, int] = field(default_factory=dict)


@contextmanager
def start(scenario: str, plan: Scenario, root: Path, owner: Owner, folder: Path) -> Iterator[Generator]:
    """Start to load Locust and the scenario's file; its log goes to `folder`. BadRequest when there is no file."""
    path = (root / plan.locustfile).resolve()
    if not path.is_file():
        raise BadRequest(f"scenario {scenario}: no file {plan.locustfile}", hint=f"`locustfile:` is relative to {root}")
    if (plan.users is None) == (plan.rate is None):
        raise BadRequest(f"scenario {scenario}: needs either `users:` or `rate:`", hint="write `users: 8`")
    if plan.master and not re.fullmatch(r"\S+:\d+", plan.master):
        raise BadRequest(
            f"scenario {scenario}: `master: {plan.master}` is no address", hint="write `master: 0.0.0.0:5557`"
        )
    generator = Generator(scenario, plan, root.resolve(), owner, folder.resolve())
    try:
        generator.launch()
        yield generator
    finally:
        generator.close()


class Generator:
    """The load of one scenario. A driver that dies spoils its round, and is started anew for the next one."""

    def __init__(self, scenario: str, plan: Scenario, root: Path, owner: Owner, folder: Path) -> None:
        self.scenario, self.plan, self.root, self.owner, self.folder = scenario, plan, root, owner, folder
        self._child: Child | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._is_ready = False

    def launch(self) -> None:
        """Start the driver, unless it is running, without waiting for it."""
        if self._child is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"load-{self.scenario}.log"
        self._child = Child("perfgate.measure.load.driver", self.owner, self.root, log)
        plan, workers = self.plan, self._expected_workers
        setup = Setup(
            scenario=self.scenario,
            locustfile=str((self.root / plan.locustfile).resolve()),
            root=str(self.root),
            folder=str(self.folder),
            workers=workers,
            listen=plan.master or ("127.0.0.1:0" if workers else ""),
            patience=WORKERS_TIMEOUT_S,
        )
        self._child.send(**setup.dump())

    def ready(self) -> None:
        """Wait until everything is loaded and all workers are there.

        BadRequest with file:line when the locustfile is at fault, NotMeasured when nothing answers.
        """
        self.launch()
        if self._is_ready:
            return
        child = self._running
        try:
            reply = child.receive(LOADING_TIMEOUT_S)
            if "listening" in reply:
                self._start_workers(reply["listening"])
                reply = child.receive(WORKERS_TIMEOUT_S + PATIENCE_S)
        except ChildLost as error:
            tail = child.tail()
            self._abandon()
            raise NotMeasured(
                f"scenario {self.scenario}: Locust {error} before it was ready", hint=f"its last lines:\n{tail}"
            ) from error
        self._raise_if_refused(reply)
        self._is_ready = True

    def count(self, url: str, observe: Callable[[str], None], cycles: int | None = None) -> Load:
        """The counting pass: every task of every user class `cycles` (`plan.counting`) times, one request at a time.

        `observe` is called with "" before the first request that counts, and with the endpoint after each one that
        was answered, while nothing else is sent.
        """

        def watch(child: Child) -> dict[str, Any]:
            while "observe" in (reply := child.receive(self.plan.timeout + PATIENCE_S)):
                observe(reply["observe"])
                child.send(do="go")
            return reply

        plan = self.plan
        order = Order(url=url, index=0, seed=plan.seed, timeout=plan.timeout, cycles=cycles or plan.counting)
        return self._play("count", order, watch)

    def round(self, url: str, index: int, *, warmup: float, seconds: float | None = None) -> Load:
        """One timed round of `seconds` (`plan.round`), after at least `warmup` seconds that do not count.

        An `index` below 0 is no round: its load is made alike, and counts for nothing.
        """
        plan = self.plan
        lasting = plan.round if seconds is None else seconds
        order = Order(
            url=url,
            index=index,
            seed=plan.seed,
            timeout=plan.timeout,
            seconds=lasting,
            warmup=warmup,
            users=plan.users or 0,
            rate=plan.rate,
        )
        workers = WORKERS_TIMEOUT_S if self._expected_workers else 0.0
        patience = warmup + lasting + 2 * plan.timeout + workers + PATIENCE_S
        return self._play("round", order, lambda child: child.receive(patience))

    def close(self) -> None:
        """End the driver and its workers."""
        if self._child is not None:
            self._child.say_goodbye()
        self._abandon()

    @property
    def _running(self) -> Child:
        assert self._child is not None
        return self._child

    @property
    def _expected_workers(self) -> int:
        if self.plan.master:
            return max(1, self.plan.expect_workers)
        return self.plan.workers if self.plan.workers > 1 else 0

    def _start_workers(self, port: int) -> None:
        if self.plan.master:
            return  # whoever runs them elsewhere starts them
        arguments = ["--master", f"127.0.0.1:{port}", "-f", str((self.root / self.plan.locustfile).resolve())]
        for _ in range(self._expected_workers):
            worker = spawn("perfgate.measure.load.worker", arguments, self.owner, self.root, self._running.log)
            self._workers.append(worker)

    def _play(self, what: str, order: Order, wait: Callable[[Child], dict[str, Any]]) -> Load:
        self.ready()
        child = self._running
        child.send(do=what, order=order.dump())
        try:
            reply = wait(child)
        except ChildLost as error:
            tail = child.tail()
            self._abandon()
            words = f"Locust {error} in the middle of the load"
            flaw = Flaw(FlawKind.LOAD_FAILED, words, self.scenario, order.index or None, detail=tail)
            return self._load(order, [], [flaw])
        except BaseException:
            self._abandon()  # it may be waiting for an answer that nobody gives
            raise
        self._raise_if_refused(reply)
        facts, tail = [Facts.load(values) for values in reply["facts"]], child.tail()
        if self._workers and any(part.lost for part in facts):
            self._abandon()  # workers from elsewhere come back to the driver that they know
        load = self._load(order, facts, ())
        told = [replace(f, detail=tail) if f.kind in EXPLAINED_BY_LOG else f for f in load.flaws]
        return replace(load, flaws=tuple(told))

    def _load(self, order: Order, facts: Sequence[Facts], flaws: Sequence[Flaw]) -> Load:
        taken = tuple(record for part in facts for record in self._records(part))
        errors: Counter[str] = Counter()
        for part in facts:
            errors.update(part.errors)
            errors.update(part.broken)
        return Load(
            scenario=self.scenario,
            index=order.index,
            seconds=max((part.seconds for part in facts), default=order.seconds),
            records=taken,
            asked=order.rate,
            reached=validity.reached(order, facts, len(taken)),
            generator_cpu=max((part.cpu for part in facts), default=0.0),
            lag=max((part.lag for part in facts), default=0.0),
            flaws=tuple(flaws or validity.flaws(self.scenario, order, facts, taken)),
            errors=dict(errors),
            unanswered=dict(sum((Counter(part.unanswered) for part in facts), Counter())),
        )

    def _records(self, part: Facts) -> list[Record]:
        if part.crowded:
            some = ", ".join(part.endpoints[:3])
            raise BadRequest(
                f"scenario {self.scenario}: more than {MOST_ENDPOINTS} endpoints ({some} and so on)",
                hint="name requests whose paths differ: self.client.get(path, name='/products/{slug}')",
            )
        path = Path(part.file)
        taken = records.read(path, part.endpoints)
        path.unlink()
        return taken

    def _raise_if_refused(self, reply: Mapping[str, Any]) -> None:
        if "bad" in reply:
            self._abandon()
            raise BadRequest(f"scenario {self.scenario}: {reply['bad']}", hint=reply["hint"])
        if "missing" in reply:
            address = self.plan.master.replace("0.0.0.0:", "THIS-MACHINE:")
            start_them = f"python -m perfgate.measure.load.worker --master {address} -f {self.plan.locustfile}"
            hint = f"start them with: {start_them}" if self.plan.master else f"last lines:\n{self._running.tail()}"
            self._abandon()
            raise NotMeasured(f"scenario {self.scenario}: {reply['missing']}", hint=hint)

    def _abandon(self) -> None:
        """Give the driver and its workers up; the next command starts others."""
        child, self._child, self._is_ready = self._child, None, False
        if child is not None:
            child.kill()
        for worker in self._workers:
            self.owner.stop(worker, timeout=0.5)
        self._workers.clear()
