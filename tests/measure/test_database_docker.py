"""Postgres in a container, from an image that behaves as the official one; and how a provider is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfgate.errors import BadRequest, NotMeasured
from perfgate.measure import database as databases
from perfgate.measure.database import Server, container
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
from tests.images import build
from tests.killing import Run, eventually

if TYPE_CHECKING:
    from docker import DockerClient

IMAGE = "perfgate-test-postgres:local"
PLAN = Database(provider="docker", image=IMAGE)
NO_DAEMON = "unix:///nowhere/docker.sock"
RUN = """
import json, sys, time
from pathlib import Path
from perfgate.measure import database
from perfgate.measure.ownership import Owner
from perfgate.plan import Database
plan = Database(provider="docker", image=sys.argv[1])
with Owner() as owner, database.start(plan, owner, lambda text: None) as server:
    print(owner.token, flush=True)
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    """The daemon, with the image built there."""
    import docker
    import docker.errors

    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        if "PERFGATE_REQUIRE_DOCKER" in os.environ:
            raise
        pytest.skip(f"no docker daemon answers: {error}")
    build.build(IMAGE)
    yield client
    client.close()


@pytest.fixture(scope="module")
def owned(client: DockerClient) -> Iterator[tuple[Owner, Server]]:
    with Owner() as owner, databases.start(PLAN, owner, print) as server:
        yield owner, server


def of(client: DockerClient, token: str) -> list[str]:
    """The names of the containers of a run."""
    found = client.containers.list(all=True, filters={"label": f"{container.OWNER_LABEL}={token}"}, ignore_removed=True)
    return [str(container.name) for container in found]


def test_a_database_in_a_container_is_made_frozen_and_restored(owned: tuple[Owner, Server]) -> None:
    database = owned[1].create("head")
    with database.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
    database.freeze()
    with database.connect() as connection:
        connection.execute("DELETE FROM t")
    database.restore()
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert owned[1].monitor.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)


def test_the_server_in_the_container_has_the_settings_that_were_chosen(owned: tuple[Owner, Server]) -> None:
    _, server = owned
    assert server.provider == "docker"
    assert server.settings["fsync"] == "off"
    assert server.settings["shared_preload_libraries"] == "pg_stat_statements,auto_explain"


def test_a_container_is_published_on_loopback_only_and_asks_for_a_password(
    client: DockerClient, owned: tuple[Owner, Server]
) -> None:
    owner, server = owned
    (name,) = of(client, owner.token)
    published = client.containers.get(name).attrs["NetworkSettings"]["Ports"]
    assert published == {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(server.access.port)}]}
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=server.access.port, user="perfgate", dbname="postgres", password="no")


def test_the_postmaster_is_known_where_it_can_be_seen(owned: tuple[Owner, Server]) -> None:
    assert owned[1].pid is None or Path(f"/proc/{owned[1].pid}/comm").read_text() == "postgres\n"


def test_two_containers_at_once_do_not_disturb_each_other(owned: tuple[Owner, Server]) -> None:
    with Owner() as owner, databases.start(PLAN, owner, print) as server:
        assert server.access.port != owned[1].access.port
    assert owned[1].monitor.execute("SELECT 1").fetchone() == (1,)


def test_a_container_is_removed_when_its_block_ends(client: DockerClient) -> None:
    with Owner() as owner:
        with databases.start(PLAN, owner, print):
            assert len(of(client, owner.token)) == 1
        assert of(client, owner.token) == []
    assert owner.problems == []


