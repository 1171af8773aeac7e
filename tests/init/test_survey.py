"""What `perfgate init` makes of projects as they are found in the wild, without running anything of theirs."""

from __future__ import annotations

import ast
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from perfgate import runner, settings
from perfgate.errors import BadRequest
from perfgate.init import budgets, load
from perfgate.init.commands import hosted
from perfgate.init.draft import LOAD, Draft, surveyed
from perfgate.init.signs import Start
from perfgate.init.tree import Tree
from perfgate.plan import Plan
from tests.init import projects
from tests.init.projects import made

ROOT = Path(__file__).parents[2]

PROJECTS = {name: files for name, files in vars(projects).items() if name.isupper()}
ASYNC_URL = "postgresql+asyncpg://{database_user}:{database_password}@{database_host}:{database_port}/{database_name}"


def planned(draft: Draft) -> Plan:
    """The plan that the written file is loaded as."""
    if draft.writes_load:
        made(draft.root, {LOAD: load.text(draft.endpoints, {})})
    made(draft.root, {"budgets.yaml": budgets.text(draft)})
    return settings.load(draft.root / "budgets.yaml", runner.known())


@pytest.mark.parametrize("name", PROJECTS)
def test_what_is_written_is_a_good_budgets_file_and_says_what_was_found(name: str, tmp_path: Path) -> None:
    draft = surveyed(made(tmp_path, PROJECTS[name]))
    plan = planned(draft)
    assert plan.service == draft.service
    assert plan.database == draft.database
    assert set(plan.scenarios) == set(draft.scenarios)


@pytest.mark.parametrize(
    ("files", "command", "ready", "setup"),
    [
        (projects.FASTAPI, "uvicorn app.main:app --port {port}", "/health", ["alembic upgrade head"]),
        (projects.FLASK, "flask --app notes run --port {port}", "/", ["db/schema.sql", "db/seed.sql"]),
        (
            projects.DJANGO,
            "gunicorn --preload site_.wsgi --bind 127.0.0.1:{port}",
            "/blog/",
            ["python manage.py migrate", "python manage.py seed"],
        ),
        (projects.NODE, "node server.js", "/healthz", None),
        (projects.EXPRESS, "npm start", "/users", []),
        (projects.DOCKERFILE, "python server.py --port {port}", "/up", None),
        (
            projects.COMPOSE,
            "uvicorn shop:app --host 127.0.0.1 --port {port}",
            "tcp",
            ["db/init.sql", "alembic upgrade head"],
        ),
        (
            projects.PROCFILE,
            "gunicorn shop.wsgi -b 127.0.0.1:{port} --workers 2",
            "tcp",
            ["python manage.py migrate"],
        ),
    ],
    ids=lambda value: "",
)
def test_a_service_is_found_with_its_start_its_readiness_and_what_fills_its_database(
    files: Mapping[str, str], command: str, ready: str, setup: list[str] | None, tmp_path: Path
) -> None:
    draft = surveyed(made(tmp_path, files))
    assert draft.service is not None
    assert (draft.service.command, draft.service.ready) == (command, ready)
    assert (list(draft.database.setup) if draft.database else None) == setup


@pytest.mark.parametrize(
    ("files", "env"),
    [
        (projects.FASTAPI, {"DATABASE_URL": ASYNC_URL}),
        (projects.FLASK, {"DATABASE_URL": "{database_url}"}),
        (projects.DJANGO, {"DATABASE_URL": "{database_url}"}),
        (projects.NODE, {"PORT": "{port}"}),
        (projects.EXPRESS, {"PORT": "{port}", "DATABASE_URL": "{database_url}"}),
        (projects.DOCKERFILE, {"GREETING": "hello"}),
        (
            projects.COMPOSE,
            {
                "DATABASE_URL": ASYNC_URL.replace("asyncpg", "psycopg"),
                "REDIS_URL": "redis://cache:6379",
                "MODE": "fast",
            },
        ),
        (projects.PROCFILE, {"DATABASE_URL": "{database_url}"}),
    ],
    ids=lambda value: "",
)
def test_the_environment_leads_to_the_database_of_the_run(
    files: Mapping[str, str], env: Mapping[str, str], tmp_path: Path
) -> None:
    service = surveyed(made(tmp_path, files)).service
    assert service is not None
    assert dict(service.env) == env


