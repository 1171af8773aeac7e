"""Cases written from what services do wrong, before anybody looked at what is said of them.

Their figures say what the advice is worth elsewhere, so they are printed apart from those of the other cases. Two have
been learnt from and say no more than those do: parent_delete and deep_offset.
"""

from __future__ import annotations

from dataclasses import replace

from tests.advice_cases.cases import Case, Endpoint

BOARDS = """
CREATE TABLE members (id int PRIMARY KEY, handle text NOT NULL);
INSERT INTO members SELECT n, 'member-' || n FROM generate_series(1, 300) AS n;
CREATE TABLE boards (id int PRIMARY KEY, title text NOT NULL);
INSERT INTO boards SELECT n, 'board ' || n FROM generate_series(1, 60) AS n;
CREATE TABLE lanes (id int PRIMARY KEY, board_id int NOT NULL REFERENCES boards, title text NOT NULL);
INSERT INTO lanes
SELECT row_number() OVER (), b.id, 'lane ' || n FROM boards AS b, generate_series(1, 2 + b.id % 4) AS n;
CREATE INDEX ON lanes (board_id);
CREATE TABLE cards (
    id int PRIMARY KEY, lane_id int NOT NULL REFERENCES lanes, member_id int NOT NULL REFERENCES members,
    title text NOT NULL
);
INSERT INTO cards
SELECT row_number() OVER (), l.id, (l.id * 37 + n * 11) % 300 + 1, 'card ' || n
  FROM lanes AS l, generate_series(1, 1 + l.id % 5) AS n;
CREATE INDEX ON cards (lane_id);
"""

ARTICLES = """
CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL, biography text NOT NULL);
INSERT INTO authors SELECT n, 'Author ' || n, md5(n::text) FROM generate_series(1, 400) AS n;
CREATE TABLE sections (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO sections SELECT n, 'section ' || n FROM generate_series(1, 40) AS n;
CREATE TABLE articles (
    id int PRIMARY KEY, section_id int NOT NULL REFERENCES sections, author_id int NOT NULL REFERENCES authors,
    title text NOT NULL, views int NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
INSERT INTO articles
SELECT row_number() OVER (), s.id, (s.id * 13 + n * 29) % 400 + 1, 'article ' || n, 0
  FROM sections AS s, generate_series(1, 3 + s.id % 9) AS n;
CREATE INDEX ON articles (section_id);
"""

INVOICES = """
CREATE TABLE invoices (id int PRIMARY KEY, account_id int NOT NULL, issued_on date NOT NULL);
INSERT INTO invoices SELECT n, n % 1000 + 1, date '2026-01-01' + n % 300 FROM generate_series(1, 4000) AS n;
CREATE INDEX ON invoices (account_id);
CREATE TABLE payments (id int PRIMARY KEY, invoice_id int NOT NULL, amount int NOT NULL, reference text NOT NULL);
INSERT INTO payments SELECT n, n * 7919 % 4000 + 1, n % 900, md5(n::text) FROM generate_series(1, 40000) AS n;
"""

PROJECTS = """
CREATE TABLE projects (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO projects SELECT n, 'project ' || n FROM generate_series(1, 4000) AS n;
CREATE TABLE tasks (
    id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects ON DELETE CASCADE, title text NOT NULL
);
INSERT INTO tasks SELECT n, n * 7919 % 4000 + 1, 'task ' || md5(n::text) FROM generate_series(1, 32000) AS n;
"""

SHIPMENTS = """
CREATE TABLE shipments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, due_at timestamptz NOT NULL,
    address text NOT NULL
);
INSERT INTO shipments (status, due_at, address)
SELECT CASE WHEN abs(hashint4(n)) % 12 = 0 THEN 'pending' ELSE 'delivered' END,
       timestamptz '2026-01-01' + abs(hashint4(-n)) % 300000 * interval '1 minute', 'address ' || md5(n::text)
  FROM generate_series(1, 30000) AS n;
"""