def test_data_is_kept_in_a_volume_where_memory_is_short_and_goes_with_the_container(
    client: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import docker.errors

    monkeypatch.setattr(container, "has_room", lambda: False)
    with Owner() as owner, databases.start(PLAN, owner, print):
        (name,) = of(client, owner.token)
        (mount,) = client.containers.get(name).attrs["Mounts"]
        assert client.volumes.get(mount["Name"]).id
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get(mount["Name"])


def test_kill_9_leaves_no_container(client: DockerClient) -> None:
    run = Run(RUN, IMAGE)
    token = run.said
    assert len(of(client, token)) == 1
    run.kill()
    assert eventually(lambda: not of(client, token))


def test_a_container_that_nobody_had_noted_yet_is_removed_by_the_next_start(client: DockerClient) -> None:
    """What is left when perfgate is killed while the daemon is creating it."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    labels = {
        "dead": f"{container._here()} {gone.pid} 1.0",
        "living": f"{container._here()} {os.getpid()} {container._started(os.getpid())}",
        "elsewhere": f"another-boot pid:[1] {gone.pid} 1.0",
    }
    made = {
        name: client.containers.create(IMAGE, labels={container.PROCESS_LABEL: label}) for name, label in labels.items()
    }
    try:
        with Owner() as owner, databases.start(PLAN, owner, print):
            ids = {found.id for found in client.containers.list(all=True, ignore_removed=True)}
        assert {name for name, found in made.items() if found.id in ids} == {"living", "elsewhere"}
    finally:
        for name in ("living", "elsewhere"):
            made[name].remove(force=True, v=True)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(("name", "value"), [("work_memm", "1MB"), ("shared_preload_libraries", "no_such_library")])
def test_a_refused_setting_is_a_bad_request_that_names_it(name: str, value: str) -> None:
    plan = Database(provider="docker", image=IMAGE, settings={name: value})
    with (
        Owner() as owner,
        pytest.raises(BadRequest, match=rf"database\.settings\.{name} is refused"),
        databases.start(plan, owner, print),
    ):
        pass


def test_an_image_without_postgres_is_not_measured(client: DockerClient) -> None:
    tag = "perfgate-test-postgres:empty"
    made = client.containers.create(IMAGE)
    made.commit(*tag.split(":"), changes='ENTRYPOINT ["/no/such/program"]')
    made.remove(v=True)
    try:
        with (
            Owner() as owner,
            pytest.raises(NotMeasured, match=r"starting the container: .*no such file"),
            databases.start(Database(provider="docker", image=tag), owner, print),
        ):
            pass
        assert of(client, owner.token) == []
    finally:
        client.images.remove(tag)


def test_a_container_that_ends_is_told_with_its_last_words(client: DockerClient) -> None:
    """As an image that is no Postgres; it may not be left either."""
    tag = "perfgate-test-postgres:broken"
    made = client.containers.create(IMAGE)
    made.commit(*tag.split(":"), changes='ENTRYPOINT ["sh", "-c", "echo no postgres here; exit 1"]')
    made.remove(v=True)
    try:
        with (
            Owner() as owner,
            pytest.raises(NotMeasured, match="did not start") as caught,
            databases.start(Database(provider="docker", image=tag), owner, print),
        ):
            pass
        assert "no postgres here" in caught.value.hint
        assert of(client, owner.token) == []
    finally:
        client.images.remove(tag)


@pytest.mark.usefixtures("client")
def test_auto_takes_docker_when_it_answers_and_says_so() -> None:
    said: list[str] = []
    with (
        Owner() as owner,
        databases.start(Database(provider="auto", image=IMAGE), owner, said.append) as server,
    ):
        assert server.provider == "docker"
    assert said == [
        "database: docker, because it answers",
        f"database: PostgreSQL {server.version} from image {IMAGE}",
    ]


@pytest.mark.parametrize(
    ("host", "reason"), [(NO_DAEMON, "docker does not answer"), ("tcp://192.0.2.1:2375", "DOCKER_HOST is tcp://")]
)
def test_auto_takes_embedded_when_docker_does_not_answer_and_says_why(
    host: str, reason: str, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    said: list[str] = []
    with databases.start(Database(), owner, said.append) as server:
        assert server.provider == "embedded"
    assert said[0].startswith(f"database: embedded rather than docker, because {reason}")


@pytest.mark.usefixtures("client")
def test_auto_takes_embedded_when_the_image_cannot_be_had(owner: Owner) -> None:
    plan = Database(image="127.0.0.1:1/no/such:image")
    said: list[str] = []
    with databases.start(plan, owner, said.append) as server:
        assert server.provider == "embedded"
    assert said[1].startswith("database: embedded rather than docker, because there is no image 127.0.0.1:1/no/such")


def test_docker_that_is_asked_for_and_does_not_answer_is_not_measured(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_DAEMON)
    with pytest.raises(NotMeasured, match="docker does not answer"), databases.start(PLAN, owner, print):
        pass


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("image", ["127.0.0.1:1/no/such:image", "Not An Image"])
def test_an_image_that_cannot_be_had_says_what_to_type(image: str, owner: Owner) -> None:
    plan = Database(provider="docker", image=image)
    with pytest.raises(NotMeasured) as caught, databases.start(plan, owner, print):
        pass
    assert f"docker pull {image}" in caught.value.hint


def test_docker_for_python_that_is_not_installed_says_what_to_install(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(NotMeasured) as caught, databases.start(PLAN, owner, print):
        pass
    assert caught.value.hint == "pip install 'perfgate[docker]'"
