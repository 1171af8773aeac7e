"""How a run went: its load, what went wrong in it, where its time went, and on what it was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from perfgate.model import Flaw, FlawKind, Repeatability, Round, Run, Side, Unit
from perfgate.publish import words
from perfgate.publish.report import last_lines, one_line
from perfgate.units import percent, show

LONGEST_LIST = 2000


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rounds of one scenario on one side, in words; a single round has `rounds` as its number.

    `mark` says why a single round does not count; "" where it does.
    """

    scenario: str
    side: str
    rounds: str
    requests: str
    rate: str
    generator: str
    lag: str
    sampler: str
    mark: str = ""

    @property
    def sentence(self) -> str:
        """All of it."""
        return (
            f"{self.scenario} {self.side}: {self.rounds}, {self.requests} requests, {self.rate}, "
            f"generator {self.generator} of a core, lag {self.lag}, sampling {self.sampler}"
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """The flaws of one kind in one place: what happened, why, and the end of the log that shows it.

    `reason` is what the findings that it spoilt say; `healed` when it only spoilt rounds that others made up for.
    """

    title: str
    because: str
    reason: str
    detail: tuple[str, ...]
    healed: bool


def stretches(rounds: Iterable[Round]) -> tuple[Stretch, ...]:
    """How the rounds went, a line for each scenario and side."""
    groups: dict[tuple[str, Side], list[Round]] = {}
    for taken in rounds:
        groups.setdefault((taken.scenario, taken.side), []).append(taken)
    return tuple(_together(group) for group in groups.values())


def each(rounds: Iterable[Round]) -> tuple[Stretch, ...]:
    """How the rounds went, one by one."""
    return tuple(map(_single, rounds))


def troubles(flaws: Iterable[Flaw], *, measured: bool) -> tuple[Trouble, ...]:
    """Flaws that only differ by their round are told once, and not at all where a lasting one sums them up.

    `measured` says that there is a measurement to believe, so that what only spoilt rounds was made up for.
    """
    flaws = sorted(flaws, key=words.gravity)
    lasting = {_cause(flaw) for flaw in flaws if flaw.round is None}
    groups: dict[tuple[bool, tuple[FlawKind, str, Side]], list[Flaw]] = {}
    for flaw in flaws:
        if flaw.round is None or _cause(flaw) not in lasting:
            groups.setdefault((flaw.round is not None, _cause(flaw)), []).append(flaw)
    return tuple(_trouble(group, measured) for group in groups.values())


def _cause(flaw: Flaw) -> tuple[FlawKind, str, Side]:
    return flaw.kind, flaw.scenario, flaw.side


def phases(run: Run) -> tuple[tuple[str, str, str], ...]:
    """Where the time went, longest first: name, duration, share of the run."""
    longest = sorted(run.phases.items(), key=lambda phase: -phase[1])
    whole = max(run.seconds, sum(run.phases.values())) or 1.0
    return tuple((one_line(name), words.duration(spent), _share(spent / whole)) for name, spent in longest)


def _share(part: float) -> str:
    return "under 1 %" if 0 < part < 0.01 else f"{part * 100:.0f} %"


def _trouble(flaws: Sequence[Flaw], measured: bool) -> Trouble:
    first = flaws[0]
    detail = next((flaw.detail for flaw in flaws if flaw.detail), "")
    healed = measured and first.round is not None
    because = one_line(first.because)
    reason = one_line(f"{first.kind}: {first.because}")
    return Trouble(words.place(flaws), because, reason, last_lines(detail), healed)


def _together(rounds: list[Round]) -> Stretch:
    """All of them; the numbers are those of the undisturbed ones, since the others were taken again."""
    kept = [taken for taken in rounds if not taken.disturbed] or rounds
    valid, again = sum(taken.valid for taken in kept), len(rounds) - len(kept)
    told = words.many(len(kept), "round")
    if valid < len(kept):
        told = f"{valid} of {told} valid"
    return _stretch(kept, f"{told}, {again} more disturbed and taken again" if again else told)


def _single(taken: Round) -> Stretch:
    mark = "disturbed" if taken.disturbed else "" if taken.valid else "not valid"
    return _stretch([taken], str(taken.index), mark)


def _stretch(rounds: list[Round], name: str, mark: str = "") -> Stretch:
    first = rounds[0]
    asked = f" of {show(first.asked, Unit.PER_SECOND)}" if first.asked is not None else ""
    return Stretch(
        scenario=one_line(first.scenario),
        side=first.side.value,
        rounds=name,
        requests=show(sum(taken.requests for taken in rounds), Unit.COUNT),
        rate=words.span([taken.reached for taken in rounds], Unit.PER_SECOND) + asked,
        generator=words.span([taken.generator_cpu for taken in rounds], Unit.RATIO),
        lag=words.span([taken.lag for taken in rounds], Unit.SECONDS),
        sampler=words.span([taken.sampler_cpu for taken in rounds], Unit.RATIO),
        mark=mark,
    )


def noise(run: Run) -> tuple[tuple[str, str], ...]:
    """Of each scenario, how far apart two rounds of the same code lie here: a standard deviation for each metric."""
    found: dict[str, list[Repeatability]] = {}
    for metric in run.repeatability:
        found.setdefault(metric.scenario, []).append(metric)
    return tuple((one_line(scenario), one_line(_spreads(own), LONGEST_LIST)) for scenario, own in found.items())


def _spreads(found: Iterable[Repeatability]) -> str:
    """In percents: the deviation of a ratio's logarithm, as a ratio."""
    return ", ".join(f"{own.metric} ±{percent(math.expm1(own.sd)).lstrip('+')} ({own.pairs} pairs)" for own in found)


def settings(run: Run) -> str:
    """The server's settings that differ from its defaults, by name; "" without any."""
    named = run.postgres.settings.items() if run.postgres else ()
    return one_line(", ".join(f"{name} = {value}" for name, value in named), LONGEST_LIST)


def _longest(run: Run, scenario: str) -> float:
    """How long the rounds of a scenario were."""
    return max((taken.seconds for taken in run.rounds if taken.scenario == scenario), default=0.0)


def _attributed(run: Run) -> Iterator[tuple[str, str]]:
    """How much of what the database did in the rounds is known to be some endpoint's."""
    for sample in run.samples:
        if sample.metric == "queries.attributed" and sample.side is Side.HEAD and sample.present:
            share = show(sum(sample.present) / len(sample.present), Unit.RATIO)
            told = f"{sample.scope.scenario}: {share} of the time that Postgres took in the rounds"
            yield "attributed", one_line(f"{told} went to statements that single requests send", LONGEST_LIST)


def facts(run: Run) -> Iterator[tuple[str, str]]:
    """How it was measured: labels and values."""
    machine = run.machine
    system = (machine.kind, machine.system, f"Python {machine.python}" if machine.python else "")
    if machine.cores:
        yield "machine", " · ".join(one_line(part) for part in system if part)
    if run.postgres:
        count = len(run.postgres.settings)
        changed = f", {words.many(count, 'setting')} not the default" if count else ""
        yield "Postgres", one_line(f"{run.postgres.version} ({run.postgres.provider}){changed}")
    for scenario, asked in run.loads.items():
        if asked.locustfile:
            paired = any(taken.side is Side.BASE for taken in run.rounds)
            load = words.asked(asked, paired=paired, seconds=_longest(run, scenario))
            yield "load", one_line(f"{scenario}: {load}", LONGEST_LIST)
    yield from _attributed(run)
    if run.profile:
        yield "profile", one_line(run.profile)
    yield "perfgate", one_line(run.version)
    started = run.started.replace("T", " ").replace("+00:00", " UTC")
    yield "started", one_line(f"{started}, took {words.duration(run.seconds)}")
