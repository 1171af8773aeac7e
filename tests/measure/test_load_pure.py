"""What can be said of load without making any: records, names of endpoints, and what spoils a round."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfgate.measure.load import records, validity
from perfgate.measure.load.endpoints import MOST_ENDPOINTS, Endpoints, endpoint
from perfgate.measure.load.protocol import Facts, Order
from perfgate.measure.load.records import Record
from perfgate.model import FlawKind

HOST = "http://127.0.0.1:8000"
NOW = 1.8e9


@given(
    due=st.floats(NOW, NOW + 1e6),
    waited=st.floats(0, 100),
    seconds=st.floats(1e-6, 100),
    size=st.integers(0, 2**40),
    ok=st.booleans(),
)
def test_a_record_keeps_times_to_a_millionth(due: float, waited: float, seconds: float, size: int, ok: bool) -> None:
    (found,) = records.unpack(records.pack(due, due + waited, seconds, size, 1, ok), ["GET /", "GET /x"])
    assert (found.endpoint, found.due, found.ok) == ("GET /x", due, ok)
    assert found.seconds == pytest.approx(seconds, rel=1e-6)
    assert found.latency == pytest.approx(waited + seconds, rel=1e-6, abs=1e-6)
    assert found.size == min(size, 2**32 - 1)


def test_a_record_takes_23_bytes_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    one = records.pack(NOW, NOW, 0.5, 10, 0, True)
    assert len(one) == 23
    (tmp_path / "torn").write_bytes(one + one[:-1])
    assert records.read(tmp_path / "torn", ["GET /"]) == [Record("GET /", NOW, NOW, 0.5, 10, True)]


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("/products", f"{HOST}/products", "GET /products"),
        ("/products?page=2", f"{HOST}/products?page=2", "GET /products"),
        ("/products/17", f"{HOST}/products/17", "GET /products/{id}"),
        ("/a/1/b/2?c=3", f"{HOST}/a/1/b/2?c=3", "GET /a/{id}/b/{id}"),
        ("/v2/products/17a", f"{HOST}/v2/products/17a", "GET /v2/products/17a"),
        ("/x/0f8fad5b-d9cb-469f-a165-70867728950e", f"{HOST}/x/0f8fad5b-d9cb-469f-a165-70867728950e", "GET /x/{id}"),
        ("/x/507f1f77bcf86cd799439011", f"{HOST}/x/507f1f77bcf86cd799439011", "GET /x/{id}"),
        ("/x/deadbeef", f"{HOST}/x/deadbeef", "GET /x/deadbeef"),
        ("/x/deadbeefdeadbeefdead", f"{HOST}/x/deadbeefdeadbeefdead", "GET /x/deadbeefdeadbeefdead"),
        ("/", f"{HOST}/", "GET /"),
        ("", HOST, "GET /"),
        (f"{HOST}/products/17", f"{HOST}/products/17", "GET /products/{id}"),
        ("http://other:1/products/17", "http://other:1/products/17", "GET http://other:1/products/{id}"),
        ("/products/17", "http://other:1/products/17", "GET /products/{id}"),
        ("product 17", f"{HOST}/products/17", "GET product 17"),
        ("/17", f"{HOST}/products/17", "GET /17"),
        ("/products/17", None, "GET /products/17"),
    ],
)
def test_paths_lose_their_ids_and_given_names_stay(name: str, url: str | None, expected: str) -> None:
    assert endpoint("GET", name, url, HOST) == expected


def test_ids_of_one_endpoint_share_one_index() -> None:
    table = Endpoints(HOST)
    indices = [table.index("GET", f"/p/{number}", f"{HOST}/p/{number}") for number in range(3)]
    assert indices == [0, 0, 0]
    assert table.index("POST", "/p/1", f"{HOST}/p/1") == 1
    assert table.names == ["GET /p/{id}", "POST /p/{id}"]


@pytest.mark.parametrize(("names", "crowded"), [(MOST_ENDPOINTS, False), (MOST_ENDPOINTS + 1, True)])
def test_more_endpoints_than_budgets_can_be_kept_for_are_too_many(names: int, crowded: bool) -> None:
    table = Endpoints(HOST)
    for number in range(names):
        table.index("GET", f"/{number}x", f"{HOST}/{number}x")
    assert table.crowded == crowded
    assert len(table.names) == MOST_ENDPOINTS


CLOSED = Order(url=HOST, index=3, seed=1, timeout=10.0, seconds=2.0, users=8)
OPEN = Order(url=HOST, index=3, seed=1, timeout=10.0, seconds=2.0, rate=100.0)
COUNTING = Order(url=HOST, index=0, seed=1, timeout=10.0, cycles=5)
FINE = Facts(seconds=2.0, users=8, due=200, begun=200, lag=0.0006, cpu=0.3, waited=0.1)


def answers(seconds: float = 0.005) -> list[Record]:
    return [Record("GET /", NOW, NOW, seconds, 1, True)] * 10


def kinds(order: Order, *facts: Facts, seconds: float = 0.005) -> list[FlawKind]:
    return [flaw.kind for flaw in validity.flaws("browse", order, facts, answers(seconds))]


def changed(**values: object) -> Facts:
    return Facts(**{**FINE.dump(), **values})


@pytest.mark.parametrize("order", [CLOSED, OPEN, COUNTING])
def test_a_round_that_went_well_has_no_flaw(order: Order) -> None:
    assert kinds(order, FINE) == []


@pytest.mark.parametrize(
    ("facts", "seconds", "saturated"),
    [
        (changed(cpu=0.95, waited=0.0), 0.005, False),
        (changed(cpu=0.951, waited=0.0), 0.005, True),
        (changed(cpu=0.5, waited=0.46), 0.005, True),
        (changed(cpu=0.2, waited=0.6), 0.005, False),
        (changed(lag=0.002), 0.005, False),
        (changed(lag=0.0021), 0.005, True),
        (changed(lag=0.0021), 0.0085, False),
    ],
)
def test_a_generator_without_idle_time_or_with_a_late_loop_is_saturated(
    facts: Facts, seconds: float, saturated: bool
) -> None:
    found = kinds(CLOSED, facts, seconds=seconds)
    assert found == ([FlawKind.GENERATOR_SATURATED] if saturated else [])


def test_the_words_tell_a_saturated_generator_from_a_busy_machine() -> None:
    (own,) = validity.flaws("browse", CLOSED, [changed(cpu=0.97, waited=0.02, lag=0.004)], answers())
    (others,) = validity.flaws("browse", CLOSED, [changed(cpu=0.5, waited=0.5, lag=0.004)], answers())
    assert own.because == (
        "the load generator itself was saturated: it ran for 97 % of the time; its event loop was 4 ms late, "
        "and answers took 5 ms; use fewer users, a lower rate, or `workers: 2`"
    )
    assert others.because == (
        "other processes kept the load generator off the CPU for 50 % of the time, it ran for 50 %; "
        "its event loop was 4 ms late, and answers took 5 ms"
    )
    assert (own.round, own.scenario) == (3, "browse")


@pytest.mark.parametrize(
    ("facts", "missed"),
    [
        (changed(begun=196), False),
        (changed(begun=195), True),
        (changed(overrun=0.08), False),
        (changed(overrun=0.1), True),
    ],
)
def test_a_rate_is_reached_when_98_of_100_tasks_begin_in_time(facts: Facts, missed: bool) -> None:
    assert kinds(OPEN, facts) == ([FlawKind.RATE_NOT_REACHED] if missed else [])
    assert kinds(CLOSED, facts) == []


def test_a_service_that_does_not_answer_is_not_blamed_on_the_generator() -> None:
    stuck = changed(begun=100, unanswered={"GET /": 100})
    (flaw,) = validity.flaws("browse", OPEN, [stuck], answers())
    assert flaw.because == "100 requests to GET / were unanswered after 10 s"


@pytest.mark.parametrize(
    ("unanswered", "words"),
    [
        ({"GET /products/{id}": 6}, "6 requests to GET /products/{id} were unanswered after 10 s"),
        ({"GET /a": 1}, "1 request to GET /a was unanswered after 10 s"),
        ({"GET /a": 1, "GET /b": 2}, "2 requests to GET /b, 1 to GET /a were unanswered after 10 s"),
    ],
)
def test_unanswered_requests_are_named_and_counted(unanswered: dict[str, int], words: str) -> None:
    (flaw,) = validity.flaws("browse", COUNTING, [changed(unanswered=unanswered)], answers())
    assert (flaw.kind, flaw.because, flaw.round) == (FlawKind.UNANSWERED, words, None)


def test_missing_users_broken_code_lost_workers_and_silence_each_have_a_name() -> None:
    assert kinds(CLOSED, changed(users=5)) == [FlawKind.USERS_MISSING]
    assert kinds(CLOSED, changed(ended=1)) == [FlawKind.USERS_MISSING]
    assert kinds(OPEN, changed(users=0, ended=1)) == []
    assert kinds(OPEN, changed(broken={"browse.py:7 (Visitor): KeyError: 'id'": 3})) == [FlawKind.LOAD_FAILED]
    assert kinds(CLOSED, changed(users=4), changed(users=0, lost="disconnected")) == [FlawKind.WORKER_LOST]
    (silent,) = validity.flaws("browse", CLOSED, [FINE], [])
    assert silent.kind is FlawKind.NO_REQUESTS


def landed(**asked: str | None) -> list[FlawKind]:
    """What is said of ten requests to each endpoint, that all ended on the path given, or where they were sent."""
    endpoints = [name.replace("_", " /", 1) for name in asked]
    records = [Record(endpoint, NOW, NOW, 0.005, 1, True) for endpoint in endpoints for _ in range(10)]
    ends = {endpoint: {path: 10} for endpoint, path in zip(endpoints, asked.values(), strict=True) if path}
    return [flaw.kind for flaw in validity.flaws("browse", CLOSED, [changed(elsewhere=ends)], records)]


@pytest.mark.parametrize(
    ("asked", "flawed"),
    [
        ({"GET_a": "/login", "GET_b": "/login", "GET_c": "/login"}, True),
        ({"GET_a": "/login", "GET_b": "/login"}, True),
        ({"GET_a": "/login", "GET_b": "/login", "GET_c": "/login", "GET_login": None}, True),
        ({"GET_a": "/login", "GET_b": "/login", "GET_c": "/login", "GET_d": None, "GET_e": None}, True),
        ({"GET_a": "/login", "GET_b": "/login", "GET_c": "/login", "GET_d": None, "GET_e": None, "GET_f": None}, False),
        ({"GET_": "/home", "GET_home": None}, False),
        ({"GET_": "/home"}, False),
        ({"GET_": "/home", "GET_index": "/home", "GET_home": None}, False),
        ({"GET_": "/home", "GET_index": "/home", "GET_about": None}, False),
        ({"GET_a": "/a/", "GET_b": "/b/", "GET_c": "/c/"}, False),
        ({"POST_add": "/basket", "POST_remove": "/basket", "POST_pay": "/basket", "GET_basket": None}, False),
    ],
)
def test_pages_that_all_end_on_one_other_page_were_not_measured(asked: dict[str, str | None], flawed: bool) -> None:
    assert landed(**asked) == ([FlawKind.LOAD_FAILED] if flawed else [])


@pytest.mark.parametrize(("ended", "flawed"), [(8, False), (9, True), (10, True)])
def test_a_page_ends_elsewhere_when_nine_of_ten_answers_do(ended: int, flawed: bool) -> None:
    records = [Record(f"GET /{page}", NOW, NOW, 0.005, 1, True) for page in "abc" for _ in range(10)]
    facts = [changed(elsewhere={f"GET /{page}": {"/login": ended - 3} for page in "abc"})]
    facts += [changed(users=0, elsewhere={f"GET /{page}": {"/login": 3} for page in "abc"})]
    found = validity.flaws("browse", CLOSED, facts, records)
    words = "3 of 3 pages ended on /login instead (GET /a, GET /b, GET /c): is the locustfile logged in?"
    assert [flaw.because for flaw in found] == flawed * [f"{words} If /login is meant, ask for it directly"]


@pytest.mark.parametrize(
    ("order", "facts", "rate"),
    [
        (CLOSED, [FINE], 250.0),
        (OPEN, [FINE], 100.0),
        (OPEN, [changed(begun=100), changed(begun=90)], 95.0),
        (OPEN, [changed(overrun=2.05)], 50.0),
        (CLOSED, [], 0.0),
    ],
)
def test_what_was_reached_counts_requests_or_due_tasks(order: Order, facts: list[Facts], rate: float) -> None:
    assert math.isclose(validity.reached(order, facts, 500), rate)


def test_what_travels_as_a_mapping_comes_back_the_same() -> None:
    assert Facts.load({**FINE.dump(), "of a later version": 1}) == FINE
    assert Order.load(OPEN.dump()) == OPEN
