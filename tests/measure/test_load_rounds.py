"""Timed rounds by real Locust users against a real service: what is recorded, and what makes a round invalid."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from perfgate.errors import BadRequest
from perfgate.measure.ownership import Owner
from perfgate.model import FlawKind
from tests.measure.locustfiles import harness
from tests.measure.locustfiles.harness import NOISE, Service, Stage, eventually, kinds, quantile, serving, unrecorded


@pytest.fixture
def service(owner: Owner, tmp_path: Path) -> Iterator[Service]:
    with serving(owner, tmp_path) as service:
        yield service


@pytest.fixture
def stage(owner: Owner, tmp_path: Path) -> Stage:
    return harness.stage(owner, tmp_path)


FAST = """
class Visitor(FastHttpUser):
    @task
    def fast(self):
        self.client.get(f"/fast/{time.time()}", name="fast")
"""


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_each_request_comes_back_as_the_service_saw_it_and_the_warm_up_does_not(
    service: Service, stage: Stage, kind: str
) -> None:
    text = f"""
    class Visitor({kind}):
        @task
        def everything(self):
            self.client.get("/size/1000/7?x=1")
            self.client.post("/size/10", json={{"a": 1}}, name="order")
            self.client.get("/status/404")
            self.client.get("/slow/10")
            with self.client.get("/fast", catch_response=True) as response:
                response.failure("not what we wanted")
    """
    with stage.generator(text, users=1) as generator:
        load = generator.round(service.url, 1, warmup=0.3)
    taken = sorted(load.records, key=lambda record: record.started)
    log = service.log()
    counted = [entry for entry in log if entry.seconds >= taken[0].started]
    expected = {
        "GET /size/{id}/{id}": (1000, True),
        "POST order": (10, True),
        "GET /status/{id}": (2, False),
        "GET /slow/{id}": (2, True),
        "GET /fast": (2, False),
    }
    assert len(log) > len(counted)
    assert 0 <= len(counted) - len(taken) < len(expected)  # the last task is carried on, but does not count any more
    assert taken[0].started - log[0].seconds > 0.14  # users come in the first half of the warm-up
    assert taken[-1].started - taken[0].started < 0.5
    for record, entry in zip(taken, counted, strict=False):
        assert record.endpoint.split(" ")[0] == entry.method
        assert record.started == record.due
        assert record.started <= entry.seconds <= record.started + record.seconds + 0.001
        assert (record.size, record.ok) == expected[record.endpoint]
    assert {record.endpoint for record in taken} == set(expected)
    assert all(record.seconds >= 0.0099 for record in taken if record.endpoint == "GET /slow/{id}")
    assert set(load.errors) == {"GET /status/{id}: 404 Not Found", "GET /fast: not what we wanted"}
    assert sum(load.errors.values()) == sum(not record.ok for record in taken)
    assert load.reached == pytest.approx(len(taken) / 0.5)
    assert load.asked is None


def test_no_request_of_many_users_is_lost_and_all_connections_are_closed(service: Service, stage: Stage) -> None:
    keeping = """
    kept = []

    @events.request.add_listener
    def keep(response, **_):
        kept.append(response)

    @events.spawning_complete.add_listener
    def keep_users(**_):
        import gc
        kept.extend(each for each in gc.get_objects() if isinstance(each, User))
    """
    with stage.generator(dedent(keeping) + FAST, users=8) as generator:
        for index in (1, 2):
            load = generator.round(service.url, index, warmup=0.1)
            assert unrecorded(load.records, service.log()) == []
            assert kinds(load) <= NOISE
            assert eventually(lambda: service.ask("/_open") == "0")


def test_an_open_model_shows_a_stall_that_a_closed_one_hides(owner: Owner, stage: Stage, tmp_path: Path) -> None:
    with serving(owner, tmp_path, "--stall", "0.3") as service:
        with stage.generator(FAST, rate=100.0, users=None, round=2.0) as generator:
            open_model = generator.round(service.url, 1, warmup=0.2)
        with stage.generator(FAST, users=2, round=2.0) as generator:
            closed_model = generator.round(service.url, 1, warmup=0.2)
    latencies = [record.latency for record in open_model.records]
    assert len(latencies) == pytest.approx(200, abs=2)
    assert quantile(latencies, 0.95) > 0.15  # 0.25 s in theory
    assert quantile(latencies, 0.99) > 0.25  # 0.29 s
    assert quantile([record.latency for record in closed_model.records], 0.95) < 0.1
    assert open_model.asked == 100.0
    assert FlawKind.UNANSWERED not in kinds(open_model)


def test_an_open_model_counts_from_the_due_moment_when_the_generator_is_late(service: Service, stage: Stage) -> None:
    text = """
    began = time.perf_counter()

    class Visitor(FastHttpUser):
        @task
        def fast(self):
            global began
            if time.perf_counter() - began > 0.5:
                while time.perf_counter() - began < 0.8:  # nobody else gets a turn
                    pass
                began = float("inf")
            self.client.get("/fast")

    @events.test_start.add_listener
    def begin(**_):
        global began
        began = time.perf_counter()
    """
    with stage.generator(text, rate=50.0, users=None, round=1.0) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    late = [record for record in load.records if record.latency - record.seconds > 0.1]
    assert 5 < len(late) < 15
    assert len(load.records) == pytest.approx(50, abs=1)


def test_arrivals_neither_bunch_up_nor_wait_for_answers(service: Service, stage: Stage) -> None:
    text = FAST.replace("/fast/", "/slow/400/")
    with stage.generator(text, rate=40.0, users=None, round=1.0) as generator:
        load = generator.round(service.url, 1, warmup=0.2)
    due = sorted(record.due for record in load.records)
    assert len(due) == pytest.approx(40, abs=1)
    assert all(later - earlier > 0.02 for earlier, later in zip(due, due[2:], strict=False))
    assert unrecorded(load.records, service.log()) == []
    if not kinds(load):
        assert load.reached == pytest.approx(40, abs=1)


def test_users_that_come_for_one_task_leave_no_connection_behind(service: Service, stage: Stage) -> None:
    text = """
    from locust.exception import StopUser

    class Visitor(FastHttpUser):
        @task
        def once(self):
            self.client.get(f"/fast/{id(self)}", name="once")
            raise StopUser
    """
    with stage.generator(text, rate=100.0, users=None, round=1.0) as generator:
        counted, over = [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                counted.append(int(service.ask("/_open")))

        watcher = threading.Thread(target=watch)
        watcher.start()
        load = generator.round(service.url, 1, warmup=0.2)
        over.set()
        watcher.join()
    assert len(load.records) == pytest.approx(100, abs=1)
    assert kinds(load) <= NOISE
    assert max(counted) < 50


def test_the_rate_counts_tasks_wherever_they_are_defined_and_their_first_request_is_due(
    service: Service, stage: Stage
) -> None:
    text = """
    class Checkout(SequentialTaskSet):
        def on_start(self):
            self.client.get("/fast/entered")

        @task
        def fill(self):
            self.client.post("/fast/first", name="task")

        @task
        def pay(self):
            self.client.post("/fast/first", name="task")
            before = time.perf_counter()
            self.wait()
            self.client.post(f"/slow/30/{time.perf_counter() - before}", name="second")
            self.interrupt()

    class Visitor(FastHttpUser):
        wait_time = constant(0.05)
        tasks = [Checkout]
    """
    with stage.generator(text, rate=50.0, users=None, round=1.0) as generator:
        load = generator.round(service.url, 1, warmup=0.2)
    found = Counter(record.endpoint for record in load.records)
    assert found["POST task"] == pytest.approx(50, abs=1)
    assert 15 < found["POST second"] < 35
    waited = [float(path.split("/")[3]) for path in service.paths() if path.startswith("/slow/30/")]
    assert min(waited) >= 0.049  # wait() inside of a task is part of it
    assert all(record.latency == record.seconds for record in load.records if record.endpoint != "POST task")
    assert any(record.latency > record.seconds for record in load.records if record.endpoint == "POST task")


def test_a_saturated_generator_is_flagged_and_a_healthy_one_is_not(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def think_hard(self):
            end = time.thread_time() + 0.005
            while time.thread_time() < end:
                pass
            self.client.get("/fast")
    """
    with stage.generator(text, users=4) as generator:
        assert FlawKind.GENERATOR_SATURATED in kinds(generator.round(service.url, 1, warmup=0.1))
    with stage.generator(FAST.replace("/fast/", "/slow/100/"), rate=20.0, users=None) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    assert FlawKind.GENERATOR_SATURATED not in kinds(load)
    assert 0 < load.lag < 0.05
    assert 0 < load.generator_cpu < 0.9


