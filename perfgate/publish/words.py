"""The words of a report that are more than a value: headline, places, pairs of numbers, durations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from perfgate.errors import ExitCode
from perfgate.model import Asked, Finding, Flaw, FlawKind, Level, Side, Status, Unit
from perfgate.publish.report import one_line
from perfgate.result import Result
from perfgate.stats import mean_bounds
from perfgate.units import beside, percent, show

LONGEST_HEADLINE = 160
LEAST_SPAN = 0.1
"""Of the mean: how far the ends of a drawing lie apart at least."""
LENGTHENED_S = 0.05
"""By how much rounds were longer than asked when that was meant: windows end a moment late on a busy machine."""

_HEADS = {ExitCode.PASSED: "PASSED", ExitCode.FAILED: "FAILED", ExitCode.NOT_MEASURED: "NOT MEASURED"}
_TOLD = {
    Status.FAIL: "failed",
    Status.MISSING: "missing",
    Status.INVALID: "invalid",
    Status.WARN: "warning",
    Status.UNSURE: "unsure",
    Status.NEW: "new",
    Status.IMPROVED: "improved",
    Status.PASS: "passed",
}
_BARS = "▁▂▃▄▅▆▇█"


def headline(result: Result) -> str:
    """The verdict in one sentence."""
    verdict = result.verdict
    if verdict is None:
        return f"NOT JUDGED: {many(len(result.run.samples), 'sample')} of {many(len(result.run.rounds), 'round')}"
    head = _HEADS.get(verdict.exit_code, "INTERRUPTED")
    counts = Counter(finding.status for finding in verdict.findings)
    if verdict.exit_code is ExitCode.PASSED:
        others = tally(Counter({status: count for status, count in counts.items() if status is not Status.PASS}))
        return f"{head}: {', '.join(filter(None, (_checks(verdict.findings), others)))}"
    if verdict.exit_code is ExitCode.FAILED:
        return f"{head}: {_failures(verdict.findings)}"
    return f"{head}: {_obstacle(result.run.flaws, verdict.findings)}"


def _checks(findings: Sequence[Finding]) -> str:
    """A finding is one rule's check of one sample: `57 checks of 8 rules`."""
    checks, rules = many(len(findings), "check"), len({finding.rule for finding in findings if finding.rule})
    return f"{checks} of {many(rules, 'rule')}" if rules else checks


def _failures(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.status for finding in findings if finding.level is Level.FAIL)
    if not counts:
        return "nothing was judged"
    first, *others = tally(counts).split(", ")
    count, word = first.split(" ")
    return ", ".join((f"{count} of {many(len(findings), 'check')} {word}", *others))


def _obstacle(flaws: Iterable[Flaw], findings: Iterable[Finding]) -> str:
    for flaw in sorted(flaws, key=gravity):
        if flaw.kind is not FlawKind.NOT_MEASURED:
            return place([flaw])
        return one_line(f"{flaw.scenario}: {flaw.because}" if flaw.scenario else flaw.because, LONGEST_HEADLINE)
    reasons = (finding.because for finding in findings if finding.status is Status.INVALID)
    return one_line(next(reasons, "nothing could be judged"), LONGEST_HEADLINE)


def gravity(flaw: Flaw) -> bool:
    """What spoilt a whole scenario comes before what only spoilt a round; else in the order of events."""
    return flaw.round is not None


def place(flaws: Sequence[Flaw]) -> str:
    """What happened and where, of flaws that only differ by their round."""
    flaw = flaws[0]
    numbers = sorted({other.round for other in flaws if other.round is not None})
    scenario = f"in {one_line(flaw.scenario)}" if flaw.scenario else ""
    named = f"{'round' if len(numbers) == 1 else 'rounds'} {', '.join(map(str, numbers))}" if numbers else ""
    where = ", ".join(part for part in (scenario, named) if part)
    base = "of the base" if flaw.side is Side.BASE else ""
    return " ".join(part for part in (flaw.kind.value, where, base) if part)


def pair(finding: Finding) -> tuple[str, str]:
    """Observed and reference, each with enough digits to tell it from the other."""
    seen, line, unit = finding.observed, finding.reference, finding.unit
    if seen is None or line is None:
        return ("" if seen is None else show(seen, unit)), ("" if line is None else show(line, unit))
    return beside(seen, line, unit), beside(line, seen, unit)


def interval(finding: Finding) -> str:
    """From where to where, in the terms that `Finding.interval` has for this kind of rule.

    "" without one, and where it tells nothing: one without width, and one wider than the value itself, as few rounds
    make it. What such an interval means for the rule, the finding's reason says.
    """
    if finding.interval is None:
        return ""
    low, high = finding.interval
    limit = finding.kind == "limit"
    size = abs(finding.observed or 0.0) if limit else abs(1 + (finding.change or 0.0))
    if not 0 < high - low <= size:
        return ""
    if not limit:
        return f"{percent(low)} to {percent(high)}"
    line = finding.reference if finding.reference is not None else math.nan
    return f"{beside(low, line, finding.unit)} to {beside(high, line, finding.unit)}"


