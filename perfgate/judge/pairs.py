"""Base and head measured in turn: did head become worse than base, and is that certain?

The evidence is one number a pair of rounds: ln(head / base), worse as positive. What slows the machine for a while
slows both halves of a pair and cancels, and so does a drift within the job, once each side goes first equally often
(duet benchmarking: Bulej et al., ICPE 2020; interleaving: Laaber et al., EMSE 2019). The decision has two stages:

1. Looks at growing numbers of pairs, each with a part of the decision's chance of a false alarm (`stats.spending`).
   An alarm takes a lower bound over 0 and a centre over what is allowed: surely worse, and by too much.
2. An alarm is said only when pairs measured after it show the change again, by the same two conditions, at
   `CHANCE_OF_CONFIRMING` over all looks at them. An alarm that is not confirmed is never raised again.

An unchanged run is red only when some decision alarms falsely and fresh pairs, independent of those that alarmed,
confirm it falsely: at most CHANCE_OF_ALARM x CHANCE_OF_CONFIRMING = 1 % over all metrics of the run together, when
the decisions share CHANCE_OF_ALARM: families of them in equal parts (Bonferroni: their correlation does not matter),
and the members of a family at each look by Hochberg's procedure (`families`). The confirmations need no sharing, since
each multiplies the chance of its own alarm; only members of a family that alarm at one look share one, in the same way.

How awkward values are treated, beside that:

* rounds that the machine slowed, as far as `conditions` tell: from `ADJUST_FROM` pairs on, what depends on them is
  taken out by analysis of covariance (`stats.adjusted`), once they differed within pairs by more than `ADJUST_OVER`.
  On busy machines that leaves a fifth to a half of the error;
* heavy tails: from `TRIM_FROM` pairs on a 20 % trimmed mean with Yuen's error (Biometrika 61, 1974); with fewer,
  Student's t, which outliers merely make slow to alarm and of which trimming would leave too little;
* few pairs: nothing is decided before the schedule's first look;
* ties and quantised values: where half of the pairs or more repeat another's, the variance can be 0 by luck, so the
  sign test of the untied pairs (Dixon and Mood 1946) has to be as sure as Student's t;
* a round without a value (or without a finite one): its pair is left out, the others stay;
* zeros and negative values, such as the rates of rare errors: there is no ratio, so differences are judged in its
  place, by their plain mean (trimming would throw the errors away), with the tolerance taken of base's mean; errors in
  few rounds are ties elsewhere, so the sign test (which is McNemar's on pairs) must agree;
* near-zero values: a move within the rule's floor is allowed however large the ratio, and passes when the differences
  surely lie within it;
* any magnitude: ratios are differences of logarithms, and differences are scaled before they are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from perfgate.judge.conditions import Conditions
from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS, Answer, Case, nothing_measured
from perfgate.judge.families import alarmed
from perfgate.judge.stretch import Pair, Stretch, moved_by, spread
from perfgate.model import Better, Metric, Sample, Status, Unit
from perfgate.plan import Tolerance
from perfgate.stats import pairs_needed, spending, t_quantile
from perfgate.units import beside, percent, show

CHANCE_OF_ALARM = 0.2
"""Of alarming on unchanged code in stage one, over all decisions of a run and all looks; nothing is red by it alone."""

CHANCE_OF_CONFIRMING = 0.04
"""Of fresh pairs confirming one false alarm, over all looks at them."""

OWN = 0
"""The place of a decision in its family, which its relatives follow."""

CONFIRM_FIRST = 4
"""Fresh pairs before the first look at a confirmation."""

HOPELESS_FROM = 8
"""Pairs before a noise is called hopeless: the spread of fewer is itself too uncertain."""

HOPELESS = 2
"""Times the schedule's last pair: a noise that needs more is given up early, one that needs less may be lucky."""

CHANCE_OF_MISSING = 0.2
"""At the smallest change that is said to be visible."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Stage one's pairs: `first` before anything is decided, `last` at most. A confirmation takes up to `last` more.

    `together` is how many consecutive pairs share the processes they measured, so that the luck of one start is in all
    of them: their mean is one piece of evidence (Kalibera and Jones, ISMM 2013: repeat where the variance is). With 1,
    both sides start anew for every pair, which decides with the fewest pairs.
    """

    first: int
    last: int
    together: int = 1


