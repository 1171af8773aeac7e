"""Storing runs: many in one transaction, by COPY, each of them once.

COPY does not go into tables with row-level security, so it fills a table of the transaction's own, which is inserted
then. Whatever several writers may insert at once, all of them insert in one order, so that none waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from perfgate.errors import BadRequest, NotMeasured
from perfgate.publish.history.entry import PLACES, Entry, Measurement, plain, stored_json
from perfgate.publish.history.store import Store

if TYPE_CHECKING:
    import psycopg

TRIES = 5


def write(store: Store, entries: Sequence[Entry]) -> int:
    """Store the runs that are not there yet, all or none; how many those were.

    Raises BadRequest for a run of an impossible time, NotMeasured where months are pruned as fast as they are made, and
    psycopg.OperationalError where the server is lost or full.
    """
    for _ in range(TRIES):
        stored = _written(store, entries)
        if stored is not None:
            return stored
        _make_months(store, entries)
    raise NotMeasured("months of the history come and go while it is written", hint="let `perfgate history prune` end")


def _written(store: Store, entries: Sequence[Entry]) -> int | None:
    """How many runs were stored; None where the partition of a month is missing, and nothing was done."""
    with store.transaction() as cursor:
        for moment in _months(entries):
            held = cursor.execute("SELECT hold_month(%s)", [moment]).fetchone()
            if held != (True,):
                return None
        ordered = sorted(entries, key=attrgetter("digest"))
        numbers = {entry.digest: number for entry in ordered if (number := _insert(cursor, store, entry)) is not None}
        added = [(entry, numbers.pop(entry.digest)) for entry in ordered if entry.digest in numbers]
        _statements(cursor, store, [entry for entry, _ in added])
        _samples(cursor, store, added)
        _findings(cursor, store, added)
        _labels(cursor, store, added)
        _accept(cursor, store, [entry.digest for entry in ordered if entry.accepted])
        return len(added)


def _accept(cursor: psycopg.Cursor, store: Store, digests: list[bytes]) -> None:
    """Mark runs that were accepted after they had been stored."""
    if digests:
        cursor.execute(
            "UPDATE run SET accepted = true WHERE project = %s AND digest = ANY (%s) AND NOT accepted",
            [store.project, digests],
        )


def _months(entries: Iterable[Entry]) -> list[object]:
    """A moment in each month that there are runs of."""
    return list({(entry.started.year, entry.started.month): entry.started for entry in entries}.values())


def _make_months(store: Store, entries: Iterable[Entry]) -> None:
    """Make the partitions in transactions of their own: it takes a lock that nobody may hold for long."""
    from psycopg.errors import DatetimeFieldOverflow

    for moment in _months(entries):
        try:
            with store.transaction() as cursor:
                cursor.execute("SELECT make_month(%s)", [moment])
        except DatetimeFieldOverflow as error:
            raise BadRequest(f"{error.diag.message_primary}", hint="set this machine's clock") from error


def _insert(cursor: psycopg.Cursor, store: Store, entry: Entry) -> int | None:
    """The number of the run's row; None where it is there already."""
    run, verdict = entry.run, entry.result.verdict
    row = cursor.execute(
        """
        INSERT INTO run (project, digest, started, seconds, commit, branch, dirty, trunk, accepted, base, machine,
                         profile, scenarios, status, exit_code, details)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (project, digest) DO NOTHING
        RETURNING id
        """,
        [
            *(store.project, entry.digest, entry.started, run.seconds, plain(run.commit), plain(run.branch), run.dirty),
            *(entry.trunk, entry.accepted, plain(run.base), plain(run.machine.kind), plain(run.profile)),
            sorted({plain(sample.scope.scenario) for sample in run.samples} - {""}),
            *(verdict.status if verdict else "", verdict.exit_code if verdict else None, entry.details()),
        ],
    ).fetchone()
    return row[0] if row else None