def bars(base: Sequence[float | None], head: Sequence[float | None]) -> str:
    """The rounds of both sides on one scale, `▁▂▁ → ▆█▇`; "" unless both have some, and not all the same."""
    present = [value for value in (*base, *head) if value is not None]
    if not base or not head or len(set(present)) < 2:
        return ""
    before, after = (_drawn(side, present) for side in (base, head))
    return f"{before} → {after}"


def trend(values: Sequence[float | None]) -> str:
    """What a value did from run to run, `▁▂▁█`; "" where there are fewer than two, or all are the same."""
    present = [value for value in values if value is not None]
    return _drawn(values, present) if len(set(present)) > 1 else ""


def _drawn(values: Sequence[float | None], scale: Sequence[float]) -> str:
    low, high = spread_out(scale)
    step = (high - low) / (len(_BARS) - 1)
    return "".join("×" if value is None else _BARS[round((value - low) / step)] for value in values)


def spread_out(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a drawing of these values: their own, or wider, so that what hardly moves looks as if it did not."""
    low, high = min(values), max(values)
    missing = LEAST_SPAN * abs(sum(values) / len(values)) - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def tally(counts: Counter[Status]) -> str:
    """How many there are of what, worst first: `1 warning, 2 new`, `2 improved, 38 passed`."""
    return ", ".join(_counted(status, counts[status]) for status in _TOLD if counts[status])


def _counted(status: Status, count: int) -> str:
    return many(count, "warning") if status is Status.WARN else f"{count} {_TOLD[status]}"


def typical(values: Iterable[float | None], unit: Unit) -> str:
    """The centre of the rounds that gave a value, as limits are judged by; "" without one."""
    present = [value for value in values if value is not None]
    if len(set(present)) < 2:
        return show(present[0], unit) if present else ""
    return show(mean_bounds(present, 0.5, 0.5).centre, unit)


def tells(sentence: str, part: str) -> bool:
    """Whether the sentence has `part` as a word of its own: "31 calls" tells "31", not "1"."""
    start = sentence.find(part)
    while start >= 0 and part:
        before, after = sentence[:start][-1:], sentence[start + len(part) :][:2]
        if not (before.isalnum() or before == ".") and not (after[:1].isalnum() or after[1:].isdigit()):
            return True
        start = sentence.find(part, start + 1)
    return not part


def span(values: Sequence[float], unit: Unit) -> str:
    """From the lowest to the highest value."""
    low, high = show(min(values), unit), show(max(values), unit)
    return low if low == high else f"{low} to {high}"


def asked(load: Asked, *, paired: bool = False, seconds: float = 0.0) -> str:
    """What was asked of a scenario: who sends how much, for how long; and the `seconds` that its rounds took."""
    source = many(load.users, "user") if load.users else ""
    rate = show(load.rate, Unit.PER_SECOND) if load.rate else ""
    workers = many(load.workers, "worker") if load.workers > 1 else ""
    most = rounds(max(load.rounds, load.max_rounds), paired=paired)
    taken = most if load.max_rounds <= load.rounds else f"{load.rounds} to {most}"
    warmup = f" after {show(load.warmup, Unit.SECONDS)} of warm-up" if load.warmup else ""
    longer = f", taken as {show(round(seconds, 1), Unit.SECONDS)}" if seconds > load.round + LENGTHENED_S else ""
    timed = f"{taken} of {show(load.round, Unit.SECONDS)}{longer}{warmup}" if load.rounds else ""
    counted = f"each task counted {many(load.counting, 'time')}" if load.counting else ""
    return ", ".join(filter(None, (load.locustfile, source, rate, workers, timed, counted, f"seed {load.seed}")))


def commit(name: str) -> str:
    """A commit's name as people say it; branches and tags stay whole."""
    hexadecimal = len(name) == 40 and all(sign in "0123456789abcdef" for sign in name)
    return name[:10] if hexadecimal else one_line(name)


def many(count: int, noun: str) -> str:
    """`1 check`, `2 checks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def rounds(count: int, *, paired: bool = False) -> str:
    """`8 rounds`, or `8 pairs of rounds` where each round of one side has one of the other beside it."""
    return f"{many(count, 'pair')} of rounds" if paired else many(count, "round")


def duration(seconds: float) -> str:
    """Seconds as people say them: "0.8 s", "42 s", "3 min 12 s", "1 h 4 min"."""
    if not math.isfinite(seconds) or seconds < 60:
        return show(seconds, Unit.SECONDS)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