@dataclass(frozen=True, slots=True)
class Relative:
    """Another decision of the same family: its values on both sides, and its own rule."""

    metric: Metric
    head: Sample
    base: Sample
    rule: Tolerance


@dataclass(frozen=True, slots=True)
class _Alarm:
    """What became of an alarm: at how many pairs it fell, and what the fresh ones said (None: not enough of them)."""

    at: int
    confirmed: bool | None
    fresh: int


def judge_pairs(
    case: Case,
    rule: Tolerance,
    base: Sample,
    schedule: Schedule,
    conditions: Sequence[Conditions] = (),
    relatives: Sequence[Relative] = (),
) -> Answer:
    """One sample against base's, measured in turn: index i of both is pair i.

    `conditions` are those of each pair; without them all are thought to be equal. `case.alpha` is the share of
    `CHANCE_OF_ALARM` that the decision and its `relatives` have together. The looks are replayed over the pairs, so the
    answer is a function of the values alone.

    FAIL is a confirmed alarm; PASS an upper bound within what is allowed, over all pairs; IMPROVED a bound as sure as a
    red. Everything else is UNSURE: `needed` is then more than the pairs at hand as long as more would probably decide
    it, and 0 when they would not.
    """
    if not case.sample.present:
        return nothing_measured(case)
    pairs = _pairs(case.sample, base, conditions, schedule.together)
    if len(pairs) < _least(schedule):
        return _too_few(case, pairs, schedule)
    rounds = _rounds(case.sample, base)
    family = [_series(relative, rounds, conditions, schedule.together) for relative in relatives]
    return _Judgement(case, rule, schedule, pairs, family).answer()


def _rounds(head: Sample, base: Sample) -> list[int]:
    """The places of the rounds that gave both sides a value."""
    values = enumerate(zip(head.values, base.values, strict=False))
    return [i for i, (h, b) in values if h is not None and b is not None and math.isfinite(h) and math.isfinite(b)]


def _pairs(head: Sample, base: Sample, conditions: Sequence[Conditions], together: int) -> list[Pair]:
    return [
        _pair(i // together, head.values[i], base.values[i], conditions[i] if i < len(conditions) else Conditions())
        for i in _rounds(head, base)
    ]


def _pair(start: int, head: float | None, base: float | None, conditions: Conditions) -> Pair:
    assert head is not None
    assert base is not None
    return Pair(start if conditions.start is None else conditions.start, head, base, conditions)


def _too_few(case: Case, pairs: Sequence[Pair], schedule: Schedule) -> Answer:
    words = f"{len(pairs)} of the {_least(schedule)} pairs of rounds that a decision takes"
    words += f": {case.sample.note}" if case.sample.note else ""
    observed, reference = (pairs[-1].head, pairs[-1].base) if pairs else (case.sample.present[-1], None)
    return Answer(Status.UNSURE, words, observed, reference, needed=_least(schedule))


def _least(schedule: Schedule) -> int:
    """Pairs before anything can be said: two process starts, whatever the schedule."""
    return max(schedule.first, 2 * schedule.together)


@dataclass(frozen=True, slots=True)
class _Series:
    """The pairs of one decision of a family, and the move that is allowed to it."""

    pairs: Sequence[Pair]
    better: Better
    rule: Tolerance

    def stretch(self, start: int, stop: int) -> Stretch:
        return Stretch(self.pairs[start:stop], self.better, self.rule.floor)

    def fresh(self, start: int, stop: int) -> Stretch:
        """Pairs after an alarm; what those before it tell of the effect of conditions is independent of them."""
        return replace(self.stretch(start, stop), known=self.stretch(0, start).slopes or None)

    def alarms(self, stop: int, since: int | None = None) -> Callable[[float], bool]:
        """Whether the pairs up to `stop` alarm at a level: all of them, or those `since` an alarm."""
        if self.rule.fail is None or len(self.pairs) < stop:
            return _silent
        evidence = self.stretch(0, stop) if since is None else self.fresh(since, stop)
        return partial(evidence.alarming, self.rule.fail)


def _silent(_level: float) -> bool:
    return False


def _series(relative: Relative, rounds: Sequence[int], conditions: Sequence[Conditions], together: int) -> _Series:
    """A relative's pairs, as far as they are of the same `rounds`: no look may change by what comes after it."""
    own = zip(rounds, _rounds(relative.head, relative.base), strict=False)
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], own))
    pairs = _pairs(relative.head, relative.base, conditions, together)
    return _Series(pairs[:shared], relative.metric.better, relative.rule)


