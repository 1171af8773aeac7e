"""What an endpoint is called: the method, and the name that the locustfile gave or the path without its ids."""

from __future__ import annotations

import re

MOST_ENDPOINTS = 200
"""More names than this are ids in paths: a budget cannot be kept for each."""

_ID = re.compile(
    r"\d+"  # 17
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|(?=[a-f]*\d)[0-9a-f]{16,}",  # a digest or an object id, but no word that happens to be spelt in hex
    re.IGNORECASE,
)


def endpoint(method: str, name: str, url: str | None, host: str) -> str:
    """`GET /products/{id}` for a request to /products/17?page=2, `GET ` and the name itself where one was given.

    `name` is what Locust reports: the `name=` of the request, or its path and query. `url` is where it went.
    """
    return f"{method} {without_ids(name, host) if _is_address(name, url, host) else name}"


def _is_address(name: str, url: str | None, host: str) -> bool:
    """Whether Locust took the name from the URL, because the locustfile gave none."""
    if not url or not url.endswith(name):
        return False
    origin = url[: len(url) - len(name)]
    return origin in ("", host) or origin.count("/") == 2


def without_ids(address: str, host: str) -> str:
    """The path of an address on `host`, with `{id}` for every id in it."""
    path = address.removeprefix(host).partition("?")[0].partition("#")[0]
    return "/".join("{id}" if _ID.fullmatch(part) else part for part in path.split("/")) or "/"


class Endpoints:
    """The names of one process in the order in which they were first requested; records hold their index.

    Names beyond the limit share the last index: a scenario with so many is refused, once its load has ended.
    """

    def __init__(self, host: str) -> None:
        self.names: list[str] = []
        self.crowded = False
        self._host = host
        self._indices: dict[str, int] = {}
        self._known: dict[tuple[str, str], int] = {}

    def index(self, method: str, name: str, url: str | None) -> int:
        """The index of the endpoint that a request belongs to."""
        known = self._known.get((method, name))
        if known is not None:
            return known
        if len(self._known) > 50 * MOST_ENDPOINTS:
            self._known.clear()
        index = self._known[method, name] = self._index(endpoint(method, name, url, self._host))
        return index

    def _index(self, name: str) -> int:
        if name not in self._indices:
            if len(self.names) == MOST_ENDPOINTS:
                self.crowded = True
                return MOST_ENDPOINTS - 1
            self._indices[name] = len(self.names)
            self.names.append(name)
        return self._indices[name]
