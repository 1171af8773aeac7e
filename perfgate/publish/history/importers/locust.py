"""Locust's CSV files (`--csv PREFIX`): PREFIX_stats.csv of the whole run, or PREFIX_stats_history.csv of its course."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from perfgate.errors import BadRequest
from perfgate.model import Run, Scope
from perfgate.publish.history.foreign import response
from perfgate.publish.history.importer import Entry, Gathering, Origin, Source, moment, number, run_of, started
from perfgate.publish.report import one_line

Row = tuple[int, dict[str, str]]
"""The line that a row ends on, and its values by column."""

SCENARIO = "locust"
_STATS = "Type,Name,Request Count,"
_HISTORY = "Timestamp,User Count,Type,Name,"
_TIMES = {"50%": "p50", "90%": "p90", "95%": "p95", "99%": "p99"}
_NOTE = "by Locust: times are rounded, and those of failed requests are among them"


class Locust:
    """A file is a run: of the whole with one value a metric, of its course with one for each time that Locust wrote.

    Both tell of the same run, so only one of the two is to be imported. Metrics have the names of perfgate's own,
    `response.p95`, and their scenario is "locust" unless another is given. The time of a run is in the history alone:
    it is looked for beside the other file.
    """

    name: ClassVar[str] = "locust"
    looks_for: ClassVar[str] = f"CSV that begins with `{_STATS}` or `{_HISTORY}`"

    def recognises(self, source: Source) -> bool:
        return _head(source.text).startswith((_STATS, _HISTORY))

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        read = _history if _head(source.text).startswith(_HISTORY) else _stats
        yield Entry("", lambda: read(source, origin))


def _head(text: str) -> str:
    return text[:200].replace('"', "")


def _rows(text: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadRequest(f"line {reader.line_num}: does not have as many fields as the first line")
            yield reader.line_num, row
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num}: is no CSV: {error}") from error


def _number(row: Row, column: str) -> float:
    line, fields = row
    return number(fields.get(column), lambda what: BadRequest(f"line {line}: {column}: {what}"))


def _scope(row: Row, origin: Origin) -> Scope:
    """Locust's own sum of all requests is the scenario's."""
    method, name = row[1]["Type"], row[1]["Name"]
    all_together = not method and name == "Aggregated"
    return Scope(origin.scenario or SCENARIO, endpoint="" if all_together else one_line(f"{method} {name}"))


def _stats(source: Source, origin: Origin) -> Run:
    gathering = Gathering()
    for row in _rows(source.text):
        scope = _scope(row, origin)
        requests, failures = _number(row, "Request Count"), _number(row, "Failure Count")
        _add_rate(gathering, scope, row)
        if requests:
            _add_times(gathering, scope, row)
            gathering.add(response("max"), scope, _number(row, "Max Response Time") / 1000)
            gathering.add(response("mean"), scope, _number(row, "Average Response Time") / 1000)
            gathering.add(response("bytes"), scope, _number(row, "Average Content Size"))
            gathering.add(response("errors"), scope, failures / requests)
    when, notes = _when(source, origin)
    return run_of(gathering, origin, when, notes=(*notes, _NOTE))


def _history(source: Source, origin: Origin) -> Run:
    """Percentiles and rates here are those of the last ten seconds at each time; before the first request are none."""
    gathering = Gathering()
    begun: set[Scope] = set()
    for row in _rows(source.text):
        scope = _scope(row, origin)
        busy = _number(row, "Requests/s") > 0
        if busy or scope in begun:
            begun.add(scope)
            _add_rate(gathering, scope, row)
        if busy:
            _add_times(gathering, scope, row)
    first, last = _span(source.text)
    return run_of(gathering, origin, _epoch(first), seconds=last - first, notes=(_NOTE,))


def _add_rate(gathering: Gathering, scope: Scope, row: Row) -> None:
    gathering.add(response("rate"), scope, _number(row, "Requests/s") - _number(row, "Failures/s"))


def _add_times(gathering: Gathering, scope: Scope, row: Row) -> None:
    for column, metric in _TIMES.items():
        gathering.add(response(metric), scope, _number(row, column) / 1000)


def _span(text: str) -> tuple[float, float]:
    times = [_number(row, "Timestamp") for row in _rows(text)]
    if not times:
        raise BadRequest("has no measurements in it")
    return min(times), max(times)


def _epoch(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadRequest(f"Timestamp: {seconds!r} is no time") from error


def _when(source: Source, origin: Origin) -> tuple[datetime, tuple[str, ...]]:
    """When the run began: as the user says, or the history beside the file, or the file's own time."""
    if origin.started:
        return moment(origin.started), ()
    beside: Path = source.path.with_name(f"{source.path.stem}_history.csv")
    if beside.is_file():
        return _epoch(_span(Source(beside).text)[0]), ()
    return started(source, origin)


IMPORTER = Locust()
