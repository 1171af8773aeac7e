"""The history as GraphQL: what the pages show, for programs. Queries read; a subscription tells of new runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.asgi import GraphQL
from strawberry.extensions import MaskErrors, MaxAliasesLimiter, MaxTokensLimiter, QueryDepthLimiter
from strawberry.schema.config import StrawberryConfig
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import Info

from perfgate.errors import PerfgateError
from perfgate.publish.history import overviews, reading
from perfgate.publish.history.overviews import Aggregate
from perfgate.publish.history.reading import EVER, Window
from perfgate.publish.history.store import Store
from perfgate.publish.web import points
from perfgate.publish.web.analyses import Analyses
from perfgate.publish.web.answers import (
    HistoryRun,
    MetricAggregate,
    PerformanceOverview,
    Range,
    SlowQuery,
    aggregate_of,
    overview_of,
    run_of,
    statement_of,
)
from perfgate.publish.web.archive import Archive
from perfgate.publish.web.asked import Asked
from perfgate.publish.web.live import Feed, TooMany

T = TypeVar("T")

DEEPEST = 5
MOST_ALIASES = 10
MOST_TOKENS = 1000
MOST_ROWS = 500
USUAL_ROWS = 50
SUBSCRIPTIONS = 5
"""Of one connection."""
INITIALISATION = timedelta(seconds=10)
REVIEW_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Context:
    """What resolvers ask."""

    archive: Archive
    analyses: Analyses
    feed: Feed


In = Annotated[Range | None, strawberry.argument(description="Which stretch of time; all of it without one.")]


def _window(within: Range | None, branch: str, scenario: str) -> Window:
    asked, now = within or Range(), datetime.now(UTC)
    if asked.days is not None and not 0 < asked.days < 100_000:
        raise GraphQLError("days: a number from 1 to 99999")
    since = asked.since or (now - timedelta(days=asked.days) if asked.days else EVER)
    window = Window(_aware(since), _aware(asked.until or now), branch, scenario)
    if "\0" in branch + scenario or window.since >= window.until:
        raise GraphQLError("an empty stretch of time, or a name that is none")
    return window


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _ask(info: Info[Context, None], question: Callable[[Store], T]) -> T:
    return await info.context.archive.ask(question)


async def _aggregates(
    info: Info[Context, None], read: Callable[[Store, Window], tuple[Aggregate, ...]], window: Window, limit: int
) -> list[MetricAggregate]:
    found = await _ask(info, lambda store: read(store, window))
    return [aggregate_of(one) for one in found[: _rows(limit)]]


def _rows(limit: int) -> int:
    if not 0 < limit <= MOST_ROWS:
        raise GraphQLError(f"limit: a number from 1 to {MOST_ROWS}")
    return limit


@strawberry.type
class Query:
    """All questions are about the one project that is served."""

    @strawberry.field
    async def performance_overview(
        self, info: Info[Context, None], within: In = None, branch: str = "", scenario: str = ""
    ) -> PerformanceOverview:
        """Health, levels, directions, level shifts, releases."""
        window = _window(within, branch, scenario)
        newest = await _ask(info, points.newest)
        asked = Asked("custom", str(window.since), str(within.until if within else None), branch, scenario)
        found = await info.context.analyses.review(asked, window, newest, patience=REVIEW_PATIENCE_S)
        if found is None:
            raise GraphQLError("the review is being worked out: ask again in a moment")
        return overview_of(found)

    @strawberry.field
    async def slow_queries(
        self, info: Info[Context, None], within: In = None, scenario: str = "", limit: int = USUAL_ROWS
    ) -> list[SlowQuery]:
        """The statements that cost requests most, by blocks, then by time."""
        window, rows = _window(within, "", scenario), _rows(limit)
        found = await _ask(info, lambda store: overviews.slow_statements(store, window, limit=rows))
        return [statement_of(one) for one in found]

    @strawberry.field
    async def endpoint_metrics(
        self, info: Info[Context, None], within: In = None, scenario: str = "", limit: int = MOST_ROWS
    ) -> list[MetricAggregate]:
        """Each metric of each endpoint on the trunk."""
        return await _aggregates(info, overviews.endpoints, _window(within, "", scenario), limit)

    @strawberry.field
    async def resource_utilization(
        self, info: Info[Context, None], within: In = None, scenario: str = "", limit: int = MOST_ROWS
    ) -> list[MetricAggregate]:
        """Processor time, memory, processes and sizes on the trunk."""
        return await _aggregates(info, overviews.resources, _window(within, "", scenario), limit)

    @strawberry.field
    async def database_pool_metrics(
        self, info: Info[Context, None], within: In = None, scenario: str = "", limit: int = MOST_ROWS
    ) -> list[MetricAggregate]:
        """Connections, locks, and what the database counted, on the trunk."""
        return await _aggregates(info, overviews.connections, _window(within, "", scenario), limit)

    @strawberry.field
    async def runs(
        self,
        info: Info[Context, None],
        within: In = None,
        branch: str = "",
        scenario: str = "",
        limit: int = USUAL_ROWS,
    ) -> list[HistoryRun]:
        """The newest runs, of all branches where none is named."""
        window, rows = _window(within, branch, scenario), _rows(limit)
        return [run_of(one) for one in await _ask(info, lambda store: reading.runs(store, window, limit=rows))]


@strawberry.type
class Subscription:
    """What happens from now on."""

    @strawberry.subscription
    async def new_runs(
        self, info: Info[Context, None], branch: str = "", scenario: str = ""
    ) -> AsyncIterator[HistoryRun]:
        """Every run that is stored from now on; a branch or a scenario narrows it."""
        try:
            async for one in info.context.feed.runs():
                if branch in ("", one.branch) and (not scenario or scenario in one.scenarios):
                    yield run_of(one)
        except TooMany as error:
            raise GraphQLError(str(error)) from error


def _hidden(error: GraphQLError) -> bool:
    """What is not said on purpose may name hosts and roles."""
    return not (error.original_error is None or isinstance(error.original_error, PerfgateError | GraphQLError))


SCHEMA = strawberry.Schema(
    Query,
    subscription=Subscription,
    config=StrawberryConfig(disable_field_suggestions=False),
    extensions=[
        lambda: QueryDepthLimiter(DEEPEST),
        lambda: MaxAliasesLimiter(MOST_ALIASES),
        lambda: MaxTokensLimiter(MOST_TOKENS),
        lambda: MaskErrors(_hidden, "this could not be answered"),
    ],
)


class Endpoint(GraphQL[Context, None]):
    """The schema over HTTP (POST alone) and over WebSocket."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            SCHEMA,
            graphql_ide=None,
            allow_queries_via_get=False,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INITIALISATION,
            max_subscriptions_per_connection=SUBSCRIPTIONS,
        )
        self._context = context

    async def get_context(self, request: object, response: object = None) -> Context:  # noqa: ARG002
        return self._context