@pytest.mark.parametrize(
    ("kind", "path"),
    [("FastHttpUser", "/hang"), ("HttpUser", "/hang"), ("FastHttpUser", "/drip"), ("HttpUser", "/drip")],
)
def test_requests_that_are_never_answered_make_a_round_invalid(
    service: Service, stage: Stage, kind: str, path: str
) -> None:
    text = f"""
    class Visitor({kind}):
        @task
        def hang(self):
            self.client.get("{path}/17")
    """
    with stage.generator(text, users=3, timeout=1.0, round=0.3) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
        (flaw,) = [flaw for flaw in load.flaws if flaw.kind is FlawKind.UNANSWERED]
        assert flaw.because == f"3 requests to GET {path}/{{id}} were unanswered after 1 s"
        assert flaw.round == 1
        assert eventually(lambda: service.ask("/_open") == "0")
        again = generator.round(service.url, 2, warmup=0.1)
    assert FlawKind.UNANSWERED in kinds(again)


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_a_user_gives_up_a_request_that_hangs_and_goes_on(service: Service, stage: Stage, kind: str) -> None:
    text = f"""
    class Visitor({kind}):
        asked = 0

        @task
        def hang_once(self):
            self.asked += 1
            self.client.get("/hang" if self.asked == 1 else "/fast")
    """
    with stage.generator(text, users=1, timeout=0.4) as generator:
        load = generator.round(service.url, 1, warmup=0.8)
    assert {record.endpoint for record in load.records} == {"GET /fast"}
    assert [flaw.because for flaw in load.flaws if flaw.kind is FlawKind.UNANSWERED] == [
        "1 request to GET /hang was unanswered after 400 ms"
    ]


