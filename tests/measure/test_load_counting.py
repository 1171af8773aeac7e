"""The counting pass: every task, in one order, one request at a time, and perfgate looks on after each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfgate.measure import load
from perfgate.measure.ownership import Owner
from perfgate.model import FlawKind
from perfgate.plan import Scenario
from tests.measure.locustfiles import harness
from tests.measure.locustfiles.harness import Service, Stage, kinds, serving

HERE = Path(__file__).parent / "locustfiles"

VISITOR_CYCLE = [
    *("POST /fast/cart", "POST /fast/pay"),
    *("GET /fast/here", "GET /fast/there"),
    *("GET /fast/products", "GET missing", "GET /status/{id}"),
    *("GET /fast/reading", "GET /fast/reviews/{id}", "GET /fast/deep"),
]


@pytest.fixture
def service(owner: Owner, tmp_path: Path) -> Iterator[Service]:
    with serving(owner, tmp_path) as service:
        yield service


@pytest.fixture
def stage(owner: Owner, tmp_path: Path) -> Stage:
    return harness.stage(owner, tmp_path)


def test_a_pass_repeats_exactly_and_is_watched_after_each_request(
    service: Service, owner: Owner, tmp_path: Path
) -> None:
    scenario = Scenario("browse.py", users=5, counting=2)
    seen: list[tuple[str, list[str]]] = []
    passes = []
    with load.start("browse", scenario, HERE, owner, tmp_path) as generator:
        for _ in range(2):
            seen.clear()
            made = generator.count(service.url, lambda endpoint: seen.append((endpoint, service.paths())))
            assert service.paths() == []
            assert (made.flaws, made.index) == ((), 0)
            assert [record.endpoint for record in made.records] == [endpoint for endpoint, _ in seen[1:]]
            passes.append([paths for _, paths in seen])
    assert [endpoint for endpoint, _ in seen] == ["", *VISITOR_CYCLE * 2, *["GET /fast/report"] * 2]
    assert len(seen[0][1]) == len(VISITOR_CYCLE) + 2  # on_start and one cycle of both classes
    assert all(len(paths) == 1 for _, paths in seen[1:])
    assert passes[0][1:] == passes[1][1:]
    assert made.errors == {"GET /status/{id}: 500 Internal Server Error": 2}
    assert [record.ok for record in made.records].count(False) == 2
    assert not any("/fast/logout" in paths for paths in passes[0])


@pytest.mark.parametrize(
    ("kind", "path", "caught"),
    [
        ("FastHttpUser", "/hang", "Exception"),
        ("FastHttpUser", "/hang", "()"),
        ("HttpUser", "/hang", "()"),
        ("FastHttpUser", "/drip", "Exception"),
        ("HttpUser", "/drip", "Exception"),
    ],
)
def test_a_request_that_is_not_answered_ends_the_pass(
    service: Service, stage: Stage, kind: str, path: str, caught: str
) -> None:
    text = f"""
    class Visitor({kind}):
        asked = 0

        @task
        def fast(self):
            self.client.get("/fast/before")

        @task
        def hang(self):
            self.asked += 1
            try:
                self.client.get("{path}" if self.asked > 2 else "/fast")
            except {caught}:
                return
            self.client.get("/fast/after")
    """
    with stage.generator(text, timeout=0.5) as generator:
        made = generator.count(service.url, lambda endpoint: None)
        assert [flaw.because for flaw in made.flaws] == [f"1 request to GET {path} was unanswered after 500 ms"]
        assert kinds(made) == {FlawKind.UNANSWERED}
        assert service.paths().count("/fast/after") == 2
        answered = [record.endpoint for record in made.records if record.ok]
        assert answered == ["GET /fast/before", "GET /fast", "GET /fast/after", "GET /fast/before"]
        assert generator.round(service.url, 1, warmup=0.1).index == 1


def test_sets_have_one_order_in_every_process(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def fast(self):
            for path in {"one", "two", "three", "four", "five", "six", "seven"}:
                self.client.get(f"/fast/{path}")
    """
    orders = []
    for _ in range(2):
        with stage.generator(text, counting=1) as generator:
            made = generator.count(service.url, lambda endpoint: None)
            orders.append([record.endpoint for record in made.records])
    assert orders[0] == orders[1]


