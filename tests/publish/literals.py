"""Results written down by hand: every status, every exit code, and text that wants to be more than text."""

from __future__ import annotations

from dataclasses import replace

from perfgate.advice import Advice, Cause, Effort, Severity, Trial
from perfgate.errors import ExitCode
from perfgate.model import (
    Asked,
    Better,
    Finding,
    Flaw,
    FlawKind,
    Level,
    Machine,
    Metric,
    Noise,
    Postgres,
    Repeatability,
    Round,
    Run,
    Sample,
    Scope,
    Side,
    Status,
    Unit,
    Verdict,
)
from perfgate.result import Result

P95 = Metric("response.p95", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "95 of 100 requests are faster.")
RATE = Metric("response.rate", Unit.PER_SECOND, Better.HIGHER, Noise.SAMPLED, "Answered requests per second.")
CALLS = Metric("queries.calls", Unit.COUNT, Better.LOWER, Noise.EXACT, "Statements sent for one request.")
SIZE = Metric("bundle.brotli", Unit.BYTES, Better.LOWER, Noise.EXACT, "Bytes a browser loads.")
MEMORY = Metric("memory.peak", Unit.BYTES, Better.LOWER, Noise.SAMPLED, "The most memory held at once.")

PRODUCTS = Scope("browse", "GET /products")
CART = Scope("browse", "POST /cart")
LOOKUP = Scope("browse", "GET /products", statement="3f9c2a71")
BUNDLE = Scope(artifact="storefront")

LEVELS = {
    **dict.fromkeys((Status.FAIL, Status.MISSING, Status.INVALID), Level.FAIL),
    **dict.fromkeys((Status.WARN, Status.UNSURE, Status.NEW), Level.WARN),
    **dict.fromkeys((Status.PASS, Status.IMPROVED), Level.INFO),
}


def found(
    status: Status,
    metric: Metric,
    scope: Scope,
    because: str,
    observed: float | None = None,
    reference: float | None = None,
    change: float | None = None,
    interval: tuple[float, float] | None = None,
    rounds: int = 1,
    kind: str = "tolerance",
    rule: str = "budgets.yaml:31",
    needed: int = 0,
) -> Finding:
    return Finding(
        metric=metric.name,
        scope=scope,
        unit=metric.unit,
        status=status,
        level=LEVELS[status],
        because=because,
        kind=kind,
        rule=rule,
        observed=observed,
        reference=reference,
        change=change,
        interval=interval,
        rounds=rounds,
        needed=needed,
    )


MACHINE = Machine("AMD EPYC 7763", 2, 8 * 2**30, "Linux 6.8.0 x86_64", "3.11.9")
POSTGRES = Postgres("docker, postgres:17", "17.6", {"shared_buffers": "64MB", "fsync": "off"})
LOAD = Asked("scenarios/browse.py", users=8, warmup=2.0, round=2.0, rounds=6, max_rounds=12, counting=5, seed=1)

QUIET = Run(
    commit="9f3c2ab41d0aa7e6c5b4a39281706f5e4d3c2b1a",
    branch="faster-cart",
    dirty=False,
    base="",
    machine=MACHINE,
    started="2026-11-20T10:11:12+00:00",
    seconds=64.2,
    version="0.1.0",
    seed=1,
    postgres=POSTGRES,
    loads={"browse": LOAD},
    metrics=(P95, RATE, CALLS, SIZE, MEMORY),
    phases={"rounds": 41.0, "counting": 9.5, "build": 6.25},
)
"""A run with nothing wrong in it."""

PASSED = Result(
    replace(
        QUIET,
        samples=(Sample("queries.calls", PRODUCTS, (4.0,), noise=Noise.EXACT),),
        rounds=(Round("browse", 1, 2.0, 281, 140.5, 0.31, 0.0004, 0.02),),
    ),
    Verdict(
        Status.PASS,
        ExitCode.PASSED,
        (
            found(Status.PASS, CALLS, PRODUCTS, "unchanged against the baseline of 41d0aa7e", 4, 4, 0.0),
            found(Status.PASS, SIZE, BUNDLE, "412 KB is under the limit of 500 KB", 412_000, 500_000, kind="limit"),
        ),
    ),
)