def _statements(cursor: psycopg.Cursor, store: Store, entries: Iterable[Entry]) -> None:
    texts = {plain(name): plain(text) for entry in entries for name, text in entry.run.statements.items()}
    cursor.execute(
        """
        INSERT INTO statement (project, fingerprint, text)
        SELECT %s, * FROM unnest(%s::text[], %s::text[]) AS given ORDER BY 2
        ON CONFLICT (project, fingerprint) DO NOTHING
        """,
        [store.project, list(texts), list(texts.values())],
    )


def _series(cursor: psycopg.Cursor, store: Store, wanted: dict[bytes, Measurement]) -> dict[bytes, int]:
    """The numbers of the series, those made that are not there."""
    find = "SELECT digest, id FROM series WHERE project = %s AND digest = ANY(%s)"
    known: dict[bytes, int] = dict(cursor.execute(find, [store.project, list(wanted)]).fetchall())
    lacking = sorted(wanted.keys() - known.keys())
    if not lacking:
        return known
    columns = ", ".join(f'"{place}"' for place in PLACES)
    cursor.executemany(
        f"INSERT INTO series (project, digest, metric, unit, better, noise, meaning, {columns})"
        f" VALUES (%s, %s, %s, %s, %s, %s, %s{', %s' * len(PLACES)}) ON CONFLICT DO NOTHING",
        [_series_row(store, digest, wanted[digest]) for digest in lacking],
    )
    return dict(cursor.execute(find, [store.project, list(wanted)]).fetchall())


def _series_row(store: Store, digest: bytes, measurement: Measurement) -> list[object]:
    metric, scope = measurement.metric, measurement.sample.scope
    described = (plain(metric.name), metric.unit, metric.better, metric.noise, plain(metric.meaning))
    return [store.project, digest, *described, *(plain(getattr(scope, place)) for place in PLACES)]


def _samples(cursor: psycopg.Cursor, store: Store, added: Sequence[tuple[Entry, int]]) -> None:
    rows = [
        (measurement.digest(), entry, number, measurement)
        for entry, number in added
        for measurement in entry.measurements()
    ]
    numbers = _series(cursor, store, {digest: measurement for digest, _, _, measurement in rows})
    cursor.execute("CREATE TEMP TABLE staged_sample (LIKE sample) ON COMMIT DROP")
    columns = "started, run, project, series, base, trunk, count, level, mean, least, most, rounds"
    with cursor.copy(f"COPY staged_sample ({columns}) FROM STDIN") as copy:
        for digest, entry, number, measurement in rows:
            place = (entry.started, number, store.project, numbers[digest], measurement.is_base, entry.trunk)
            copy.write_row((*place, *measurement.figures()))
    cursor.execute(f"INSERT INTO sample ({columns}) SELECT {columns} FROM staged_sample ON CONFLICT DO NOTHING")
    cursor.execute(
        "INSERT INTO stale SELECT DISTINCT project, date_trunc('hour', started) FROM staged_sample"
        " WHERE trunk AND NOT base"
    )


def _findings(cursor: psycopg.Cursor, store: Store, added: Sequence[tuple[Entry, int]]) -> None:
    rows = [
        (entry.started, number, place, found["status"], plain(found["metric"]), stored_json(found))
        for entry, number in added
        for place, found in enumerate(entry.document["findings"])
    ]
    cursor.execute(
        """
        INSERT INTO finding (project, started, run, number, status, metric, details)
        SELECT %s, * FROM unnest(%s::timestamptz[], %s::bigint[], %s::integer[], %s::text[], %s::text[], %s::json[])
        """,
        [store.project, *_columns(rows, 6)],
    )


def _labels(cursor: psycopg.Cursor, store: Store, added: Sequence[tuple[Entry, int]]) -> None:
    rows = [(number, plain(k), plain(v)) for entry, number in added for k, v in entry.labels.items()]
    cursor.execute(
        "INSERT INTO label (project, run, name, value) SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[])",
        [store.project, *_columns(rows, 3)],
    )


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """The rows as columns, which unnest makes rows of again."""
    return [[row[column] for row in rows] for column in range(width)]
