from __future__ import annotations

import pytest

from perfgate.advice import Severity
from perfgate.diagnose.advisors.checkpoints import ADVISOR
from perfgate.diagnose.sizes import duration, memory
from tests.diagnose.evidence import only, sample, told, watched

OURS = {"checkpoint_timeout": "1h", "max_wal_size": "4GB", "full_page_writes": "off", "fsync": "off"}
WRITES = (sample("queries.wal_records", 400.0), sample("response.rate", 100.0))


def test_a_small_max_wal_size_of_the_users_own_is_shown_to_force_checkpoints() -> None:
    advice = only(ADVISOR, watched(*WRITES, settings={**OURS, "max_wal_size": "32MB"}))
    assert advice.severity is Severity.LOW
    assert advice.title == "max_wal_size forces a checkpoint every 18.4 s or more often"
    assert "40000 records a second" in advice.evidence[0]


def test_a_short_checkpoint_timeout_of_the_users_own_is_told() -> None:
    advice = only(ADVISOR, watched(*WRITES, settings={**OURS, "checkpoint_timeout": "30s"}))
    assert advice.title == "a checkpoint every 30 s is more than this load needs"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(OURS, id="what perfgate sets itself"),
        pytest.param({**OURS, "max_wal_size": "1GB", "checkpoint_timeout": "5min"}, id="what Postgres ships with"),
        pytest.param({**OURS, "max_wal_size": "256MB"}, id="not reached for minutes"),
    ],
)
def test_settings_that_force_no_checkpoint_are_no_matter(settings: dict[str, str]) -> None:
    assert not told(ADVISOR, watched(*WRITES, settings=settings))


def test_not_even_the_heaviest_load_is_told_to_change_what_perfgate_or_postgres_set() -> None:
    heavy = (sample("queries.wal_records", 1e5), sample("response.rate", 100.0))
    assert not told(ADVISOR, watched(*heavy, settings=OURS))
    assert not told(ADVISOR, watched(*heavy, settings={**OURS, "max_wal_size": "1GB"}))


def test_a_scenario_that_hardly_writes_needs_no_settings_for_it() -> None:
    reads = (sample("queries.wal_records", 0.5), sample("response.rate", 100.0))
    assert not told(ADVISOR, watched(*reads, settings={**OURS, "checkpoint_timeout": "30s", "max_wal_size": "32MB"}))


@pytest.mark.parametrize(
    ("shown", "bytes_"), [("64MB", 2**26), ("8kB", 8192), ("1GB", 2**30), ("-1", None), ("", None)]
)
def test_amounts_of_memory_are_read_as_postgres_shows_them(shown: str, bytes_: float | None) -> None:
    assert memory(shown) == bytes_


@pytest.mark.parametrize(
    ("shown", "seconds"), [("5min", 300), ("30s", 30), ("200ms", 0.2), ("1d", 86_400), ("0", None)]
)
def test_times_are_read_as_postgres_shows_them(shown: str, seconds: float | None) -> None:
    assert duration(shown) == seconds
