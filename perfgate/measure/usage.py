"""What a family of processes uses while it is under load: memory, CPU, threads, files; read from /proc by a thread."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from perfgate.measure import procfs
from perfgate.measure.accounts import Accounts, read
from perfgate.measure.procfs import Stat

if TYPE_CHECKING:
    from perfgate.measure.load import Load

INTERVAL_S = 0.2
SWITCHES_EVERY_S = 1.0
READING_TRIES = 3
PEAK_SAMPLED = f"processes of another user: peaks between samples ({INTERVAL_S:g} s apart) are not seen"


@dataclass(frozen=True)
class Usage:
    """What the family used between the first and the last sample. Bytes, seconds and counts.

    `times` (epoch seconds) goes with `rss`, `anonymous`, `threads`, `processes`, `cpu` and `switches`, which hold a
    value a sample; the last two add up from 0. So does `open_files`, unless the files of a member cannot be counted:
    then it is empty. `pss` holds the first and the last value, or none when it may not be read. `peak` adds up what
    each process occupied at most since the begin, over those alive together, so it is no less than the true peak.
    `sampler_cpu` is a share of one core. `note` says what is weaker than promised here.
    """

    times: tuple[float, ...] = ()
    rss: tuple[int, ...] = ()
    anonymous: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()
    processes: tuple[int, ...] = ()
    open_files: tuple[int, ...] = ()
    cpu: tuple[float, ...] = ()
    switches: tuple[int, ...] = ()
    pss: tuple[int, ...] = ()
    peak: int = 0
    cpu_seconds: float = 0.0
    context_switches: int = 0
    sampler_cpu: float = 0.0
    note: str = ""

    def within(self, begin: float, end: float) -> Usage:
        """The part from `begin` to `end` (epoch seconds), where values lie on straight lines between samples.

        `pss` and `peak` stay the whole's. So does everything when the part lies elsewhere: the clocks of two machines
        may be that far apart.
        """
        if not self.times or end <= self.times[0] or begin >= self.times[-1]:
            return self
        begin, end = max(begin, self.times[0]), min(end, self.times[-1])
        times = (begin, *(moment for moment in self.times if begin < moment < end), end)

        def part(values: Sequence[float]) -> tuple[float, ...]:
            return tuple(value_at(moment, self.times, values) for moment in times) if values else ()

        def counts(values: Sequence[int]) -> tuple[int, ...]:
            return tuple(map(round, part(values)))

        cpu, switches = part(self.cpu), part(self.switches)
        return replace(
            self,
            times=times,
            rss=counts(self.rss),
            anonymous=counts(self.anonymous),
            threads=counts(self.threads),
            processes=counts(self.processes),
            open_files=counts(self.open_files),
            cpu=tuple(value - cpu[0] for value in cpu),
            switches=tuple(round(value - switches[0]) for value in switches),
            cpu_seconds=cpu[-1] - cpu[0],
            context_switches=round(switches[-1] - switches[0]),
        )

    def under(self, load: Load) -> Usage:
        """The part that fell into the window of `load`, so without its warm-up."""
        return self.within(*window(load)) if load.records else self


def window(load: Load) -> tuple[float, float]:
    """When a load with records began to count, and stopped to (epoch seconds). Its first request tells the begin."""
    begin = min(record.started for record in load.records)
    return begin, begin + load.seconds


def value_at(moment: float, times: Sequence[float], values: Sequence[float]) -> float:
    """The value at a moment, on a straight line between the readings before and after it."""
    after = bisect.bisect_left(times, moment)
    if after in (0, len(times)):
        return values[min(after, len(times) - 1)]
    share = (moment - times[after - 1]) / (times[after] - times[after - 1])
    return values[after - 1] + share * (values[after] - values[after - 1])


class _Sample(NamedTuple):
    time: float
    rss: int
    anonymous: int
    peak: int
    threads: int
    processes: int
    open_files: int | None
    cpu: float


class _Switches:
    """Context switches of all threads since the first reading.

    A thread that ended counts as it was last seen: Linux tells nobody but its parent what became of it since.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.totals: list[int] = []
        self._last: dict[tuple[float, int], int] = {}
        self._before = 0

    def read(self, members: list[Stat]) -> None:
        for member in members:
            self._last |= {(member.start, thread): n for thread, n in procfs.switches(member.pid).items()}
        total = sum(self._last.values())
        self._before = self._before if self.times else total
        self.times.append(time.time())
        self.totals.append(total - self._before)


