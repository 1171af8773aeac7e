"""Postgres from any image that behaves as the official `postgres` one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import psycopg

from perfgate.errors import NotMeasured
from perfgate.measure import procfs
from perfgate.measure.database import settings
from perfgate.measure.database.access import Access, await_connection
from perfgate.measure.database.memory import has_room
from perfgate.measure.database.server import Server
from perfgate.measure.ownership import Owner
from perfgate.plan import Database

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

SUPERUSER = "perfgate"
MAINTENANCE = "postgres"
PORT = "5432/tcp"
DEFAULT_HOST = "unix:///var/run/docker.sock"
API_TIMEOUT_S = 60
READY_TIMEOUT_S = 120.0
LOG_LINES = 15
LOG_TAIL = 200
# Parallel queries, where somebody allows them, need more than the 64 MB that containers get.
SHARED_MEMORY = "256m"
OWNER_LABEL = "perfgate.owner"
PROCESS_LABEL = "perfgate.process"


@dataclass(frozen=True)
class Engine:
    """A Docker daemon on this machine, and the image to run there."""

    client: DockerClient
    socket: str
    image: Image


def engine(image: str, say: Callable[[str], None]) -> Engine:
    """Reach the daemon, and have the image at hand: pulled unless it is there. NotMeasured says what is in the way."""
    client, socket = daemon()
    return Engine(client, socket, _image(client, image, say))


@contextmanager
def start(plan: Database, engine: Engine, owner: Owner, say: Callable[[str], None]) -> Iterator[Server]:
    """A server in a container, on a free port of 127.0.0.1; removed at the end, with its data.

    BadRequest for a setting that is refused; NotMeasured when it does not start.
    """
    with _reporting("looking for containers that were left behind"):
        _sweep(engine.client)
    password = secrets.token_urlsafe(24)
    running = _Running(_created(plan, engine, owner, password), plan.settings)
    try:
        access, monitor = running.connect(password)
        with closing(monitor):
            settings.check_known(monitor, plan.settings)
            server = Server(
                "docker", access, monitor, owner, running.last_words, running.pid(), read_log=running.read_log
            )
            say(f"database: PostgreSQL {server.version} from image {plan.image}")
            yield server
    finally:
        running.remove()


@dataclass(frozen=True)
class _Running:
    """A container that was created, from its start to its end."""

    container: Container
    overrides: Mapping[str, str]

    def connect(self, password: str) -> tuple[Access, psycopg.Connection]:
        """Start it, and connect once it takes queries: the server that initialises it listens on no port."""
        with _reporting("starting the container"):
            self.container.start()
        self._check()
        access = Access.loopback(self._port(), SUPERUSER, password)
        try:
            return access, await_connection(access, MAINTENANCE, self._check, READY_TIMEOUT_S)
        except psycopg.OperationalError as error:
            hint = "containers are reached through 127.0.0.1: inside one, perfgate needs the host's network"
            raise NotMeasured(
                f"Postgres in the container did not get ready: {error}", hint=f"{hint}\n  {self.last_words()}"
            ) from error

    def pid(self) -> int | None:
        """The postmaster, if it can be seen from here."""
        with _reporting("looking at the container"):
            self.container.reload()
        number = self.container.attrs["State"]["Pid"]
        seen = procfs.stat(number) if number else None
        return number if seen is not None and seen.name == "postgres" else None

    def remove(self) -> None:
        """Remove it with its data. What the daemon refuses is not lost: the owner tries again at the end, and tells."""
        with suppress(NotMeasured), _reporting("removing the container"):
            self.container.remove(force=True, v=True)

    def last_words(self) -> str:
        return "\n  ".join(["the last lines of its log:", *self._log().splitlines()[-LOG_LINES:]])

    def read_log(self) -> str:
        """All that the server has written so far. NotMeasured where the daemon does not give it."""
        with _reporting("reading the log of Postgres"):
            return self.container.logs().decode(errors="replace")

    def _port(self) -> int:
        return int(self.container.attrs["NetworkSettings"]["Ports"][PORT][0]["HostPort"])

    def _check(self) -> None:
        """Raise when it has ended: by whose fault, its log says."""
        with _reporting("looking at the container"):
            self.container.reload()
        if self.container.status in ("exited", "dead"):
            problem = settings.rejected(self._log(), self.overrides)
            raise problem or NotMeasured("Postgres in the container did not start", hint=self.last_words())

    def _log(self) -> str:
        try:
            with _reporting("reading its log"):
                return self.container.logs(tail=LOG_TAIL).decode(errors="replace")
        except NotMeasured as error:  # it is asked for to explain another problem
            return str(error.args[0])


@contextmanager
def _reporting(doing: str, *, hint: str = "") -> Iterator[None]:
    """Turn what the daemon refuses while `doing`, or its silence, into NotMeasured."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        reason = getattr(error, "explanation", None) or error
        raise NotMeasured(f"{doing}: {reason}", hint=hint) from error


