"""What a result says, in the order a reader wants it and in words: the same for every report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from perfgate.errors import ExitCode
from perfgate.model import (
    Advice,
    Better,
    Finding,
    Flaw,
    FlawKind,
    Key,
    Level,
    Metric,
    Result,
    Round,
    Run,
    Sample,
    Side,
    Status,
    Unit,
)
from perfgate.publish import words
from perfgate.publish.report import last_lines, one_line
from perfgate.units import percent, show

WORST_FIRST = tuple(reversed(Status))
WITHOUT_SCENARIO = "project"
LONGEST_LIST = 2000

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A finding in words.

    `against` says what the reference is: "limit", "floor" or "was"; both are "" when there was nothing to compare with.
    `head` and `base` are the values of the rounds; `line` is the reference as a number, to be drawn beside them.
    """

    status: Status
    level: Level
    unit: Unit
    kind: str
    name: str
    scenario: str
    because: str
    observed: str
    against: str
    reference: str
    change: str
    interval: str
    rounds: int
    rule: str
    statement: str
    line: float | None
    head: Values
    base: Values

    @property
    def compared(self) -> str:
        """What was seen, beside what it was held against: `412 ms, limit 300 ms`, `412 ms, was 298 ms (+38 %)`."""
        sides = ", ".join(part for part in (self.observed, f"{self.against} {self.reference}".strip()) if part)
        return f"{sides} ({self.change})" if self.change else sides

    @property
    def explained(self) -> bool:
        """Whether the reason already tells the numbers."""
        return all(words.tells(self.because, part) for part in (self.observed, self.reference, self.change))

    @property
    def certainty(self) -> str:
        """How sure that is: `+31 % to +44 %, 8 rounds`; "" where one reading settles it."""
        rounds = words.many(self.rounds, "round") if self.rounds > 1 else ""
        return ", ".join(part for part in (self.interval, rounds) if part)


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one scenario that share their status and their reason, which `told` says a flaw has told already."""

    status: Status
    scenario: str
    because: str
    told: bool
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Of a group of several: how many, and where."""
        rules = words.many(len(self.rows), "rule")
        return f"{rules} in {self.scenario}" if self.scenario else rules


