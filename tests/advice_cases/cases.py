"""The cases: what a service's data and load are like, and what has to be said first of it.

A harmless case is the twin of a fault: it looks alike, and nothing of it is worth more than a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """A path with {id} in it, for which chance chooses a number from 1 to `ids`."""

    path: str
    ids: int
    method: str = "GET"


@dataclass(frozen=True)
class Case:
    """One service to be gated; the handler of the same name is in the module `service`.

    `expects` is the category of what has to be said first, "" where nothing is wrong. All that it `mentions` has to
    stand in its title, place or SQL, in capitals or not. `settings` are keys of the scenario, `postgres` settings of
    the server, `budgets` limits beside the common ones, `advisors` options of theirs.
    """

    name: str
    expects: str
    schema: str
    endpoints: tuple[Endpoint, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()
    pool: int = 4
    postgres: Mapping[str, str] = field(default_factory=dict)
    budgets: tuple[Mapping[str, str], ...] = ()
    advisors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    service: str = "service"

    @property
    def is_harmless(self) -> bool:
        return not self.expects


ORDERS = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, placed_at timestamptz NOT NULL
);
INSERT INTO orders
SELECT row_number() OVER (), c.id, timestamptz '2026-01-01' + n * interval '1 hour'
  FROM customers AS c, generate_series(1, 4 + c.id % 10) AS n;
CREATE INDEX ON orders (customer_id);
CREATE TABLE items (
    id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, name text NOT NULL, price int NOT NULL
);
INSERT INTO items SELECT row_number() OVER (), o.id, 'item ' || n, n * 100 FROM orders AS o, generate_series(1, 3) AS n;
CREATE INDEX ON items (order_id);
CREATE TABLE preferences (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO preferences
SELECT name, 'any' FROM unnest('{currency,country,theme,shipping,tax,language}'::text[]) AS name;
"""
CUSTOMER = (Endpoint("/customers/{id}", 100),)

EVENTS = """
CREATE TABLE events (
    id int PRIMARY KEY, user_id int NOT NULL, shelf int NOT NULL, kind int NOT NULL,
    happened_at timestamptz NOT NULL, note text NOT NULL
);
INSERT INTO events
SELECT n, n * 7919 % 2000 + 1, n % 4 + 1, n % 5, timestamptz '2026-01-01' + n * 7919 % 20000 * interval '1 minute',
       md5(n::text)
  FROM generate_series(1, 20000) AS n;
"""
INDEXED_EVENTS = EVENTS + "CREATE INDEX ON events (user_id); CREATE INDEX ON events (shelf);"

TICKETS = """
CREATE TABLE tickets (id int PRIMARY KEY, tenant_id int NOT NULL, status text NOT NULL, title text NOT NULL);
INSERT INTO tickets
SELECT n, abs(hashint4(n)) % 40 + 1, CASE WHEN abs(hashint4(-n)) % 25 = 0 THEN 'open' ELSE 'closed' END,
       'ticket ' || md5(n::text)
  FROM generate_series(1, 30000) AS n;
"""

