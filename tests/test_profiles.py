"""Profiles: the file as it is for a purpose, looked at as closely as the rest of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfgate.errors import BadRequest
from perfgate.plan import DEFAULT_TIME_S, Limit, Plan, Tolerance
from perfgate.settings import load, only, schema
from tests.projects import visit
from tests.test_settings import GOOD, KNOWN

PROFILES = """\
profiles:
  local:
    time: 30 s
    scenarios:
      "*": {rounds: 3}
    budgets:
      - metric: response.p95
        fail: 1 s
  nightly:
    time: 1 h
    scenarios:
      browse: {rate: 200/s, max_rounds: 90}
      buy:
        locustfile: browse.py
        users: 2
    budgets:
      - metric: response.p95
        endpoint: GET /products
        regression: {fail: 3 %}
      - metric: response.p50
        scenario: buy
        fail: 50 ms
    database: {settings: {work_mem: 8MB}}
    service: {env: {WORKERS: 4}}
    collectors: {memory: {rate: 9.0}}
"""
FILE = GOOD + PROFILES
FIRST = len(GOOD.splitlines()) + 1
"""The line of `profiles:`."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "schema.sql").touch()
    (tmp_path / "browse.py").touch()
    return tmp_path


def plan(project: Path, profile: str, text: str = FILE) -> Plan:
    (project / "budgets.yaml").write_text(text, encoding="utf-8")
    return load(project / "budgets.yaml", KNOWN, profile)


def complaint(project: Path, text: str, profile: str = "") -> str:
    with pytest.raises(BadRequest) as caught:
        plan(project, profile, text)
    return str(caught.value)


def limits(plan: Plan, metric: str) -> list[tuple[object, object, str]]:
    found = (rule for rule in plan.rules if isinstance(rule, Limit) and rule.selector.metric == metric)
    return [(rule.warn, rule.fail, rule.where) for rule in found]


def test_without_a_profile_the_file_is_taken_as_it_is(project: Path) -> None:
    plain = plan(project, "")
    assert (plain.profile, plain.time, plain.scenarios["browse"].rounds) == ("", DEFAULT_TIME_S, 6)
    assert limits(plain, "response.p95") == [(0.15, 0.3, "budgets.yaml:16")]


def test_a_profile_changes_keys_and_keeps_the_others(project: Path) -> None:
    local = plan(project, "local")
    browse = local.scenarios["browse"]
    assert (local.profile, local.time) == ("local", 30.0)
    assert (browse.rounds, browse.users, browse.round) == (3, 8, 0.5)
    assert limits(local, "response.p95") == [(0.15, 1.0, f"budgets.yaml:{FIRST + 6}")]
    assert len(local.rules) == len(plan(project, "").rules)


def test_a_profile_may_change_everything_but_the_version(project: Path) -> None:
    nightly = plan(project, "nightly")
    assert nightly.time == 3600.0
    assert nightly.service is not None
    assert nightly.service.env == {"DEBUG": "false", "PORT": "80", "WORKERS": "4"}
    assert nightly.database is not None
    assert (nightly.database.provider, nightly.database.settings) == ("embedded", {"work_mem": "8MB"})
    assert nightly.collectors == {"memory": {"rate": 9.0}}
    assert nightly.scenarios["buy"].users == 2


def test_a_rate_takes_the_place_of_users(project: Path) -> None:
    browse = plan(project, "nightly").scenarios["browse"]
    assert (browse.users, browse.rate, browse.max_rounds) == (None, 200.0, 90)


def test_a_budget_of_a_profile_changes_the_one_for_the_same_samples_or_is_one_more(project: Path) -> None:
    nightly = plan(project, "nightly")
    tolerances = [rule for rule in nightly.rules if isinstance(rule, Tolerance)]
    assert [(rule.warn, rule.fail, rule.floor) for rule in tolerances] == [(0.05, 0.03, 0.002)]
    assert limits(nightly, "response.p50") == [(None, 0.05, f"budgets.yaml:{FIRST + 19}")]


