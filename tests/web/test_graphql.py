"""The same in GraphQL: what is asked for, and how much of it may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from perfgate.measure.database import Server
from perfgate.publish.web import live
from tests.web import history
from tests.web.serving import Served, entering, serving

PLACE = "place { scenario endpoint statement table artifact process benchmark }"


def answered(served: Served, query: str) -> Any:
    """What a query gives, which has no errors."""
    told = served.query(query).json()
    assert "errors" not in told
    return told["data"]


def errors(served: Served, query: str) -> str:
    """What is said against a query."""
    return json.dumps(served.query(query).json()["errors"])


def test_the_overview_has_health_levels_and_shifts(shop: Served) -> None:
    query = f"""{{ performanceOverview(within: {{days: 400}}) {{
        runs redRuns trunkRuns lastRun health {{ score parts {{ name points worth because }} }}
        metrics {{ metric {PLACE} unit better level direction change low high shifts {{ at good bad change worse }} }}
        opportunities {{ title impact ease because }} releases {{ name commit made }} }} }}"""
    found = answered(shop, query)["performanceOverview"]
    assert 0 < found["health"]["score"] <= 100
    calls = next(
        one
        for one in found["metrics"]
        if (one["metric"], one["place"]["endpoint"]) == ("queries.calls", "GET /products")
    )
    assert calls["level"] == 5
    assert [shift["worse"] for shift in calls["shifts"]] == [True]


def test_statements_endpoints_resources_and_connections_are_told(shop: Served) -> None:
    figures = f"metric {PLACE} unit better runs mean least most last"
    found = answered(
        shop,
        f"""{{ slowQueries(limit: 2) {{ fingerprint text scenario endpoint blocks time calls meanTime rows }}
            endpointMetrics {{ {figures} }} resourceUtilization {{ {figures} }}
            databasePoolMetrics {{ {figures} }} }}""",
    )
    assert [one["text"].split()[0] for one in found["slowQueries"]] == ["SELECT", "SELECT"]
    assert {one["metric"] for one in found["databasePoolMetrics"]} == {"connections.used", "database.cache_hits"}
    assert {one["metric"] for one in found["resourceUtilization"]} == {"cpu.per_request", "memory.peak"}
    assert {one["place"]["endpoint"] for one in found["endpointMetrics"]} >= {"GET /products", "POST /orders"}


def test_a_scenario_and_a_branch_narrow_it(shop: Served) -> None:
    only = answered(shop, '{ endpointMetrics(scenario: "checkout") { place { scenario } } }')["endpointMetrics"]
    assert {one["place"]["scenario"] for one in only} == {"checkout"}
    runs = answered(shop, '{ runs(branch: "feature-3") { branch } }')["runs"]
    assert runs == [{"branch": "feature-3"}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ " + " ".join(f"a{n}: runs {{ number }}" for n in range(11)) + " }", "aliases"),
        ("{ runs " + "{ number " * 9 + "}" * 10, "depth"),
        ("{ runs { " + "number " * 1100 + "} }", "tokens"),
        ("{ runs(limit: 501) { number } }", "limit"),
        ("{ runs(limit: 0) { number } }", "limit"),
        ("{ runs(within: {days: 0}) { number } }", "days"),
        ('{ runs(branch: "\\u0000") { number } }', "name"),
        ("mutation { runs { number } }", "mutation"),
    ],
)
def test_what_asks_too_much_is_refused(shop: Served, query: str, said: str) -> None:
    assert said in errors(shop, query).lower()


def test_there_is_no_page_to_type_queries_into_and_none_in_addresses(shop: Served) -> None:
    assert shop.ask("/graphql", accept="text/html").status in (400, 404, 405)
    assert shop.ask("/graphql?query=%7Bruns%7Bnumber%7D%7D").status in (400, 404, 405)


@contextmanager
def begun(served: Served) -> Iterator[ClientConnection]:
    """A connection that may subscribe."""
    address, protocols = f"ws://127.0.0.1:{served.port}/graphql", [Subprotocol("graphql-transport-ws")]
    with connect(address, subprotocols=protocols) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(timeout=30))["type"] == "connection_ack"
        yield socket


def listen(socket: ClientConnection, name: str = "1") -> None:
    query = "subscription { newRuns { number branch } }"
    socket.send(json.dumps({"id": name, "type": "subscribe", "payload": {"query": query}}))


def test_who_listens_is_told_of_each_new_run_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.05)
    database = server.create("web_feed")
    with entering(database.url, "shop") as store, serving(database.url, "shop") as served, begun(served) as socket:
        history.fill(store, 1, seed=1)
        listen(socket)
        # Not told of what was there; what it is told of first is stored after it began to listen.
        seed = 2
        while True:
            history.fill(store, 1, seed=seed)
            try:
                first = json.loads(socket.recv(timeout=1))
                break
            except TimeoutError:
                seed += 1
        history.fill(store, 1, seed=seed + 1)
        second = json.loads(socket.recv(timeout=30))
    numbers = [told["payload"]["data"]["newRuns"]["number"] for told in (first, second)]
    assert numbers[0] > 1
    assert numbers[1] == numbers[0] + 1


def test_only_so_many_may_listen(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    database = server.create("web_many")
    with serving(database.url, "shop") as served, begun(served) as socket:
        listen(socket, "1")
        listen(socket, "2")
        told = json.loads(socket.recv(timeout=30))
    assert told["type"] in ("next", "error")
    assert "listening already" in json.dumps(told)
