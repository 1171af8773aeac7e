"""What stands before every request: who may ask, from where, how much; and what every answer says to browsers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from perfgate.publish.web.rendering import POLICY
from perfgate.publish.web.tokens import COOKIE, Door

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
OPEN = ("/health", "/login")
OPEN_BELOW = "/static/"
"""What is shown without a token: that the store is there, the form that asks for one, and how that looks."""
LARGEST_BODY = 64 * 1024
HEADERS = (
    (b"content-security-policy", f"{POLICY}; frame-ancestors 'none'".encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True)
class Guard:
    """Around the whole application. Without a `door` only names of this machine are answered to.

    A page of a stranger that has its own name lead here (DNS rebinding) sends that name as Host, and is turned away.
    """

    app: App
    door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self.app(scope, _bounded(receive), _marked(send, scope["path"]))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _answer(_marked(send, scope["path"]), *refusal)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        """Status, words and headers for a request that is not let through."""
        host = headers.get("host", "")
        if self.door is None and _name(host) not in LOOPBACK:
            return 421, "This is answered on this machine only, or with a token.", []
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "Another site may not ask this.", []
        if not _small(headers.get("content-length", "0")):
            return 413, "Too much.", []
        shown = scope["path"] in OPEN or scope["path"].startswith(OPEN_BELOW)
        if self.door is None or shown or admitted(self.door, headers):
            return None
        if "text/html" in headers.get("accept", "") and scope["type"] == "http":
            return 303, "", [(b"location", b"login")]
        return 401, "A token is needed.", [(b"www-authenticate", b'Bearer realm="perfgate"')]


def admitted(door: Door, headers: dict[str, str]) -> bool:
    """Whether the request bears the token, or a session's cookie."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and door.opens(token.strip()):
        return True
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return False
    return COOKIE in cookies and door.knows(cookies[COOKIE].value)


def _name(host: str) -> str:
    """A Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _small(length: str) -> bool:
    return length.isdecimal() and int(length[:12]) <= LARGEST_BODY


def _bounded(receive: Receive) -> Receive:
    """The same for a body whose length was not told: it ends when it is too long."""
    left = LARGEST_BODY

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                return {"type": "http.disconnect"}
        return message

    return bounded


def _marked(send: Send, path: str) -> Send:
    """With the headers of every answer. Pages are nobody's to keep; files that never change are."""
    keeping = b"public, max-age=31536000, immutable" if path.startswith("/static/") else b"no-store"

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS, (b"cache-control", keeping)]
        await send(message)

    return marked


async def _answer(send: Send, status: int, text: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    told = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": text.encode()})
