"""Pages over HTTP: what they show, what they refuse, and what they tell browsers."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from perfgate.measure.database import Server, ServiceDatabase
from perfgate.publish.web.asked import Asked
from perfgate.publish.web.rendering import Frame, Page, html
from tests.web import history
from tests.web.serving import Answer, Served, entering, serving, until

SECTIONS = ("/", "/endpoints", "/statements", "/resources", "/connections", "/runs")


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def reviewed(served: Served, path: str) -> Answer:
    """The page with all that a review says."""
    until(lambda: served.ask(path).headers.get("x-pending") == "no")
    return served.ask(path)


@pytest.fixture(scope="session")
def hostile(filled: str) -> Iterator[Served]:
    with serving(filled, history.HOSTILE) as served:
        yield served


def pages_of(served: Served) -> Iterator[tuple[str, str]]:
    """Every page that can be come to from the overview by links, one of a kind each."""
    waiting, kinds = [*SECTIONS], set()
    while waiting:
        path = waiting.pop(0)
        kind = re.sub(r"-.*", "", path)
        if kind in kinds and path not in SECTIONS:
            continue
        kinds.add(kind)
        text = reviewed(served, f"{path}?period=all").text
        yield path, text
        links = (attributes.get("href") or "" for tag, attributes in Elements(text).found if tag == "a")
        waiting += [f"/{link.partition('?')[0]}" for link in links if "-" in link and "#" not in link]


def test_every_kind_of_page_is_shown(shop: Served) -> None:
    shown = {re.sub(r"-.*", "", path) for path, _ in pages_of(shop)}
    assert shown == {*SECTIONS, "/endpoint", "/statement", "/series", "/run"}


def test_the_overview_says_what_changed_and_how_healthy_it_is(shop: Served) -> None:
    text = reviewed(shop, "/?period=365").text
    assert "degrading" in text
    assert re.search(r"<b>\d+</b> of 100", text)
    assert "▲ +67 % worse" in text
    assert "budget 110 ms" in text


def test_filters_are_kept_by_links_and_narrow_what_is_shown(shop: Served) -> None:
    text = shop.ask("/endpoints?period=all&scenario=checkout").text
    assert "POST /orders" in text
    assert "GET /products" not in text
    assert 'href="statements?period=all&amp;scenario=checkout"' in text


def test_a_branch_shows_its_own_runs(shop: Served) -> None:
    text = shop.ask("/runs?period=all&branch=feature-3").text
    assert text.count("feature-3") >= 1
    assert "<small>trunk</small>" not in text


def test_a_page_without_script_has_its_points_as_tables(shop: Served) -> None:
    text = shop.ask("/resources?period=all").text
    tables = re.findall(r'<details class="points">.*?</details>', text, re.DOTALL)
    assert len(tables) == 4
    assert all(table.count("<tr>") == 31 for table in tables)


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/run-999999", "/run-x", "/run-99999999999999999999", "/series-0", "/endpoint-", "/statement-zz"],
)
def test_a_page_that_is_not_there_says_so(shop: Served, path: str) -> None:
    answer = shop.ask(path)
    assert answer.status == 404
    assert "no such page" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        *("period=8", "period=custom&since=yesterday", "period=custom&since=2026-02-02&until=2026-01-01", "branch=%00"),
        *("period=custom&until=9999-12-31", "period=custom&until=0001-01-02"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_with_words(shop: Served, query: str) -> None:
    answer = shop.ask(f"/?{query}")
    assert answer.status == 400
    assert "cannot be shown" in answer.text


@pytest.mark.parametrize("path", ["/", "/static/web.css", "/health", "/nothing", "/graphql"])
def test_every_answer_forbids_what_pages_do_not_need(shop: Served, path: str) -> None:
    headers = shop.ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_have_no_script_or_style_of_their_own(shop: Served) -> None:
    for _, text in pages_of(shop):
        for tag, attributes in Elements(text).found:
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "style"
            assert tag != "script" or "src" in attributes or attributes["type"] == "application/json"


def test_hostile_names_are_shown_as_text_and_nothing_else(hostile: Served) -> None:
    shown = 0
    for path, text in pages_of(hostile):
        elements = Elements(text).found
        assert ("img", {"src": "x", "onerror": "alert(2)"}) not in elements, path
        assert all("src" in attributes or "type" in attributes for tag, attributes in elements if tag == "script")
        assert "7*7" not in text or "{{7*7}}" in text
        shown += "&lt;script&gt;alert(1)" in text
    assert shown >= len(SECTIONS)


def drawn(text: str) -> str:
    """What a page's charts are drawn from, as it stands in the page."""
    found = re.search(r'<script type="application/json" id="document">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return found[1]


def test_hostile_names_do_not_end_what_charts_are_drawn_from(hostile: Served) -> None:
    text = drawn(reviewed(hostile, "/?period=all").text)
    assert not set("<>&") & set(text)
    assert history.HOSTILE in [name for _, name in json.loads(text)["releases"]]


def test_a_chart_has_its_budget_its_shifts_and_the_releases(shop: Served) -> None:
    document = json.loads(drawn(reviewed(shop, "/?period=all").text))
    charts = [chart for chart in document["charts"] if ["budget", 6.0] in chart["lines"]]
    assert [[text, worse] for _, text, worse in charts[0]["marks"]] == [["▲ +67 % worse", True]]
    assert charts[0]["values"][-1] == 5
    assert [name for _, name in document["releases"]] == ["v1.0"]
    assert document["tier"] == "raw"
    assert len(document["when"]) == len(document["runs"]) == len(document["commits"])


def test_pages_are_packed_for_who_can_unpack_them(shop: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port)
    connection.request("GET", "/runs", headers={"accept-encoding": "gzip"})
    packed = connection.getresponse().read()
    connection.close()
    assert gzip.decompress(packed).decode() == shop.ask("/runs").text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(shop: Served, method: str) -> None:
    assert shop.ask("/runs", method=method).status == 405


def test_health_tells_the_version_and_the_last_run(shop: Served) -> None:
    answer = shop.ask("/health")
    assert answer.status == 200
    told = answer.json()
    assert told["status"] == "ok"
    assert told["last_run"]["status"] in ("pass", "fail")


def cut(server: Server, database: ServiceDatabase) -> None:
    """End all connections to the database."""
    server.monitor.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database.name]
    )


