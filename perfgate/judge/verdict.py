"""From a run, the rules and the baselines to all findings and one exit code: the only place that decides it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from perfgate.errors import ExitCode
from perfgate.judge.budgets import judge_limit
from perfgate.judge.evidence import CHANCE_OF_FALSE_RED, Answer, Case, finding
from perfgate.judge.presence import absences, absent_baselines, unmeasured_rules
from perfgate.judge.rules import RuleBook
from perfgate.judge.statements import Statements
from perfgate.judge.tolerances import Reference, judge_tolerance
from perfgate.judge.validity import flaw_findings, spoiling, spoils
from perfgate.model import Baseline, Finding, Flaw, Key, Level, Metric, Noise, Run, Sample, Status, Verdict
from perfgate.plan import Limit, Rule
from perfgate.stats import alpha_spent

_WORST_FIRST = tuple(reversed(Status))


def judge(run: Run, rules: Sequence[Rule], baselines: Mapping[str, Baseline], *, strict: bool = False) -> Verdict:
    """Apply every rule to the run. `baselines` maps scenarios ("" for the project) to what was accepted for them.

    With `strict`, what could not be decided fails.
    """
    spoilt = spoiling(run)
    bench = _Bench(run, rules, baselines)
    findings = [_spoil(f, spoilt) for f in bench.findings()]
    findings += [_spoil(f, spoilt) for f in unmeasured_rules(bench.book, run, baselines)]
    # what a flaw took away is told by the flaw, not by each sample that the baseline has
    findings += [f for f in absences(run, baselines) if not any(spoils(flaw, f) for flaw in spoilt)]
    findings += absent_baselines(rules, bench.book, run, baselines)
    findings += flaw_findings(spoilt)
    findings += bench.statements.come_and_gone(bench.book)
    if strict:
        findings = [replace(f, level=Level.FAIL) if f.status is Status.UNSURE else f for f in findings]
    return _verdict(findings)


def _spoil(found: Finding, flaws: Iterable[Flaw]) -> Finding:
    flaw = next((f for f in flaws if spoils(f, found)), None)
    if flaw is None:
        return found
    return replace(found, status=Status.INVALID, level=Level.FAIL, because=f"{flaw.kind}: {flaw.because}")


def _verdict(findings: Iterable[Finding]) -> Verdict:
    ordered = tuple(sorted(findings, key=lambda f: (_WORST_FIRST.index(f.status), f.scope.scenario, f.key, f.rule)))
    worst = ordered[0].status if ordered else Status.MISSING
    return Verdict(worst, exit_code(ordered), ordered)


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """1 for a failed rule or a gap, else 3 where the measurement itself failed, else 0; nothing judged is a gap."""
    if not findings:
        return ExitCode.FAILED
    failed = [f for f in findings if f.level is Level.FAIL]
    if any(f.status is not Status.INVALID for f in failed):
        return ExitCode.FAILED
    return ExitCode.NOT_MEASURED if failed else ExitCode.PASSED


class _Bench:
    """One run before its judge, with the lookups that every case needs."""

    def __init__(self, run: Run, rules: Sequence[Rule], baselines: Mapping[str, Baseline]) -> None:
        self.run = run
        self.baselines = baselines
        self.statements = Statements(run, baselines)
        self.book = RuleBook(rules, self.statements.texts)
        self._metrics: dict[str, Metric] = {metric.name: metric for metric in run.metrics}
        self._references: dict[Key, Reference] = {
            sample.key: Reference.of(baseline, sample) for baseline in baselines.values() for sample in baseline.samples
        }

    def findings(self) -> list[Finding]:
        """What the binding rules say of every sample."""
        pairs = [(sample, rule) for sample in self.run.samples for rule in self.book.binding(sample.key)]
        pairs += self.statements.vanished(self.book)
        noisy = Counter(s.scope.scenario for s, rule in pairs if s.noise is Noise.SAMPLED and rule.fail is not None)
        return [
            self._finding(sample, rule, noisy[sample.scope.scenario])
            for sample, rule in pairs
            if self._has_a_say(sample, rule)
        ]

    def _has_a_say(self, sample: Sample, rule: Rule) -> bool:
        """A tolerance without any baseline for the scenario is told once, not once for each sample."""
        return isinstance(rule, Limit) or sample.scope.scenario in self.baselines

    def _finding(self, sample: Sample, rule: Rule, noisy: int) -> Finding:
        case = Case(sample, self._metrics[sample.metric], self._alpha(sample, noisy))
        return finding(case, rule, self._answer(case, rule))

    def _answer(self, case: Case, rule: Rule) -> Answer:
        if isinstance(rule, Limit):
            answer = judge_limit(case, rule)
        else:
            reference = self._references.get(case.sample.key) or self.statements.unsent(case.sample.key)
            answer = judge_tolerance(case, rule, reference, self.run)
        if answer.status not in (Status.FAIL, Status.WARN):
            return answer
        note = f" ({case.sample.note})" if case.sample.note and case.sample.note not in answer.because else ""
        return replace(answer, because=answer.because + note + self.statements.culprit(case.sample.key))

    def _alpha(self, sample: Sample, noisy: int) -> float:
        """This decision's share of the run's chance of a false red.

        Each scenario, and the project, has an equal part, so that a scenario is decided alike while the next ones are
        still to come. `noisy` decisions of the scenario share its part, and looks after several rounds share that.
        """
        asked = self.run.loads.get(sample.scope.scenario)
        share = CHANCE_OF_FALSE_RED / (len(self.run.loads) + 1) / max(noisy, 1)
        if asked is None or not asked.rounds:
            return share
        return alpha_spent(len(sample.present), asked.rounds, asked.max_rounds, share)