@pytest.mark.parametrize(
    ("files", "asked"),
    [
        (projects.FASTAPI, ["/api/products", "/api/products/1"]),
        (projects.FLASK, ["/", "/notes/1", "/notes/secret"]),
        (projects.DJANGO, ["/blog/", "/blog/1/"]),
        (projects.NODE, ["/hello"]),
        (projects.EXPRESS, ["/users/1", "/users"]),
        (projects.COMPOSE, []),
    ],
    ids=lambda value: "",
)
def test_endpoints_are_read_from_the_code_with_the_prefixes_of_their_routers(
    files: Mapping[str, str], asked: list[str], tmp_path: Path
) -> None:
    endpoints = surveyed(made(tmp_path, files)).endpoints
    assert [one.example for one in load.chosen(endpoints, {})] == asked


def test_every_guess_says_where_it_was_read(tmp_path: Path) -> None:
    draft = surveyed(made(tmp_path, projects.COMPOSE))
    text = budgets.text(draft)
    assert "--port {port}  # docker-compose.yml:5 (command)" in text
    assert "image: postgres:16-alpine  # docker-compose.yml:16 (image)" in text
    assert any("does not start `cache`" in remark for remark in draft.remarks)
    assert any("STRIPE_KEY" in remark for remark in draft.remarks)


def test_a_secret_of_the_compose_file_is_asked_about(tmp_path: Path) -> None:
    text = projects.COMPOSE["docker-compose.yml"].replace("${STRIPE_KEY}", "sk_live_0123456789")
    draft = surveyed(made(tmp_path, {**projects.COMPOSE, "docker-compose.yml": text.replace("STRIPE_KEY", "API_KEY")}))
    asked = [place[-1] for place, guess in draft.guesses.items() if "secret" in guess.check]
    assert asked == ["API_KEY"]


def test_what_the_load_leaves_out_is_listed_with_the_reason(tmp_path: Path) -> None:
    endpoints = surveyed(made(tmp_path, projects.FASTAPI)).endpoints
    text = load.text(endpoints, {"GET /api/products/{number}": "answered 404 Not Found"})
    compile(text, LOAD, "exec")
    assert "#   POST /api/v1/orders/ (app/routers/orders.py:7): changes something, and may need a body" in text
    assert "#   GET /api/products/by-name/{name} (app/routers/products.py:17): needs a value in its path" in text
    assert "#   GET /api/products/{number} (app/routers/products.py:12): answered 404 Not Found" in text
    assert text.count("self.client.get") == 1


def test_a_front_end_alone_has_its_bundle_weighed(tmp_path: Path) -> None:
    plan = planned(surveyed(made(tmp_path, projects.FRONT_END)))
    assert plan.service is None
    assert dict(plan.artifacts) == {"frontend": ("dist",)}


def test_the_storefront_and_the_magazine_are_found_as_their_own_files_have_them(tmp_path: Path) -> None:
    magazine = surveyed(ROOT / "scenarios/wagtail")
    assert magazine.database is not None
    assert magazine.database.setup == ("python manage.py migrate", "python manage.py fill")
    assert dict(magazine.scenarios) == {"edit": "edit.py", "visit": "visit.py"}
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios", target_is_directory=True)
    assert "scenarios/storefront/routes.py" not in Tree(tmp_path).files  # links are not followed


@pytest.mark.parametrize(
    "files",
    [{}, {"README.md": "hello"}, {"package.json": "{"}, {"Dockerfile": "FROM scratch"}, {"compose.yml": "services: 3"}],
    ids=["nothing", "no code", "no JSON", "no command", "no services"],
)
def test_a_folder_that_says_nothing_of_a_service_is_refused_with_what_was_looked_for(
    files: Mapping[str, str], tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="says how a service starts") as refused:
        surveyed(made(tmp_path, files))
    assert "Dockerfile" in refused.value.hint


def test_a_compose_file_that_is_not_yaml_leaves_the_other_files_their_say(tmp_path: Path) -> None:
    draft = surveyed(made(tmp_path, {**projects.DOCKERFILE, "compose.yml": "services: ["}))
    assert draft.service is not None
    assert any("compose.yml was left out" in remark for remark in draft.remarks)


def test_a_path_that_would_break_the_written_file_is_left_out(tmp_path: Path) -> None:
    files = {"main.py": 'from flask import Flask\napp = Flask("x")\n\n@app.get("/a\\nimport os")\ndef a(): ...\n'}
    assert surveyed(made(tmp_path, files)).endpoints == ()


