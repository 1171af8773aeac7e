"""Statements that come after the answer go back to their request, where a comment says whose they are."""

from __future__ import annotations

from perfgate.examination import Execution
from perfgate.measure.belated import returned

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e47{:02x}-00f067aa0ba902b7-01"


def sent(endpoint: str, request: int, comment: str = "") -> Execution:
    return Execution(endpoint, request, "f", f"SELECT 1 /*{comment}*/", (), {}, 0.0)


def traced(endpoint: str, request: int, trace: int) -> Execution:
    return sent(endpoint, request, f"traceparent='{TRACE.format(trace)}'")


def places(executions: list[Execution], *endpoints: str) -> list[tuple[int, str]]:
    return [(e.request, e.endpoint) for e in returned(executions, endpoints)]


def test_a_trace_names_the_request() -> None:
    found = places([traced("GET /a", 0, 1), traced("GET /b", 1, 1), traced("GET /b", 1, 2)], "GET /a", "GET /b")
    assert found == [(0, "GET /a"), (0, "GET /a"), (1, "GET /b")]


def test_a_trace_that_never_ends_names_none() -> None:
    found = places([traced("GET /a", n, 1) for n in range(4)], *["GET /a"] * 4)
    assert found == [(n, "GET /a") for n in range(4)]


def test_a_route_names_the_endpoint_where_others_have_shown_it() -> None:
    usual = [sent("GET /a", n, "route='a'") for n in range(3)]
    late, own = sent("GET /b", 3, "route='a'"), sent("GET /b", 3, "route='b'")
    assert places([*usual, late, own], *["GET /a"] * 3, "GET /b")[3:] == [(2, "GET /a"), (3, "GET /b")]


def test_a_route_that_was_hardly_seen_names_none() -> None:
    found = places([sent("GET /a", 0, "route='a'"), sent("GET /b", 1, "route='a'")], "GET /a", "GET /b")
    assert found == [(0, "GET /a"), (1, "GET /b")]


def test_a_route_of_another_endpoint_than_the_one_before_stays() -> None:
    usual = [sent("GET /a", n, "controller:a,action:list") for n in range(3)]
    found = places([*usual, sent("GET /b", 4, "controller:a,action:list")], *["GET /a"] * 3, "GET /c", "GET /b")
    assert found[3] == (4, "GET /b")


def test_statements_without_comments_stay_where_they_are() -> None:
    assert places([sent("GET /a", 0), sent("GET /b", 1)], "GET /a", "GET /b") == [(0, "GET /a"), (1, "GET /b")]
