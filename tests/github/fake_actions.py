"""The part of the fake that knows open pull requests, and the artifacts that runs have uploaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self

from tests.github.asked import Answer, Asked, Refusal
from tests.github.contract import contract

HOME = 1296269
"""The number of the repository itself."""

RUN = 4711
STARTED = "2026-11-22T10:00:00Z"
UPLOADED = "2026-11-22T10:05:00Z"


class Actions:
    """Pull requests and artifacts, as a workflow that follows another one sees them."""

    def __init__(self, repository: str) -> None:
        self.pulls: list[dict[str, Any]] = []
        self.storage = Storage()
        self._repository = repository
        self._artifacts: list[dict[str, Any]] = []
        self._ids = count(1)

    def open_pull(self, number: int, label: str, sha: str, *, source: int | None, base: str = "main") -> dict[str, Any]:
        """An open pull request from `owner:branch` of the repository with the number `source` (None: it is gone)."""
        pull: dict[str, Any] = contract().example("pull-request-simple-items")[0]
        owner, _, branch = label.partition(":")
        pull |= {"number": number, "state": "open", "requested_teams": []}  # the example's team breaks the contract
        pull["head"] |= {"label": label, "ref": branch, "sha": sha}
        pull["head"]["repo"] = None if source is None else pull["head"]["repo"] | {"id": source}
        pull["head"]["user"] |= {"login": owner}
        pull["base"] |= {"ref": base, "repo": pull["base"]["repo"] | {"id": HOME}}
        self.pulls.append(pull)
        return pull

    def upload(
        self, name: str, packed: bytes, *, run: int = RUN, created: str = UPLOADED, expired: bool = False
    ) -> int:
        """An artifact of a run; its number."""
        number = next(self._ids)
        artifact = contract().example("artifact-paginated")["artifacts"][0]
        artifact |= {"id": number, "name": name, "size_in_bytes": len(packed), "expired": expired}
        artifact |= {"created_at": created, "workflow_run": artifact["workflow_run"] | {"id": run}}
        self._artifacts.append(artifact)
        self.storage.files[number] = packed
        return number

    def routes(self, here: str) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        yield "GET", rf"{here}/pulls", self._list_pulls
        yield "GET", rf"{here}/actions/runs/(\d+)/artifacts", self._list_artifacts
        yield "GET", rf"{here}/actions/artifacts/(\d+)/zip", self._lead_to_artifact

    def _list_pulls(self, asked: Asked) -> Answer:
        label = asked.text("head")
        return 200, [pull for pull in self.pulls if label in ("", pull["head"]["label"])]

    def _list_artifacts(self, asked: Asked, run: str) -> Answer:
        name = asked.text("name")
        of_run = [one for one in self._artifacts if one["workflow_run"]["id"] == int(run)]
        found = [one for one in of_run if name in ("", one["name"])]
        return 200, {"total_count": len(found), "artifacts": found[::-1][: asked.query("per_page", 30)]}

    def _lead_to_artifact(self, asked: Asked, number: str) -> Answer:
        artifact = next((one for one in self._artifacts if one["id"] == int(number)), None)
        if artifact is None:
            raise Refusal(404, "Not Found")
        if artifact["expired"]:
            raise Refusal(410, "Artifact has expired")
        return 302, self.storage.address(int(number))


class Storage:
    """Another host, where GitHub keeps artifacts: whoever has an address may load. `brought` are their headers.

    `broken` answers fail first; `endless` sends nothing but zeros, without end.
    """

    def __init__(self) -> None:
        self.files: dict[int, bytes] = {}
        self.brought: list[dict[str, str]] = []
        self.broken = 0
        self.endless = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.storage = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def address(self, number: int) -> str:
        return f"http://localhost:{self._server.server_address[1]}/{number}.zip?sig=only-this-opens-it"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    storage: Storage


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        storage = self.server.storage
        storage.brought.append(dict(self.headers))
        if storage.broken:
            storage.broken -= 1
            self.send_error(503)
        elif not self.path.endswith("?sig=only-this-opens-it"):
            self.send_error(403)
        elif storage.endless:
            self._send_without_end()
        else:
            data = storage.files[int(self.path[1:].partition(".")[0])]
            self.send_response(200)
            self.send_header("Content-Type", "application/zip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(64 * 1024))
        except OSError:
            pass  # who asked has hung up

    def log_message(self, format: str, *arguments: object) -> None:
        pass
