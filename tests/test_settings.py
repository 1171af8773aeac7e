"""The door: every mistake in budgets.yaml is told at once, with its line and what to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from perfgate.errors import BadRequest, PerfgateError
from perfgate.model import Better, Metric, Noise, Unit
from perfgate.plan import DEFAULT_TIME_S, Limit, Multiple, Tolerance
from perfgate.settings import Known, load, only, schema

KNOWN = Known(
    metrics={
        "response.p95": Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "p95"),
        "response.p50": Metric("response.p50", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "p50"),
        "response.errors": Metric("response.errors", Unit.RATIO, Better.LOWER, Noise.SAMPLED, "errors"),
        "queries.calls": Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "calls"),
        "bundle.brotli": Metric("bundle.brotli", Unit.BYTES, Better.LOWER, Noise.EXACT, "size"),
    },
    options={"memory": {"rate": 5.0}},
    advisors={"caching": {"seconds": 0.5}, "locks": {}},
)
GOOD = """\
version: 1
service:
  command: serve --port {port}
  env: {DEBUG: off, PORT: 80}
database:
  provider: embedded
  setup: [schema.sql]
scenarios:
  browse:
    locustfile: browse.py
    users: 8
    round: 500 ms
artifacts:
  shop: dist/*
budgets:
  - metric: response.p95
    warn: 150 ms
    fail: 300 ms
  - metric: response.p95
    endpoint: GET /products
    regression: {warn: 5 %, fail: 10 %, floor: 2 ms}
  - metric: bundle.brotli
    artifact: shop
    fail: 500 KB
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "schema.sql").touch()
    (tmp_path / "browse.py").touch()
    return tmp_path


def write(project: Path, text: str) -> Path:
    path = project / "budgets.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(project: Path, text: str) -> str:
    with pytest.raises(BadRequest) as caught:
        load(write(project, text), KNOWN)
    return str(caught.value)


def test_a_good_file_becomes_a_plan_in_base_units(project: Path) -> None:
    plan = load(write(project, GOOD), KNOWN)
    assert plan.scenarios["browse"].round == 0.5
    assert plan.service is not None
    assert plan.service.env == {"DEBUG": "false", "PORT": "80"}
    assert plan.artifacts == {"shop": ("dist/*",)}
    default, first, second, third = plan.rules
    assert isinstance(default, Limit)
    assert default.fail == 0.01
    assert isinstance(first, Limit)
    assert (first.warn, first.fail, first.where) == (0.15, 0.3, "budgets.yaml:16")
    assert isinstance(second, Tolerance)
    assert (second.warn, second.fail, second.floor) == (0.05, 0.1, 0.002)
    assert isinstance(third, Limit)
    assert third.fail == 500_000


def test_an_exact_metric_without_a_limit_may_do_no_more_than_it_did(project: Path) -> None:
    plan = load(write(project, f"{GOOD}  - {{metric: queries.calls, endpoint: GET /orders}}\n"), KNOWN)
    last = plan.rules[-1]
    assert isinstance(last, Tolerance)
    assert (last.selector.endpoint, last.warn, last.fail, last.floor) == ("GET /orders", None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("command:", "comand:", "budgets.yaml:3: service.comand: unknown key; did you mean 'command'?"),
        ("version: 1", "version: 2", "budgets.yaml:1: version: "),
        ("users: 8", "users: many", "budgets.yaml:11: scenarios.browse.users: "),
        ("users: 8", "users: 8\n    rate: 9/s", "budgets.yaml:9: scenarios.browse: needs either `users: 8` or"),
        ("users: 8", "seed: 8", "budgets.yaml:9: scenarios.browse: needs either `users: 8` or"),
        ("round: 500 ms", "round: 500", "'500' has no unit; write it like '150 ms'"),
        ("round: 500 ms", "round: 0 ms", "budgets.yaml:12: scenarios.browse.round: "),
        ("round: 500 ms", "rounds: 400", ": at least rounds, "),
        ("browse.py", "brows.py", "budgets.yaml:10: there is no file 'brows.py'"),
        ("[schema.sql]", "[scheme.sql]", "budgets.yaml:7: there is no file 'scheme.sql'"),
        ("provider: embedded", "provider: mysql", "budgets.yaml:6: database.provider: "),
        ("provider: embedded", "provider: url", "`provider: url` and `url: postgresql://...` go together"),
        ("fail: 300 ms", "fail: 300 KB", "budgets.yaml:18: fail: '300 KB': unknown unit 'KB'"),
        ("fail: 300 ms", "fial: 300 ms", "budgets.yaml:18: budgets.0.fial: unknown key; did you mean 'fail'?"),
        ("fail: 300 ms", "fail: 1.5 x basline",
         "budgets.yaml:18: fail: '1.5 x basline' is no multiple; write it like '1.5 x baseline, at least 150 ms'"),
        ("fail: 300 ms", "fail: 0 x baseline", "budgets.yaml:18: fail: '0 x baseline': 0 times something is no limit"),
        ("fail: 300 ms", "fail: 2 x base, at least 3", "budgets.yaml:18: fail: '3' has no unit"),
        ("fail: 300 ms", "fail: 2 x base, about 3 s", "budgets.yaml:18: fail: 'about 3 s' is no bound; write"),
        ("fail: 300 ms", "fail: 2 x base, at least 3 s, at most 2 s", "`at least` is more than `at most`"),
        ("{warn: 5 %, fail: 10 %, floor: 2 ms}", "{fail: 2 x base}", "'2 x base' is not a quantity"),
        ("  - metric: bundle.brotli",
         "  - {metric: response.p50, fail: 2 x base, at least 3 s}\n  - metric: bundle.brotli",
         "quote a limit that has a comma in it"),
        ("version: 1", "version: 1\ntime: 5", "budgets.yaml:2: time: '5' has no unit; write it like"),
        ("fail: 10 %", "fail: -10 %", "budgets.yaml:21: fail: '-10 %' is below zero"),
        ("{warn: 5 %, fail: 10 %, floor: 2 ms}", "{floor: 2 ms}", "a regression needs `warn: 5 %` or `fail: 10 %`"),
        ("    regression: {warn: 5 %, fail: 10 %, floor: 2 ms}\n", "",
         "budgets.yaml:19: a budget needs `warn:`, `fail:` or `regression:`, unless its metric is exact"),
        ("metric: bundle.brotli", "metric: bundle.brotly", "'bundle.brotly'; did you mean 'bundle.brotli'?"),
        ("metric: bundle.brotli", 'metric: "*"', "means metrics of different units"),
        ("artifact: shop", "artifact: shoop", "no artifact is called 'shoop'; did you mean 'shop'?"),
        ("endpoint: GET /products", "scenario: brows", "no scenario is called 'brows'; did you mean 'browse'?"),
        ("    endpoint: GET /products\n    regression: {warn: 5 %, fail: 10 %, floor: 2 ms}", "    fail: 1 s",
         "budgets.yaml:19: repeats the rule of budgets.yaml:16; keep one"),
        ("artifacts:", "collectors: {memry: {}}\nartifacts:", "unknown collector 'memry'; did you mean 'memory'?"),
        ("artifacts:", "advisors: {cashing: {}}\nartifacts:", "unknown advisor 'cashing'; did you mean 'caching'?"),
        ("artifacts:", "advisors: {locks: {x: 1}}\nartifacts:", "advisor locks has no options"),
        ("artifacts:", "advisors: {caching: {seconds: slow}}\nartifacts:", "seconds: has to be like 0.5, not 'slow'"),
        ("artifacts:", "collectors: {memory: {rat: 1.0}}\nartifacts:", "unknown option 'rat'; did you mean 'rate'?"),
        ("artifacts:", "collectors: {memory: {rate: fast}}\nartifacts:", "rate: has to be like 5.0, not 'fast'"),
        ("artifacts:", "version: 1\nartifacts:", "budgets.yaml:13: 'version' stands here again; first in line 1"),
        ("users: 8", "users: [8", "not YAML"),
        ("  browse:", "  pytest:", "choose another name"),
        ("version: 1\n", "", "budgets.yaml:1: version: is missing; write `version: 1`"),
        ("command: serve --port {port}", "command: serve --port 8000",
         "budgets.yaml:3: service.command: perfgate chooses a free port for each start: write {port} in place of 8000"),
        ("command: serve --port {port}", "command: sh -c 'serve ${port}'", "write {port} where it takes its port"),
        ("command: serve --port {port}", "command: serve", "write {port} where it takes its port"),
        ("DEBUG: off", "URL: {database_url}",
         'budgets.yaml:4: service.env.URL: YAML reads a brace as a mapping; quote it: "{database_url}"'),
        ("DEBUG: off", "URL: {database_url}/x", "not YAML"),
        ("DEBUG: off", "URL: {database_url}/x", "quote a text with {database_url} in it"),
        ("DEBUG: off", 'URL: "{databse_url}"',
         "budgets.yaml:4: service.env.URL: unknown placeholder {databse_url}; did"),
        ("DEBUG: off", '"A=B": 1', "budgets.yaml:4: service.env.A=B: "),
        ("DEBUG: off", '"": 1', "budgets.yaml:4: service.env.: "),
        ("DEBUG: off", 'DEBUG: "\\0"', "budgets.yaml:4: service.env.DEBUG: "),
        ("--port {port}", "--port {port} {databse_url}", "budgets.yaml:3: service.command: unknown placeholder"),
        ("command: serve", "command: DEBUG=1 serve", "budgets.yaml:3: service.command: there is no shell to set"),
        ("command: serve", "command: make && serve",
         "budgets.yaml:3: service.command: there is no shell to understand"),
        ("  command:", "  build: make | tee log\n  command:", "budgets.yaml:3: service.build: there is no shell"),
        ("  command:", "  build: make {port}\n  command:",
         "budgets.yaml:3: service.build: {port} means nothing here"),
        ("  command:", "  ready: /é\n  command:",
         "budgets.yaml:3: service.ready: '/é' is not a path; write '/%C3%A9'"),
        ("[schema.sql]", "[A=1 make]",
         "budgets.yaml:7: database.setup: there is no shell to set 'A=1'; write: env A=1 make"),
        ("[schema.sql]", '["load {url}"]', "budgets.yaml:7: database.setup: {url} means nothing here"),
        ("[schema.sql]", '["psql -f no.sql > log"]',
         "budgets.yaml:7: database.setup: there is no shell to understand '>'"),
        ("[schema.sql]", "[]\n  prepare: [a; b]",
         "budgets.yaml:8: database.prepare: there is no shell to understand ';'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_remedy(project: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    assert said in complaint(project, GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("command: serve", "command: sh -c 'A=1 serve > log ${PORT}' {}"),
        ("command: serve --port {port}", "command: serve"),
        ("DEBUG: off", """JSON: '{"a": {"b": 1}} {tenant} ${X}'"""),
        ("[schema.sql]", '[schema.sql, "psql -f schema.sql", "psql {database_url} -f other.sql"]'),
        ("[schema.sql]", '[schema.sql]\n  prepare: ["curl {url}/seed?a=1&b=2"]'),
    ],
)
def test_what_is_meant_so_is_no_mistake(project: Path, old: str, new: str) -> None:
    text = GOOD.replace("PORT: 80", 'PORT: "{port}"')
    assert old in text
    load(write(project, text.replace(old, new, 1)), KNOWN)


def test_mistakes_of_every_kind_are_told_at_once(project: Path) -> None:
    text = complaint(
        project,
        GOOD.replace("command: serve", "raedy: /\n  command: serve")
        .replace("fail: 500 KB", "fail: 500 ms")
        .replace("users: 8", "users: 8\n    user: 9"),
    )
    for said in ("service.raedy", "scenarios.browse.user", "unknown unit 'ms'", "3 mistakes"):
        assert said in text


def test_all_mistakes_are_told_at_once(project: Path) -> None:
    text = complaint(project, GOOD.replace("command:", "comand:").replace("users: 8", "users: -1"))
    assert "service.comand" in text
    assert "service.command: is missing" in text
    assert "scenarios.browse.users" in text
    assert "3 mistakes" in text


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "just a text", "version: 1", "version: 1\nbudgets: []", "\0", "a: &a [*a]"]
)
def test_what_is_no_budgets_file_is_refused(project: Path, text: str) -> None:
    assert "budgets.yaml" in complaint(project, text)


def test_aliases_that_grow_without_end_are_refused(project: Path) -> None:
    levels = "".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]\n" for i in range(9))
    assert "more than" in complaint(project, "x0: &x0 [a]\n" + levels)


def test_a_scenario_that_does_not_exist_cannot_be_chosen(project: Path) -> None:
    plan = load(write(project, GOOD), KNOWN)
    assert list(only(plan, ("browse",)).scenarios) == ["browse"]
    with pytest.raises(BadRequest, match="did you mean 'browse'"):
        only(plan, ("brows",))


def test_the_schema_accepts_what_the_door_accepts() -> None:
    import jsonschema
    import yaml

    jsonschema.validate(yaml.safe_load(GOOD), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(GOOD.replace("command:", "comand:")), schema())


def lines_changed(text: str) -> st.SearchStrategy[str]:
    """The good file with a few lines dropped, doubled, indented or overwritten."""
    lines = text.splitlines()
    junk = st.sampled_from(
        ["", "null", "[]", "{}", "- -", "1e999", "!!python/object:os.system x", "2024-99-99", "\t", "é"]
    )
    edit = st.tuples(
        st.integers(0, len(lines) - 1), st.sampled_from(["drop", "double", "indent", "value", "key"]), junk
    )

    def apply(edits: list[tuple[int, str, str]]) -> str:
        result = list(lines)
        for at, what, with_ in edits:
            at %= max(len(result), 1)
            line = result[at] if result else ""
            changed = {
                "drop": [],
                "double": [line, line],
                "indent": [f" {line}"],
                "value": [f"{line.partition(':')[0]}: {with_}"],
                "key": [f"{with_}{line}"],
            }[what]
            result[at : at + 1] = changed
        return "\n".join(result)

    return st.lists(edit, max_size=5).map(apply)


@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.one_of(lines_changed(GOOD), st.text(max_size=200)))
def test_no_file_whatever_is_in_it_ends_in_a_traceback(project: Path, text: str) -> None:
    path = project / "budgets.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(path, KNOWN)
    except PerfgateError as error:
        assert "budgets.yaml" in str(error)
        assert error.exit_code == 2


def test_a_password_comes_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = GOOD.replace("provider: embedded", 'provider: url\n  url: "postgresql://me:${SHOP_PASSWORD}@127.0.0.1/shop"')
    assert "the environment variable SHOP_PASSWORD is not set" in complaint(project, text)
    monkeypatch.setenv("SHOP_PASSWORD", "secret")
    database = load(write(project, text), KNOWN).database
    assert database is not None
    assert database.url == "postgresql://me:secret@127.0.0.1/shop"


@pytest.mark.parametrize(
    ("text", "fail"),
    [
        ("1.5 x baseline", Multiple(1.5)),
        ("2x base", Multiple(2.0)),
        ("1.5 x baseline, at least 300 ms", Multiple(1.5, 0.3)),
        ("1.5 × baseline, at most 2 s, at least 300 ms", Multiple(1.5, 0.3, 2.0)),
    ],
)
def test_a_limit_may_be_a_multiple_of_the_baseline(project: Path, text: str, fail: Multiple) -> None:
    rule = load(write(project, GOOD.replace("fail: 300 ms", f"fail: {text}")), KNOWN).rules[1]
    assert isinstance(rule, Limit)
    assert (rule.warn, rule.fail) == (0.15, fail)


@pytest.mark.parametrize(
    ("limit", "unit"),
    [
        ("fail: 2 x base, at least 3 KB", Unit.BYTES),
        ("fail: 2 x base", None),
        ("fail: 3", Unit.COUNT),
        ("regression: {fail: 5 %, floor: 2 ms}", Unit.SECONDS),
        ("regression: {fail: 5 %}", None),
    ],
)
def test_the_unit_of_a_tests_own_metric_is_the_one_that_its_budget_is_written_in(
    project: Path, limit: str, unit: Unit | None
) -> None:
    metrics = load(write(project, f"{GOOD}  - metric: custom.own\n    {limit}\n"), KNOWN).metrics
    assert (metrics["custom.own"].unit if "custom.own" in metrics else None) is unit


def test_the_time_of_a_run_is_written_with_its_unit(project: Path) -> None:
    assert load(write(project, GOOD), KNOWN).time == DEFAULT_TIME_S
    assert load(write(project, f"time: 5 min\n{GOOD}"), KNOWN).time == 300.0
    assert load(write(project, f"time: 0 s\n{GOOD}"), KNOWN).time == 0.0
