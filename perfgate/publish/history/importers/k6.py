"""k6's end-of-test summary as JSON: what `handleSummary()` is given, or what `--summary-export` writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from perfgate.model import Better, Comparable, Metric, Noise, Run, Scope, Unit
from perfgate.publish.history.foreign import response
from perfgate.publish.history.importer import Entry, Gathering, Node, Origin, Source, run_of, started
from perfgate.publish.report import one_line

SCENARIO = "k6"
_NAME = re.compile(r"([^{}]+)(?:\{(.*)\})?", re.DOTALL)
_TAGS = re.compile(r",\s*(?=[\w-]+:)")
_STATISTICS = {
    **{"med": "p50", "p(90)": "p90", "p(95)": "p95", "p(99)": "p99"},
    **{"max": "max", "avg": "mean"},
}
_PLACES = frozenset(("name", "url", "method", "scenario", "expected_response"))
"""Tags that say where a metric was measured, in our words; metrics narrowed by others are left out."""
_OWN = re.compile(r"http_req|vus|iteration|data_|checks|group_duration|ws_|grpc_|browser_|dropped_iterations")


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of k6: its values by statistic, whether they are known to be times, and its tags."""

    name: str
    tags: Mapping[str, str]
    values: Node
    timed: bool


class K6:
    """A file is a run. It names neither commit nor time nor machine.

    Metrics of requests have the names of perfgate's own, `response.p95`; where k6 tells successful requests apart
    (`{expected_response:true}`), their times are taken, as perfgate takes them. Trends of the script's own are
    `custom.NAME.p95`, if k6 says that they are times; what does not say which way is better is left out, and named.
    The scenario is "k6" unless a tag or the user says another.
    """

    name: ClassVar[str] = "k6"
    looks_for: ClassVar[str] = "JSON with `metrics` that are a mapping, and `root_group` or `http_reqs`"

    def recognises(self, source: Source) -> bool:
        document = source.document
        metrics = document.get("metrics") if isinstance(document, dict) else None
        return isinstance(metrics, dict) and ("root_group" in document or "http_reqs" in metrics)

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        yield Entry("", lambda: _run(source, origin))


def _run(source: Source, origin: Origin) -> Run:
    document = Node(source.document)
    gathering = Gathering()
    found = [_measured(name, node) for name, node in document["metrics"].items()]
    by_name: dict[str, dict[Scope, Measured]] = {}
    for one in sorted(found, key=lambda one: "expected_response" in one.tags):
        if (scope := _scope(one, origin)) is not None:
            by_name.setdefault(one.name, {})[scope] = one  # the narrower one comes last, and wins
    for scope in sorted({scope for places in by_name.values() for scope in places}):
        _add_requests(gathering, scope, by_name)
    left = [name for name, places in by_name.items() if not _OWN.match(name) and not _add_custom(gathering, places)]
    when, notes = started(source, origin)
    seconds = (document.get("state") or Node({})).get("testRunDurationMs")
    said = f"these metrics do not say which way is better, and were left out: {', '.join(sorted(left))}"
    return run_of(
        gathering,
        origin,
        when,
        seconds=seconds.number() / 1000 if seconds else 0.0,
        notes=(*notes, *([one_line(said)] if left else [])),
    )


def _measured(name: str, node: Node) -> Measured:
    """`--summary-export` writes the values where `handleSummary()` has `values` beside `type` and `contains`."""
    match = _NAME.fullmatch(name)
    if not match:
        raise node.broken("is no name of a metric")
    pairs = (part.partition(":") for part in _TAGS.split(match[2] or "") if part)
    tags = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
    contains = node.get("contains")
    return Measured(match[1].strip(), tags, node.get("values") or node, bool(contains and contains.value == "time"))


def _scope(one: Measured, origin: Origin) -> Scope | None:
    """Where it was measured; None for a part of the requests that we have no word for."""
    if not one.tags.keys() <= _PLACES or one.tags.get("expected_response", "true") != "true":
        return None
    place = one.tags.get("name") or one.tags.get("url") or ""
    endpoint = " ".join(filter(None, (one.tags.get("method"), place)))
    return Scope(one_line(origin.scenario or one.tags.get("scenario") or SCENARIO), endpoint=one_line(endpoint))


def _add_requests(gathering: Gathering, scope: Scope, by_name: Mapping[str, Mapping[Scope, Measured]]) -> None:
    """k6 has times in milliseconds, whatever unit it prints."""
    times, failed, requests = (
        by_name.get(name, {}).get(scope) for name in ("http_req_duration", "http_req_failed", "http_reqs")
    )
    for statistic, metric in _STATISTICS.items():
        if times and (value := times.values.get(statistic)):
            gathering.add(response(metric), scope, value.number() / 1000)
    share = 0.0
    if failed:
        share = (failed.values.get("rate") or failed.values["value"]).number()
        gathering.add(response("errors"), scope, share)
    if requests:
        gathering.add(response("rate"), scope, requests.values["rate"].number() * (1 - share))


def _add_custom(gathering: Gathering, places: Mapping[Scope, Measured]) -> bool:
    """Whether all of them are times, and so were added."""
    if not all(one.timed for one in places.values()):
        return False
    for scope, one in places.items():
        for statistic, short in _STATISTICS.items():
            if value := one.values.get(statistic):
                gathering.add(_custom(f"custom.{one_line(one.name)}.{short}"), scope, value.number() / 1000)
    return True


def _custom(name: str) -> Metric:
    meaning = "A time that the script of k6 measured."
    return Metric(name, Unit.SECONDS, Better.LOWER, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift=0.25)


IMPORTER = K6()
