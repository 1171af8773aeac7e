"""Runs wait on disk whole, in order, and go once they are stored."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perfgate.errors import BadRequest
from perfgate.publish.history import spool as spools
from perfgate.publish.history.entry import Entry
from perfgate.publish.history.spool import Spool, read
from tests.history.runs import entry
from tests.killing import Run


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file of this process gets larger than `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_comes_back_as_it_was_put_in(tmp_path: Path) -> None:
    one = entry(1, trunk=True, accepted=True, labels={"checkout": "on"})
    back = read(Spool(tmp_path / "spool").put(one))
    assert (back.result, back.trunk, back.accepted, back.labels) == (one.result, True, True, {"checkout": "on"})
    assert back.digest == one.digest


def test_what_waits_is_sent_in_the_order_it_came(tmp_path: Path) -> None:
    spool, taken = Spool(tmp_path), list[str]()
    for number in (5, 1, 3):
        spool.put(entry(number))
    sent = spool.send(lambda one: taken.append(one.run.commit[-1]))
    assert taken == ["5", "1", "3"]
    assert (sent.stored, sent.waiting, sent.aside) == (3, 0, ())


def test_what_the_store_did_not_take_stays_with_all_that_came_after(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in (1, 2, 3):
        spool.put(entry(number))

    def store(one: Entry) -> None:
        if one.run.seed == 2:
            raise ConnectionError("lost")

    with pytest.raises(ConnectionError):
        spool.send(store)
    assert [read(path).run.seed for path in spool.waiting()] == [2, 3]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-20], "damaged"),
        (lambda text: text.replace(b"storefront", b"storefrunt"), "damaged"),
        (lambda text: b"", "not a spooled run"),
        (lambda text: b"\xff\xfe" + text, "not a spooled run"),
        (lambda text: b"[" * 100_000, "not a spooled run"),
        (lambda text: text.replace(b'"spool": 1', b'"spool": 2', 1), "not a run that this perfgate spooled"),
    ],
)
def test_a_damaged_file_is_named_and_set_aside_and_the_rest_is_sent(tmp_path: Path, damage: object, said: str) -> None:
    spool, taken = Spool(tmp_path), list[int]()
    bad, good = spool.put(entry(1)), spool.put(entry(2))
    bad.write_bytes(damage(bad.read_bytes()))  # type: ignore[operator]
    sent = spool.send(lambda one: taken.append(one.run.seed))
    assert taken == [2]
    assert (sent.stored, sent.waiting) == (1, 0)
    assert said in sent.aside[0]
    assert bad.name in sent.aside[0]
    assert bad.with_suffix(".unreadable").exists()
    assert not good.exists()


def test_a_run_that_the_store_will_never_take_stands_in_nobodys_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in (1, 2):
        spool.put(entry(number))

    def store(one: Entry) -> None:
        if one.run.seed == 1:
            raise BadRequest("from no time", hint="")

    assert spool.send(store).stored == 1
    assert spool.waiting() == []


def test_a_full_disk_leaves_no_half_of_a_run(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with full_disk(1000), pytest.raises(OSError, match="File too large"):
        spool.put(entry(1))
    assert list(tmp_path.iterdir()) == []


def test_two_senders_send_nothing_twice(tmp_path: Path) -> None:
    spool, taken = Spool(tmp_path), list[int]()
    spool.put(entry(1))

    def store(one: Entry) -> None:
        taken.append(one.run.seed)
        if len(taken) == 1:
            assert spool.send(store).stored == 0

    assert spool.send(store).stored == 1
    assert taken == [1]


SENDER = """
import sys, time
from pathlib import Path
from perfgate.publish.history.spool import Spool
def store(entry):
    print("sending", flush=True)
    time.sleep(1000)
Spool(Path(sys.argv[1])).send(store)
"""


def test_a_sender_that_is_killed_lets_the_next_one_send(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(entry(1))
    sender = Run(SENDER, str(tmp_path))
    assert sender.said == "sending"
    assert spool.send(lambda one: None).stored == 0
    sender.kill()
    assert spool.send(lambda one: None).stored == 1


def test_what_a_killed_writer_had_begun_is_removed_in_time(tmp_path: Path) -> None:
    fresh, old = tmp_path / "1.part", tmp_path / "2.part"
    for path in (fresh, old):
        path.write_text("half")
    os.utime(old, (0, time.time() - spools.BEGUN_S - 1))
    Spool(tmp_path).send(lambda one: None)
    assert fresh.exists()
    assert not old.exists()


def test_nothing_to_send_makes_no_folder(tmp_path: Path) -> None:
    assert Spool(tmp_path / "spool").send(lambda one: None).stored == 0
    assert list(tmp_path.iterdir()) == []
