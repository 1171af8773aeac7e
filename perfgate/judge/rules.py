"""Which rule is about which sample: globs, and the most specific rule wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from functools import cache

from perfgate.judge.strictness import stricter
from perfgate.model import Better, Key, Scope, Side
from perfgate.plan import Limit, Rule, Selector, Tolerance

PLACES = tuple(f.name for f in fields(Scope))


TOGETHER = "together"
"""What a rule names as its endpoint to be about all endpoints together, and none of them alone."""


def is_pattern(text: str) -> bool:
    """Whether a selector's field stands for more than one name."""
    return any(sign in text for sign in "*?[")


def matches(selector: Selector, key: Key, statements: Mapping[str, str]) -> bool:
    """Whether the rule is about this sample. A single statement is only meant by a rule that names one."""
    if not fnmatchcase(key.metric, selector.metric) or (key.scope.statement and not selector.statement):
        return False
    return all(_place_matches(getattr(selector, p), getattr(key.scope, p), p, statements) for p in PLACES)


def _place_matches(pattern: str, name: str, place: str, statements: Mapping[str, str]) -> bool:
    if place == "endpoint" and pattern == TOGETHER:
        return not name
    if not pattern or pattern == name:
        return True
    # "all endpoints together" has no name, so that `endpoint: "*"` means each of them
    if not name:
        return False
    return fnmatchcase(name, pattern) or (place == "statement" and fnmatchcase(statements.get(name, ""), pattern))


@cache
def specificity(selector: Selector) -> tuple[int, int, int]:
    """More exact names beat more patterns beat longer patterns."""
    named = [text for text in (selector.metric, *(getattr(selector, place) for place in PLACES)) if text]
    patterns = [text for text in named if is_pattern(text)]
    return len(named) - len(patterns), len(patterns), sum(len(text) for text in patterns)


class RuleBook:
    """The rules of a plan, ready to be asked which of them judge a sample.

    `statements` maps fingerprints to normalised texts, `better` metrics to their direction, lower where it has none.
    """

    def __init__(
        self, rules: Sequence[Rule], statements: Mapping[str, str], better: Mapping[str, Better] | None = None
    ) -> None:
        self.rules = tuple(rules)
        self._statements = statements
        self._better = better or {}
        self._by_metric: dict[str, list[Rule]] = {}

    def _about(self, metric: str) -> list[Rule]:
        if metric not in self._by_metric:
            self._by_metric[metric] = [rule for rule in self.rules if fnmatchcase(metric, rule.selector.metric)]
        return self._by_metric[metric]

    def matching(self, key: Key) -> list[Rule]:
        """Every rule that is about the sample, in the order of the file."""
        return [rule for rule in self._about(key.metric) if matches(rule.selector, key, self._statements)]

    def binding(self, key: Key) -> list[Rule]:
        """The most specific limit and the most specific tolerance; of equals, the one further down in the file.

        Where base's rules judge, that is base's, as far as the change's own is not stricter.
        """
        found, better = self.matching(key), self._better.get(key.metric, Better.LOWER)
        return [rule for kind in (Limit, Tolerance) if (rule := _binding(found, kind, better))]

    def covers(self, rule: Rule, keys: Iterable[Key]) -> bool:
        """Whether any of the samples is one that `rule` is about, be it judged by a more specific rule or not."""
        return any(matches(rule.selector, key, self._statements) for key in keys)


def _binding(rules: Iterable[Rule], kind: type, better: Better) -> Rule | None:
    of_kind = [rule for rule in rules if isinstance(rule, kind)]
    base, own = (_most_specific(rule for rule in of_kind if rule.side is side) for side in (Side.BASE, Side.HEAD))
    return stricter(base, own, better) if base and own else base or own


def _most_specific(rules: Iterable[Rule]) -> Rule | None:
    return max(reversed(list(rules)), key=lambda rule: specificity(rule.selector), default=None)
