"""Requests to GitHub, one after the other: patient with its limits and failures, and nothing done twice.

They go through PyGithub's requester, which knows the address (Enterprise too) and the token, and sends the token to no
other host. Repeating is decided here: PyGithub's own repeats would post a comment twice, and never repeat an edit.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from perfgate.publish.report import one_line

if TYPE_CHECKING:
    from github.GithubException import GithubException
    from github.Requester import Requester

MOST_PAGES = 50
"""Of a hundred comments: GitHub takes no more than 2,500 on a pull request."""
PAGE = 100
LONGEST_SETTLE_S = 10.0

_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_DENIED = "the token may not do that (of a pull request from a fork it never may)"

Headers = Mapping[str, Any]
Body = Mapping[str, object]
T = TypeVar("T")


class Refused(Exception):
    """GitHub did not do what it was asked, for a `reason` in one sentence; `status` is 0 where it did not answer.

    `limited` is a rate limit, after which `wait_s` seconds are to pass. Where `perhaps_done`, the request may have been
    carried out: its answer was lost.
    """

    def __init__(
        self, reason: str, status: int = 0, *, limited: bool = False, perhaps_done: bool = False, wait_s: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.limited = limited
        self.perhaps_done = perhaps_done
        self.wait_s = wait_s

    @property
    def denied(self) -> bool:
        """Whether the token lacks a permission: GitHub says 404 of what a token may not even see."""
        return self.status in (403, 404) and not self.limited


class Overtaken(Refused):
    """Somebody else changed what was to be replaced."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long GitHub is waited for, in seconds.

    `waits_s` come between attempts; `longest_s` is the longest wait that GitHub may ask for instead, and what a limit
    that names no time costs; `total_s` bounds the waits of one publishing. `pause_s` is kept between two writes, as
    GitHub asks of everybody, and before looking again. `timeout_s` is for one answer.
    """

    timeout_s: int = 15
    waits_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    longest_s: float = 60.0
    total_s: float = 180.0
    pause_s: float = 1.0


class Exchange:
    """A conversation with the server at an address. What goes wrong is `Refused`, nothing else."""

    def __init__(self, address: str, token: str, patience: Patience) -> None:
        if not re.fullmatch(r"[!-~]+", token):
            raise Refused("the token is empty, or has characters that no token has")
        self._address = address
        self._token = token
        self._patience = patience
        self._left_s = patience.total_s
        self._slowest_s = 0.0
        self._wrote = -math.inf

    def close(self) -> None:
        """Lets the connection go."""
        if "_requester" in self.__dict__:
            self._requester.close()

    def settle(self) -> None:
        """Waits until others, who saw what was there before the last write, have come to the end of theirs.

        Nobody can know; but they need a look and a write, and these take as long as ours did.
        """
        time.sleep(max(self._patience.pause_s, min(3 * self._slowest_s, LONGEST_SETTLE_S)))

    def pages(
        self, doing: str, path: str, items: Callable[[object], list[Any]], query: Mapping[str, str] | None = None
    ) -> Iterator[Any]:
        """What `items` finds in each page of a list, from the first to the last."""
        asked: Mapping[str, str] | None = {"per_page": str(PAGE), **(query or {})}
        for _ in range(MOST_PAGES):
            headers, data = self.ask(doing, "GET", path, query=asked)
            yield from items(data)
            following = _NEXT.search(str(headers.get("link", "")))
            if following is None:
                return
            path, asked = following[1], None

    def once(
        self,
        doing: str,
        verb: str,
        path: str,
        body: Body,
        read: Callable[[object], T],
        made: Callable[[], T | None],
    ) -> T:
        """What must not be done twice: after a lost answer, `made` looks for it before it is asked for again."""
        for wait in (*self._patience.waits_s, None):
            try:
                return read(self.ask(doing, verb, path, body=body, again=False)[1])
            except Refused as refused:
                if not refused.perhaps_done:
                    raise
                self._wait(refused, wait or 0.0)
                found = made()
                if found is not None:
                    return found
                if wait is None:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def ask(
        self,
        doing: str,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        again: bool = True,
        before: Callable[[], None] = lambda: None,
    ) -> tuple[Headers, Any]:
        """GitHub's headers and data; repeated when it was busy, and where its answer was lost, if `again` allows it.

        `before` is called ahead of every attempt, and may raise.
        """
        for wait in (*self._patience.waits_s, None):
            self._pace(verb)
            before()
            try:
                return self._attempt(doing, verb, path, query, body)
            except Refused as refused:
                if wait is None or not (refused.limited or (refused.perhaps_done and again)):
                    raise
                self._wait(refused, wait)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(
        self, doing: str, verb: str, path: str, query: Mapping[str, str] | None, body: Body | None
    ) -> tuple[Headers, Any]:
        from github import GithubException
        from requests.exceptions import RequestException, Timeout
        from urllib3.exceptions import HTTPError

        parameters, told = dict(query or {}), None if body is None else dict(body)
        began = time.monotonic()
        try:
            answer = self._requester.requestJsonAndCheck(verb, path, parameters, input=told)
        except GithubException as error:
            raise _refusal(doing, error, self._patience.longest_s) from None
        except Timeout:
            raise Refused(f"cannot {doing}: no answer within {self._patience.timeout_s} s", perhaps_done=True) from None
        except (RequestException, HTTPError, ValueError) as error:
            raise Refused(f"cannot {doing} at {self._address}: {self._told(error)}", perhaps_done=True) from None
        except (AssertionError, RuntimeError) as error:  # PyGithub's words for an address of another host
            raise Refused(f"cannot {doing}: {self._address} leads elsewhere: {self._told(error)}") from None
        finally:
            self._wrote = time.monotonic() if verb != "GET" else self._wrote
        self._slowest_s = max(self._slowest_s, time.monotonic() - began)
        return answer

    @cached_property
    def _requester(self) -> Requester:
        from github import Auth, Github

        return Github(
            auth=Auth.Token(self._token),
            base_url=self._address,
            timeout=self._patience.timeout_s,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        ).requester

    def _pace(self, verb: str) -> None:
        """Keeps the pause between two writes, ahead of what is looked at before the second."""
        if verb != "GET":
            time.sleep(max(self._wrote + self._patience.pause_s - time.monotonic(), 0.0))

    def _wait(self, refused: Refused, wait_s: float) -> None:
        """Waits before the next attempt; who would have to wait too long gives up at once."""
        wait_s = max(wait_s, refused.wait_s)
        if wait_s > self._patience.longest_s or wait_s > self._left_s:
            raise refused
        self._left_s -= wait_s
        time.sleep(wait_s)

    def _told(self, error: Exception) -> str:
        """What an error of a library comes to, in a few words, and without the token."""
        innermost: BaseException = error
        while (cause := innermost.__cause__ or innermost.__context__) is not None:
            innermost = cause
        words = getattr(innermost, "strerror", None) or str(innermost)
        return one_line(str(words).replace(self._token, "***"), 200) or type(innermost).__name__


def _refusal(doing: str, error: GithubException, longest_s: float) -> Refused:
    """GitHub's own words, and whether it would answer otherwise later."""
    from github import RateLimitExceededException

    message = one_line(str(error.data.get("message", "")), 200) if isinstance(error.data, dict) else ""
    headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
    status = error.status
    told = f"cannot {doing}: {status} {message}".rstrip()
    busy = status == 403 and "retry-after" in headers
    if status == 429 or busy or isinstance(error, RateLimitExceededException):
        wait_s = _asked_to_wait(headers, longest_s)
        return Refused(f"{told} (to be asked again in {wait_s:.0f} s)", status, limited=True, wait_s=wait_s)
    if status in (401, 403):
        told = f"{told}; {_DENIED if status == 403 else 'the token is wrong or has expired'}"
    return Refused(told, status, perhaps_done=status >= 500)


def _asked_to_wait(headers: Mapping[str, str], unsaid_s: float) -> float:
    """Seconds until GitHub takes requests again: it may say for how long, or until when, or neither."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(float(reset) - time.time(), 0.0) + 1.0
    return unsaid_s