def test_a_lost_store_is_said_without_its_address_and_comes_back_by_itself(server: Server) -> None:
    database = server.create("web_lost")
    with entering(database.url, "shop") as store:
        history.fill(store, 4)
    with serving(database.url, "shop") as served:
        assert served.ask("/runs").status == 200
        server.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", database.name)
        cut(server, database)
        answer, health = served.ask("/runs"), served.ask("/health")
        assert (answer.status, health.status) == (503, 503)
        assert "cannot be reached" in answer.text
        secrets = [database.password, database.name, str(database.port)]
        assert not [secret for secret in secrets if secret in answer.text + health.text]
        assert served.said
        server.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", database.name)
        assert served.ask("/runs").status == 200
        assert served.ask("/health").json()["status"] == "ok"


def test_a_connection_that_was_lost_while_idle_is_not_noticed(server: Server) -> None:
    database = server.create("web_idle")
    with serving(database.url, "shop") as served:
        assert served.ask("/runs").status == 200
        cut(server, database)
        assert served.ask("/runs").status == 200


def test_a_new_run_is_on_the_page_at_once(server: Server) -> None:
    database = server.create("web_new")
    with entering(database.url, "shop") as store, serving(database.url, "shop") as served:
        assert "no runs" in served.ask("/runs").text
        history.fill(store, 1)
        assert "no runs" not in served.ask("/runs").text


def test_a_few_runs_are_no_good_news(server: Server) -> None:
    database = server.create("web_few")
    with entering(database.url, "shop") as store, serving(database.url, "shop") as served:
        history.fill(store, 4)
        text = reviewed(served, "/?period=all").text
    assert "Too early to tell" in text
    assert "Nothing degrading" not in text


def test_the_usual_filters_leave_links_short() -> None:
    assert Asked().query == ""
    assert Asked(period="7", scenario="a&b").query == "?period=7&scenario=a%26b"


def test_no_name_on_a_page_turns_or_hides_what_stands_beside_it() -> None:
    page = Page("message", "", "a\u202eb", "message.html.j2", {"message": "x\x1b[31m<i>", "hint": "\u2066"})
    text = html(page, Frame("sh\u200bop", Asked()))
    assert "x&lt;i&gt;" in text
    assert not [sign for sign in "\u202e\u2066\u200b\x1b" if sign in text]