LISTINGS = """
CREATE TABLE listings (id int PRIMARY KEY, title text NOT NULL, attributes jsonb NOT NULL);
INSERT INTO listings
SELECT n, 'listing ' || n,
       jsonb_build_object('brand', 'brand-' || abs(hashint4(n)) % 1500, 'colour', n % 12, 'weight', n % 997)
  FROM generate_series(1, 20000) AS n;
"""

LOGINS = """
CREATE TABLE logins (id int PRIMARY KEY, account_id int NOT NULL, started_at timestamp NOT NULL, agent text NOT NULL);
INSERT INTO logins
SELECT n, n * 7919 % 900 + 1, timestamp '2026-01-01' + n * interval '10 minutes', 'agent ' || md5(n::text)
  FROM generate_series(1, 30000) AS n;
CREATE INDEX ON logins (started_at);
"""

READINGS = """
CREATE TABLE readings (
    id int PRIMARY KEY, sensor_id int NOT NULL, serial text NOT NULL, taken_at timestamptz NOT NULL, value int NOT NULL
);
INSERT INTO readings
SELECT n, n * 7919 % 400 + 1, md5((n * 31)::text), timestamptz '2026-01-01' + n * interval '1 minute', n % 1000
  FROM generate_series(1, 20000) AS n;
"""

ACCOUNTS = """
CREATE TABLE accounts (id int PRIMARY KEY, owner text NOT NULL, balance int NOT NULL);
INSERT INTO accounts SELECT n, 'owner ' || n, 1000 FROM generate_series(1, 3000) AS n;
"""

JOURNAL = """
CREATE TABLE journal (id int PRIMARY KEY, topic int NOT NULL, amount int NOT NULL, entered_on date NOT NULL,
    line text NOT NULL
);
INSERT INTO journal
SELECT n, n % 30 + 1, n % 500, date '2026-01-01' + n % 330, 'line ' || md5(n::text)
  FROM generate_series(1, 30000) AS n;
"""

BASKETS = """
CREATE TABLE slots (
    basket_id int NOT NULL, slot int NOT NULL, quantity int NOT NULL, PRIMARY KEY (basket_id, slot)
) WITH (fillfactor = 60);
INSERT INTO slots SELECT b, s, 1 FROM generate_series(1, 2500) AS b, generate_series(1, 12) AS s;
"""

JOBS = """
CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL, payload text NOT NULL) WITH (fillfactor = 50);
INSERT INTO jobs SELECT n, 'waiting', 'payload ' || n FROM generate_series(1, 300) AS n;
"""

TENANTS = """
CREATE TABLE tenants (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE plans (tenant_id int PRIMARY KEY REFERENCES tenants, name text NOT NULL);
CREATE TABLE flags (tenant_id int NOT NULL REFERENCES tenants, name text NOT NULL, PRIMARY KEY (tenant_id, name));
CREATE TABLE roles (tenant_id int NOT NULL REFERENCES tenants, name text NOT NULL, PRIMARY KEY (tenant_id, name));
CREATE TABLE pages (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, title text NOT NULL);
INSERT INTO tenants SELECT n, 'tenant ' || n FROM generate_series(1, 8) AS n;
INSERT INTO plans SELECT n, 'plan ' || n % 3 FROM generate_series(1, 8) AS n;
INSERT INTO flags SELECT n, 'flag ' || m FROM generate_series(1, 8) AS n, generate_series(1, 2 + n) AS m;
INSERT INTO roles SELECT n, 'role ' || m FROM generate_series(1, 8) AS n, generate_series(1, 2 + n) AS m;
INSERT INTO pages SELECT n, n % 8 + 1, 'page ' || n FROM generate_series(1, 8000) AS n;
CREATE INDEX ON pages (tenant_id, id);
"""

