"""Findings and samples of a run, one by one and in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from perfgate.model import Better, Finding, Key, Level, Metric, Noise, Run, Sample, Side, Status, Unit
from perfgate.publish import words
from perfgate.publish.report import one_line
from perfgate.units import percent

WITHOUT_SCENARIO = "project"

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A finding in words.

    `against` says what the reference is: "limit", "floor", "was" (a stored baseline) or "base" (the base commit,
    measured beside it); both are "" when there was nothing to compare with. `before` is the value of the base, whatever
    the reference is. `evidence` counts what was taken (`8 pairs of rounds`), `needed` says what would decide it. `head`
    and `base` are the values of the rounds.
    """

    finding: Finding
    name: str
    scenario: str
    because: str
    observed: str
    against: str
    reference: str
    before: str
    change: str
    interval: str
    evidence: str
    needed: str
    rule: str
    statement: str
    head: Values
    base: Values

    @property
    def status(self) -> Status:
        return self.finding.status

    @property
    def level(self) -> Level:
        return self.finding.level

    @property
    def unit(self) -> Unit:
        return self.finding.unit

    @property
    def line(self) -> float | None:
        """The reference as a number, to be drawn beside the rounds."""
        return self.finding.reference

    @property
    def limit(self) -> str:
        """The reference where it is a limit or a floor; else ""."""
        return self.reference if self.against in ("limit", "floor") else ""

    @property
    def held(self) -> str:
        """What it was held against other than the base beside it: `limit 400 MB`, `was 4`; else ""."""
        return "" if self.against == "base" else f"{self.against} {self.reference}".strip()

    @property
    def compared(self) -> str:
        """What was seen, beside what it was held against: `412 ms, limit 300 ms`, `412 ms, was 298 ms (+38 %)`."""
        sides = ", ".join(part for part in (self.observed, f"{self.against} {self.reference}".strip()) if part)
        return f"{sides} ({self.change})" if self.change else sides

    @property
    def moved(self) -> str:
        """The change, and whether the values that it lies between are adjusted ones: those of other rows are not."""
        return ", ".join(filter(None, (self.change, "adjusted" if self.finding.adjusted else "")))

    @property
    def explained(self) -> bool:
        """Whether the reason already tells the numbers."""
        return all(words.tells(self.because, part) for part in (self.observed, self.reference, self.change))

    @property
    def certainty(self) -> str:
        """How sure that is: `+31 % to +44 %, 8 rounds`; "" where one reading settles it."""
        return ", ".join(part for part in (self.interval, self.evidence) if part)


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
        checks = words.many(len(self.rows), "check")
        return f"{checks} in {self.scenario}" if self.scenario else checks


def grouped(rows: Iterable[Row], told: set[str]) -> tuple[Group, ...]:
    """Rows with one reason together; `told` are reasons that flaws tell. A statement of its own is never put away."""
    groups: dict[tuple[Status, str, str, str, str], list[Row]] = {}
    for row in rows:
        text = row.statement if row.finding.kind == "statement" else ""
        groups.setdefault((row.status, row.scenario, row.because, text, row.needed), []).append(row)
    return tuple(
        Group(status, scenario, because, because in told, tuple(group))
        for (status, scenario, because, _, _), group in groups.items()
    )


@dataclass(frozen=True, slots=True)
class Unruled:
    """A sample that no rule is about: its typical value and that of the base."""

    name: str
    unit: Unit
    value: str
    base_value: str
    note: str
    head: Values
    base: Values


class Scribe:
    """Puts the findings and samples of one run into words."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.metrics: Mapping[str, Metric] = {metric.name: metric for metric in run.metrics}
        self._values: Mapping[tuple[Key, Side], Values] = {(s.key, s.side): s.values for s in run.samples}
        # the metrics of one collector are read together: what stands beside an exact one comes from its passes as well
        self._counted = {_family(metric.name) for metric in run.metrics if metric.noise is Noise.EXACT}

    def row(self, finding: Finding) -> Row:
        """One finding in words."""
        observed, reference = words.pair(finding)
        key, against = finding.key, self._against(finding)
        base = self._values.get((key, Side.BASE), ())
        statement = one_line(self._run.statements.get(finding.scope.statement, "") if finding.scope.statement else "")
        return Row(
            finding=finding,
            name=one_line(str(key)),
            scenario=one_line(finding.scope.scenario),
            because=_reason(finding, statement),
            observed=observed,
            against=against,
            reference=reference,
            before=reference if against == "base" else words.typical(base, finding.unit),
            change=percent(finding.change) if finding.change else "",
            interval=words.interval(finding),
            evidence=self._evidence(finding),
            needed=self._needed(finding),
            rule=_place(finding),
            statement=statement,
            head=self._values.get((key, Side.HEAD), ()),
            base=base,
        )

    def unruled(self, sample: Sample) -> Unruled:
        """One sample in words."""
        base, unit = self._values.get((sample.key, Side.BASE), ()), self.metrics[sample.metric].unit
        return Unruled(
            name=one_line(str(sample.key)),
            unit=unit,
            value=words.typical(sample.values, unit),
            base_value=words.typical(base, unit),
            note=one_line(sample.note),
            head=sample.values,
            base=base,
        )

    def _against(self, finding: Finding) -> str:
        """What the reference is; counts may be held against what was accepted even where base was measured as well."""
        if finding.reference is None:
            return ""
        metric = self.metrics.get(finding.metric)
        if finding.kind == "limit":
            return "floor" if metric and metric.better is Better.HIGHER else "limit"
        if finding.against:
            return "base" if finding.against == "base" else "was"
        base = self._values.get((finding.key, Side.BASE), ())
        exact = metric is not None and metric.noise is Noise.EXACT
        return "base" if self._run.base and base and not (exact and finding.reference not in base) else "was"

    def _evidence(self, finding: Finding) -> str:
        if finding.rounds < 2:
            return ""
        if _family(finding.metric) in self._counted:
            return f"{finding.rounds} passes"
        taken = words.rounds(finding.rounds, paired=self._paired(finding))
        return f"{taken}, adjusted" if finding.adjusted else taken

    def _needed(self, finding: Finding) -> str:
        if finding.status is not Status.UNSURE or not finding.needed:
            return ""
        return f"about {words.rounds(finding.needed, paired=self._paired(finding))} would probably decide it"

    def _paired(self, finding: Finding) -> bool:
        return finding.kind != "limit" and (finding.key, Side.BASE) in self._values


def _family(metric: str) -> str:
    return metric.partition(".")[0]


def _reason(finding: Finding, statement: str) -> str:
    """Why; without the statement where that is the finding itself, since it is told whole beside the reason."""
    because = one_line(finding.because)
    return because.partition(": ")[0] if finding.kind == "statement" and statement else because


def _place(finding: Finding) -> str:
    """Where to change the rule."""
    if finding.rule == "default":
        return one_line(f"a default; add a budget for {finding.metric} to change it")
    return one_line(finding.rule)