WARNED = Result(
    QUIET,
    Verdict(
        Status.WARN,
        ExitCode.PASSED,
        (
            found(
                status=Status.WARN,
                metric=P95,
                scope=CART,
                because="158 ms is over the warn limit of 150 ms",
                observed=0.158,
                reference=0.15,
                interval=(0.149, 0.167),
                rounds=6,
                kind="limit",
            ),
            found(Status.UNSURE, RATE, PRODUCTS, "the noise of these rounds reaches from 92/s to 121/s", 104, 100),
            *(
                found(Status.NEW, CALLS, scope, "not in the baseline yet; `perfgate accept` puts it there", value)
                for scope, value in ((PRODUCTS, 4), (CART, 11))
            ),
        ),
    ),
)

_BASE_ROUNDS = (0.291, 0.302, 0.288, 0.296, 0.305, 0.299, None, 0.301)
_HEAD_ROUNDS = (0.402, 0.431, 0.398, 0.417, 0.409, 0.422, 0.415, 0.404)

FAILED = Result(
    replace(
        QUIET,
        branch="feature/cart",
        dirty=True,
        base="main",
        seconds=192.4,
        samples=(
            Sample("response.p95", PRODUCTS, _HEAD_ROUNDS),
            Sample("response.p95", PRODUCTS, _BASE_ROUNDS, Side.BASE),
            Sample("response.rate", PRODUCTS, (91.0, 94.5, 93.0, 92.2, 90.8, 93.9)),
            Sample("queries.calls", LOOKUP, (31.0,), noise=Noise.EXACT),
            Sample("memory.peak", Scope("browse"), (212e6, 214e6, 219e6)),
            Sample("queries.calls", Scope("browse", "GET /"), (2.0,), noise=Noise.EXACT),
            Sample("response.p95", Scope("browse", "GET /"), (0.011, 0.012, None), note="no request in round 3"),
        ),
        rounds=(
            Round("browse", 1, 2.0, 281, 140.5, 0.31, 0.0004, 0.02),
            Round("browse", 2, 2.0, 262, 131.0, 0.97, 0.0310, 0.02, valid=False),
            Round("browse", 1, 2.0, 290, 145.0, 0.33, 0.0005, 0.02, Side.BASE, asked=150.0),
        ),
        flaws=(
            Flaw(FlawKind.GENERATOR_SATURATED, "it used 97 % of a core", "browse", 2),
            Flaw(FlawKind.GENERATOR_SATURATED, "it used 99 % of a core", "browse", 5),
            Flaw(
                kind=FlawKind.COLLECTOR_FAILED,
                because="dist/*.whl matches no file",
                metrics=("bundle.*",),
                detail="build it first: python -m build",
            ),
        ),
        phases={"rounds": 96.0, "counting": 40.0, "database setup": 12.0, "service start": 9.5, "build": 6.0},
        statements={"3f9c2a71": "SELECT id, name, price FROM products WHERE category_id = $1 ORDER BY name LIMIT $2"},
        notes=("docker was asked for and is not there; the embedded Postgres was used",),
    ),
    Verdict(
        Status.FAIL,
        ExitCode.FAILED,
        (
            found(
                status=Status.FAIL,
                metric=P95,
                scope=PRODUCTS,
                because="412 ms, was 298 ms in main: +38 %, at least +31 %, allowed +10 %",
                observed=0.412,
                reference=0.298,
                change=0.3826,
                interval=(0.31, 0.44),
                rounds=8,
            ),
            found(
                status=Status.FAIL,
                metric=RATE,
                scope=PRODUCTS,
                because="99.96/s is under the floor of 100/s; noise explains it only to 99.98/s",
                observed=99.96,
                reference=100.0,
                interval=(99.94, 99.98),
                rounds=6,
                kind="limit",
                rule="budgets.yaml:12",
            ),
            found(
                status=Status.FAIL,
                metric=CALLS,
                scope=LOOKUP,
                because="31, was 1 in the baseline of 41d0aa7e: +3000 %, allowed none; once for each row of `products`",
                observed=31,
                reference=1,
                change=30.0,
            ),
            found(
                status=Status.MISSING,
                metric=P95,
                scope=Scope("browse", "GET /health"),
                because="in the baseline of 41d0aa7e but not in this run; renamed, removed or switched off?",
                kind="presence",
                rule="",
            ),
            found(
                status=Status.INVALID,
                metric=SIZE,
                scope=Scope(artifact="storefront"),
                because="collector failed: dist/*.whl matches no file",
                kind="limit",
            ),
            found(
                status=Status.INVALID,
                metric=SIZE,
                scope=Scope(artifact="admin"),
                because="collector failed: dist/*.whl matches no file",
                kind="limit",
            ),
            found(
                status=Status.WARN,
                metric=MEMORY,
                scope=Scope("browse"),
                because="215 MB, was 201 MB in main: +7.0 %, allowed +5.0 %",
                observed=215e6,
                reference=201e6,
                change=0.0697,
                interval=(0.049, 0.091),
                rounds=3,
            ),
            found(Status.UNSURE, P95, CART, "only 2 of the 3 rounds that a decision takes gave a value", 0.151, 0.15),
            *(
                found(Status.NEW, CALLS, scope, "not in the baseline yet; `perfgate accept` puts it there", value)
                for scope, value in (
                    (Scope("browse", "GET /cart"), 4),
                    (Scope("browse", "POST /checkout/confirm"), 1250),
                )
            ),
            found(Status.IMPROVED, CALLS, CART, "9, was 14 in the baseline of 41d0aa7e", 9, 14, -0.357),
            found(Status.PASS, CALLS, PRODUCTS, "unchanged against the baseline of 41d0aa7e", 31, 31, 0.0),
            found(
                status=Status.PASS,
                metric=P95,
                scope=Scope("browse"),
                because="203 ms is under the limit of 300 ms",
                observed=0.203,
                reference=0.3,
                interval=(0.19, 0.22),
                rounds=8,
                kind="limit",
            ),
            found(Status.PASS, SIZE, Scope(artifact="docs"), "98.2 KB is under its limit", 98_200, 5e5, kind="limit"),
        ),
    ),
    (
        Advice(
            category="n_plus_one",
            severity=Severity.HIGH,
            title="GET /products sends one statement again for each row: 30 calls a request",
            evidence=("`SELECT … FROM products WHERE category_id = ?` is sent 30 times for 30 rows",),
            effect="about 29 round trips less a request",
            effort=Effort.HOURS,
            remedy="Ask for all categories at once: WHERE category_id = ANY ($1).",
            scope=LOOKUP,
            verified=(Trial("time for the rows of GET /products, fetched at once", Unit.SECONDS, 0.0051, 0.0003),),
            code="shop/catalogue.py:41",
        ),
        Advice(
            category="missing_index",
            severity=Severity.MEDIUM,
            title="products is read whole for every request",
            evidence=("30 sequential scans of 12,400 rows.", "Of those, 12,386 are thrown away."),
            effect="",
            effort=Effort.MINUTES,
            remedy="Add an index; on a live database, CONCURRENTLY.",
            sql=('CREATE INDEX ON "products" ("category_id")',),
            safe=True,
            verified=(
                Trial("blocks of GET /products a request", Unit.COUNT, 712.4, 49.4),
                Trial("WAL records for each inserted row", Unit.COUNT, 2, 3),
            ),
        ),
        Advice(
            category="cache_hits",
            severity=Severity.LOW,
            title="shared_buffers is small for this data",
            evidence=("93 % of the blocks were found in the cache.",),
            effect="",
            effort=Effort.MINUTES,
            remedy="Raise it.",
        ),
    ),
    (
        Cause(
            "response.p95",
            Scope("browse", "GET /products"),
            (
                "GET /products response.p95 +38 %",
                "statement `SELECT … FROM products WHERE category_id = ?` now 30 calls a request (was 1)",
                "shop/catalogue.py:41",
                "one statement for each row, tried here: time −94 %",
            ),
        ),
    ),
)