def test_an_observer_may_take_longer_than_the_service_may(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def fast(self):
            self.client.get("/fast")
    """
    with stage.generator(text, timeout=0.2, counting=2) as generator:
        made = generator.count(service.url, lambda endpoint: time.sleep(0.5))
    assert made.flaws == ()


def test_code_that_raises_is_named_and_the_other_tasks_still_count(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def broken(self):
            self.client.get("/fast/broken")
            raise LookupError("no such thing")

        @task
        def fine(self):
            self.client.get("/fast/fine")
    """
    with stage.generator(text, counting=2) as generator:
        made = generator.count(service.url, lambda endpoint: None)
    assert [record.endpoint for record in made.records] == ["GET /fast/broken", "GET /fast/fine"] * 2
    assert "raise LookupError" in made.flaws[0].detail
    assert [(flaw.kind, flaw.because) for flaw in made.flaws] == [
        (
            FlawKind.LOAD_FAILED,
            f"the locustfile failed 3 times: {generator.plan.locustfile}:9 (Visitor): LookupError: no such thing",
        )
    ]


def test_a_pass_without_a_request_is_no_measurement(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def idle(self):
            pass
    """
    with stage.generator(text) as generator:
        made = generator.count(service.url, lambda endpoint: None)
    assert kinds(made) == {FlawKind.NO_REQUESTS}


def test_an_observer_that_fails_leaves_the_generator_usable(service: Service, stage: Stage) -> None:
    def fail(endpoint: str) -> None:
        raise ZeroDivisionError

    text = """
    class Visitor(FastHttpUser):
        @task
        def fast(self):
            self.client.get("/fast")
    """
    with stage.generator(text) as generator:
        with pytest.raises(ZeroDivisionError):
            generator.count(service.url, fail)
        seen: list[str] = []
        generator.count(service.url, seen.append)
        assert seen == ["", *["GET /fast"] * 5]


def test_requests_sent_at_once_are_observed_one_after_the_other(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def both(self):
            gevent.joinall([gevent.spawn(self.client.get, f"/fast/{name}") for name in "ab"])
    """
    seen: list[str] = []
    with stage.generator(text, counting=3) as generator:
        made = generator.count(service.url, seen.append)
        assert sorted(seen) == ["", *["GET /fast/a"] * 3, *["GET /fast/b"] * 3]
        assert len(made.records) == 6
        assert FlawKind.LOAD_FAILED not in kinds(generator.round(service.url, 1, warmup=0.1))


@pytest.mark.parametrize("sleeper", ["time.sleep(1000)", "gevent.event.Event().wait()"])
def test_an_on_start_that_sleeps_for_ever_ends_at_the_timeout_and_is_named(
    service: Service, stage: Stage, sleeper: str
) -> None:
    text = f"""
    import gevent.event

    class Sleeper(FastHttpUser):
        def on_start(self):
            self.client.get("/fast/login")
            {sleeper}

        @task
        def fast(self):
            self.client.get("/fast/never")
    """
    with stage.generator(text, timeout=0.5) as generator:
        began = time.monotonic()
        made = generator.count(service.url, lambda endpoint: None)
        assert time.monotonic() - began < load.PATIENCE_S
        assert kinds(made) >= {FlawKind.LOAD_FAILED}
        assert "on_start of Sleeper sent nothing and did not end within 500 ms" in made.flaws[0].because
        assert ".py:" in made.flaws[0].because
        assert service.paths() == ["/fast/login"]


def test_an_on_start_may_take_longer_than_the_timeout_while_it_sends(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        def on_start(self):
            for _ in range(8):
                self.client.get("/fast/login")
                time.sleep(0.2)

        @task
        def fast(self):
            self.client.get("/fast/page")
    """
    with stage.generator(text, timeout=0.8, counting=1) as generator:
        made = generator.count(service.url, lambda endpoint: None)
        assert made.flaws == ()
        assert [record.endpoint for record in made.records] == ["GET /fast/page"]
