"""Asks a running service for what its code says it answers: what refuses is no load, but an error in each round."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from contextlib import closing

from perfgate.init.signs import Endpoint

MOST_ASKED = 60
TIMEOUT_S = 10.0


def refused(port: int, endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """The endpoints that do not answer 2xx to a plain GET, and what they do instead. `port` is one of 127.0.0.1."""
    able = [one for one in endpoints if one.method == "GET" and one.example]
    answers = {str(one): _answer(port, one.example) for one in able[:MOST_ASKED]}
    return {name: answer for name, answer in answers.items() if answer}


def _answer(port: int, path: str) -> str:
    """ "" for 2xx, else what happened."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        try:
            connection.request("GET", path, headers={"User-Agent": "perfgate"})
            response = connection.getresponse()
            response.read(1 << 20)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"did not answer: {type(error).__name__}"
        return "" if 200 <= response.status < 300 else f"answered {response.status} {_plain(response.reason)}".strip()


def _plain(reason: str) -> str:
    """The service's word for a status, which is going to stand in a comment of a file."""
    return reason if reason.isprintable() else ""
