"""Serving the history: wires the pages to the store, the token and a web server."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perfgate import keeping
from perfgate.errors import BadRequest, NotMeasured

if TYPE_CHECKING:
    from perfgate.keeping import Place
    from perfgate.publish.web.archive import Archive
    from perfgate.publish.web.asked import Asked
    from perfgate.publish.web.site import Site
    from perfgate.publish.web.tokens import Door

TOKEN_VARIABLE = "PERFGATE_SERVE_TOKEN_HASH"
TOKEN_FILE = "serve-token"
MOST_AT_ONCE = 200
"""Connections; more are turned away."""
GRACE_S = 3
_MAKE = "make a token first: perfgate serve --make-token"


def make_token(root: Path, path: Path | None) -> tuple[str, Path]:
    """A token, to be shown once, and the file that keeps its hash, which replaces a former one."""
    from perfgate.publish.web import tokens

    where = path or _usual(root)
    token, stored = tokens.make()
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.unlink(missing_ok=True)
        where.touch(mode=0o600)
        where.write_text(stored + "\n", encoding="ascii")
    except OSError as error:
        raise NotMeasured(f"{where}: cannot be written: {error.strerror}", hint="name another: --token-file") from error
    return token, where


def _usual(root: Path) -> Path:
    return root / keeping.STATE_FOLDER / TOKEN_FILE


def door(host: str, root: Path, path: Path | None) -> Door | None:
    """What asks for a token: nothing on loopback, unless one is named. Raises BadRequest where one is needed."""
    from perfgate.publish.web import tokens

    stored = os.environ.get(TOKEN_VARIABLE, "")
    if path is not None or (not stored and not loopback(host)):
        stored = _read(path or _usual(root), host)
    return tokens.door(stored) if stored else None


def _read(path: Path, host: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadRequest(f"whoever reaches {host} could read the history, and there is no token", hint=_MAKE) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: cannot be read", hint=_MAKE) from error


def loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def archive(where: Place, say: Callable[[str], None]) -> Archive:
    """The project's store for pages. Raises as `keeping.opened` does where it cannot be entered now."""
    from perfgate.publish.web.archive import Archive

    with keeping.reporting(), keeping.opened(where):
        pass
    return Archive(lambda: keeping.opened(where), say)


def serve(where: Place, host: str, port: int, token_file: Path | None, say: Callable[[str], None]) -> None:
    """Serve until somebody ends it. BadRequest for a host or token that will not do, NotMeasured for the rest."""
    import socket

    import uvicorn

    from perfgate.publish.web.app import application

    guarded = door(host, where.root, token_file)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host.strip("[]"), port))
            listening.listen()  # before anybody is told where
        except OSError as error:
            raise BadRequest(f"{host}:{port} cannot be had: {error.strerror}", hint="take another --port") from error
        app = application(archive(where, say), where.project, guarded)
        number = listening.getsockname()[1]
        say(f"http://{f'[{host}]' if ':' in host else host}:{number}/ ({where.project}, {where})")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=GRACE_S,
            ws_max_size=64 * 1024,
        )
        with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
            uvicorn.Server(config).run([listening])


def site(where: Place, folder: Path, asked: Asked | None = None) -> Site:
    """Write the pages of the whole history, or of what is asked, as files.

    Raises BadRequest for a folder of another kind, NotMeasured for a disk that refuses.
    """
    from datetime import UTC, datetime

    from perfgate.publish.web import site
    from perfgate.publish.web.asked import Asked

    with keeping.reporting(), keeping.opened(where) as store:
        try:
            return site.write(store, where.project, folder.resolve(), asked or Asked("all"), datetime.now(UTC))
        except OSError as error:
            raise NotMeasured(f"{folder}: cannot be written: {error.strerror}", hint="free or grant room") from error
