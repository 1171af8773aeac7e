"""What perfgate and its load generators say to each other, as values that turn into JSON (or msgpack) and back.

perfgate tells the driver a `Setup` once, and an `Order` for every counting pass and round; each generating process
answers with `Facts`. Nothing here judges: what the facts mean is said in `validity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self


class Message:
    """A dataclass that travels as a mapping of its fields."""

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Self:
        """The message from its mapping; fields that this version does not know are ignored."""
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]  # every subclass is a dataclass
        return cls(**{name: value for name, value in values.items() if name in known})

    def dump(self) -> dict[str, Any]:
        """The message as a mapping of plain values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Setup(Message):
    """What the driver needs to know before it can load the scenario.

    `locustfile`, `root` and `folder` are absolute paths; records are written into `folder`. With `workers` above 0 the
    load comes from that many workers, which connect to `listen` (host:port; port 0 takes a free one) within `patience`
    seconds.
    """

    scenario: str
    locustfile: str
    root: str
    folder: str
    workers: int = 0
    listen: str = ""
    patience: float = 0.0


@dataclass(frozen=True)
class Order(Message):
    """One round (`index` from 1) or counting pass (`index` 0) for one process.

    `users` of the whole round run in a closed model, `classes` says how many of which class run in this process;
    `rate` is task starts per second in an open model. `cycles` is how often a counting pass repeats each task.
    `worker` tells the processes of one round apart.
    """

    url: str
    index: int
    seed: int
    timeout: float
    seconds: float = 0.0
    warmup: float = 0.0
    users: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    rate: float | None = None
    cycles: int = 0
    worker: int = 0


@dataclass
class Facts(Message):
    """What one process saw of one round or counting pass.

    `users` started and `ended` of themselves before the window was over. In an open model `due` task starts fell into
    the window, `begun` of them took place, the last one `overrun` seconds after the window's end. `lag` is the median
    event-loop delay, `cpu` and `waited` the seconds in which the process ran or was kept waiting for a CPU, as shares
    of the window's `seconds`. `unanswered`, `errors` and `broken` count requests by endpoint, failures by text, and
    exceptions of the locustfile by place. `elsewhere` counts, for each endpoint, the answers that came from another
    path after redirects, by that path. `lost` says how a worker got lost, "" when it did not.
    """

    worker: str = ""
    file: str = ""
    endpoints: list[str] = field(default_factory=list)
    crowded: bool = False
    recorded: int = 0
    seconds: float = 0.0
    users: int = 0
    ended: int = 0
    due: int = 0
    begun: int = 0
    overrun: float = 0.0
    lag: float = 0.0
    cpu: float = 0.0
    waited: float = 0.0
    unanswered: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, dict[str, int]] = field(default_factory=dict)
    lost: str = ""
