"""The token that lets a reader in: made by chance, shown once, and kept as a salted hash alone.

A token has 256 bits of chance, so that a plain salted SHA-256 is enough: there is nothing to guess that a slow hash
would protect, and every request with a token would have to wait for one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from perfgate.errors import BadRequest

SCHEME = "sha256"
BYTES = 32
SALT_BYTES = 16
SESSION_S = 12 * 3600
COOKIE = "perfgate"
_STORED = re.compile(rf"{SCHEME}\$([0-9a-f]{{{2 * SALT_BYTES}}})\$([0-9a-f]{{64}})")


def make() -> tuple[str, str]:
    """A token, and what is to be kept of it."""
    token, salt = secrets.token_urlsafe(BYTES), secrets.token_bytes(SALT_BYTES)
    return token, f"{SCHEME}${salt.hex()}${_digest(salt, token).hex()}"


def _digest(salt: bytes, token: str) -> bytes:
    return hashlib.sha256(salt + token.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, repr=False)
class Door:
    """Lets in who has the token, or a session that was begun with it. Sessions end with the process."""

    salt: bytes
    digest: bytes
    key: bytes

    def opens(self, token: str) -> bool:
        """Whether it is the token, found out in the same time whatever it is."""
        return hmac.compare_digest(_digest(self.salt, token), self.digest)

    def session(self) -> str:
        """What a browser's cookie holds: until when it may come in, signed. The token is not in it."""
        until = str(int(time.time()) + SESSION_S)
        return f"{until}.{self._signature(until)}"

    def knows(self, session: str) -> bool:
        """Whether a session was begun here and has not ended."""
        until, _, signature = session.partition(".")
        signed = hmac.compare_digest(self._signature(until).encode(), signature.encode("utf-8", "surrogateescape"))
        return signed and int(until) > time.time()

    def _signature(self, until: str) -> str:
        return hmac.new(self.key, until.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def door(stored: str) -> Door:
    """The door that a stored hash is for. Raises BadRequest for anything else, without repeating it."""
    found = _STORED.fullmatch(stored.strip())
    if found is None:
        raise BadRequest("the stored hash of the token is none", hint="make one: perfgate serve --make-token")
    return Door(bytes.fromhex(found[1]), bytes.fromhex(found[2]), secrets.token_bytes(BYTES))