NOT_MEASURED = Result(
    replace(
        QUIET,
        rounds=(Round("browse", 1, 2.0, 281, 140.5, 0.31, 0.0004, 0.02),),
        flaws=(
            Flaw(
                kind=FlawKind.SERVICE_DIED,
                because="it ended with exit code 137 during the load",
                scenario="browse",
                round=2,
                detail="INFO:     Application startup complete.\nMemoryError: unable to allocate 2.1 GiB\nKilled",
            ),
        ),
    ),
    Verdict(
        Status.INVALID,
        ExitCode.NOT_MEASURED,
        tuple(
            found(Status.INVALID, metric, scope, "service died: it ended with exit code 137 during the load")
            for metric, scope in ((P95, PRODUCTS), (P95, CART), (CALLS, PRODUCTS), (CALLS, CART))
        ),
    ),
)

SEARCH = Scope("browse", "GET /search")
_FAVOURITES = "SELECT product_id FROM favourites WHERE customer_id = $1"

BESIDE = Result(
    replace(
        QUIET,
        branch="favourites",
        base="abc12345d0aa7e6c5b4a39281706f5e4d3c2b1a9",
        seconds=131.0,
        loosened=("response.p95[GET /search]: fail 200 ms → 300 ms (by Ada)",),
        samples=(
            Sample("response.p95", PRODUCTS, (0.402, 0.431, 0.398, 0.417, 0.409, 0.422)),
            Sample("response.p95", PRODUCTS, (0.291, 0.302, 0.288, 0.296, 0.305, 0.299), Side.BASE),
            Sample("response.p95", CART, (0.151, 0.163, 0.149, 0.158, 0.155, 0.161)),
            Sample("response.p95", CART, (0.144, 0.147, 0.152, 0.139, 0.150, 0.146), Side.BASE),
            Sample("response.p95", SEARCH, (0.061, 0.063, 0.060, 0.062, 0.064, 0.061)),
            Sample("response.p95", SEARCH, (0.081, 0.083, 0.080, 0.084, 0.082, 0.081), Side.BASE),
            Sample("response.rate", Scope("browse"), (141.0, 139.5, 140.2, 142.0, 140.8, 141.1)),
            Sample("response.rate", Scope("browse"), (152.0, 150.5, 151.7, 153.1, 151.2, 152.4), Side.BASE),
            Sample("memory.peak", Scope("browse"), (212e6, 214e6, 219e6, 215e6, 213e6, 216e6)),
            Sample("memory.peak", Scope("browse"), (211e6, 212e6, 214e6, 213e6, 212e6, 215e6), Side.BASE),
            Sample("queries.calls", PRODUCTS, (4.0, 4.0), noise=Noise.EXACT),
            Sample("queries.calls", PRODUCTS, (4.0, 4.0), Side.BASE, noise=Noise.EXACT),
            Sample("queries.calls", Scope("browse", "GET /favourites"), (2.0, 2.0), noise=Noise.EXACT),
        ),
        rounds=(
            Round("browse", 1, 2.0, 281, 140.5, 0.31, 0.0004, 0.02),
            Round("browse", 1, 2.0, 302, 151.0, 0.33, 0.0005, 0.02, Side.BASE),
            Round("browse", 2, 2.0, 279, 139.5, 0.31, 0.0004, 0.02),
            Round("browse", 2, 2.0, 301, 150.5, 0.33, 0.0005, 0.02, Side.BASE),
        ),
        flaws=(
            Flaw(FlawKind.GENERATOR_SATURATED, "it used 97 % of a core", "browse", 3),
            Flaw(FlawKind.GENERATOR_SATURATED, "it used 99 % of a core", "browse", 4, Side.BASE),
        ),
        phases={"rounds": 82.0, "counting": 19.0, "build": 14.5, "service start": 9.0},
        statements={"77ab01c2": _FAVOURITES},
    ),
    Verdict(
        Status.FAIL,
        ExitCode.FAILED,
        (
            found(
                status=Status.FAIL,
                metric=P95,
                scope=PRODUCTS,
                because="413 ms, was 297 ms in abc12345: +39 %, at least +34 %, allowed +10 %",
                observed=0.413,
                reference=0.297,
                change=0.391,
                interval=(0.343, 0.44),
                rounds=6,
            ),
            found(
                status=Status.UNSURE,
                metric=P95,
                scope=CART,
                because="156 ms, was 146 ms in abc12345: +6.7 %; noise reaches across the allowed +10 %",
                observed=0.156,
                reference=0.146,
                change=0.067,
                interval=(0.012, 0.124),
                rounds=6,
                needed=24,
            ),
            found(
                Status.UNSURE, RATE, PRODUCTS, "only 2 of the 3 values that a decision takes", 104, 100, kind="limit"
            ),
            found(
                status=Status.NEW,
                metric=CALLS,
                scope=Scope("browse", "GET /favourites"),
                because="abc12345 does not have it",
                observed=2,
                rounds=2,
            ),
            found(
                status=Status.NEW,
                metric=CALLS,
                scope=Scope("browse", "GET /", statement="77ab01c2"),
                because=f"a statement that the baseline does not have: {_FAVOURITES}",
                observed=1,
                rounds=2,
                kind="statement",
                rule="",
            ),
            found(
                status=Status.IMPROVED,
                metric=P95,
                scope=SEARCH,
                because="61.8 ms, was 81.8 ms in abc12345: −24 %",
                observed=0.0618,
                reference=0.0818,
                change=-0.244,
                interval=(-0.27, -0.22),
                rounds=6,
            ),
            found(Status.PASS, CALLS, PRODUCTS, "unchanged against abc12345", 4, 4, 0.0, rounds=2),
            found(
                status=Status.PASS,
                metric=MEMORY,
                scope=Scope("browse"),
                because="215 MB is under the limit of 400 MB",
                observed=215e6,
                reference=400e6,
                interval=(211e6, 218e6),
                rounds=6,
                kind="limit",
                rule="budgets.yaml:40",
            ),
        ),
    ),
)
"""A change measured beside its base, round by round."""

