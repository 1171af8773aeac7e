from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from perfgate.advice import Advice, Severity
from perfgate.diagnose.advisors.missing_index import ADVISOR
from perfgate.measure.database import Server
from tests.diagnose.laboratory import Bench, Sent, opened, subject_of

SCHEMA = """
CREATE SCHEMA "Shop";
CREATE TABLE "Shop".owners (id int PRIMARY KEY);
CREATE TABLE projects (
    id int PRIMARY KEY, owner int REFERENCES "Shop".owners ON DELETE CASCADE, kind int NOT NULL DEFAULT 1,
    UNIQUE (kind, id)
);
CREATE INDEX ON projects (owner);
CREATE TABLE tasks (id int PRIMARY KEY, project int REFERENCES projects ON DELETE CASCADE, note text NOT NULL);
CREATE TABLE indexed (id int PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY, of int REFERENCES indexed);
CREATE INDEX ON parts (of);
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE halves (
    id int PRIMARY KEY, second int, first int, note text, FOREIGN KEY (first, second) REFERENCES pairs
);
CREATE TABLE few_of (id int PRIMARY KEY);
CREATE TABLE few (id int PRIMARY KEY, of int REFERENCES few_of);
CREATE TABLE audited (id int PRIMARY KEY);
CREATE TABLE audits (id int PRIMARY KEY, of int, note text);

INSERT INTO "Shop".owners SELECT generate_series(1, 500);
INSERT INTO projects SELECT i, i % 500 + 1 FROM generate_series(1, 2000) AS i;
INSERT INTO tasks SELECT i, i * 7919 % 2000 + 1, repeat('x', 60) FROM generate_series(1, 12000) AS i;
INSERT INTO indexed SELECT generate_series(1, 500);
INSERT INTO pairs SELECT i, i FROM generate_series(1, 500) AS i;
INSERT INTO halves SELECT i, 500, 500, repeat('x', 60) FROM generate_series(1, 12000) AS i;
INSERT INTO few_of SELECT generate_series(1, 500);
INSERT INTO few SELECT i, 500 FROM generate_series(1, 900) AS i;
INSERT INTO audited SELECT generate_series(1, 500);
INSERT INTO audits SELECT i, 500, repeat('x', 60) FROM generate_series(1, 12000) AS i;

CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM count(note) FROM audits; RETURN NULL; END $$;
CREATE TRIGGER audit AFTER DELETE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER audit AFTER UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION audit();
"""

ENDPOINT = "DELETE /projects"


@pytest.fixture(scope="module")
def bench(server: Server) -> Iterator[Bench]:
    with opened(server, SCHEMA, []) as bench:
        yield bench


def asked(bench: Bench, *statements: str) -> list[Advice]:
    """What is said, by trying no index that comes to nothing: an examination takes seconds."""
    sent = [Sent(ENDPOINT, statement, [number]) for number in range(1, 4) for statement in statements]
    own = replace(bench, sent=sent, examined=[])
    advice = list(ADVISOR.advise(subject_of(own.examine(), laboratory=own)))
    assert len(own.examined) == 1 + len(advice)
    return advice


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        pytest.param("DELETE FROM projects WHERE id = %s", '"tasks" ("project")', id="that cascades"),
        pytest.param('DELETE FROM "Shop".owners WHERE id = %s', '"tasks" ("project")', id="two levels up"),
        pytest.param("DELETE FROM pairs WHERE a = %s", '"halves" ("first", "second")', id="that only refuses"),
        pytest.param(
            "WITH gone AS (DELETE FROM projects WHERE id = %s RETURNING id) SELECT count(*) FROM gone",
            '"tasks" ("project")',
            id="within another statement",
        ),
    ],
)
def test_a_foreign_key_that_a_delete_searches_for_is_recommended_an_index(
    bench: Bench, statement: str, index: str
) -> None:
    (advice,) = asked(bench, statement)
    assert advice.sql[0].endswith(f" ON {index}")
    assert advice.severity is Severity.MEDIUM
    assert "for each row deleted from " in advice.evidence[0]
    blocks = advice.verified[0]
    assert blocks.after < blocks.before / 3


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DELETE FROM indexed WHERE id = %s AND id < 500", id="a key with an index"),
        pytest.param("DELETE FROM few_of WHERE id = %s", id="a small table"),
        pytest.param("DELETE FROM audited WHERE id = %s", id="a trigger that reads much"),
        pytest.param("DELETE FROM tasks WHERE id = %s", id="a table to which nothing refers"),
        pytest.param("UPDATE projects SET kind = kind WHERE id = %s", id="an update, though its trigger reads much"),
    ],
)
def test_nothing_is_said_of_what_no_index_of_a_foreign_key_spares(bench: Bench, statement: str) -> None:
    assert not asked(bench, statement)


@pytest.mark.parametrize(
    "statements",
    [
        ("SELECT note FROM tasks WHERE project = %s", "DELETE FROM projects WHERE id = %s"),
        ("DELETE FROM projects WHERE id = %s", 'DELETE FROM "Shop".owners WHERE id = %s'),
    ],
)
def test_an_index_that_serves_several_statements_is_recommended_once(bench: Bench, statements: Sequence[str]) -> None:
    assert len(asked(bench, *statements)) == 1


def test_a_table_that_the_service_makes_itself_hides_no_other_index(bench: Bench) -> None:
    made = """
        CREATE TABLE made (id int PRIMARY KEY);
        INSERT INTO made SELECT generate_series(1, 500);
        CREATE TABLE made_of (of int REFERENCES made, note text);
        INSERT INTO made_of SELECT 500, repeat('x', 60) FROM generate_series(1, 12000);
    """
    own = replace(bench, greeting=[made])
    (advice,) = asked(own, "SELECT note FROM tasks WHERE project = %s", "DELETE FROM made WHERE id = %s")
    assert advice.scope.table == "tasks"