PEOPLE = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL);
INSERT INTO people SELECT n, 'Person ' || n, 'person' || n || '@example.org' FROM generate_series(1, 20000) AS n;
"""

THINGS = """
CREATE TABLE things (id int PRIMARY KEY, kind int NOT NULL, name text NOT NULL, seen int NOT NULL);
INSERT INTO things SELECT n, n % 8 + 1, 'thing ' || n, 0 FROM generate_series(1, 5000) AS n;
CREATE INDEX ON things (kind);
"""
THING = (Endpoint("/things/{id}", 4000),)
UPDATED = (Endpoint("/things/{id}", 4000, "POST"),)

VISITS = """
CREATE TABLE visits (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL, page int NOT NULL,
    fresh boolean NOT NULL DEFAULT false, seen timestamptz NOT NULL DEFAULT '2026-01-01'
);
INSERT INTO visits (user_id, page, fresh)
SELECT n * 7919 % 500 + 1, n * 104729 % 300 + 1, n % 10 = 0 FROM generate_series(1, 20000) AS n;
"""
VISIT = (Endpoint("/visits/{id}", 300, "POST"),)

COUNTERS = "CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counters VALUES (1, 0);"
COUNTER = (Endpoint("/counters/{id}", 1, "POST"),)

FAULTY = (
    Case("n_plus_one_parameters", "n_plus_one", ORDERS, CUSTOMER),
    Case("n_plus_one_literals", "n_plus_one", ORDERS, CUSTOMER),
    Case("n_plus_one_page", "n_plus_one", ORDERS, CUSTOMER),
    Case("index_equality", "missing_index", EVENTS, (Endpoint("/users/{id}", 2000),), mentions=('("user_id"',)),
    Case("index_order_limit", "missing_index", EVENTS, (Endpoint("/events/{id}", 100),), mentions=('"happened_at"',)),
    Case(
        "index_composite", "missing_index", TICKETS, (Endpoint("/tenants/{id}", 40),), mentions=("tenant_id", "status")
    ),
    Case("index_expression", "missing_index", PEOPLE, (Endpoint("/people/{id}", 20000),), mentions=("lower(",)),
    Case("leading_wildcard", "leading_wildcard", PEOPLE, (Endpoint("/people/{id}", 20000),)),
    Case(
        "temp_spill",
        "temp_spill",
        INDEXED_EVENTS,
        (Endpoint("/shelves/{id}", 4),),
        mentions=("work_mem",),
        postgres={"work_mem": "64kB"},
    ),
    Case(
        "duplicate_index",
        "duplicate_index",
        VISITS + "CREATE INDEX visits_user ON visits (user_id, page); CREATE INDEX visits_of_user ON visits (user_id);",
        VISIT,
        mentions=("visits_of_user",),
    ),
    Case("idle_in_transaction", "connections", THINGS, THING, mentions=("idle",)),
    Case("pool_too_small", "connections", THINGS, THING, mentions=("wait for 1",), pool=1),
    Case(
        "leaked_connections",
        "connections",
        THINGS,
        THING,
        {"users": 1, "round": "1 s", "rounds": 5, "max_rounds": 5},
        mentions=("never given back",),
    ),
    Case(
        "lock_queue",
        "locks",
        COUNTERS,
        COUNTER,
        {"round": "4 s", "warmup": "2 s", "counting": 2, "timeout": "20 s"},
    ),
    Case(
        "caching",
        "caching",
        THINGS,
        (Endpoint("/report/{id}", 1),),
        {"users": 8, "counting": 2},
        pool=8,
        advisors={"caching": {"requests": 20, "seconds": 0.1}},
    ),
    Case("dead_rows", "vacuum", THINGS, (Endpoint("/kinds/{id}", 8, "POST"),), {"users": 1}, mentions=("things",)),
    Case(
        "wide_rows",
        "wide_rows",
        """
        CREATE TABLE documents (id int PRIMARY KEY, folder int NOT NULL, title text NOT NULL, body text NOT NULL);
        INSERT INTO documents
        SELECT n, n % 40 + 1, 'document ' || n,
               (SELECT string_agg(md5((n * m)::text), '') FROM generate_series(1, 45) AS m)
          FROM generate_series(1, 1600) AS n;
        CREATE INDEX ON documents (folder);
        """,
        (Endpoint("/folders/{id}", 40),),
    ),
    Case(
        "cpu_hotspot",
        "cpu_hotspot",
        THINGS,
        THING,
        {"rounds": 6, "max_rounds": 6},
        mentions=("service.py:",),
        budgets=({"metric": "cpu.per_request", "fail": "3 ms"},),
    ),
    Case(
        "memory_leak",
        "memory_leak",
        THINGS,
        THING,
        mentions=("service.py:",),
        budgets=({"metric": "memory.growth", "fail": "20 KB"},),
    ),
)

HARMLESS = (
    Case("six_lookups", "", ORDERS, CUSTOMER),
    Case("six_lookups_page", "", ORDERS, CUSTOMER),
    Case("batch", "", ORDERS, CUSTOMER),
    Case("join", "", ORDERS, CUSTOMER),
    Case("same_lookup", "", ORDERS, CUSTOMER),
    Case(
        "small_table",
        "",
        """
        CREATE TABLE countries (id int PRIMARY KEY, region int NOT NULL, name text NOT NULL);
        INSERT INTO countries SELECT n, n % 5 + 1, 'country ' || n FROM generate_series(1, 250) AS n;
        """,
        (Endpoint("/regions/{id}", 5),),
    ),
    Case(
        "unselective_filter",
        "",
        """
        CREATE TABLE facts (
            id int PRIMARY KEY, kind int NOT NULL, a int NOT NULL, b int NOT NULL, c int NOT NULL, d int NOT NULL,
            e int NOT NULL
        );
        INSERT INTO facts SELECT n, n % 2 + 1, n, n * 2, n * 3, n * 4, n * 5 FROM generate_series(1, 20000) AS n;
        """,
        (Endpoint("/kinds/{id}", 2),),
    ),
    Case(
        "prefix_like",
        "",
        PEOPLE + "CREATE INDEX ON people (email text_pattern_ops);",
        (Endpoint("/people/{id}", 20000),),
    ),
    Case("sort_in_memory", "", INDEXED_EVENTS, (Endpoint("/users/{id}", 2000),)),
    Case(
        "similar_indexes",
        "",
        VISITS
        + """
        CREATE INDEX ON visits (user_id, page);
        CREATE INDEX ON visits (page, user_id);
        CREATE INDEX ON visits (page, seen) WHERE fresh;
        CREATE INDEX ON visits (user_id DESC, page);
        """,
        VISIT,
    ),
    Case("large_pool", "", THINGS, THING, pool=8),
    Case("short_row_locks", "", COUNTERS, COUNTER),
    Case("fast_repeated_read", "", THINGS, (Endpoint("/report/{id}", 1),)),
    Case("narrow_star", "", THINGS, THING),
    Case("few_updates", "", THINGS, UPDATED),
    Case(
        "unique_never_read",
        "",
        """
        CREATE TABLE tokens (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, token uuid NOT NULL UNIQUE);
        INSERT INTO tokens (token) SELECT md5(n::text)::uuid FROM generate_series(1, 20000) AS n;
        """,
        (Endpoint("/tokens/{id}", 10, "POST"),),
    ),
    Case("short_transactions", "", THINGS, UPDATED),
)

CASES = (*FAULTY, *HARMLESS)
