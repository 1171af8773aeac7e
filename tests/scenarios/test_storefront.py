"""The storefront: its seed, what it answers and writes, its load, its front end, and each of its planted faults."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from perfgate import plan
from perfgate.measure import database as databases
from perfgate.measure.database import Server, ServiceDatabase
from perfgate.measure.ownership import Owner

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "scenarios" / "storefront"
SEED = ("scenarios/storefront/schema.sql", "scenarios/storefront/seed.sql")
TABLES = ("categories", "products", "stock", "customers", "reviews", "basket_items", "orders", "order_items")

Counted: TypeAlias = dict[str, tuple[int, int, int]]


def query(database: ServiceDatabase, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def forget_statements(database: ServiceDatabase) -> None:
    database.server.monitor.execute("SELECT pg_stat_statements_reset()")


def statements(database: ServiceDatabase) -> Counted:
    """For each statement sent to a database: calls, rows, and shared blocks touched."""
    counted = database.server.monitor.execute(
        """
        SELECT query, sum(calls)::int, sum(rows)::int, sum(shared_blks_hit + shared_blks_read)::int
        FROM pg_stat_statements
        JOIN pg_database ON pg_database.oid = dbid
        WHERE datname = %s
        GROUP BY query
        """,
        [database.name],
    )
    return {text: (calls, rows, blocks) for text, calls, rows, blocks in counted}


def disconnect_everybody(database: ServiceDatabase) -> None:
    database.server.monitor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database.name]
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    wanted = plan.Database(provider="embedded")
    with Owner() as owner, databases.start(wanted, owner, lambda _: None) as started:
        yield started


def seeded(server: Server, label: str, folder: Path) -> ServiceDatabase:
    database = server.create(label)
    database.setup(SEED, ROOT, {}, folder / "setup.log")
    database.freeze()
    return database


@pytest.fixture(scope="module")
def template(server: Server, tmp_path_factory: pytest.TempPathFactory) -> ServiceDatabase:
    return seeded(server, "fresh", tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def fresh(template: ServiceDatabase) -> ServiceDatabase:
    """A database that holds the seed and nothing else, for one test."""
    template.restore()
    return template


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@dataclass(frozen=True)
class Shop:
    """A running storefront and its database."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    database: ServiceDatabase

    def ask(self, path: str, content: object = None, timeout: float = 30.0) -> tuple[int, Any]:
        """Status and JSON of the answer to a GET, or to a POST when there is content."""
        data = json.dumps(content).encode() if content is not None else None
        request = urllib.request.Request(self.url + path, data)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path: str) -> Any:
        status, content = self.ask(path)
        assert status == 200, content
        return content

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return query(self.database, statement, *values)

    def one(self, statement: str, *values: object) -> Any:
        return self.query(statement, *values)[0][0]


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "STOREFRONT_FAULT"}
    return inherited | variables


def uvicorn(port: int, log: Path, root: Path = ROOT, **variables: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "uvicorn", "scenarios.storefront.service:app", "--port", str(port), "--no-access-log"]
    with log.open("wb") as output:
        return subprocess.Popen(argv, cwd=root, env=environment(**variables), stdout=output, stderr=output)


@contextmanager
def shop(database: ServiceDatabase, folder: Path, fault: str = "", root: Path = ROOT) -> Iterator[Shop]:
    port, log = free_port(), folder / "service.log"
    process = uvicorn(port, log, root, DATABASE_URL=database.url, STOREFRONT_FAULT=fault)
    running = Shop(f"http://127.0.0.1:{port}", process, log, database)
    try:
        wait_for(lambda: process.poll() is not None or answers(running))
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.kill()
        process.wait()


