"""Statements that came after their request was answered, given back to it where their comments say whose they are.

What a service does in the background after an answer is found in the window of the next request. A trace id names the
request itself; a route names its endpoint, where other requests have shown which one that is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from perfgate.examination import Execution
from perfgate.measure import comments

FEWEST = 3
"""Executions of a route before it is known whose it is."""


def returned(executions: Sequence[Execution], endpoints: Sequence[str]) -> list[Execution]:
    """The executions, each with the request that it belongs to; `endpoints` are those of all requests in order."""
    tags = [comments.tags(execution.text) for execution in executions]
    traces = _by_request(executions, tags)
    routes = _by_endpoint(executions, tags)
    return [
        replace(e, request=e.request - 1, endpoint=endpoints[e.request - 1])
        if e.request and _is_late(e, own, traces, routes, endpoints[e.request - 1])
        else e
        for e, own in zip(executions, tags, strict=True)
    ]


def _is_late(
    execution: Execution,
    tags: Mapping[str, str],
    traces: Mapping[str, set[int]],
    routes: Mapping[str, str],
    before: str,
) -> bool:
    """Whether it belongs to the request before, whose endpoint is `before`."""
    trace, route = comments.trace(tags), comments.route(tags)
    if trace in traces:
        return traces[trace] == {execution.request - 1, execution.request}
    return routes.get(route, execution.endpoint) != execution.endpoint and routes.get(route) == before


def _by_request(executions: Sequence[Execution], tags: Sequence[Mapping[str, str]]) -> dict[str, set[int]]:
    """The requests in whose windows each trace was seen; what is seen in more than two names no request."""
    found: dict[str, set[int]] = defaultdict(set)
    for execution, own in zip(executions, tags, strict=True):
        if trace := comments.trace(own):
            found[trace].add(execution.request)
    return {trace: requests for trace, requests in found.items() if len(requests) <= 2}


def _by_endpoint(executions: Sequence[Execution], tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The endpoint of each route: that of most of its executions."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for execution, own in zip(executions, tags, strict=True):
        if route := comments.route(own):
            found[route][execution.endpoint] += 1
    usual = {route: counts.most_common(1)[0] for route, counts in found.items()}
    return {
        route: endpoint
        for route, (endpoint, count) in usual.items()
        if count >= FEWEST and count > found[route].total() / 2
    }
