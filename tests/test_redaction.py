"""Nothing that a result says tells a secret: planted in SQL, in the environment and in what the service prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.advice import Advice, Effort, Severity
from perfgate.redaction import Redactor, passwords_of, secrets_of
from tests.projects import visit


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no route to postgresql://shop:hunter22@db.example/shop", "no route to postgresql://***@db.example/shop"),
        ("connection failed: host=db password=hunter22 user=shop", "connection failed: host=db password=*** user=shop"),
        ("password: 'hunter22 and more'", "password: ***"),
        ("DETAIL:  parameters: $1 = 'it''s me', $2 = 'x'", "DETAIL:  parameters: $1 = ***, $2 = ***"),
        ("DETAIL:  Key (email)=(ada@example.com) already exists.", "DETAIL:  Key (email)=(***) already exists."),
        ("DETAIL:  Failing row contains (1, ada, (x)).", "DETAIL:  Failing row contains (***)."),
        ("Key (lower(email::text))=(ada@x) already exists.", "Key (lower(email::text))=(***) already exists."),
        ("Key (name)=(a) b) already exists.", "Key (name)=(***) already exists."),
        ("Failing row contains (1, two\nlines).\nand more", "Failing row contains (***).\nand more"),
        ('invalid input syntax for type uuid: "ada"', 'invalid input syntax for type uuid: "***"'),
        ('value "4711" is out of range for type integer', 'value "***" is out of range for type integer'),
        ("[SQL: SELECT 1]\n[parameters: ('ada', 5)]", "[SQL: SELECT 1]\n[parameters: ***]"),
        ("client_secret=hunter22 X-Api-Key: hunter22", "client_secret=*** X-Api-Key: ***"),
        ('{"password": "hunter22", "a": 1}', '{"password": ***, "a": 1}'),
        ("Authorization: Bearer hunter22", "Authorization: ***"),
        ("UPDATE users SET reset_token = ? WHERE token = $1", "UPDATE users SET reset_token = ? WHERE token = $1"),
        ("SELECT id FROM customers WHERE email = 'ada'", "SELECT id FROM customers WHERE email = '?'"),
        ("SELECT id FROM a\n  AND email = 'ada'", "SELECT id FROM a\n  AND email = '?'"),
        (r"SELECT id FROM a WHERE b = E'a\'da'", "SELECT id FROM a WHERE b = '?'"),
        ("UPDATE a SET b = $x$ada$x$", "UPDATE a SET b = '?'"),
        ("write it like 'users: 8', with a number", "write it like 'users: 8', with a number"),
        ("GET http://127.0.0.1:8000/a?b=c", "GET http://127.0.0.1:8000/a?b=c"),
    ],
)
def test_what_is_written_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_secrets_are_told_by_the_names_of_their_variables() -> None:
    environment = {
        "API_KEY": "abcdef1",
        "DB_PASSWORD": "hunter22",
        "KEY": "1",
        "HOME": "/home/ada",
        "PWD": "/home/ada/shop",
        "MONKEY": "chimpanzee",
        "DATABASE_URL": "postgresql://shop:p%40ssw0rd@db/shop",
    }
    assert sorted(secrets_of(environment)) == ["abcdef1", "hunter22", "p%40ssw0rd", "p@ssw0rd"]
    assert list(passwords_of("postgresql://shop@db/shop")) == []


def test_a_secret_that_holds_another_is_hidden_whole() -> None:
    assert Redactor.of(["abcdef", "abcdefghi"]).text("abcdefghi abcdef") == "*** ***"


def test_the_sql_of_an_advice_stays_whole_or_goes() -> None:
    sql = ('CREATE INDEX "orders_customer_idx" ON "orders" ("customer") WHERE "status" = \'open\'',)
    advice = Advice(
        "missing_index",
        Severity.HIGH,
        "for orders",
        (),
        "",
        Effort.MINUTES,
        "",
        sql=sql,
        safe=True,
        metrics=("orders.*",),
    )
    assert Redactor.of(["hunter22"]).advice(advice) == advice
    without = Redactor.of(["orders"]).advice(advice)
    assert (without.title, without.sql, without.safe, without.metrics) == ("for ***", (), False, ("orders.*",))


def test_nothing_that_a_run_leaves_or_says_holds_a_planted_secret(tmp_path: Path) -> None:
    project = visit(tmp_path)
    project.write(
        "behaviour.py",
        "import os, sys\n"
        "print('token', os.environ['SHOP_TOKEN'], 'postgresql://a:geheim99@h/d', file=sys.stderr)\n"
        "print(\"SELECT a FROM b WHERE c = 'literal77'\", file=sys.stderr, flush=True)\n"
        "os._exit(7)\n",
    )
    reports = ("--json", "result.json", "--report", "page.html", "--report", "report.md")
    done = project.perfgate("run", *reports, SHOP_TOKEN="s3cr3t-t0k3n")
    left = [tmp_path / name for name in ("result.json", "page.html", "report.md", ".perfgate/report.html")]
    for text in (done.stdout, done.stderr, *(path.read_text(encoding="utf-8") for path in left)):
        assert not [secret for secret in ("s3cr3t-t0k3n", "geheim99", "literal77") if secret in text]
    assert "SELECT a FROM b WHERE c" in left[0].read_text(encoding="utf-8"), "the service was not heard"