NOT_JUDGED = Result(PASSED.run)
NOTHING_JUDGED = Result(QUIET, Verdict(Status.MISSING, ExitCode.FAILED, ()))

ALL = {
    "beside": BESIDE,
    "failed": FAILED,
    "not_measured": NOT_MEASURED,
    "passed": PASSED,
    "warned": WARNED,
    "not_judged": NOT_JUDGED,
    "nothing_judged": NOTHING_JUDGED,
}

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover=alert(1) x='",
    "]]><x/>&amp;&lt;&#60;",
    "[link](javascript:alert(1)) ![i](http://evil.example/i.png)",
    "| a | b |\n|---|---|\n`code` **bold** <!-- comment",
    "@everyone see www.evil.example, https://evil.example and me@evil.example #1",
    "[red]rich[/red] [link=file:///etc/passwd]x[/link] :smile:",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 \x9b2J\r\x08\x07",
    "\u202egnp.exe\u202c \u200bzero\u2060width\ufeff \u2028line \u2029paragraph \x00\x0b\x0c\ufffe\uffff\udc80",
    "::error file=a.py::boom",
    "##[error]boom",
    "  \t ::set-env name=PATH::/evil",
    "{{ 7*7 }} {% raw %} ${7*7} %s {0}",
    "</details></table></pre></code></style></svg><h1>out</h1>",
    "名前がとても長い指標" * 3,
    "ä" * 2000,
    "",
)


