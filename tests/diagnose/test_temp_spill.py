from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.temp_spill import ADVISOR
from perfgate.diagnose.subject import Subject
from perfgate.measure.database import Server
from perfgate.model import Key, Sample, Scope
from tests.diagnose import laboratory
from tests.diagnose.evidence import only, sample, told
from tests.diagnose.laboratory import SCENARIO, Bench, Sent, failed, subject_of

# A database's own setting, as a migration may have made it: what is tried has to win over it.
SCHEMA = """
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '64kB'); END $$;
    CREATE TABLE events AS SELECT n AS id, md5(n::text) AS name FROM generate_series(1, 8000) AS n;
"""
SORTED = Sent("GET /sorted", "SELECT * FROM events ORDER BY name")
HASHED = Sent("GET /hashed", "SELECT name, count(*) FROM events GROUP BY name")
PLAIN = Sent("GET /one", "SELECT name FROM events WHERE id = 7 ORDER BY name")


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    with laboratory.opened(server, SCHEMA, [SORTED, PLAIN] * 2) as bench:
        yield bench


@pytest.fixture(scope="module")
def subject(bench: Bench) -> Subject:
    return subject_of(bench.examine(), laboratory=bench)


def test_a_sort_on_disk_is_tried_with_memory_enough_for_it(subject: Subject) -> None:
    advice = only(ADVISOR, subject)
    assert advice.severity is Severity.MEDIUM
    assert advice.safe
    assert advice.scope == Scope(SCENARIO, "GET /sorted")
    assert advice.sql == (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '4MB'); END $$",
    )
    (trial,) = advice.verified
    assert trial.what == "temporary blocks of GET /sorted a request"
    assert trial.before > 50
    assert trial.after == 0


def test_a_spill_explains_an_endpoint_that_is_red_unless_there_was_as_much_before(subject: Subject) -> None:
    spilled = Key("queries.temp_blocks", Scope(SCENARIO, "GET /sorted"))
    head = Sample(spilled.metric, spilled.scope, (90.0,))
    red = failed("response.p95", "GET /sorted")
    now = replace(subject, run=replace(subject.run, samples=(head,)), verdict=replace(subject.verdict, findings=(red,)))
    assert only(ADVISOR, now).severity is Severity.HIGH
    assert only(ADVISOR, replace(now, references={spilled: 90.0})).severity is Severity.MEDIUM
    assert only(ADVISOR, replace(now, references={spilled: 0.0})).severity is Severity.HIGH


def test_one_trial_serves_all_endpoints_that_it_helps(bench: Bench) -> None:
    bench.sent = [SORTED, HASHED]
    subject = subject_of(bench.examine(), laboratory=bench)
    bench.examined.clear()
    assert {advice.scope.endpoint for advice in told(ADVISOR, subject)} == {"GET /sorted", "GET /hashed"}
    assert len(bench.examined) <= 2


def test_memory_that_all_sessions_together_do_not_have_is_given_to_one_statement(subject: Subject) -> None:
    many = replace(subject, run=replace(subject.run, samples=(sample("connections.used", 5000.0),)))
    advice = only(ADVISOR, many)
    assert "SET LOCAL work_mem = '4MB' in the transaction that needs it" in advice.remedy
    assert (advice.sql, advice.safe, len(advice.verified)) == ((), False, 1)
    assert "SET LOCAL" not in only(ADVISOR, subject).remedy


def test_without_a_laboratory_a_spill_is_a_hint(subject: Subject) -> None:
    advice = only(ADVISOR, replace(subject, laboratory=None))
    assert (advice.severity, advice.verified, advice.safe) == (Severity.LOW, (), False)


def test_what_fits_into_work_mem_is_no_matter(server: Server) -> None:
    roomy = SCHEMA.replace("64kB", "8MB")
    with laboratory.opened(server, roomy, [SORTED, HASHED, PLAIN]) as bench:
        assert not told(ADVISOR, subject_of(bench.examine(), laboratory=bench))