def answers(running: Shop) -> bool:
    try:
        return running.ask("/healthz")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def unspoilt(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A storefront without faults, shared by tests that write only to customers and products of their own."""
    folder = tmp_path_factory.mktemp("unspoilt")
    with shop(seeded(server, "unspoilt", folder), folder) as running:
        yield running


def fingerprint(database: ServiceDatabase) -> dict[str, tuple[Any, ...]]:
    """Rows of each table and a hash of them, in the order in which they lie in the table."""
    hashed = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY ctid)) FROM {table} AS t"
    return {table: query(database, hashed.format(table=table))[0] for table in TABLES}


def test_the_seed_makes_fifty_thousand_rows_or_more(fresh: ServiceDatabase) -> None:
    assert sum(count for count, _ in fingerprint(fresh).values()) >= 50_000


def test_two_seeded_databases_hold_the_same_rows_in_the_same_places(
    server: Server, fresh: ServiceDatabase, tmp_path: Path
) -> None:
    assert fingerprint(seeded(server, "another", tmp_path)) == fingerprint(fresh)


def test_every_customer_has_orders_enough_to_fill_a_page(fresh: ServiceDatabase) -> None:
    orders = query(
        fresh,
        "SELECT count(orders.id) FROM customers LEFT JOIN orders ON customer_id = customers.id GROUP BY customers.id",
    )
    assert min(count for (count,) in orders) >= 10


def test_seeded_orders_cost_what_their_items_cost(fresh: ServiceDatabase) -> None:
    wrong = """
        SELECT orders.id
        FROM orders
        LEFT JOIN order_items ON order_id = orders.id
        GROUP BY orders.id
        HAVING total_cents IS DISTINCT FROM sum(price_cents * quantity)
    """
    assert query(fresh, wrong) == []


def test_product_lists_follow_on_from_each_other(unspoilt: Shop) -> None:
    pages = [unspoilt.get(f"/products?page={number}") for number in (1, 2)]
    shown = [product["id"] for page in pages for product in page["products"]]
    expected = unspoilt.query("SELECT id FROM products ORDER BY name, id LIMIT 48")
    assert shown == [number for (number,) in expected]


def test_only_the_last_page_has_no_next_one(unspoilt: Shop) -> None:
    assert [unspoilt.get(f"/products?page={number}")["more"] for number in (1, 124, 125)] == [True, True, False]


def test_a_category_shows_its_own_products_only(unspoilt: Shop) -> None:
    found = unspoilt.get("/products?category=lamps&page=2")
    assert {product["category"] for product in found["products"]} == {"lamps"}
    assert len(found["products"]) == 24


def test_a_search_finds_products_with_all_the_words(unspoilt: Shop) -> None:
    names = [product["name"] for product in unspoilt.get("/products?q=oak+chairs")["products"]]
    assert len(names) == 10
    assert all("Oak" in name and "Chair" in name for name in names)


def test_a_search_stays_in_its_category(unspoilt: Shop) -> None:
    assert unspoilt.get("/products?q=oak+chair&category=chairs")["products"] != []
    assert unspoilt.get("/products?q=oak+chair&category=lamps")["products"] == []


def test_a_product_page_tells_category_stock_and_latest_reviews(unspoilt: Shop) -> None:
    product = unspoilt.get("/products/7")
    assert (product["name"], product["category"]) == ("Plain Oak Bowl", "kitchen")
    assert product["in_stock"] == unspoilt.one("SELECT quantity FROM stock WHERE product_id = 7")
    written = [review["written_at"] for review in product["reviews"]]
    assert len(written) == product["reviewed"] == 3
    assert written == sorted(written, reverse=True)


def test_the_orders_page_shows_the_latest_ten_with_their_items(unspoilt: Shop) -> None:
    orders = unspoilt.get("/customers/30/orders")["orders"]
    expected = unspoilt.query("SELECT id FROM orders WHERE customer_id = 30 ORDER BY placed_at DESC LIMIT 10")
    assert [order["id"] for order in orders] == [number for (number,) in expected]
    for order in orders:
        assert order["total_cents"] == sum(item["price_cents"] * item["quantity"] for item in order["items"])


def test_the_second_orders_page_shows_the_rest(unspoilt: Shop) -> None:
    assert len(unspoilt.get("/customers/30/orders?page=2")["orders"]) == 2


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/products/999999", None, 404),
        ("/products?page=0", None, 400),
        ("/products?page=two", None, 400),
        ("/customers/1/orders?page=-1", None, 400),
        ("/basket/1", {"product_id": 999999}, 404),
        ("/basket/999999", {"product_id": 1}, 404),
        ("/basket/1", {"product_id": 1, "quantity": 0}, 400),
        ("/basket/1", {"product_id": "1"}, 400),
        ("/basket/1", [], 400),
        ("/checkout/999999", {}, 409),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(unspoilt: Shop, path: str, content: object, status: int) -> None:
    answered, body = unspoilt.ask(path, content)
    assert (answered, list(body)) == (status, ["error"])


def test_what_is_added_twice_lies_in_the_basket_once_with_both_quantities(unspoilt: Shop) -> None:
    for quantity in (1, 2):
        assert unspoilt.ask("/basket/11", {"product_id": 8, "quantity": quantity})[0] == 201
    basket = unspoilt.get("/basket/11")
    assert [(item["product_id"], item["quantity"]) for item in basket["items"]] == [(8, 3)]
    assert basket["total_cents"] == 3 * basket["items"][0]["price_cents"]


def test_a_checkout_turns_the_basket_into_an_order_and_takes_it_from_stock(unspoilt: Shop) -> None:
    stock = "SELECT product_id, quantity FROM stock WHERE product_id IN (2001, 2002) ORDER BY product_id"
    before = dict(unspoilt.query(stock))
    for product, quantity in ((2002, 3), (2001, 1)):
        unspoilt.ask("/basket/12", {"product_id": product, "quantity": quantity})
    total = unspoilt.get("/basket/12")["total_cents"]
    status, order = unspoilt.ask("/checkout/12", {})
    assert (status, order["total_cents"]) == (201, total)
    items = unspoilt.query(
        "SELECT product_id, quantity FROM order_items WHERE order_id = %s ORDER BY product_id", order["id"]
    )
    assert items == [(2001, 1), (2002, 3)]
    assert dict(unspoilt.query(stock)) == {2001: before[2001] - 1, 2002: before[2002] - 3}
    assert unspoilt.get("/basket/12")["items"] == []
    assert unspoilt.get("/customers/12/orders")["orders"][0]["id"] == order["id"]


def test_an_empty_basket_cannot_be_bought(unspoilt: Shop) -> None:
    before = unspoilt.one("SELECT count(*) FROM orders WHERE customer_id = 13")
    assert unspoilt.ask("/checkout/13", {})[0] == 409
    assert unspoilt.one("SELECT count(*) FROM orders WHERE customer_id = 13") == before


def test_a_checkout_that_lacks_stock_changes_nothing(unspoilt: Shop) -> None:
    unspoilt.query("UPDATE stock SET quantity = 1 WHERE product_id = 2100")
    for product in (2100, 2101):
        unspoilt.ask("/basket/14", {"product_id": product, "quantity": 2})
    state = (
        "SELECT (SELECT count(*) FROM orders WHERE customer_id = 14), sum(quantity) FROM stock WHERE product_id > 2099"
    )
    before = unspoilt.query(state)
    assert unspoilt.ask("/checkout/14", {}) == (409, {"error": "sold out"})
    assert unspoilt.query(state) == before
    assert len(unspoilt.get("/basket/14")["items"]) == 2


def test_one_basket_is_bought_once_however_often_it_is_checked_out_at_a_time(unspoilt: Shop) -> None:
    unspoilt.ask("/basket/16", {"product_id": 5})
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(status for status, _ in pool.map(lambda _: unspoilt.ask("/checkout/16", {}), range(8)))
    assert statuses == [201] + [409] * 7


def test_checkouts_of_the_same_products_at_a_time_do_not_deadlock(unspoilt: Shop) -> None:
    """Two baskets filled in opposite orders, and somebody who holds what lies in the middle of both until both wait."""
    for customer, products in ((101, (2200, 2201, 2202)), (102, (2202, 2201, 2200))):
        for product in products:
            unspoilt.ask(f"/basket/{customer}", {"product_id": product})
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(2) as pool, unspoilt.database.connect() as somebody:
        with somebody.transaction():
            somebody.execute("SELECT 1 FROM stock WHERE product_id = 2201 FOR UPDATE")
            answered = [pool.submit(unspoilt.ask, f"/checkout/{customer}", {}) for customer in (101, 102)]
            wait_for(lambda: unspoilt.one(waiting) == 2)
        assert [future.result()[0] for future in answered] == [201, 201]


def test_a_health_check_replaces_connections_that_the_database_closed(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path) as running:
        disconnect_everybody(fresh)
        running.get("/healthz")
        assert [running.ask(f"/products/{number}")[0] for number in range(1, 17)] == [200] * 16


def test_without_a_database_url_the_service_says_what_to_set(tmp_path: Path) -> None:
    process = uvicorn(free_port(), tmp_path / "log", DATABASE_URL="")
    assert process.wait(60) != 0
    assert "set DATABASE_URL" in (tmp_path / "log").read_text()


def constants(file: str) -> dict[str, Any]:
    """The literals in capitals of a Locust file, which cannot be imported into this process."""
    assigned = (node for node in ast.parse((SHOP / file).read_text()).body if isinstance(node, ast.Assign))
    return {
        node.targets[0].id: ast.literal_eval(node.value) for node in assigned if isinstance(node.targets[0], ast.Name)
    }


@pytest.mark.parametrize("file", ["browse.py", "checkout.py"])
def test_the_load_knows_how_much_was_seeded(fresh: ServiceDatabase, file: str) -> None:
    known = constants(file)
    seeded = query(fresh, "SELECT (SELECT max(id) FROM products), (SELECT max(id) FROM customers)")
    assert seeded == [(known["PRODUCTS"], known["CUSTOMERS"])]


def test_every_search_and_category_of_the_load_finds_something(unspoilt: Shop) -> None:
    known = constants("browse.py")
    searches = [f"q={known['MATERIALS'][0]}+{thing}" for thing in known["THINGS"]]
    searches += [f"q={material}+{known['THINGS'][0]}" for material in known["MATERIALS"]]
    searches += [f"category={category}&page={known['PAGES']}" for category in known["CATEGORIES"]]
    assert [search for search in searches if not unspoilt.get(f"/products?{search}")["products"]] == []


# Runs each task of a Locust file five times, one request after the other; says what was asked for and what failed.
ONE_BY_ONE = """
import importlib.util, json, random, sys
from locust.env import Environment
from locust import FastHttpUser
spec = importlib.util.spec_from_file_location("locustfile", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
user_class = next(c for c in vars(module).values() if isinstance(c, type) and getattr(c, "tasks", None))
user_class.host = sys.argv[2]
environment = Environment(user_classes=[user_class])
environment.create_local_runner()
asked, failed = [], []
def note(request_type, name, exception, **_):
    asked.append(f"{request_type} {name}")
    if exception:
        failed.append(f"{name}: {exception}")
environment.events.request.add_listener(note)
random.seed(1)
user = user_class(environment)
for task in dict.fromkeys(user_class.tasks):
    for _ in range(5):
        task(user)
json.dump({"asked": asked, "failed": failed}, sys.stdout)
"""


def one_by_one(running: Shop, file: str) -> tuple[dict[str, Any], Counted]:
    """What Locust saw of a counting pass, and the statements it caused."""
    forget_statements(running.database)
    argv = [sys.executable, "-c", ONE_BY_ONE, str(SHOP / file), running.url]
    seen = json.loads(subprocess.run(argv, check=True, capture_output=True, timeout=120).stdout)
    return seen, statements(running.database)


@pytest.mark.parametrize(
    ("file", "endpoints"),
    [
        (
            "browse.py",
            {
                "GET /products": 5,
                "GET /products?category": 5,
                "GET /products?q": 5,
                "GET /products/{id}": 5,
                "GET /customers/{id}/orders": 5,
            },
        ),
        (
            "checkout.py",
            {"POST /basket/{customer}": 25, "GET /basket/{customer}": 10, "POST /checkout/{customer}": 10},
        ),
    ],
)
def test_statements_rows_and_blocks_repeat_exactly_over_a_fresh_database(
    fresh: ServiceDatabase, tmp_path: Path, file: str, endpoints: dict[str, int]
) -> None:
    passes = []
    for _ in range(2):
        fresh.restore()
        with shop(fresh, tmp_path) as running:
            passes.append(one_by_one(running, file))
    seen, counted = passes[0]
    assert seen["failed"] == []
    assert {name: seen["asked"].count(name) for name in seen["asked"]} == endpoints
    assert counted != {}
    assert passes[1] == passes[0]


@pytest.mark.parametrize("file", ["browse.py", "checkout.py"])
def test_eight_users_at_once_meet_no_failure(fresh: ServiceDatabase, tmp_path: Path, file: str) -> None:
    argv = [sys.executable, "-m", "locust", "-f", str(SHOP / file), "--headless", "-u", "8", "-r", "8", "-t", "4s"]
    with shop(fresh, tmp_path) as running:
        argv += ["--host", running.url, "--csv", str(tmp_path / "load"), "--stop-timeout", "30"]
        ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    total = list(csv.DictReader((tmp_path / "load_stats.csv").open()))[-1]
    assert (ended.returncode, total["Failure Count"]) == (0, "0"), ended.stderr
    assert int(total["Request Count"]) > 0


def build(folder: Path, fault: str = "") -> dict[str, bytes]:
    """The front end, built in a copy of the sources."""
    shutil.copytree(ROOT / "scenarios", folder / "scenarios", ignore=shutil.ignore_patterns("dist", "__pycache__"))
    argv = [sys.executable, "-m", "scenarios.storefront.build"]
    subprocess.run(argv, cwd=folder, env=environment(STOREFRONT_FAULT=fault), check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in (folder / "scenarios" / "storefront" / "dist").iterdir()}


def test_two_builds_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = build(tmp_path / "1"), build(tmp_path / "2")
    assert sorted(first) == ["index.html", "storefront.css", "storefront.js"]
    assert first == second


def test_the_built_script_is_smaller_than_its_sources_and_keeps_every_function(tmp_path: Path) -> None:
    sources = "".join(path.read_text() for path in sorted((SHOP / "assets").glob("*.js")))
    built = build(tmp_path)["storefront.js"].decode()
    assert len(built) < len(sources)
    defined = r"(?m)^\s*const (\w+)"
    assert re.findall(defined, built) == re.findall(defined, sources)


def test_a_built_front_end_is_served_at_shop(fresh: ServiceDatabase, tmp_path: Path) -> None:
    built = build(tmp_path)
    with shop(fresh, tmp_path, root=tmp_path) as running:
        for path, name in (("/shop/", "index.html"), ("/shop/storefront.js", "storefront.js")):
            with urllib.request.urlopen(running.url + path, timeout=30) as answer:
                assert answer.read() == built[name]


def test_bloat_ships_a_hundred_kilobytes_that_do_not_compress_away(tmp_path: Path) -> None:
    lean, bloated = build(tmp_path / "lean"), build(tmp_path / "bloated", "bloat")
    assert len(zlib.compress(bloated["storefront.js"])) - len(zlib.compress(lean["storefront.js"])) > 100_000
    assert bloated == build(tmp_path / "again", "bloat")


def test_an_unknown_fault_ends_the_start_and_names_the_known_ones(tmp_path: Path) -> None:
    process = uvicorn(free_port(), tmp_path / "log", STOREFRONT_FAULT="slow,slwo")
    assert process.wait(60) != 0
    said = (tmp_path / "log").read_text().splitlines()[-1]
    assert "unknown slwo" in said
    assert all(name in said for name in ("slow", "n_plus_one", "missing_index", "leak", "bloat", "crash_mid_load"))


def statements_of(running: Shop, path: str) -> Counted:
    running.get(path)
    forget_statements(running.database)
    running.get(path)
    return statements(running.database)


def test_n_plus_one_asks_for_the_items_of_each_order_on_its_own(
    fresh: ServiceDatabase, tmp_path: Path, unspoilt: Shop
) -> None:
    assert sum(calls for calls, _, _ in statements_of(unspoilt, "/customers/31/orders").values()) == 2
    with shop(fresh, tmp_path, "n_plus_one") as running:
        assert sum(calls for calls, _, _ in statements_of(running, "/customers/31/orders").values()) == 11
        assert running.get("/customers/31/orders") == unspoilt.get("/customers/31/orders")


def test_missing_index_makes_the_orders_page_read_ten_times_as_much(
    fresh: ServiceDatabase, tmp_path: Path, unspoilt: Shop
) -> None:
    blocks = sum(read for _, _, read in statements_of(unspoilt, "/customers/31/orders").values())
    with shop(fresh, tmp_path, "missing_index") as running:
        worse = statements_of(running, "/customers/31/orders")
        assert sum(calls for calls, _, _ in worse.values()) == 2
        assert sum(read for _, _, read in worse.values()) > 10 * blocks


def test_an_index_that_comes_back_under_a_running_service_is_missing_again(
    fresh: ServiceDatabase, tmp_path: Path
) -> None:
    """As it does when a database is put back to its template: with new connections."""
    with shop(fresh, tmp_path, "missing_index") as running:
        running.query("CREATE INDEX order_items_by_order ON order_items (order_id)")
        disconnect_everybody(fresh)
        running.get("/healthz")
        assert running.query("SELECT 1 FROM pg_indexes WHERE indexname = 'order_items_by_order'") == []


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spent(running: Shop, path: str, times: int) -> float:
    """CPU seconds of the service for a request."""
    running.get(path)
    before = cpu_seconds(running.process)
    for _ in range(times):
        running.get(path)
    return (cpu_seconds(running.process) - before) / times


def test_slow_burns_cpu_in_product_lists_and_nowhere_else(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path, "slow") as running:
        assert spent(running, "/products", 40) > 0.014
        assert spent(running, "/products/1", 40) < 0.010


def kept(running: Shop, requests: int) -> float:
    """Bytes by which the service grew with each request."""
    for number in range(100):
        running.get(f"/products/{number + 1}")
    before = resident_bytes(running.process)
    for number in range(requests):
        running.get(f"/products/{number + 1}")
    return (resident_bytes(running.process) - before) / requests


def test_leak_keeps_fifty_kilobytes_of_each_request(fresh: ServiceDatabase, tmp_path: Path, unspoilt: Shop) -> None:
    assert kept(unspoilt, 200) < 10_000
    with shop(fresh, tmp_path, "leak") as running:
        assert kept(running, 200) >= 50_000


def test_errors_fail_every_twentieth_product_page(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path, "errors") as running:
        statuses = [running.ask("/products/3")[0] for _ in range(100)]
        assert statuses == ([200] * 19 + [500]) * 5
        assert running.ask("/products")[0] == 200


def test_hang_stops_answering_product_pages_and_nothing_else(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path, "hang") as running:
        assert {running.ask("/products/3")[0] for _ in range(50)} == {200}
        with pytest.raises(TimeoutError):
            running.ask("/products/3", timeout=2)
        assert running.ask("/products")[0] == 200


def test_crash_mid_load_ends_the_process_with_a_last_word(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path, "crash_mid_load") as running:
        for number in range(199):
            running.get(f"/products/{number + 1}")
        with pytest.raises(OSError, match=r"closed|reset"):
            running.ask("/products")
        assert running.process.wait(30) == 70
        assert running.log.read_text().splitlines()[-1] == "storefront: planted crash at request 200"


def test_faults_are_planted_together(fresh: ServiceDatabase, tmp_path: Path) -> None:
    with shop(fresh, tmp_path, "n_plus_one, missing_index") as running:
        worse = statements_of(running, "/customers/31/orders")
        assert sum(calls for calls, _, _ in worse.values()) == 11
        assert sum(read for _, _, read in worse.values()) > 5_000
