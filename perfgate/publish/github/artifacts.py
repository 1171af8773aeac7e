"""What a run left behind: finding its artifact, and loading it from wherever GitHub keeps it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from perfgate.publish.github.archive import LARGEST_ARCHIVE, Unusable
from perfgate.publish.github.exchange import Exchange, Patience, Refused
from perfgate.publish.github.trigger import Trigger

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

NAME = "perfgate"
MOST_LISTED = 100
MOST_HOPS = 4
CHUNK = 64 * 1024
LONGEST_DOWNLOAD_S = 120.0


def name_of(key: str) -> str:
    """What the artifact of a configuration is called; "" is the only one."""
    return f"{NAME}-{key}" if key else NAME


def newest(exchange: Exchange, trigger: Trigger, key: str) -> int:
    """The number of the artifact that this attempt of the run uploaded for the configuration.

    Raises `Unusable` where there is none to be had, `Refused` where GitHub does not say.
    """
    name = name_of(key)
    path = f"/repos/{quote(trigger.repository, safe='/')}/actions/runs/{trigger.run}/artifacts"
    asked = {"name": name, "per_page": str(MOST_LISTED)}
    _, data = exchange.ask("list the artifacts of the run", "GET", path, query=asked)
    found = [one for one in _listed(data) if one.get("name") == name and _is_since(one, trigger.started)]
    if not found:
        raise Unusable(f"the run has uploaded no artifact named {name!r}")
    return max(int(one["id"]) for one in found)


def _listed(data: object) -> list[Any]:
    listed = data.get("artifacts") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise Refused("cannot list the artifacts of the run: the answer is no list")
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), int)]


def _is_since(artifact: dict[str, Any], started: str) -> bool:
    """Whether it is not one of an earlier attempt, whose artifacts stay with the run."""
    try:
        return datetime.fromisoformat(str(artifact.get("created_at"))) >= datetime.fromisoformat(started)
    except (ValueError, TypeError):
        return False


class Download:
    """Loads artifacts of a repository with a token, which no other host gets to see."""

    def __init__(self, trigger: Trigger, token: str, patience: Patience) -> None:
        self._artifacts = f"{trigger.api}/repos/{quote(trigger.repository, safe='/')}/actions/artifacts"
        self._token = token
        self._patience = patience

    def archive(self, number: int) -> bytes:
        """The artifact, packed. A server that is busy, and an answer that breaks off, are tried again.

        Raises `Unusable` where it is gone or too large, `Refused` where GitHub does not answer.
        """
        for wait_s in self._patience.waits_s:
            try:
                return self._attempt(number)
            except Refused as refused:
                if not refused.perhaps_done:
                    raise
            time.sleep(wait_s)
        return self._attempt(number)

    def _attempt(self, number: int) -> bytes:
        from requests import Session
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            with Session() as session, self._opened(session, f"{self._artifacts}/{number}/zip") as answer:
                _check(answer.status_code)
                return self._read(answer)
        except (RequestException, HTTPError, ValueError) as error:
            # not in its own words: these have the address, which is a secret where the file is kept
            raise _failed(type(error).__name__, again=True) from None

    def _opened(self, session: Session, address: str) -> Response:
        """The answer from where the file is kept: GitHub only leads there."""
        sign = self._signed
        for _ in range(MOST_HOPS):
            answer = session.get(
                address,
                auth=sign,
                headers={"Accept-Encoding": "identity"},
                allow_redirects=False,
                stream=True,
                timeout=self._patience.timeout_s,
            )
            if not answer.is_redirect:
                return answer
            answer.close()
            address, sign = followed(address, answer.headers["location"]), _anonymous
        raise _failed("it is led from address to address")

    def _signed(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _read(self, answer: Response) -> bytes:
        """What arrives, and no more of it than may be: nobody's word about its length is taken."""
        deadline, data = time.monotonic() + LONGEST_DOWNLOAD_S, bytearray()
        while chunk := answer.raw.read(CHUNK, decode_content=False):
            data += chunk
            if len(data) > LARGEST_ARCHIVE:
                raise Unusable(f"the artifact is larger than {LARGEST_ARCHIVE // 1_000_000} MB")
            if time.monotonic() > deadline:
                raise _failed(f"it took longer than {LONGEST_DOWNLOAD_S:.0f} s")
        return bytes(data)


def _anonymous(request: PreparedRequest) -> PreparedRequest:
    """As it is: without this, requests would look for a password of the host in the user's files."""
    return request


def followed(address: str, location: str) -> str:
    """Where an address leads: never from an encrypted one to another."""
    leads = urljoin(address, location)
    if urlsplit(leads).scheme not in ("https", urlsplit(address).scheme):
        raise _failed("it is led to an address that is not encrypted")
    return leads


def _check(status: int) -> None:
    if status == 410:
        raise Unusable("the artifact has expired")
    if status != 200:
        raise _failed(f"{status}", again=status >= 500 or status == 429)


def _failed(why: str, *, again: bool = False) -> Refused:
    return Refused(f"cannot download the artifact: {why}", perhaps_done=again)