@pytest.mark.parametrize("turned", [False, True])
def test_a_limit_changes_the_entry_with_the_limit_where_a_tolerance_has_its_own(project: Path, turned: bool) -> None:
    two = ["  - metric: response.p50\n    regression: {fail: 5 %}\n", "  - metric: response.p50\n    fail: 1 s\n"]
    entry = "profiles:\n  ci:\n    budgets:\n      - metric: response.p50\n        fail: 2 s\n"
    entry += "        regression: {fail: 9 %}\n"
    found = plan(project, "ci", GOOD + "".join(reversed(two) if turned else two) + entry).rules
    about = {type(rule): rule.fail for rule in found if rule.selector.metric == "response.p50"}
    assert about == {Limit: 2.0, Tolerance: 0.09}
    assert len([rule for rule in found if rule.selector.metric == "response.p50"]) == 2


def test_names_of_scenarios_are_taken_in_the_order_of_the_file(project: Path) -> None:
    text = GOOD + 'profiles:\n  ci:\n    scenarios:\n      "b*": {rounds: 3, seed: 7}\n      browse: {rounds: 9}\n'
    browse = plan(project, "ci", text).scenarios["browse"]
    assert (browse.rounds, browse.seed) == (9, 7)


def test_scenarios_of_other_profiles_count_as_left_out(project: Path) -> None:
    assert plan(project, "local").left_out == ("buy",)
    assert plan(project, "nightly").left_out == ()
    assert only(plan(project, "nightly"), ("buy",)).left_out == ("browse",)


