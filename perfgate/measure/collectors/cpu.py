"""How much CPU an answered request costs, in the service and in Postgres: the steadiest of the sampled metrics."""

from __future__ import annotations

from collections.abc import Iterator

from perfgate.measure import procfs
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.measure.usage import CpuMeter, Ticker, window
from perfgate.model import Better, Comparable, Metric, Noise, Unit


def _seconds(name: str, meaning: str) -> Metric:
    return Metric(
        f"cpu.{name}", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, meaning, Comparable.SAME_MACHINE, drift=0.15
    )


SERVICE = _seconds("per_request", "CPU time of all processes of the service, ended ones included, per request.")
DATABASE = _seconds("database_per_request", "CPU time of all processes of Postgres, ended ones included, per request.")


class Cpu(Collector):
    """Divides by all answered requests, failed ones too, since they cost as well."""

    name = "cpu"
    metrics = (SERVICE, DATABASE)
    stretch = Stretch.ROUND

    def __init__(self) -> None:
        self._meter: CpuMeter | None = None
        self._ticker: Ticker | None = None

    def begin(self, target: Target) -> None:
        self._stop()  # where the round before came to no end
        self._meter = None
        postmaster = target.database.server.pid if target.database is not None else None
        if postmaster is not None:
            self._meter = CpuMeter(lambda: procfs.tree(postmaster))
            self._meter.read()
            self._ticker = Ticker(self._meter.read)
            self._ticker.start()

    def finish(self, target: Target) -> Iterator[Reading]:
        self._stop()
        if target.load is None or target.usage is None:
            return
        requests = len(target.load.records)
        if requests:
            yield Reading(SERVICE, target.usage.under(target.load).cpu_seconds / requests)
        else:
            yield Reading(SERVICE, None, note="no request was answered")
        if target.database is None:
            return
        if self._meter is None:
            yield Reading(DATABASE, None, note="the server's processes cannot be seen from here")
        elif requests:
            self._meter.read()
            yield Reading(DATABASE, self._meter.between(*window(target.load)) / requests)
        else:
            yield Reading(DATABASE, None, note="no request was answered")

    def _stop(self) -> None:
        if self._ticker is not None:
            ticker, self._ticker = self._ticker, None
            ticker.stop()


COLLECTOR = Cpu()