@pytest.mark.parametrize(
    ("command", "here"),
    [
        ("uvicorn app:app --host=0.0.0.0 --port=${PORT:-80}", "uvicorn app:app --host=127.0.0.1 --port={port}"),
        ("poetry run gunicorn -b unix:/run/x.sock app", "poetry run gunicorn -b 127.0.0.1:{port} app"),
        ("python manage.py runserver 0.0.0.0:8000", "python manage.py runserver 127.0.0.1:{port}"),
        ("exec hypercorn app:app", "hypercorn app:app --bind 127.0.0.1:{port}"),
        ("/opt/venv/bin/flask run", "flask run --port {port}"),
        ("sh -c 'waitress-serve --listen=*:8080 app:app'", "waitress-serve --listen=127.0.0.1:{port} app:app"),
        ("./serve $FLAGS | tee log", "sh -c './serve $FLAGS | tee log'"),
        ("java -jar app.jar", "java -jar app.jar"),
    ],
)
def test_a_command_of_a_container_becomes_one_for_this_machine(command: str, here: str, tmp_path: Path) -> None:
    run = hosted(Start(command, "Dockerfile:1"), Tree(tmp_path))
    assert run is not None
    assert run.command == here
    assert ("{port}" in run.command) != ("PORT" in run.env)


LONGEST_S = 20.0


@pytest.fixture
def bounded() -> Iterator[None]:
    """What would go on for ever is interrupted, and red."""

    def interrupt(number: int, frame: object) -> None:
        raise AssertionError(f"not done after {LONGEST_S:.0f} s")

    former = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


SERVED = "from flask import Flask\napp = Flask(__name__)\n@app.route('/x', methods={methods})\ndef x(): return 'x'\n"


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": '{"scripts": {"start": 5, "build": ["x"]}, "dependencies": {"vite": 1}}'},
        {"package.json": '{"scripts": {"start": "  "}}'},
        {"package.json": "[" * 100_000},
        {"compose.yaml": 'services:\n  db: {image: postgres, volumes: 5}\n  a: {build: "x\\0"}\n'},
        {"Dockerfile": 'FROM x\nCMD ["uvicorn", "\\u0000", "\\ud800"]\n'},
        {"deep.py": f"x = {'-' * 100_000}1\n"},
    ],
)
def test_what_nobody_means_to_write_is_not_taken_for_a_service(files: Mapping[str, str], tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="says how a service starts"):
        surveyed(made(tmp_path, files))


@pytest.mark.usefixtures("bounded")
def test_a_quote_that_is_never_closed_is_no_riddle(tmp_path: Path) -> None:
    env = 'ENV A="' + "\\" * 61 + "x"
    draft = surveyed(made(tmp_path, {"Dockerfile": f"FROM x\n{env}\nCMD uvicorn a:b\n"}))
    assert draft.service is not None


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("name", ["Procfile", "package.json", "app.js", ".env.example"])
def test_a_pipe_is_no_file_to_read(name: str, tmp_path: Path) -> None:
    made(tmp_path, {"app.py": SERVED.format(methods=["GET"])})
    os.mkfifo(tmp_path / name)
    assert surveyed(tmp_path).service is not None


@pytest.mark.parametrize("text", ["node a.js \u2028budgets: []", "node a.js \x80\x7f", "node 'a\n# ${{ x }}\"'"])
def test_a_script_is_written_as_the_text_that_it_is_or_not_at_all(text: str, tmp_path: Path) -> None:
    draft = surveyed(made(tmp_path, {"package.json": json.dumps({"scripts": {"start": text}})}))
    plan = planned(draft)
    assert plan.service == draft.service
    assert draft.service is not None
    assert draft.service.command == "npm start"


@pytest.mark.parametrize("value", ["a\u2028b", "a\x85b", "\x80", "a\tb", "x: y\nz", "\ufeffa", "\U000e0001", "🙂 é"])
def test_a_value_is_read_again_as_what_it_was(value: str) -> None:
    assert yaml.safe_load(f"key: {budgets.scalar(value)}\n") == {"key": value}


def test_names_from_the_code_and_the_folders_stay_in_the_comments(tmp_path: Path) -> None:
    odd = "x\nraise SystemExit(3)\n#"
    files = {
        f"{odd}/app.py": SERVED.format(methods=["GET"]),
        "app.py": SERVED.format(methods=["GET\nimport os", "POST"]),
    }
    draft = surveyed(made(tmp_path, files))
    assert [str(one) for one in draft.endpoints] == ["POST /x"]
    assert not ast.parse(load.text(draft.endpoints, {})).body[3:]
    assert planned(draft).service is not None
