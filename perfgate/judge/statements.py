"""Statements come and go with the code: which are new, which vanished, and which one made an endpoint chattier."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from perfgate.judge.rules import RuleBook
from perfgate.judge.tolerances import Reference
from perfgate.model import Baseline, Finding, Key, Level, Noise, Run, Sample, Status
from perfgate.plan import Rule, Tolerance
from perfgate.units import show

CALLS = "queries.calls"

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
        self._now = _by_key(run.samples)
        self._before = _by_key(sample for baseline in baselines.values() for sample in baseline.samples)
        before = (sample.key for baseline in baselines.values() for sample in baseline.samples)
        self._endpoints = {sample.key for sample in run.samples} & set(before)
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
        """The statement that changed most under an endpoint whose total moved; "" where none did."""
        if key.scope.statement or not key.scope.endpoint:
            return ""
        own = self._of_endpoint.get(key, ())
        moved = {k: _first(self._now.get(k)) - _first(self._before.get(k)) for k in own}
        worst = max(moved, key=lambda k: (moved[k], k), default=None)
        if worst is None or moved[worst] <= 0:
            return ""
        unit = self._metrics[key.metric].unit
        now, before = _first(self._now.get(worst)), _first(self._before.get(worst))
        return f"; most of it: {show(now, unit)} a request, was {show(before, unit)}, of {self._shown(worst)}"


def _by_key(samples: Iterable[Sample]) -> dict[Key, Sample]:
    return {sample.key: sample for sample in samples if sample.scope.statement}


def _endpoint(key: Key) -> Key:
    """The sample of the endpoint that a statement's sample is a part of."""
    return Key(key.metric, replace(key.scope, statement=""))


def _first(sample: Sample | None) -> float:
    return sample.present[0] if sample and sample.present else 0.0