@dataclass(frozen=True, slots=True)
class Unruled:
    """A sample that no rule is about: its median, or its only value, and that of the base."""

    name: str
    unit: Unit
    value: str
    base_value: str
    note: str
    head: Values
    base: Values


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rounds of one scenario on one side, in words; a single round has `rounds` as its number."""

    scenario: str
    side: str
    rounds: str
    requests: str
    rate: str
    generator: str
    lag: str
    sampler: str
    valid: bool

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


@dataclass(frozen=True, slots=True)
class Counsel:
    """An advice with its text made harmless."""

    severity: str
    title: str
    place: str
    evidence: str
    remedy: str
    verified: str


class Digest:
    """A result, sorted and put into words; every text in it is clean, and none is escaped for a format."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.run = result.run
        self.findings = result.verdict.findings if result.verdict else ()
        self._metrics: Mapping[str, Metric] = {metric.name: metric for metric in self.run.metrics}
        self._values: Mapping[tuple[Key, Side], Values] = {(s.key, s.side): s.values for s in self.run.samples}

    @cached_property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return words.headline(self.result)

    @cached_property
    def passed(self) -> bool:
        """Whether the gate is open; a run that was not judged has not passed."""
        return self.result.verdict is not None and self.result.verdict.exit_code is ExitCode.PASSED

    @cached_property
    def measured(self) -> bool:
        """Whether there is a measurement that can be believed."""
        return self.result.verdict is None or self.result.verdict.exit_code in (ExitCode.PASSED, ExitCode.FAILED)

    @cached_property
    def subject(self) -> str:
        """What was measured, in one line."""
        run = self.run
        where = words.commit(run.commit) + (f" on {one_line(run.branch)}" if run.branch else "")
        changed = " with uncommitted changes" if run.dirty else ""
        base = f", compared with {words.commit(run.base)}" if run.base else ""
        postgres = f" · PostgreSQL {one_line(run.postgres.version)}" if run.postgres else ""
        return f"{where or 'no commit'}{changed}{base}{postgres} · {words.duration(run.seconds)}"

    @cached_property
    def blocking(self) -> tuple[Group | Trouble, ...]:
        """What keeps the gate shut: failed, missing, the flaws that spoilt more than a round, invalid."""
        certain = [group for group in self.failures if group.status in (Status.FAIL, Status.MISSING)]
        lasting = [trouble for trouble in self.troubles if not trouble.healed]
        return (*certain, *lasting, *self.failures[len(certain) :])

    @cached_property
    def failures(self) -> tuple[Group, ...]:
        """The findings that keep the gate shut: failed, missing, invalid."""
        return self._groups(Level.FAIL)

    @cached_property
    def attention(self) -> tuple[Group, ...]:
        """What a reader should know of: warnings, unsure, new."""
        return self._groups(Level.WARN)

    @cached_property
    def quiet(self) -> tuple[tuple[str, tuple[Row, ...]], ...]:
        """Everything else, by scenario, what improved first."""
        rows: dict[str, list[Row]] = {}
        for row in sorted(self._rows(Level.INFO), key=lambda row: row.status is not Status.IMPROVED):
            rows.setdefault(row.scenario or WITHOUT_SCENARIO, []).append(row)
        return tuple((scenario, tuple(group)) for scenario, group in rows.items())

    def _groups(self, level: Level) -> tuple[Group, ...]:
        groups: dict[tuple[Status, str, str, bool], list[Row]] = {}
        told = {trouble.reason for trouble in self.troubles if not trouble.healed}
        for row in self._rows(level):
            groups.setdefault((row.status, row.scenario, row.because, row.because in told), []).append(row)
        return tuple(Group(*reason, tuple(rows)) for reason, rows in groups.items())

    def _rows(self, level: Level) -> Iterator[Row]:
        return (row for row in self.rows if row.level is level)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All findings, worst first."""
        return tuple(self._row(finding) for finding in sorted(self.findings, key=lambda f: WORST_FIRST.index(f.status)))

    def _row(self, finding: Finding) -> Row:
        """One finding in words."""
        observed, reference = words.pair(finding)
        statement = self.run.statements.get(finding.scope.statement, "") if finding.scope.statement else ""
        key = finding.key
        return Row(
            status=finding.status,
            level=finding.level,
            unit=finding.unit,
            kind=one_line(finding.kind),
            name=one_line(str(key)),
            scenario=one_line(finding.scope.scenario),
            because=one_line(finding.because),
            observed=observed,
            against=self._against(finding),
            reference=reference,
            change=percent(finding.change) if finding.change else "",
            interval=words.interval(finding),
            rounds=finding.rounds,
            rule=one_line(finding.rule),
            statement=one_line(statement),
            line=finding.reference,
            head=self._values.get((key, Side.HEAD), ()),
            base=self._values.get((key, Side.BASE), ()) if finding.kind != "limit" else (),
        )

    def _against(self, finding: Finding) -> str:
        if finding.reference is None:
            return ""
        if finding.kind != "limit":
            return "was"
        metric = self._metrics.get(finding.metric)
        return "floor" if metric and metric.better is Better.HIGHER else "limit"

    @cached_property
    def unruled(self) -> tuple[tuple[str, tuple[Unruled, ...]], ...]:
        """What was measured and is not judged, by scenario."""
        judged = {finding.key for finding in self.findings}
        samples: dict[str, list[Unruled]] = {}
        for sample in self.run.samples:
            if sample.side is Side.HEAD and sample.key not in judged and sample.metric in self._metrics:
                scenario = one_line(sample.scope.scenario) or WITHOUT_SCENARIO
                samples.setdefault(scenario, []).append(self._unruled(sample))
        return tuple((scenario, tuple(group)) for scenario, group in samples.items())

    def _unruled(self, sample: Sample) -> Unruled:
        base, unit = self._values.get((sample.key, Side.BASE), ()), self._metrics[sample.metric].unit
        return Unruled(
            name=one_line(str(sample.key)),
            unit=unit,
            value=words.typical(sample.values, unit),
            base_value=words.typical(base, unit),
            note=one_line(sample.note),
            head=sample.values,
            base=base,
        )

    @cached_property
    def advice(self) -> tuple[Counsel, ...]:
        """What to do about it, in the order that the advisors gave."""
        return tuple(_counsel(advice) for advice in self.result.advice)

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """Why some or all of it cannot be trusted; flaws that only differ by their round are told once."""
        groups: dict[tuple[bool, FlawKind, str, Side], list[Flaw]] = {}
        for flaw in sorted(self.run.flaws, key=words.gravity):
            groups.setdefault((flaw.round is not None, flaw.kind, flaw.scenario, flaw.side), []).append(flaw)
        return tuple(_trouble(flaws, self.measured) for flaws in groups.values())

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """How the rounds went, a line for each scenario and side."""
        groups: dict[tuple[str, Side], list[Round]] = {}
        for taken in self.run.rounds:
            groups.setdefault((taken.scenario, taken.side), []).append(taken)
        return tuple(_together(rounds) for rounds in groups.values())

    @cached_property
    def rounds(self) -> tuple[Stretch, ...]:
        """How the rounds went, one by one."""
        return tuple(_stretch([taken], str(taken.index)) for taken in self.run.rounds)

    @cached_property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """How it was measured: labels and values."""
        return tuple(_facts(self.run))

    @cached_property
    def phases(self) -> tuple[tuple[str, str, str], ...]:
        """Where the time went, longest first: name, duration, share of the run."""
        longest = sorted(self.run.phases.items(), key=lambda phase: -phase[1])
        whole = max(self.run.seconds, sum(self.run.phases.values())) or 1.0
        return tuple(
            (one_line(name), words.duration(seconds), f"{seconds / whole * 100:.0f} %") for name, seconds in longest
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the run left for the reader."""
        return tuple(one_line(note) for note in self.run.notes)