class _Judgement:
    """One decision over at least two pairs. `alpha` is its level where none of its relatives helps it."""

    def __init__(
        self,
        case: Case,
        rule: Tolerance,
        schedule: Schedule,
        pairs: Sequence[Pair],
        relatives: Sequence[_Series] = (),
    ) -> None:
        self.case, self.rule, self.schedule, self.pairs = case, rule, schedule, pairs
        self.own = _Series(pairs, case.metric.better, rule)
        self.family = [self.own, *relatives]
        self.alpha = case.alpha / len(self.family)
        self.all = self.own.stretch(0, len(pairs))

    def answer(self) -> Answer:
        alarm = self._alarm(self.rule.fail) if self.rule.fail is not None else None
        if alarm and alarm.confirmed:
            return self._confirmed(alarm)
        if alarm and alarm.confirmed is None:
            return self._confirming(alarm)
        if self.all.improved(self.alpha * CHANCE_OF_CONFIRMING):
            return self._says(Status.IMPROVED, self._moved())
        again = self._not_again(alarm)
        if self.rule.fail is not None and not self._passes(self.rule.fail, alarm):
            return self._undecided(self.rule.fail, again, over=alarm is not None)
        if self.rule.warn is not None and self.all.beyond(self.rule.warn):
            return self._says(Status.WARN, f"{self._moved(self.rule.warn)}{again}")
        return self._says(Status.PASS, f"{self._moved()}{again}")

    def _alarm(self, allowed: float) -> _Alarm | None:
        """The first look that alarms, and its confirmation."""
        before: set[int] = set()
        for n, alpha in spending(_least(self.schedule), self.schedule.last, self.case.alpha):
            if n > len(self.pairs):
                return None
            found = alarmed(alpha, [member.alarms(n) for member in self.family])
            if OWN in found:
                return self._confirm(n, allowed, [self.family[place] for place in sorted(found - before)])
            before |= found
        return None

    def _confirm(self, at: int, allowed: float, together: Sequence[_Series]) -> _Alarm:
        """What the pairs after an alarm say; it is refuted as soon as they surely lie within what is allowed.

        `together` are the members of the family that alarmed first at this look, this one being the first: they share
        the chance of a false confirmation as they shared that of the alarm.
        """
        for n, alpha in self._confirmation():
            if at + n > len(self.pairs):
                return _Alarm(at, None, len(self.pairs) - at)
            if OWN in alarmed(alpha, [member.alarms(at + n, since=at) for member in together]):
                return _Alarm(at, True, n)
            if self.own.fresh(at, at + n).within(allowed):
                return _Alarm(at, False, n)
        return _Alarm(at, False, self.schedule.last)

    def _confirmation(self) -> tuple[tuple[int, float], ...]:
        """The looks at fresh pairs, each with its chance."""
        first = max(CONFIRM_FIRST, 2 * self.schedule.together)
        return spending(first, max(self.schedule.last, first), CHANCE_OF_CONFIRMING)

    def _passes(self, allowed: float, alarm: _Alarm | None) -> bool:
        """All pairs lie within what is allowed, or those that are not biased by having alarmed do."""
        fresh = self.own.fresh(alarm.at, len(self.pairs)) if alarm else self.all
        return self.all.within(allowed) or fresh.within(allowed)

    def _confirmed(self, alarm: _Alarm) -> Answer:
        """Red, with the numbers that made it so: pairs that were taken for other metrics' sake change nothing."""
        taken = self.pairs[: alarm.at + alarm.fresh]
        by_then = _Judgement(self.case, self.rule, self.schedule, taken)
        return by_then._says(Status.FAIL, f"{by_then._moved()}, confirmed by {alarm.fresh} fresh pairs")

    def _confirming(self, alarm: _Alarm) -> Answer:
        first = self.own.stretch(0, alarm.at)
        likely = pairs_needed(spread(first), 0.8 * first.estimate.centre, CHANCE_OF_CONFIRMING / 2)
        plan = [n for n, _ in self._confirmation()]
        needed = next((n for n in plan if n > alarm.fresh and n >= likely), plan[-1])
        words = f"{moved_by(first)} over {alarm.at} pairs; confirming with fresh rounds"
        return replace(self._says(Status.UNSURE, words), needed=alarm.at + needed, confirming=True)

    def _not_again(self, alarm: _Alarm | None) -> str:
        if alarm is None:
            return ""
        return f"; the {moved_by(self.own.stretch(0, alarm.at))} of the first {alarm.at} pairs did not come again"

    def _undecided(self, allowed: float, again: str, *, over: bool) -> Answer:
        """UNSURE, with the pairs that would decide it, or with what this noise leaves visible."""
        have, last = len(self.pairs), self.schedule.last
        likely = max(self._likely_pairs(allowed), have + 1)
        if not over and have < last and (likely <= HOPELESS * last or have < HOPELESS_FROM):
            words = f"{self._moved()}: not decided after {have} pairs"
            return replace(self._says(Status.UNSURE, words), needed=min(likely, last))
        words = f"{self._moved()}{again}{self._over_warn()}"
        words += f"; {have} pairs show changes from {self._visible()} on"
        if likely > last and not over:
            more = f"about {likely}" if likely > have + 1 else "a few more"
            decide = f"{more} would decide, and `max_rounds` allows {last}"
            words += f", {decide}" if likely < 100 * last else ", no number of them would decide"
        return self._says(Status.UNSURE, words)

    def _over_warn(self) -> str:
        """What is sure although the rest is not."""
        warn = self.rule.warn
        if warn is None or self.all.estimate.low(CHANCE_OF_FALSE_PASS) <= self.all.line(warn):
            return ""
        return f", and surely over the {show(warn, Unit.RATIO)} of `warn`"

    def _likely_pairs(self, allowed: float) -> int:
        """How many pairs would decide, were the true change one error nearer to the easier decision.

        An error never makes head better than base: whoever cannot see no change at all cannot see a smaller one.
        """
        centre, error, sd = self.all.estimate.centre, self.all.estimate.error, spread(self.all)
        line = self.all.line(allowed)
        passing = pairs_needed(sd, line - max(centre - error, min(centre, 0.0)), CHANCE_OF_FALSE_PASS)
        if centre + error <= line:
            return passing
        return min(passing, pairs_needed(sd, centre + error, self.alpha / 2))

    def _visible(self) -> str:
        """The smallest change that stage one would have seen with these pairs, with a chance of four in five."""
        found = self.all.estimate
        x = (t_quantile(self.alpha / 2, found.df) + t_quantile(CHANCE_OF_MISSING, found.df)) * found.error
        change = self.all.change(max(x, self.all.line(self.rule.fail or 0.0)))
        return percent(change) if change is not None else show(x * self.all.scale, self.case.metric.unit)

    def _moved(self, allowed: float | None = None) -> str:
        """`12.4 ms, was 11.5 ms: +8.1 % (+6.0 % to +10 %), allowed 5 %`."""
        return _moved(self.all, self.case.metric.unit) + self._allowance(self.rule.fail if allowed is None else allowed)

    def _allowance(self, allowed: float | None) -> str:
        allowed = self.rule.warn if allowed is None else allowed
        if allowed is None:
            return ""
        words = f", allowed {show(allowed, Unit.RATIO)}"
        return f"{words} and {show(self.rule.floor, self.case.metric.unit)}" if self.rule.floor else words

    def _says(self, status: Status, because: str) -> Answer:
        change = self.all.change(self.all.estimate.centre)
        found = self.all
        return Answer(status, because, found.head, found.base, change, found.interval(), adjusted=bool(found.slopes))


def _moved(stretch: Stretch, unit: Unit) -> str:
    words = f"{beside(stretch.head, stretch.base, unit)}, was {show(stretch.base, unit)}"
    interval = stretch.interval()
    if interval is None:
        return words
    taken_out = ", adjusted for the machine" if stretch.slopes else ""
    return f"{words}: {moved_by(stretch)} ({percent(interval[0])} to {percent(interval[1])}){taken_out}"
