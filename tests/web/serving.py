"""The pages as they are really served: by uvicorn, over a real store; and how tests ask them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from perfgate.publish.history.store import Store, connect, open_store
from perfgate.publish.web.app import application
from perfgate.publish.web.archive import Archive
from perfgate.publish.web.tokens import Door

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    """A server of pages on this machine."""

    port: int
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, *, method: str = "GET", body: str = "", **headers: str) -> Answer:
        """One request; headers are named as `x_name`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read().decode())

    def query(self, query: str, **headers: str) -> Answer:
        """A question in GraphQL."""
        body = json.dumps({"query": query})
        return self.ask("/graphql", method="POST", body=body, content_type="application/json", **headers)


@contextmanager
def entering(url: str, project: str) -> Iterator[Store]:
    """The project in the store of the URL."""
    with closing(connect(url)) as connection:
        yield open_store(connection, project)


@contextmanager
def serving(url: str, project: str, door: Door | None = None) -> Iterator[Served]:
    """The project's pages, served by a thread."""
    said: list[str] = []
    archive = Archive(lambda: entering(url, project), said.append)
    config = uvicorn.Config(application(archive, project, door), port=0, log_level="warning", ws_max_size=64 * 1024)
    server = uvicorn.Server(config)
    with _listening(config) as port:
        thread = threading.Thread(target=lambda: server.run([port.socket]))
        thread.start()
        try:
            yield Served(port.number, said)
        finally:
            server.should_exit = True
            thread.join()


@dataclass(frozen=True)
class _Port:
    socket: Any
    number: int


@contextmanager
def _listening(config: uvicorn.Config) -> Iterator[_Port]:
    listening = config.bind_socket()
    listening.listen()
    with closing(listening):
        yield _Port(listening, listening.getsockname()[1])


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has to come, however slow the machine is."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