def test_an_unknown_profile_is_answered_with_those_that_exist(project: Path) -> None:
    said = complaint(project, FILE, "nightli")
    assert f"budgets.yaml:{FIRST}: no profile is called 'nightli'" in said
    assert "local, nightly" in said
    assert "it has no `profiles:`" in complaint(project, GOOD, "ci")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("time: 30 s", "tiem: 30 s", 2, "tiem: unknown key; did you mean 'time'?"),
        ("time: 30 s", "time: 30", 2, "time: '30' has no unit"),
        ("time: 30 s", "version: 1", 2, "'version' is the whole file's: no profile changes it"),
        ("time: 30 s", "profiles: {}", 2, "'profiles' is the whole file's: no profile changes it"),
        ("{rounds: 3}", "{rounds: 2}", 4, "scenarios.browse.rounds: "),
        ("{rounds: 3}", "{round: 3}", 4, "scenarios.browse.round: '3' has no unit"),
        ("{rounds: 3}", "{users: 8, rate: 9/s}", 4, "scenarios.browse: needs either `users: 8` or `rate: 100/s`"),
        ('"*"', '"bi*"', 4, "no scenario is called 'bi*'; "),
        ("fail: 1 s", "fail: 1 KB", 7, "fail: '1 KB': unknown unit 'KB'"),
        ("fail: 1 s", "fial: 1 s", 7, "budgets.0.fial: unknown key; did you mean 'fail'?"),
        ("fail: 1 s", "fail: 1 s\n      - metric: response.p95\n        fail: 2 s", 8,
         f"changes what line {FIRST + 6} changes too; keep one"),
        ("fail: 3 %", "fail: -3 %", 18, "fail: '-3 %' is below zero"),
        ("locustfile: browse.py", "locustfile: buy.py", 13, "there is no file 'buy.py'"),
        ("scenario: buy", "scenario: by", 20, "no scenario is called 'by'; did you mean 'buy'?"),
        ("{rate: 9.0}", "{rat: 9.0}", 24, "unknown option 'rat'; did you mean 'rate'?"),
        ("{env: {WORKERS: 4}}", "{comand: serve}", 23, "service.comand: unknown key; did you mean 'command'?"),
        ("{env: {WORKERS: 4}}", "{command: serve}", 23, ""),
        ("  local:\n", "  empty:\n  local:\n", 1, "profiles.empty: has to be a mapping of keys to values, not nothing"),
        ("  local:\n", '  "":\n    time: 1 s\n  local:\n', 1, "a profile needs a name"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_profile_that_nobody_chose_is_told_with_its_line(
    project: Path, old: str, new: str, line: int, said: str
) -> None:
    assert PROFILES.count(old) == 1
    told = complaint(project, GOOD.replace("PORT: 80", "DEPTH: 80") + PROFILES.replace(old, new))
    assert f"budgets.yaml:{FIRST + line}: {said}" in told
    assert "mistakes" not in told


def test_mistakes_of_the_file_and_of_its_profiles_are_told_at_once_and_each_once(project: Path) -> None:
    text = FILE.replace("users: 8", "users: 8\n    rate: 9/s").replace("time: 30 s", "tiem: 30 s")
    told = complaint(project, text.replace("fail: 500 KB", "fail: 500 ms").replace("time: 1 h", "time: 1"), "local")
    for said in ("needs either `users: 8`", "unknown unit 'ms'", "tiem: unknown key", "'1' has no unit", "4 mistakes"):
        assert said in told


def test_too_little_left_of_one_profile_hides_no_mistake_of_the_next(project: Path) -> None:
    told = complaint(project, GOOD + "profiles:\n  a:\n    budgets: {}\n  b:\n    time: 1\n")
    assert f"budgets.yaml:{FIRST + 2}: budgets: " in told
    assert f"budgets.yaml:{FIRST + 4}: time: " in told


def test_the_password_of_a_profile_is_needed_only_where_it_is_chosen(project: Path) -> None:
    text = GOOD + 'profiles:\n  staging:\n    database: {provider: url, url: "postgresql://me:${SHOP_PW}@127.0.0.1/"}\n'
    assert plan(project, "", text).database is not None
    told = complaint(project, text, "staging")
    assert f"budgets.yaml:{FIRST + 2}: url: the environment variable SHOP_PW is not set" in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time: 30 s", "tiem: 30 s"),
        ("{rounds: 3}", "{runds: 3}"),
        ("{fail: 3 %}", "{fial: 3 %}"),
        ("time: 1 h", "version: 1"),
    ],
)
def test_the_schema_knows_what_a_profile_may_change(old: str, new: str) -> None:
    import jsonschema
    import yaml

    jsonschema.validate(yaml.safe_load(FILE.replace("{rounds: 3}", "{rounds: 3, round: 1 s}")), schema())
    text = FILE.replace(old, new)
    assert text != FILE
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema())


RUN = """\
profiles:
  quick:
    time: 5 min
    scenarios: {"*": {rounds: 4, max_rounds: 4}}
    budgets:
      - metric: response.p50
        fail: 1 us
"""


def test_a_result_is_judged_in_the_profile_that_it_was_measured_under(tmp_path: Path) -> None:
    project = visit(tmp_path)
    project.answer_steadily()
    project.write("budgets.yaml", (tmp_path / "budgets.yaml").read_text(encoding="utf-8") + RUN)
    code, output, document = project.gate("--profile", "quick")
    assert (code, document["run"]["profile"]) == (1, "quick"), output
    assert len(document["run"]["rounds"]) >= 4
    project.perfgate("judge", "result.json", "--json", "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "result.json").read_bytes()
    refused = project.perfgate("accept", "--reason", "why")
    assert (refused.returncode, "this run is red" in refused.stderr) == (2, True), refused.stderr
    known = project.perfgate("explain", "response.p50", PERFGATE_PROFILE="quick").stdout
    assert "fail 1 µs" in known
    unknown = project.perfgate("judge", "result.json", PERFGATE_PROFILE="slow")
    assert (unknown.returncode, "no profile is called 'slow'" in unknown.stderr) == (2, True)
    project.replace("budgets.yaml", "  quick:", "  brisk:")
    gone = project.perfgate("judge", "result.json")
    assert (gone.returncode, "no profile is called 'quick'" in gone.stderr) == (2, True), gone.stderr
    assert "its profiles are brisk" in gone.stderr