def daemon() -> tuple[DockerClient, str]:
    """A client, and the socket it talks to. NotMeasured where no daemon answers."""
    try:
        import docker
        import docker.errors
    except ImportError as error:
        raise NotMeasured("docker for Python is not installed", hint="pip install 'perfgate[docker]'") from error
    host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if not host.startswith("unix://"):
        raise NotMeasured(
            f"DOCKER_HOST is {host}, and containers are reached on this machine only",
            hint="unset DOCKER_HOST, or choose another database.provider",
        )
    try:
        client = docker.DockerClient(base_url=host, timeout=API_TIMEOUT_S)
        client.ping()
    except docker.errors.DockerException as error:
        reason = str(error).partition("(")[2] or str(error)
        raise NotMeasured(
            f"docker does not answer on {host} ({reason.strip('() ')})",
            hint="start it, or choose another database.provider",
        ) from error
    return client, host.removeprefix("unix://")


def _image(client: DockerClient, name: str, say: Callable[[str], None]) -> Image:
    import docker.errors

    hint = f"docker pull {name}, or set database.image or database.provider"
    with _reporting(f"there is no image {name} here, and it cannot be pulled", hint=hint):
        with suppress(docker.errors.ImageNotFound):
            return client.images.get(name)
        say(f"database: pulling image {name}")
        return client.images.pull(name)


def _created(plan: Database, engine: Engine, owner: Owner, password: str) -> Container:
    """The container, not started yet. It is owned by its name, before it is there."""
    name = f"perfgate-{owner.token}-postgres"
    owner.container(name, engine.socket)
    folder = _data_folder(engine.image)
    with _reporting(f"creating a container of {plan.image}"):
        return engine.client.containers.create(
            engine.image,
            ["postgres", *settings.arguments(settings.chosen(plan.settings))],
            name=name,
            environment={"POSTGRES_USER": SUPERUSER, "POSTGRES_PASSWORD": password, "POSTGRES_DB": MAINTENANCE},
            labels={OWNER_LABEL: owner.token, PROCESS_LABEL: f"{_here()} {os.getpid()} {_started(os.getpid())}"},
            ports={PORT: ("127.0.0.1", None)},  # type: ignore[dict-item]  # None: any port that is free
            shm_size=SHARED_MEMORY,
            tmpfs={folder: ""} if folder and has_room() else {},
        )


def _data_folder(image: Image) -> str:
    """The volume in which the image keeps its data; "" where a file system in memory would not be its user's to use."""
    config = image.attrs["Config"]
    environment = dict(entry.split("=", 1) for entry in config.get("Env") or ())
    data = PurePosixPath(environment.get("PGDATA", "/var/lib/postgresql/data"))
    volumes = [volume for volume in config.get("Volumes") or () if data.is_relative_to(volume)]
    return volumes[0] if volumes and config.get("User") in (None, "", "root", "0") else ""


def _sweep(client: DockerClient) -> None:
    """Remove containers whose perfgate died before it could note them anywhere.

    A process number means something only on the boot and in the PID namespace that stand beside it.
    """
    import docker.errors

    for container in client.containers.list(all=True, filters={"label": PROCESS_LABEL}, ignore_removed=True):
        here, number, started = container.labels[PROCESS_LABEL].rsplit(" ", 2)
        if here == _here() and _started(int(number)) != started:
            with suppress(docker.errors.APIError):  # somebody else sweeps, too
                container.remove(force=True, v=True)


def _here() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """When a process started, to tell it from a later one of the same number; "" when there is none."""
    found = procfs.stat(pid)
    return str(found.start) if found is not None else ""