SALES = """
CREATE TABLE currencies (code char(3) PRIMARY KEY, name text NOT NULL, rate numeric NOT NULL);
INSERT INTO currencies SELECT 'C' || lpad(n::text, 2, '0'), 'currency ' || n, 1 + n FROM generate_series(1, 40) AS n;
CREATE TABLE sales (id int PRIMARY KEY, shop_id int NOT NULL, currency char(3) NOT NULL REFERENCES currencies,
    amount numeric NOT NULL
);
INSERT INTO sales
SELECT n, n * 7919 % 500 + 1, 'C' || lpad((n * 31 % 40 + 1)::text, 2, '0'), n % 1000
  FROM generate_series(1, 20000) AS n;
CREATE INDEX ON sales (shop_id);
"""

FAULTY = (
    Case("two_levels", "n_plus_one", BOARDS, (Endpoint("/boards/{id}", 60),)),
    Case("lazy_load", "n_plus_one", ARTICLES, (Endpoint("/sections/{id}", 40),)),
    Case("join_unindexed", "missing_index", INVOICES, (Endpoint("/accounts/{id}", 1000),), mentions=('("invoice_id"',)),
    Case(
        "parent_delete",
        "missing_index",
        PROJECTS,
        (Endpoint("/projects/{id}", 4000, "POST"),),
        mentions=("project_id",),
    ),
    Case("range_status_limit", "missing_index", SHIPMENTS, (Endpoint("/days/{id}", 180),), mentions=("due_at",)),
    Case(
        "jsonb_containment",
        "missing_index",
        LISTINGS,
        (Endpoint("/brands/{id}", 1499),),
        mentions=("gin", "attributes"),
    ),
    Case("date_function", "missing_index", LOGINS, (Endpoint("/days/{id}", 200),), mentions=("started_at",)),
    Case(
        "hash_spill",
        "temp_spill",
        READINGS
        + """
        CREATE TABLE calibrations (id int PRIMARY KEY, serial text NOT NULL, zero int NOT NULL);
        INSERT INTO calibrations SELECT n, md5((n * 31)::text), n % 7 FROM generate_series(1, 20000) AS n;
        """,
        (Endpoint("/averages/{id}", 100),),
        mentions=("work_mem",),
        postgres={"work_mem": "256kB"},
    ),
    Case(
        "threaded_transaction",
        "connections",
        ACCOUNTS,
        (Endpoint("/accounts/{id}", 3000, "POST"),),
        mentions=("idle",),
        pool=1,
    ),
    Case("connection_each_time", "connections", ACCOUNTS, (Endpoint("/accounts/{id}", 3000),), pool=1),
    Case("deep_offset", "deep_offset", JOURNAL, (Endpoint("/pages/{id}", 200),)),
)

HARMLESS = (
    Case("bulk_insert", "", JOURNAL, (Endpoint("/entries/{id}", 30, "POST"),)),
    Case("skip_locked_poll", "", JOBS, (Endpoint("/polls/{id}", 1, "POST"),)),
    Case("whole_report", "", JOURNAL, (Endpoint("/reports/{id}", 12),)),
    Case("warmed_cache", "", TENANTS, (Endpoint("/tenants/{id}", 8),)),
    Case("in_list", "", READINGS, (Endpoint("/batches/{id}", 20000),)),
    Case("upsert_loop", "", BASKETS, (Endpoint("/baskets/{id}", 2500, "POST"),)),
    Case("lookup_join", "", SALES, (Endpoint("/shops/{id}", 500),)),
    Case(
        "partial_index",
        "",
        SHIPMENTS + "CREATE INDEX ON shipments (due_at) WHERE status = 'pending';",
        (Endpoint("/days/{id}", 180),),
    ),
    Case(
        "index_only",
        "",
        READINGS + "CREATE INDEX ON readings (sensor_id, taken_at) INCLUDE (value);",
        (Endpoint("/sensors/{id}", 400),),
    ),
)

CASES = tuple(replace(case, service="held_out_service") for case in (*FAULTY, *HARMLESS))