class Ticker:
    """Calls `step` every INTERVAL_S in a thread of its own. `cpu` is the share of a core that it took."""

    def __init__(self, step: Callable[[], object]) -> None:
        self.cpu = 0.0
        self._step = step
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="perfgate-usage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The last step is over when this returns; what went wrong in one is raised here."""
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        began, cpu_before = time.monotonic(), time.thread_time()
        try:
            while not self._over.wait(INTERVAL_S):
                self._step()
        except BaseException as error:
            self._error = error
        self.cpu = (time.thread_time() - cpu_before) / (time.monotonic() - began)


class CpuMeter:
    """CPU seconds of a family since the first reading, as a series."""

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self.times: list[float] = []
        self.seconds: list[float] = []
        self._processes = processes
        self._accounts: Accounts | None = None

    def read(self) -> list[Stat]:
        """Take a reading; the members, zombies included."""
        members = self._members()
        if self._accounts is None:
            self._accounts = Accounts(time.clock_gettime(time.CLOCK_BOOTTIME), members)
        self.seconds.append(self._accounts.add(members))
        self.times.append(time.time())
        return members

    def between(self, begin: float, end: float) -> float:
        """CPU seconds from `begin` to `end` (epoch seconds)."""
        return value_at(end, self.times, self.seconds) - value_at(begin, self.times, self.seconds)

    def _members(self) -> list[Stat]:
        """All members at one moment, as far as they hold still."""
        for _ in range(READING_TRIES):
            members, complete = read(self._processes())
            if complete:
                break
        return members


class UsageSampler:
    """Samples while its block lasts; `usage` is known when it is over.

    `processes` gives the family, parents before children, zombies included. PSS is read before and after the block
    only: for it the kernel walks all pages of a process, some 15 ms per GB, and holds up its page faults.
    """

    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self.usage = Usage()
        self._meter = CpuMeter(processes)
        self._switches = _Switches()
        self._samples: list[_Sample] = []
        self._pss: list[int] = []
        self._switches_read = 0.0
        self._peaks_kept: set[int] = set()
        self._ticker = Ticker(self._step)

    def __enter__(self) -> Self:
        members = self._meter.read()
        self._peaks_kept = {member.pid for member in members if not procfs.forget_peak(member.pid)}
        self._read_pss(members)
        self._read_switches(members)
        self._sample()
        self._ticker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ticker.stop()
        members = self._sample()
        self._read_switches(members)
        self._read_pss(members)
        self.usage = self._summary()

    def _step(self) -> None:
        members = self._sample()
        if time.monotonic() - self._switches_read >= SWITCHES_EVERY_S:
            self._read_switches(members)

    def _sample(self) -> list[Stat]:
        members = self._meter.read()
        alive = [member for member in members if member.alive]
        memories = {member.pid: found for member in alive if (found := procfs.memory(member.pid)) is not None}
        files = [procfs.open_files(member.pid) for member in alive]
        if memories:  # a service that is gone uses nothing, but that is no measurement of it
            self._samples.append(
                _Sample(
                    time=self._meter.times[-1],
                    rss=sum(memory.rss for memory in memories.values()),
                    anonymous=sum(memory.anonymous for memory in memories.values()),
                    peak=sum(m.rss if pid in self._peaks_kept else m.peak for pid, m in memories.items()),
                    threads=sum(member.threads for member in alive),
                    processes=len(alive),
                    open_files=None if None in files else sum(filter(None, files)),
                    cpu=self._meter.seconds[-1],
                )
            )
        return members

    def _read_switches(self, members: list[Stat]) -> None:
        self._switches.read(members)
        self._switches_read = time.monotonic()

    def _read_pss(self, members: list[Stat]) -> None:
        """Note the family's PSS, if all of it may be read."""
        found = [procfs.pss(member.pid) for member in procfs.still(members)]
        known = [value for value in found if value is not None]
        if found and len(known) == len(found):
            self._pss.append(sum(known))

    def _summary(self) -> Usage:
        if not self._samples:
            return Usage(note="no process of it was seen")
        samples, switches = self._samples, self._switches
        files = [sample.open_files for sample in samples if sample.open_files is not None]
        times = tuple(sample.time for sample in samples)
        return Usage(
            times=times,
            rss=tuple(sample.rss for sample in samples),
            anonymous=tuple(sample.anonymous for sample in samples),
            threads=tuple(sample.threads for sample in samples),
            processes=tuple(sample.processes for sample in samples),
            open_files=tuple(files) if len(files) == len(samples) else (),
            cpu=tuple(sample.cpu for sample in samples),
            switches=tuple(round(value_at(moment, switches.times, switches.totals)) for moment in times),
            pss=tuple(self._pss),
            peak=max(sample.peak for sample in samples),
            cpu_seconds=self._meter.seconds[-1],
            context_switches=switches.totals[-1],
            sampler_cpu=self._ticker.cpu,
            note=PEAK_SAMPLED if self._peaks_kept else "",
        )
