"""What arrives at the fake, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = Any
Answer = tuple[int, Body]


@dataclass(frozen=True)
class Asked:
    """One request that arrived: path and query as in GitHub's description."""

    verb: str
    target: str
    token: str
    body: Body = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def text(self, name: str) -> str:
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]

    def query(self, name: str, default: int) -> int:
        return int(self.text(name) or default)


class Refusal(Exception):
    """An answer of 400 and above."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
