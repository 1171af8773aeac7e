"""How the tests talk to the fake: from where, with which token, and with little patience."""

from __future__ import annotations

from perfgate.publish.github.api import Api, Patience
from perfgate.publish.github.place import Place
from tests.github.fake import PULL, REPOSITORY, Hub

HEAD = "9ac5f0000000000000000000000000000000ab12"
QUICK = Patience(timeout_s=20, waits_s=(0.01, 0.02, 0.04), longest_s=5.0, total_s=20.0, pause_s=0.01)


def place_of(hub: Hub, run: int = 100, attempt: int = 1, pull: int | None = PULL) -> Place:
    return Place(
        api=hub.url,
        server="https://github.test",
        repository=REPOSITORY,
        event="pull_request" if pull else "push",
        pull=pull,
        head=HEAD,
        base="b" * 40,
        run=run,
        attempt=attempt,
        fork=False,
        branch="faster",
    )


def api_of(hub: Hub, place: Place | None = None, token: str = "", patience: Patience = QUICK) -> Api:
    return Api(place or place_of(hub), token or hub.token, patience)