def test_a_request_sent_by_a_greenlet_of_the_task_is_not_forgotten(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def both(self):
            gevent.joinall([gevent.spawn(self.client.get, path) for path in ("/fast", "/drip")])
    """
    with stage.generator(text, users=1, timeout=0.5, round=0.3) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    assert [flaw.because for flaw in load.flaws if flaw.kind is FlawKind.UNANSWERED] == [
        "1 request to GET /drip was unanswered after 500 ms"
    ]


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
@pytest.mark.parametrize(("other", "flawed"), [("login", True), ("{page}", False)])
def test_a_round_whose_pages_all_redirect_to_one_other_page_is_invalid(
    service: Service, stage: Stage, kind: str, other: str, flawed: bool
) -> None:
    text = f"""
    class Visitor({kind}):
        @task
        def look(self):
            for page in "abc":
                self.client.get(f"/to/{other}/{{page}}")
                self.client.post(f"/to/basket/{{page}}")
    """
    with stage.generator(text, users=1, round=0.5) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
        counted = generator.count(service.url, lambda _: None)
    for flaws in (load.flaws, counted.flaws):
        said = [flaw.because for flaw in flaws if flaw.kind is FlawKind.LOAD_FAILED]
        assert bool(said) == flawed
        assert not said or said[0].startswith("3 of 3 pages ended on /login instead (GET /to/login/a, ")


def test_a_slow_answer_to_a_request_of_the_window_is_waited_for(service: Service, stage: Stage) -> None:
    with stage.generator(FAST.replace("/fast/", "/slow/900/"), rate=30.0, users=None) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    assert len(load.records) == pytest.approx(15, abs=1)
    assert min(record.seconds for record in load.records) > 0.89
    assert FlawKind.UNANSWERED not in kinds(load)


def test_a_window_without_requests_is_no_measurement(service: Service, stage: Stage) -> None:
    text = FAST.replace("    @task", "    wait_time = constant(1000)\n    @task")
    with stage.generator(text, users=2) as generator:
        load = generator.round(service.url, 1, warmup=0.5)
    assert kinds(load) == {FlawKind.NO_REQUESTS}
    assert (load.records, load.reached) == ((), 0.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def on_start(self):\n        gevent.sleep(60 * (id(self) != first))", "1 of 2 users had begun no task"),
        ("@task\n    def leave(self):\n        raise_(StopUser())", "2 of 2 users ended before the round was over"),
    ],
)
def test_users_that_do_not_come_or_do_not_stay_are_missing(
    service: Service, stage: Stage, text: str, words: str
) -> None:
    text = f"""
from locust.exception import StopUser
first = None

def raise_(error):
    gevent.sleep(0.2)
    raise error

class Visitor(FastHttpUser):
    def __init__(self, environment):
        global first
        super().__init__(environment)
        first = first or id(self)

    {text}

    @task
    def fast(self):
        self.client.get("/fast")
        gevent.sleep(0.01)
"""
    with stage.generator(text, users=2, timeout=0.5) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    assert FlawKind.USERS_MISSING in kinds(load)
    assert any(words in flaw.because for flaw in load.flaws)


def test_code_that_raises_makes_a_round_invalid_unless_the_service_is_to_blame(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        wait_time = constant(0.01)

        @task
        def broken(self):
            self.client.get("{path}")
            {}["id"]
    """
    with stage.generator(text.replace("{path}", "/fast"), users=1) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
        (flaw,) = [flaw for flaw in load.flaws if flaw.kind is FlawKind.LOAD_FAILED]
        file = generator.plan.locustfile
        assert flaw.because.startswith("the locustfile failed ")
        assert flaw.because.endswith(f" times: {file}:11 (Visitor): KeyError: 'id'")
        assert load.errors[f"{file}:11 (Visitor): KeyError: 'id'"] >= 2
    with stage.generator(text.replace("{path}", "/status/500"), users=1) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
        assert kinds(load) <= NOISE
        assert load.errors["GET /status/{id}: 500 Internal Server Error"] > 0
        assert load.errors[f"{generator.plan.locustfile}:11 (Visitor): KeyError: 'id'"] > 0
        assert not any(record.ok for record in load.records)


def test_a_driver_that_dies_spoils_its_round_and_the_next_one_is_fine(service: Service, stage: Stage) -> None:
    with stage.generator(FAST + "\nprint('last words')\n", users=1, round=30.0) as generator:
        generator.ready()
        child = generator._child
        assert child is not None

        def murder() -> None:
            eventually(lambda: service.log())
            os.kill(child.process.pid, signal.SIGKILL)

        murderer = threading.Thread(target=murder)
        murderer.start()
        load = generator.round(service.url, 1, warmup=0.1)
        murderer.join()
        (flaw,) = load.flaws
        assert (flaw.kind, flaw.because) == (FlawKind.LOAD_FAILED, "Locust ended (signal 9) in the middle of the load")
        assert "last words" in flaw.detail
        object.__setattr__(generator.plan, "round", 0.3)
        assert kinds(generator.round(service.url, 2, warmup=0.1)) <= NOISE


@pytest.mark.parametrize("kind", ["FastHttpUser", "HttpUser"])
def test_a_post_does_not_cross_the_closing_of_an_idle_connection(
    owner: Owner, stage: Stage, tmp_path: Path, kind: str
) -> None:
    text = f"""
    class Visitor({kind}):
        wait_time = constant(0.8)

        @task
        def order(self):
            self.client.post("/fast", json={{"a": 1}})
    """
    with (
        serving(owner, tmp_path, "--stale", "0.75") as service,
        stage.generator(text, users=4, round=2.0) as generator,
    ):
        load = generator.round(service.url, 1, warmup=0.1)
    assert len(load.records) >= 8
    assert load.errors == {}


def test_users_are_spread_over_classes_as_locust_would(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        abstract = True

        @task
        def fast(self):
            self.client.get(f"/fast/{type(self).__name__}/{id(self)}", name="fast")
            gevent.sleep(0.01)

    class Reader(Visitor):
        weight = 3

    class Buyer(Visitor):
        pass

    class Admin(Visitor):
        fixed_count = 1
    """
    with stage.generator(text, users=9) as generator:
        load = generator.round(service.url, 1, warmup=0.2)
    assert kinds(load) <= NOISE
    assert Counter(path.split("/")[2] for path in set(service.paths())) == {"Reader": 6, "Buyer": 2, "Admin": 1}


def test_chance_repeats_with_the_seed_and_the_round(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def choose(self):
            self.client.get(f"/fast/{random.random()}", name="chosen")
    """
    first = []
    with stage.generator(text, users=1, seed=7) as generator:
        for index in (1, 2, 1):
            generator.round(service.url, index, warmup=0.1)
            first.append(service.paths()[:5])
    assert first[0] == first[2] != first[1]


def test_what_a_locustfile_prints_reads_and_imports_does_no_harm(service: Service, stage: Stage) -> None:
    (stage.folder / "below").mkdir()
    (stage.folder / "below" / "sibling.py").write_text("PATH = '/fast'\n")
    text = """
    import sys
    print('{"ready": "not at all"}')
    print(repr(sys.stdin.read()))

    class Visitor(FastHttpUser):
        @task
        def fast(self):
            from sibling import PATH
            print("{}", flush=True)
            self.client.get(PATH)
            gevent.sleep(0.01)
    """
    with stage.generator(text, below="below", users=1) as generator:
        load = generator.round(service.url, 1, warmup=0.1)
    assert kinds(load) <= NOISE
    assert load.records


def test_more_endpoints_than_budgets_can_be_kept_for_are_refused(service: Service, stage: Stage) -> None:
    text = """
    class Visitor(FastHttpUser):
        @task
        def fast(self):
            self.client.get(f"/fast/{random.random()}x")
    """
    with stage.generator(text, users=1) as generator, pytest.raises(BadRequest) as refused:
        for index in range(1, 100):
            generator.round(service.url, index, warmup=0.1)
    assert "scenario test: more than 200 endpoints (GET /fast/0." in str(refused.value)
    assert "name='/products/{slug}'" in refused.value.hint
