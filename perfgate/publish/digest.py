"""What a result says, in the order a reader wants it and in words: the same for every report."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from perfgate.errors import ExitCode
from perfgate.model import Level, Side, Status
from perfgate.publish import conduct, words
from perfgate.publish.conduct import Stretch, Trouble
from perfgate.publish.counsel import Counsel, Reason, counsel, reasons
from perfgate.publish.figures import Panel, panels
from perfgate.publish.report import one_line
from perfgate.publish.rows import WITHOUT_SCENARIO, Group, Row, Scribe, Unruled, grouped
from perfgate.result import Result

WORST_FIRST = tuple(reversed(Status))


class Digest:
    """A result, sorted and put into words; every text in it is clean, and none is escaped for a format."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.run = result.run
        self.findings = result.verdict.findings if result.verdict else ()
        self._scribe = Scribe(self.run)

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
    def two_sided(self) -> bool:
        """Whether the base commit was measured beside this one, rather than looked up in stored baselines."""
        return bool(self.run.base) and any(sample.side is Side.BASE for sample in self.run.samples)

    @cached_property
    def subject(self) -> str:
        """What was measured, in one line."""
        run = self.run
        where = words.commit(run.commit) + (f" on {one_line(run.branch)}" if run.branch else "")
        changed = " with uncommitted changes" if run.dirty else ""
        beside = "measured beside it" if self.two_sided else "which was not measured"
        base = f", against base {words.commit(run.base)}, {beside}" if run.base else ""
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

    @cached_property
    def panels(self) -> tuple[Panel, ...]:
        """What each scenario did, and how close what needs no attention came to its lines."""
        return panels(self.run, self._scribe, self.rows)

    def _groups(self, level: Level) -> tuple[Group, ...]:
        told = {trouble.reason for trouble in self.troubles if not trouble.healed}
        return grouped(self._rows(level), told)

    def _rows(self, level: Level) -> Iterator[Row]:
        return (row for row in self.rows if row.level is level)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All findings, worst first."""
        ordered = sorted(self.findings, key=lambda finding: WORST_FIRST.index(finding.status))
        return tuple(map(self._scribe.row, ordered))

    @cached_property
    def unruled(self) -> tuple[tuple[str, tuple[Unruled, ...]], ...]:
        """What was measured and is not judged, by scenario."""
        judged = {finding.key for finding in self.findings}
        samples: dict[str, list[Unruled]] = {}
        for sample in self.run.samples:
            if sample.side is Side.HEAD and sample.key not in judged and sample.metric in self._scribe.metrics:
                scenario = one_line(sample.scope.scenario) or WITHOUT_SCENARIO
                samples.setdefault(scenario, []).append(self._scribe.unruled(sample))
        return tuple((scenario, tuple(group)) for scenario, group in samples.items())

    @cached_property
    def loosened(self) -> tuple[str, ...]:
        """What this change allows that its base does not."""
        return tuple(one_line(sentence) for sentence in self.run.loosened)

    @cached_property
    def advice(self) -> tuple[Counsel, ...]:
        """What to do about it, in the order that the advisors gave."""
        return tuple(map(counsel, self.result.advice))

    @cached_property
    def hints(self) -> tuple[Counsel, ...]:
        """The advice that matters least."""
        return tuple(counsel for counsel in self.advice if counsel.is_hint)

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is red, as far as it is known."""
        return reasons(self.result.causes)

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """Why some or all of it cannot be trusted."""
        return conduct.troubles(self.run.flaws, measured=self.measured)

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """How the rounds went, a line for each scenario and side."""
        return conduct.stretches(self.run.rounds)

    @cached_property
    def rounds(self) -> tuple[Stretch, ...]:
        """How the rounds went, one by one."""
        return conduct.each(self.run.rounds)

    @cached_property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """How it was measured: labels and values."""
        return tuple(conduct.facts(self.run))

    @cached_property
    def settings(self) -> str:
        """The settings of Postgres that are not the default; "" without any."""
        return conduct.settings(self.run)

    @cached_property
    def noise(self) -> tuple[tuple[str, str], ...]:
        """Of each scenario, how far apart two rounds of the same code lie on this machine."""
        return conduct.noise(self.run)

    @cached_property
    def phases(self) -> tuple[tuple[str, str, str], ...]:
        """Where the time went, longest first: name, duration, share of the run."""
        return conduct.phases(self.run)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences that the run left for the reader."""
        return tuple(one_line(note) for note in self.run.notes)