def hostile(text: str) -> Result:
    """A result with `text` wherever a result can hold one."""
    scope = Scope(*(text,) * 7)
    metric = replace(P95, name=text, meaning=text)
    findings = tuple(
        replace(found(status, metric, scope, text, 1.0, 2.0, -0.5, (1.0, 2.0), 3), kind=text, rule=text)
        for status in reversed(Status)
    )
    run = replace(
        QUIET,
        commit=text,
        branch=text,
        base=text,
        started=text,
        version=text,
        machine=Machine(text, 2, 2**30, text, text),
        postgres=Postgres(text, text, {text: text}),
        loads={text: Asked(text)},
        metrics=(metric,),
        samples=(Sample(text, scope, (1.0, None, 2.0), note=text), Sample(text, scope, (1.0, 1.5), Side.BASE)),
        rounds=(Round(text, 1, 1.0, 1, 1.0, 0.1, 0.1, 0.1),),
        flaws=(Flaw(FlawKind.LOAD_FAILED, text, text, 1, detail=text), Flaw(FlawKind.LOAD_FAILED, text, detail=text)),
        repeatability=(Repeatability(text, text, 0.1, 3),),
        phases={text: 1.0},
        statements={text: text},
        notes=(text,),
        loosened=(text,),
    )
    trials = (Trial(text, Unit.COUNT, 1.0, 2.0),)
    advice = Advice(
        text, Severity.HIGH, text, (text,), text, Effort.HOURS, text, scope, (text,), True, trials, text, (text,)
    )
    hint = replace(advice, severity=Severity.LOW)
    causes = (Cause(text, scope, (text, text)),)
    return Result(run, Verdict(Status.FAIL, ExitCode.FAILED, findings), (advice, hint), causes)


def many(count: int) -> Result:
    """A result of `count` findings, one in ten of them red, with six rounds on both sides of every one."""
    scopes = [Scope(f"scenario {i % 7}", f"GET /things/{i}") for i in range(count)]
    samples = (
        Sample("response.p95", scope, tuple(0.1 + (i * j) % 13 / 1000 for j in range(6)), side)
        for i, scope in enumerate(scopes)
        for side in Side
    )
    run = replace(QUIET, samples=tuple(samples))
    return Result(run, Verdict(Status.FAIL, ExitCode.FAILED, tuple(map(_thing, range(count), scopes))))


def _thing(i: int, scope: Scope) -> Finding:
    because = f"{i} ms is beside the limit of 100 ms; noise explains it only to 90 ms"
    return found(Status.PASS if i % 10 else Status.FAIL, P95, scope, because, i / 1000, 0.1, i / 100, (0.01, 0.02), 6)
