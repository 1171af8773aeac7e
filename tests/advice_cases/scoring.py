"""How well it was advised: each case's outcome, and precision and recall over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.advice_cases.cases import Case

HINT = "low"


@dataclass(frozen=True)
class Said:
    """One advice; `text` is what of it may have to mention something: title, place and SQL."""

    category: str
    severity: str
    title: str
    text: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was said of a case, the most important first; `failure` is why it could not be gated, "" where it was."""

    case: Case
    said: tuple[Said, ...]
    seconds: float
    failure: str = ""

    @property
    def is_found(self) -> bool:
        """Whether the planted fault came first, and what it is about was named."""
        first = self.said[0] if self.said else None
        if first is None or first.category != self.case.expects:
            return False
        return all(words.lower() in first.text.lower() for words in self.case.mentions)

    @property
    def false_alarms(self) -> tuple[Said, ...]:
        """More than a hint of a harmless case; another fault in the first place of a faulty one."""
        if self.case.is_harmless:
            return tuple(said for said in self.said if said.severity != HINT)
        return tuple(said for said in self.said[:1] if said.category != self.case.expects)

    @property
    def is_right(self) -> bool:
        if self.failure:
            return False
        return not self.false_alarms and (self.case.is_harmless or self.is_found)


@dataclass(frozen=True)
class Score:
    """Counts of cases; a case that could not be gated is neither found nor a false alarm, and it is not right."""

    faulty: int
    found: int
    alarmed: int
    failed: int

    @property
    def precision(self) -> float:
        """The share of alarms that were right: one where there was none."""
        return self.found / (self.found + self.alarmed) if self.found + self.alarmed else 1.0

    @property
    def recall(self) -> float:
        """The share of planted faults that were found: one where none was planted."""
        return self.found / self.faulty if self.faulty else 1.0

    @property
    def is_perfect(self) -> bool:
        return self.recall == 1.0 and not self.alarmed and not self.failed


def score(outcomes: Sequence[Outcome]) -> Score:
    """Over all cases alike."""
    return Score(
        faulty=sum(not outcome.case.is_harmless for outcome in outcomes),
        found=sum(not outcome.failure and outcome.is_found for outcome in outcomes),
        alarmed=sum(not outcome.failure and bool(outcome.false_alarms) for outcome in outcomes),
        failed=sum(bool(outcome.failure) for outcome in outcomes),
    )


def line(outcome: Outcome) -> str:
    """One row of the table."""
    case = outcome.case
    first = (outcome.false_alarms if case.is_harmless else ()) or outcome.said
    said = f"{first[0].severity:6} {first[0].category}: {first[0].title}" if first else "-"
    verdict = "right" if outcome.is_right else "WRONG"
    return f"{case.name:22} {case.expects or '-':17} {verdict:6} {outcome.seconds:5.0f} s  {outcome.failure or said}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """The last lines of the table."""
    found = score(outcomes)
    return (
        f"{len(outcomes)} cases, {found.faulty} of them faulty: "
        f"precision {found.precision:.0%}, recall {found.recall:.0%}, false alarms {found.alarmed}, "
        f"could not be gated {found.failed}"
    )
