"""Statements come and go with the code: which are new, which vanished, and which one made an endpoint chattier."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from perfgate.judge.rules import RuleBook
from perfgate.judge.tolerances import Reference
from perfgate.model import Baseline, Finding, Key, Level, Noise, Run, Sample, Side, Status
from perfgate.plan import Rule, Tolerance
from perfgate.units import show

CALLS = "queries.calls"

_AVERAGES = ("queries.mean_time",)
"""Metrics of an endpoint that are no sum of its statements'."""

_ALIKE = 0.6
"""How much of two texts must be the same for one to count as the other rewritten (`difflib`'s own rule of thumb)."""

_SHOWN_CHARACTERS = 160
_COLUMNS = re.compile(r"\bSELECT\b(?:(?!\bFROM\b|\bSELECT\b).){20,}\bFROM\b", re.DOTALL)


class Statements:
    """The statements of a run beside those of its baselines."""

    def __init__(self, run: Run, baselines: Mapping[str, Baseline]) -> None:
        self._run = run
        self._baselines = baselines
        self._metrics = {metric.name: metric for metric in run.metrics}
        self.texts: dict[str, str] = {}
        for baseline in baselines.values():
            self.texts.update(baseline.statements)
        self.texts.update(run.statements)
        head = [sample for sample in run.samples if sample.side is Side.HEAD]
        self._now = _by_key(head)
        self._before = _by_key(sample for baseline in baselines.values() for sample in baseline.samples)
        before = (sample.key for baseline in baselines.values() for sample in baseline.samples)
        self._endpoints = {sample.key for sample in head} & set(before)
        self._total_now = _totals(head)
        self._total_before = _totals(sample for baseline in baselines.values() for sample in baseline.samples)
        self._with_past = {(key.metric, key.scope.scenario) for key in self._before}
        self._of_endpoint: dict[Key, set[Key]] = {}
        for key in (*self._now, *self._before):
            self._of_endpoint.setdefault(_endpoint(key), set()).add(key)

    def vanished(self, book: RuleBook) -> list[tuple[Sample, Rule]]:
        """Statements that the baseline has and this run does not send any more, as samples of zero."""
        counted = {key.scope.scenario for key in self._now}
        return [
            (replace(before, values=(0.0,) * len(before.values)), rule)
            for key, before in self._before.items()
            if key not in self._now and key.scope.scenario in counted and key.metric in self._metrics
            for rule in book.binding(key)
            if isinstance(rule, Tolerance)
        ]

    def come_and_gone(self, book: RuleBook) -> Iterator[Finding]:
        """The statements that an endpoint sends and its baseline does not know, or the other way round, by name.

        Only those that no rule judges, and only for endpoints that were there before.
        """
        for key in sorted(self._now.keys() ^ self._before.keys()):
            counted = key.metric == CALLS and key.scope.scenario in self._baselines
            if not counted or _endpoint(key) not in self._endpoints or book.binding(key):
                continue
            now, text = self._now.get(key), self._shown(key)
            before = _first(self._before.get(key))
            yield Finding(
                metric=key.metric,
                scope=key.scope,
                unit=self._metrics[key.metric].unit,
                status=Status.NEW if now else Status.IMPROVED,
                level=Level.WARN if now else Level.INFO,
                because=f"a statement that the baseline does not have: {text}" if now else f"no longer sent: {text}",
                kind="statement",
                observed=_first(now),
                reference=before if not now else None,
            )

    def _shown(self, key: Key) -> str:
        text = self.texts.get(key.scope.statement, key.scope.statement)
        if len(text) > _SHOWN_CHARACTERS:  # which columns says less than from where
            text = _COLUMNS.sub("SELECT … FROM", text, count=1)
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"

    def unsent(self, key: Key) -> Reference | None:
        """A reference of zero for a statement that its endpoint did not send when the baseline was accepted."""
        baseline = self._baselines.get(key.scope.scenario)
        whole_endpoint = _endpoint(key)
        if not key.scope.statement or baseline is None:
            return None
        known = any(sample.key == whole_endpoint for sample in baseline.samples)
        zero = Sample(key.metric, key.scope, (0.0,), noise=Noise.EXACT)
        return Reference.of(baseline, zero) if known else None

    def culprit(self, key: Key) -> str:
        """The statement that grew most under a total that moved, and of a whole scenario the endpoint; "" for none."""
        if key.scope.statement or key.metric in _AVERAGES:
            return ""
        worst, named = key, ""
        if not key.scope.endpoint:
            endpoints = [_Growth(k, self._total_now.get(k), self._total_before.get(k)) for k in self._endpoints_of(key)]
            found = _most(endpoints)
            if found is None:
                return ""
            worst, named = found.key, f"{found.key.scope.endpoint}, "
        grown = _most(self._growths(worst))
        if grown is None:
            return ""
        return f"; most of it: {named}{self._a_request(grown)} of {self._shown(grown.key)}"

    def _endpoints_of(self, key: Key) -> set[Key]:
        """The endpoints of a scenario whose statements are known."""
        return {k for k in self._of_endpoint if k.metric == key.metric and k.scope.scenario == key.scope.scenario}

    def _growths(self, endpoint: Key) -> list[_Growth]:
        """What each statement of an endpoint asks for, beside what it, or the text it replaced, asked for before."""
        own = sorted(self._of_endpoint.get(endpoint, ()))
        gone = [key for key in own if key not in self._now]
        grown = []
        for key in sorted((key for key in own if key in self._now), key=lambda key: -_first(self._now[key])):
            before = self._before.get(key)
            if before is None and (old := self._replaced(key, gone)):
                gone.remove(old)
                before = self._before[old]
            grown.append(_Growth(key, self._now[key], before))
        return grown

    def _replaced(self, key: Key, gone: list[Key]) -> Key | None:
        """The vanished statement that the one named by `key` is most alike, if any is alike."""
        text = self.texts.get(key.scope.statement, "")

        def likeness(old: Key) -> float:
            return SequenceMatcher(None, self.texts.get(old.scope.statement, ""), text, autojunk=False).ratio()

        best = max(gone, key=likeness, default=None)
        return best if best and likeness(best) >= _ALIKE else None

    def _a_request(self, grown: _Growth) -> str:
        unit = self._metrics[grown.key.metric].unit
        now = f"{show(_first(grown.now), unit)} a request"
        has_past = grown.before or (grown.key.metric, grown.key.scope.scenario) in self._with_past
        return f"{now}, was {show(_first(grown.before), unit)}," if has_past else now


@dataclass(frozen=True)
class _Growth:
    """A statement, or an endpoint, now and before; None where it was not there."""

    key: Key
    now: Sample | None
    before: Sample | None

    @property
    def amount(self) -> float:
        return _first(self.now) - _first(self.before)


def _most(growths: Iterable[_Growth]) -> _Growth | None:
    """The one that grew most; None where none grew."""
    best = max(growths, key=lambda growth: (growth.amount, growth.key), default=None)
    return best if best and best.amount > 0 else None


def _by_key(samples: Iterable[Sample]) -> dict[Key, Sample]:
    return {sample.key: sample for sample in samples if sample.scope.statement}


def _totals(samples: Iterable[Sample]) -> dict[Key, Sample]:
    """The samples of whole endpoints."""
    return {sample.key: sample for sample in samples if sample.scope.endpoint and not sample.scope.statement}


def _endpoint(key: Key) -> Key:
    """The sample of the endpoint that a statement's sample is a part of."""
    return Key(key.metric, replace(key.scope, statement=""))


def _first(sample: Sample | None) -> float:
    return sample.present[0] if sample and sample.present else 0.0
