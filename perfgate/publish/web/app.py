"""The application: pages, GraphQL and health over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from perfgate import __version__
from perfgate.errors import BadRequest, PerfgateError
from perfgate.publish.history.reading import StoredRun
from perfgate.publish.web import pages
from perfgate.publish.web.analyses import Analyses
from perfgate.publish.web.archive import Archive, Busy, StoreLost
from perfgate.publish.web.asked import Asked, asked
from perfgate.publish.web.book import Book
from perfgate.publish.web.graphql import Context, Endpoint
from perfgate.publish.web.guard import Guard, admitted
from perfgate.publish.web.live import Feed
from perfgate.publish.web.rendering import STATIC, Frame, Page, html, login
from perfgate.publish.web.tokens import COOKIE, SESSION_S, Door

AGAIN_S = 2
"""After so long a browser asks again where too much was asked."""
RECOVERY_S = 5
"""After so long it asks whether the store is back."""


@dataclass(frozen=True)
class Desk:
    """Everything that requests need."""

    archive: Archive
    project: str
    door: Door | None
    analyses: Analyses
    feed: Feed
    book: Book

    async def page(self, request: Request) -> Response:
        """One page of the history."""
        name = request.path_params.get("name", "overview")
        try:
            wanted = asked(request.query_params)
            sheet = await self.book.page(name, wanted)
        except BadRequest as error:
            return self._message(400, "This cannot be shown", error)
        except Busy as error:
            return self._message(503, "Busy", error, again=AGAIN_S)
        except StoreLost as error:
            return self._message(503, "The store is away", error, again=RECOVERY_S)
        if sheet is None:
            missing = BadRequest("there is no such page", hint="it may have been pruned: begin at the overview")
            return self._message(404, "Not here", missing)
        headers = {"vary": "accept-encoding", "x-pending": "yes" if sheet.pending else "no"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return HTMLResponse(sheet.packed, headers={**headers, "content-encoding": "gzip"})
        return HTMLResponse(sheet.body, headers=headers)

    def _message(self, status: int, title: str, error: PerfgateError, *, again: int = 0) -> Response:
        values = {"message": error.args[0], "hint": error.hint}
        page = Page("message", "", title, "message.html.j2", values)
        headers = {"refresh": str(again)} if again else {}
        frame = Frame(self.project, Asked(), secured=self.door is not None)
        return HTMLResponse(html(page, frame), status, headers=headers)

    async def health(self, request: Request) -> Response:
        """Whether the store can be reached; to those who may know, also of what and since when."""
        try:
            last = await self.archive.ask(pages.newest)
            status, code = "ok", 200
        except (StoreLost, Busy) as error:
            last, status, code = None, error.args[0], 503
        stranger = self.door is not None and not admitted(self.door, dict(request.headers))
        told = {} if stranger else self._told(last)
        return JSONResponse({"status": status, **told}, code)

    def _told(self, last: StoredRun | None) -> dict[str, object]:
        run = {"number": last.number, "started": last.started.isoformat(), "status": last.status} if last else None
        return {"version": __version__, "project": self.project, "now": f"{datetime.now(UTC):%FT%TZ}", "last_run": run}

    async def ask_token(self, request: Request) -> Response:
        """The form that asks for the token, and what comes of it."""
        if self.door is None:
            return RedirectResponse("./", 303)
        if request.method == "GET":
            return HTMLResponse(login(wrong=False))
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if not self.door.opens(form.get("token", [""])[0].strip()):
            return HTMLResponse(login(wrong=True), 401)
        response = RedirectResponse("./", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, self.door.session(), max_age=SESSION_S, httponly=True, samesite="strict", secure=secure
        )
        return response

    async def leave(self, _: Request) -> Response:
        """Forget the session."""
        response = RedirectResponse("login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response


def application(archive: Archive, project: str, door: Door | None = None) -> Guard:
    """The whole of it, as ASGI. The archive is closed with it."""
    analyses, feed = Analyses(archive), Feed(archive)
    book = Book(archive, analyses, project, secured=door is not None)
    desk = Desk(archive, project, door, analyses, feed, book)
    graphql = Endpoint(Context(archive, analyses, feed))

    @contextlib.asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        warm = asyncio.create_task(book.keep_warm())
        yield
        warm.cancel()
        await feed.close()
        analyses.close()
        archive.close()

    routes = [
        Route("/", desk.page),
        Route("/health", desk.health),
        Route("/login", desk.ask_token, methods=["GET", "POST"]),
        Route("/logout", desk.leave, methods=["POST"]),
        Route("/graphql", graphql, methods=["POST", "GET"]),
        WebSocketRoute("/graphql", graphql),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/{name}", desk.page),
    ]
    return Guard(Starlette(routes=routes, lifespan=living), door)
