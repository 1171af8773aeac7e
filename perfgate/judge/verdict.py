"""From a run, the rules and the baselines to all findings and one exit code: the only place that decides it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, cached_property, partial

from perfgate.errors import ExitCode
from perfgate.judge import sides
from perfgate.judge.budgets import judge_limit
from perfgate.judge.conditions import of_pairs
from perfgate.judge.evidence import CHANCE_OF_FALSE_RED, Answer, Case, finding, level, nothing_measured
from perfgate.judge.families import Families
from perfgate.judge.pairs import CHANCE_OF_ALARM, CHANCE_OF_CONFIRMING, Relative, Schedule, judge_pairs
from perfgate.judge.presence import absences, absent_baselines, unmeasured_rules
from perfgate.judge.references import Reference, References
from perfgate.judge.rules import RuleBook
from perfgate.judge.statements import Statements
from perfgate.judge.tolerances import judge_tolerance
from perfgate.judge.validity import flaw_findings, spoiling, spoils
from perfgate.model import (
    Baseline,
    Finding,
    Flaw,
    Key,
    Level,
    Metric,
    Noise,
    Run,
    Sample,
    Scope,
    Side,
    Status,
    Unit,
    Verdict,
)
from perfgate.plan import TESTS, Limit, Rule, Tolerance
from perfgate.stats import alpha_spent, mean

SLACK_OF_NEED = 1.5
"""How far beyond the most rounds the number that seems to be needed may lie: it is a guess from few of them."""

_WORST_FIRST = tuple(reversed(Status))


def judge(
    run: Run,
    rules: Sequence[Rule],
    baselines: Mapping[str, Baseline],
    *,
    strict: bool = False,
    planned: Collection[str] = (),
    drift: Sequence[Finding] = (),
) -> Verdict:
    """Apply every rule to the run. `baselines` maps scenarios ("" for the project) to what was accepted for them.

    With `strict`, what could not be decided fails. `planned` are the scenarios that the run has to say something of.
    `drift` is what the history has to say beside: it goes with other findings, and is no judgement of this run.
    """
    bench = _Bench(run, rules, baselines)
    spoilt = [flaw for flaw in spoiling(run) if flaw.side is Side.HEAD]
    head, known = replace(run, samples=tuple(bench.heads)), bench.references.baselines
    held = replace(run, samples=tuple(sample for sample in bench.heads if not bench.is_beside_base(sample)))
    findings = [_spoil(f, spoilt) for f in bench.findings()]
    findings += [_spoil(f, spoilt) for f in unmeasured_rules(bench.book, head, known)]
    # what a flaw took away is told by the flaw, not by each sample that the baseline has
    findings += [f for f in absences(head, known, planned) if not any(spoils(flaw, f) for flaw in spoilt)]
    findings += [bench.lenient(found) for found in absent_baselines(rules, bench.book, held, known)]
    findings += flaw_findings(spoilt)
    findings += bench.without_base()
    findings += sides.asked_of_base_alone(run)
    findings += sides.other_answers(run)
    findings += bench.statements.come_and_gone(bench.book)
    told = [*findings, *drift] if findings else []
    if strict:
        told = [replace(f, level=Level.FAIL) if f.status is Status.UNSURE else f for f in told]
    return _verdict(told)


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
        self.heads = [sample for sample in run.samples if sample.side is Side.HEAD]
        self.references = References(run, baselines)
        self.statements = Statements(run, self.references.baselines)
        self._metrics: dict[str, Metric] = {metric.name: metric for metric in run.metrics}
        better = {name: metric.better for name, metric in self._metrics.items()}
        self.book = RuleBook(rules, self.statements.texts, better)
        self._conditions = cache(partial(of_pairs, run))
        self._base_flaws = {
            flaw.scenario: flaw for flaw in run.flaws if flaw.side is Side.BASE and not flaw.round and not flaw.metrics
        }

    def findings(self) -> list[Finding]:
        """What the binding rules say of every sample of head."""
        return [self._finding(sample, rule) for sample, rule in self._bound if self._has_a_say(sample, rule)]

    @cached_property
    def _bound(self) -> list[tuple[Sample, Rule]]:
        bound = [(sample, rule) for sample in self.heads for rule in self.book.binding(sample.key)]
        return [*bound, *self.statements.vanished(self.book)]

    @cached_property
    def _tolerances(self) -> dict[Key, Tolerance]:
        """The rules of the decisions beside base that can err."""
        return {
            sample.key: rule
            for sample, rule in self._bound
            if isinstance(rule, Tolerance) and self._can_err(sample, rule) and self.is_beside_base(sample)
        }

    @cached_property
    def _families(self) -> Families:
        return Families((s, self._metrics[s.metric]) for s, rule in self._bound if self._tolerances.get(s.key) is rule)

    @cached_property
    def _alone(self) -> Counter[str]:
        """How many other decisions on noisy values a scenario has."""
        others = [(s, rule) for s, rule in self._bound if self._can_err(s, rule) and not self._is_paired(s, rule)]
        return Counter(sample.scope.scenario for sample, _ in others)

    def _can_err(self, sample: Sample, rule: Rule) -> bool:
        return sample.noise is Noise.SAMPLED and rule.fail is not None

    def _is_paired(self, sample: Sample, rule: Rule) -> bool:
        return isinstance(rule, Tolerance) and self.is_beside_base(sample)

    def _has_a_say(self, sample: Sample, rule: Rule) -> bool:
        """A tolerance without any reference for the scenario is told once, not once for each sample."""
        scenario = sample.scope.scenario
        return isinstance(rule, Limit) or scenario in self.references.baselines or self.is_beside_base(sample)

    def is_beside_base(self, sample: Sample) -> bool:
        """Whether the sample is compared with rounds of base alone: where there is a base, no stored times are."""
        sampled = self._metrics[sample.metric].noise is Noise.SAMPLED
        asked = self.run.loads.get(sample.scope.scenario)
        return bool(self.run.base) and sampled and asked is not None and asked.rounds > 0

    def _finding(self, sample: Sample, rule: Rule) -> Finding:
        scenario = sample.scope.scenario
        paired = self._is_paired(sample, rule)
        alpha = self._share_of_alarms(scenario) if paired else self._alpha(sample, self._alone[scenario])
        case = Case(sample, self._metrics[sample.metric], alpha)
        return finding(case, rule, self._answer(case, rule))

    def _answer(self, case: Case, rule: Rule) -> Answer:
        if isinstance(rule, Limit):
            limited = judge_limit(case, rule, self._multiplied(case.sample), self.run)
            answer = replace(self._with_need(limited, case), against="limit")
        elif self.is_beside_base(case.sample):
            answer = replace(self._beside_base(case, rule), against="base")
        else:
            key = case.sample.key
            reference = self.references.of(key) or self.statements.unsent(key)
            against = "base" if reference is not None and reference.is_base else "baseline"
            answer = replace(judge_tolerance(case, rule, reference, self.run), against=against)
        if answer.status not in (Status.FAIL, Status.WARN):
            return answer
        note = f" ({case.sample.note})" if case.sample.note and case.sample.note not in answer.because else ""
        shared = "; base has the same" if self.references.shared(case.sample) else ""
        return replace(answer, because=answer.because + note + shared + self.statements.culprit(case.sample.key))

    def _multiplied(self, sample: Sample) -> Reference | None:
        """What a limit that is a multiple multiplies: base's rounds where there are some, else what was accepted."""
        base = self.references.beside(sample.key) if self.is_beside_base(sample) else None
        if base is not None and base.present:
            return Reference.base(base, self.run)
        return self.references.of(sample.key)

    def _with_need(self, answer: Answer, case: Case) -> Answer:
        """How many rounds would decide an undecided limit: an interval shrinks with the root of their number."""
        asked, rounds = self.run.loads.get(case.sample.scope.scenario), len(case.sample.present)
        if answer.status is not Status.UNSURE or answer.interval is None or asked is None:
            return answer
        assert answer.observed is not None
        assert answer.reference is not None
        distance = max(abs(answer.observed - answer.reference), 1e-300)
        ratio = max(abs(end - answer.observed) for end in answer.interval) / distance
        needed = rounds * ratio * ratio
        return replace(answer, needed=math.ceil(needed) if needed <= SLACK_OF_NEED * asked.max_rounds else 0)

    def _beside_base(self, case: Case, rule: Tolerance) -> Answer:
        base = self.references.beside(case.sample.key)
        if not case.sample.present:
            return nothing_measured(case)
        if base is None or not base.present:
            return Answer(Status.NEW, self._why_without_base(case.sample), mean(case.sample.present))
        asked = self.run.loads[case.sample.scope.scenario]
        schedule = Schedule(asked.rounds, asked.max_rounds, asked.pairs_a_start)
        conditions = self._conditions(case.sample.scope.scenario)
        answer = judge_pairs(case, rule, base, schedule, conditions, self._relatives(case))
        if answer.status is Status.FAIL and self.run.base == self.run.commit and not self.run.dirty:
            told = "both sides are the same commit, so the environment makes the difference, or files that git ignores"
            return replace(answer, because=f"{answer.because}; {told}")
        return answer

    def _relatives(self, case: Case) -> list[Relative]:
        """The family of the case; who has no base has no pairs, and never alarms."""
        return [
            Relative(
                self._metrics[head.metric],
                head,
                self.references.beside(head.key) or replace(head, values=()),
                self._tolerances[head.key],
            )
            for head in self._families.relatives(case.sample, case.metric)
        ]

    def _why_without_base(self, sample: Sample) -> str:
        lost = self._base_flaws.get(sample.scope.scenario) or self._base_flaws.get("")
        if lost is not None:
            return f"nothing to compare it with: base {self.run.base[:8]} could not be measured"
        for flaw in self.run.flaws:
            if flaw.side is Side.BASE and any(fnmatchcase(sample.metric, glob) for glob in flaw.metrics):
                return f"nothing to compare it with: on base {self.run.base[:8]}: {flaw.because}"
        unserved = sorted(self.references.unserved.get(sample.scope.scenario, ()))
        if unserved and sample.scope.endpoint not in unserved:
            return f"not comparable as a whole: base {self.run.base[:8]} does not serve {', '.join(unserved)}"
        return f"base {self.run.base[:8]} does not have it"

    def lenient(self, found: Finding) -> Finding:
        """A reference that neither the baseline nor base gives is NEW where there is a base, and a gap where not."""
        if not self.run.base or found.scope.scenario == TESTS:
            return found
        words = f"neither a baseline nor base {self.run.base[:8]} has anything to compare with"
        return replace(found, status=Status.NEW, level=level(Status.NEW), because=words)

    def without_base(self) -> Iterator[Finding]:
        """Where base could not be measured, and why: no fault of this change, and no pass either."""
        for flaw in self._base_flaws.values():
            yield Finding(
                metric="measurement",
                scope=Scope(scenario=flaw.scenario),
                unit=Unit.COUNT,
                status=Status.NEW,
                level=level(Status.NEW),
                because=f"base {self.run.base[:8]} could not be measured: {flaw.kind}: {flaw.because}",
                kind="validity",
            )

    def _share_of_alarms(self, scenario: str) -> float:
        """One family's share of the run's chance of a false alarm beside base: equal parts for the scenarios, and for
        the families of each. Its members and all looks at them share it (`judge_pairs`).
        """
        return CHANCE_OF_ALARM / len(self.run.loads) / max(self._families.of(scenario), 1)

    def _alpha(self, sample: Sample, noisy: int) -> float:
        """Any other decision's share of the run's chance of a false red.

        Each scenario, and the project, has an equal part, so that a scenario is decided alike while the next ones are
        still to come. `noisy` decisions of the scenario share its part, and looks after several rounds share that.
        Beside base, most of the chance belongs to the decisions on pairs.
        """
        asked = self.run.loads.get(sample.scope.scenario)
        whole = CHANCE_OF_FALSE_RED - CHANCE_OF_ALARM * CHANCE_OF_CONFIRMING if self.run.base else CHANCE_OF_FALSE_RED
        share = whole / (len(self.run.loads) + 1) / max(noisy, 1)
        if asked is None or not asked.rounds:
            return share
        return alpha_spent(len(sample.present), asked.rounds, asked.max_rounds, share)
