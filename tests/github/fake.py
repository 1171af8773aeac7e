"""A GitHub on 127.0.0.1 that remembers what it is told, keeps GitHub's contract, and fails on request.

    with serve() as hub:
        hub.fail("POST", "/comments", 502, done=True)  # carries the next one out, and loses the answer
        ...  # hub.url, hub.token
        assert hub.bodies(7) == ["…"]

Who asks is told by the token: `ghs_…` is an Actions job (`github-actions[bot]`), `ghp_ALICE` the person `ALICE`.
Leaving the block raises what GitHub would not have taken, and what it would not have answered.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import urlencode

from tests.github.asked import Answer, Asked, Body, Refusal
from tests.github.contract import contract
from tests.github.fake_actions import Actions

TOKEN = "ghs_of-a-job"
REPOSITORY = "octo/shop"
PULL = 7
LONGEST_COMMENT = 65_536
LONGEST_MESSAGE = 64 * 1024
LONGEST_HOLD_S = 60.0
DENIED = "Resource not accessible by integration"
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY = "API rate limit exceeded for installation ID 1."


@dataclass
class Fault:
    """What goes wrong with requests of a `verb` whose path matches `path`, `times` times.

    `status` 0 answers as usual, after what was waited for; `drop` hangs up instead of answering. Where `done`, the
    request is carried out all the same, and its answer lost. `hold` is waited for before anything is done.
    """

    verb: str
    path: str
    status: int = 0
    message: str = "Server Error"
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    drop: bool = False
    hold: threading.Event | None = None
    token: str = ""
    times: int = 1

    def meets(self, asked: Asked) -> bool:
        """Whether it is this request that goes wrong."""
        same = self.verb == asked.verb and self.token in asked.token
        return bool(self.times and same and re.search(self.path, asked.path))


class Hub:
    """What GitHub remembers, and what was asked of it."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.url = ""
        self.token = TOKEN
        self.pulls = {PULL}
        self.comments: dict[int, dict[str, Any]] = {}
        self.checks: dict[int, dict[str, Any]] = {}
        self.annotations: dict[int, list[dict[str, Any]]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.actions = Actions(REPOSITORY)
        self.asked: list[Asked] = []
        self.breaches: list[str] = []
        self.closing = threading.Event()
        self._faults: list[Fault] = []
        self._ids = count(1001)
        self._lock = threading.RLock()

    def fail(self, verb: str, path: str, status: int = 0, **how: Any) -> Fault:
        """Let the next request of that kind (or the next `times`) go wrong: the fields of `Fault`."""
        fault = Fault(verb, path, status, **how)
        with self._lock:
            self._faults.append(fault)
        return fault

    def deny(self, verb: str, path: str) -> Fault:
        """Refuse what the token of a fork, or of a job without the permission, may not do."""
        return self.fail(verb, path, 403, message=DENIED, times=1000)

    def write(self, body: str, *, token: str = "ghp_stranger", pull: int = PULL) -> int:
        """A comment that stands there already; its id."""
        asked = Asked("POST", f"/repos/{REPOSITORY}/issues/{pull}/comments", token, {"body": body})
        return int(self._create_comment(asked, str(pull))[1]["id"])

    def bodies(self, pull: int = PULL) -> list[str]:
        """The comments of a pull request, oldest first."""
        return [comment["body"] for comment in self._of_pull(pull)]

    def requests(self, verb: str, path: str = "") -> list[Asked]:
        """What was asked of that verb, where the path matches."""
        return [asked for asked in self.asked if asked.verb == verb and re.search(path, asked.path)]

    def answer(self, asked: Asked, raw: bytes) -> tuple[int, Body, Mapping[str, str]] | None:
        """Status, body and headers, with whatever is to go wrong; None to hang up."""
        fault = self._arrived(asked)
        if fault is None:
            return *self._carried_out(asked, raw), {}
        if fault.hold is not None:
            _wait(fault.hold, self.closing)
        if fault.status == 0 and not fault.drop:
            return *self._carried_out(asked, raw), {}
        if fault.done:
            self._carried_out(asked, raw)
        return None if fault.drop else (fault.status, {"message": fault.message}, fault.headers)

    def _arrived(self, asked: Asked) -> Fault | None:
        with self._lock:
            self.asked.append(asked)
            for fault in self._faults:
                if fault.meets(asked):
                    fault.times -= 1
                    return fault
        return None

    def _carried_out(self, asked: Asked, raw: bytes) -> Answer:
        breach = contract().breach_of_request(asked.verb, asked.target, raw)
        if breach:
            self.breaches.append(f"asked {asked.verb} {asked.target}: {breach}")
            return 422, {"message": "Invalid request."}
        try:
            with self._lock:
                status, body = self._routed(asked)
        except Refusal as refusal:
            return refusal.status, {"message": str(refusal)}
        breach = contract().breach_of_answer(asked.verb, asked.target, status, json.dumps(body).encode())
        if breach:
            self.breaches.append(f"answered {asked.verb} {asked.target}: {breach}")
        return status, body

    def _routed(self, asked: Asked) -> Answer:
        if not asked.token or asked.token == "expired":
            raise Refusal(401, "Bad credentials")
        for verb, pattern, act in self._routes():
            match = re.fullmatch(pattern, asked.path)
            if match and verb == asked.verb:
                return act(asked, *match.groups())
        raise Refusal(404, "Not Found")

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        here = re.escape(f"/repos/{REPOSITORY}")
        yield "GET", "/user", self._user
        yield "GET", rf"{here}/issues/(\d+)/comments", self._list_comments
        yield "POST", rf"{here}/issues/(\d+)/comments", self._create_comment
        yield "GET", rf"{here}/issues/comments/(\d+)", self._get_comment
        yield "PATCH", rf"{here}/issues/comments/(\d+)", self._edit_comment
        yield "DELETE", rf"{here}/issues/comments/(\d+)", self._delete_comment
        yield "POST", rf"{here}/check-runs", self._create_check
        yield "PATCH", rf"{here}/check-runs/(\d+)", self._update_check
        yield "GET", rf"{here}/check-runs/(\d+)", self._get_check
        yield "GET", rf"{here}/commits/([^/]+)/check-runs", self._list_checks
        yield "POST", rf"{here}/statuses/([^/]+)", self._create_status
        yield from self.actions.routes(here)

    def _user(self, asked: Asked) -> Answer:
        if asked.token.startswith("ghs_"):
            raise Refusal(403, DENIED)
        example = contract().example("private-user-response-with-public-profile-information")
        return 200, {**example, **_person(asked), "user_view_type": "public"}

    def _list_comments(self, asked: Asked, pull: str) -> Answer:
        size, page = min(asked.query("per_page", 30), 100), asked.query("page", 1)
        return 200, self._of_pull(self._known(pull))[(page - 1) * size : page * size]

    def _create_comment(self, asked: Asked, pull: str) -> Answer:
        number, now = next(self._ids), _now()
        here = f"{self.url}/repos/{REPOSITORY}/issues"
        comment = contract().example("issue-comment") | {
            "id": number,
            "url": f"{here}/comments/{number}",
            "html_url": f"https://github.test/{REPOSITORY}/pull/{pull}#issuecomment-{number}",
            "issue_url": f"{here}/{self._known(pull)}",
            "body": _commentable(asked.body["body"]),
            "user": contract().example("issue-comment")["user"] | _person(asked),
            "created_at": now,
            "updated_at": now,
        }
        self.comments[number] = comment
        return 201, comment

    def _get_comment(self, asked: Asked, number: str) -> Answer:
        return 200, self._comment(number)

    def _edit_comment(self, asked: Asked, number: str) -> Answer:
        comment = self._comment(number)
        comment |= {"body": _commentable(asked.body["body"]), "updated_at": _now()}
        return 200, comment

    def _delete_comment(self, asked: Asked, number: str) -> Answer:
        del self.comments[self._comment(number)["id"]]
        return 204, None

    def _create_check(self, asked: Asked) -> Answer:
        number = next(self._ids)
        check = contract().example("check-run-example-of-in-progress-conclusion") | {
            "id": number,
            "url": f"{self.url}/repos/{REPOSITORY}/check-runs/{number}",
            "html_url": f"https://github.test/{REPOSITORY}/runs/{number}",
            "status": "queued",
            "conclusion": None,
            "external_id": None,
            "output": {
                "title": None,
                "summary": None,
                "text": None,
                "annotations_count": 0,
                "annotations_url": self.url,
            },
        }
        return 201, self._told(check, asked.body)

    def _update_check(self, asked: Asked, number: str) -> Answer:
        return 200, self._told(self._get_check(asked, number)[1], asked.body)

    def _get_check(self, asked: Asked, number: str) -> Answer:
        if int(number) not in self.checks:
            raise Refusal(404, "Not Found")
        return 200, self.checks[int(number)]

    def _list_checks(self, asked: Asked, ref: str) -> Answer:
        name = asked.text("check_name")
        runs = [check for check in self.checks.values() if check["head_sha"] == ref and name in ("", check["name"])]
        return 200, {"total_count": len(runs), "check_runs": runs}

    def _create_status(self, asked: Asked, sha: str) -> Answer:
        if len(asked.body.get("description") or "") > 140:
            raise Refusal(422, "Validation Failed")
        status = contract().example("status") | {"id": next(self._ids)} | asked.body
        self.statuses.append(status | {"sha": sha})
        return 201, status

    def _told(self, former: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        """The check with what was said of it; annotations are added to those that it has."""
        output = dict(asked.get("output", {}))
        notes = [*self.annotations.get(former["id"], ()), *output.pop("annotations", ())]
        if any(len(note["message"].encode()) > LONGEST_MESSAGE or len(note.get("title", "")) > 255 for note in notes):
            raise Refusal(422, "Validation Failed")
        check = former | asked | {"output": former["output"] | output | {"annotations_count": len(notes)}}
        if "conclusion" in asked:
            check |= {"status": "completed", "completed_at": _now()}
        if check["status"] == "completed" and not check["conclusion"]:
            raise Refusal(422, "Invalid request. A conclusion is missing.")
        self.checks[check["id"]], self.annotations[check["id"]] = check, notes
        return check

    def _known(self, pull: str) -> int:
        if int(pull) not in self.pulls:
            raise Refusal(404, "Not Found")
        return int(pull)

    def _comment(self, number: str) -> dict[str, Any]:
        if int(number) not in self.comments:
            raise Refusal(404, "Not Found")
        return self.comments[int(number)]

    def _of_pull(self, pull: int) -> list[dict[str, Any]]:
        with self._lock:
            return [comment for comment in self.comments.values() if comment["issue_url"].endswith(f"/{pull}")]

    def link(self, asked: Asked) -> str:
        """The header that leads from page to page, with addresses of this server; "" on the last page."""
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues/(\d+)/comments", asked.path)
        if asked.verb != "GET" or match is None:
            return ""
        size, page = min(asked.query("per_page", 30), 100), asked.query("page", 1)
        if page * size >= len(self._of_pull(int(match[1]))):
            return ""
        return f'<{self.url}{asked.path}?{urlencode({"per_page": size, "page": page + 1})}>; rel="next"'


def _person(asked: Asked) -> dict[str, str]:
    if asked.token.startswith("ghs_"):
        return {"login": "github-actions[bot]", "type": "Bot"}
    return {"login": asked.token.removeprefix("ghp_"), "type": "User"}


def _commentable(body: str) -> str:
    if not body.strip():
        raise Refusal(422, "Validation Failed")
    if len(body.encode("utf-16-le")) // 2 > LONGEST_COMMENT:
        raise Refusal(422, f"Validation Failed: body is too long (maximum is {LONGEST_COMMENT} characters)")
    return body


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _wait(event: threading.Event, closing: threading.Event) -> None:
    """Until the event or the end of the server, whichever is first."""
    deadline = time.monotonic() + LONGEST_HOLD_S
    while not event.wait(0.01) and not closing.is_set() and time.monotonic() < deadline:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        hub = self.server.hub
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").partition(" ")[2]
        asked = Asked(self.command, self.path.removeprefix(hub.prefix), token, json.loads(raw) if raw else None)
        answer = hub.answer(asked, raw)
        if answer is None:
            self.close_connection = True
            return
        status, body, headers = answer
        self._send(status, body, {**headers, "Link": hub.link(asked) if status == 200 else ""})

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _send(self, status: int, body: Body, headers: Mapping[str, str]) -> None:
        data = b"" if status in (204, 302) else json.dumps(body).encode()
        try:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked had no patience left

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub
        hub.url = f"http://127.0.0.1:{self.server_address[1]}{hub.prefix}"


@contextmanager
def serve(prefix: str = "") -> Iterator[Hub]:
    """A GitHub with an empty pull request; `prefix` is `/api/v3` on an Enterprise server."""
    hub = Hub(prefix)
    with _Server(hub) as server, hub.actions.storage:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.closing.set()
            server.shutdown()
            thread.join()
    assert not hub.breaches, "\n".join(hub.breaches)