def _trouble(flaws: Sequence[Flaw], measured: bool) -> Trouble:
    first = flaws[0]
    detail = next((flaw.detail for flaw in flaws if flaw.detail), "")
    healed = measured and first.round is not None
    because = one_line(first.because)
    reason = one_line(f"{first.kind}: {first.because}")
    return Trouble(words.place(flaws), because, reason, last_lines(detail), healed)


def _counsel(advice: Advice) -> Counsel:
    texts = (advice.severity, advice.title, str(advice.scope), advice.evidence, advice.remedy, advice.verified)
    return Counsel(*(one_line(text, LONGEST_LIST) for text in texts))


def _together(rounds: list[Round]) -> Stretch:
    valid = sum(taken.valid for taken in rounds)
    told = words.many(len(rounds), "round")
    if valid < len(rounds):
        told = f"{valid} of {told} valid"
    return _stretch(rounds, told)


def _stretch(rounds: list[Round], name: str) -> Stretch:
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
        valid=all(taken.valid for taken in rounds),
    )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    machine = run.machine
    system = (machine.kind, machine.system, f"Python {machine.python}" if machine.python else "")
    yield "machine", " · ".join(one_line(part) for part in system if part)
    if run.postgres:
        yield "Postgres", one_line(f"{run.postgres.version} ({run.postgres.provider})")
        if run.postgres.settings:
            settings = ", ".join(f"{name} = {value}" for name, value in run.postgres.settings.items())
            yield "settings", one_line(settings, LONGEST_LIST)
    for scenario, asked in run.loads.items():
        if asked.locustfile:
            yield "load", one_line(f"{scenario}: {words.asked(asked)}", LONGEST_LIST)
    yield "perfgate", one_line(run.version)
    started = run.started.replace("T", " ").replace("+00:00", " UTC")
    yield "started", one_line(f"{started}, took {words.duration(run.seconds)}")
