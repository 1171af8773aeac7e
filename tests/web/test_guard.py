"""Who is let in: hosts, origins, tokens, sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from perfgate import serving as wiring
from perfgate.errors import BadRequest
from perfgate.publish.web import tokens
from tests.web import history
from tests.web.serving import Served, serving

TOKEN, STORED = tokens.make()


@pytest.fixture(scope="module")
def locked(filled: str) -> Iterator[Served]:
    with serving(filled, history.PROJECT, tokens.door(STORED)) as served:
        yield served


def log_in(served: Served, token: str) -> str:
    """The cookie that the form gives, "" where it gives none."""
    form = {"method": "POST", "content_type": "application/x-www-form-urlencoded"}
    answer = served.ask("/login", body=urlencode({"token": token}), **form)
    return answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "192.168.0.7"])
def test_without_a_token_only_names_of_this_machine_are_answered_to(shop: Served, host: str) -> None:
    assert shop.ask("/runs", host=host).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8123", "[::1]:8123", "LOCALHOST"])
def test_all_names_of_this_machine_are(shop: Served, host: str) -> None:
    assert shop.ask("/runs", host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_pages_of_other_sites_may_ask_nothing(shop: Served, origin: str) -> None:
    assert shop.query("{ runs { number } }", origin=origin).status == 403
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{shop.port}/graphql", origin=Origin(origin)):
        pass


@pytest.mark.parametrize("path", ["/", "/runs", "/run-1", "/graphql", "/healthy", "/login-1", "/health/", "/logins"])
def test_with_a_token_nothing_is_shown_without_it(locked: Served, path: str) -> None:
    assert locked.ask(path).status == 401
    assert locked.ask(path, authorization=f"Bearer {TOKEN}x").status == 401
    assert locked.ask(path, authorization=f"Basic {TOKEN}").status == 401
    assert locked.ask(path, cookie="perfgate=9999999999.00").status == 401
    page = locked.ask(path, accept="text/html")
    assert (page.status, page.headers["location"]) == (303, "login")


def test_the_token_lets_in_whatever_the_host_is_called(locked: Served) -> None:
    assert locked.ask("/runs", authorization=f"Bearer {TOKEN}", host="perf.example").status == 200


def test_a_session_lets_in_and_does_not_hold_the_token(locked: Served) -> None:
    cookie = log_in(locked, TOKEN)
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    held = cookie.partition(";")[0]
    assert locked.ask("/runs", cookie=held).status == 200
    assert locked.ask("/runs", cookie=held[:-1] + ("0" if held[-1] != "0" else "1")).status == 401
    later = held.replace("perfgate=", "perfgate=9")
    assert locked.ask("/runs", cookie=later).status == 401


def test_a_wrong_token_gives_no_session(locked: Served) -> None:
    assert log_in(locked, TOKEN[:-1]) == ""
    assert log_in(locked, "") == ""


def test_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    door = tokens.door(STORED)
    session = door.session()
    assert door.knows(session)
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert not door.knows(session)


def test_strangers_hear_of_health_only_whether_it_is_well(locked: Served) -> None:
    assert locked.ask("/health").json() == {"status": "ok"}
    assert locked.ask("/health", authorization=f"Bearer {TOKEN}").json()["project"] == history.PROJECT


def test_nobody_listens_without_the_token(locked: Served) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{locked.port}/graphql"):
        pass


def test_what_is_asked_may_not_be_endless(shop: Served) -> None:
    assert shop.query("#" * 70_000).status == 413


def test_another_host_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no token"):
        wiring.door("0.0.0.0", tmp_path, None)
    token, path = wiring.make_token(tmp_path, None)
    door = wiring.door("0.0.0.0", tmp_path, None)
    assert door is not None
    assert door.opens(token)
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_this_machine_needs_none_unless_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = wiring.make_token(tmp_path, None)
    assert wiring.door("127.0.0.1", tmp_path, None) is None
    assert wiring.door("::1", tmp_path, path) is not None
    monkeypatch.setenv(wiring.TOKEN_VARIABLE, STORED)
    door = wiring.door("localhost", tmp_path, None)
    assert door is not None
    assert door.opens(TOKEN)


@pytest.mark.parametrize(
    "stored",
    [TOKEN, "", "sha256$00$00", STORED + "0", STORED.replace("sha256", "md5")],
    ids=["token", "empty", "short", "long", "other"],  # tokens are random, and workers have to agree on names
)
def test_a_hash_that_is_none_is_refused_and_not_repeated(stored: str) -> None:
    with pytest.raises(BadRequest) as refused:
        tokens.door(stored)
    assert not stored or stored not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "")),
    ],
)
def test_what_only_this_machine_can_reach(host: str, here: bool) -> None:
    assert wiring.loopback(host) is here
