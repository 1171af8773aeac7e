"""The report for step summaries and comments: the verdict and what failed on top, everything else folded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from perfgate.model import Key
from perfgate.publish import words
from perfgate.publish.conduct import Stretch, Trouble
from perfgate.publish.counsel import Counsel, Reason
from perfgate.publish.digest import Digest
from perfgate.publish.report import quoted
from perfgate.publish.rows import Group, Row, Unruled
from perfgate.result import Result

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_INLINE = re.compile(r"[!\"#$&*:<>@\[\\\]^_`{|}~]")
_LINKED = re.compile(r"@|#|://|www\.|gh-\d", re.IGNORECASE)
"""What GitHub would turn into a mention, a reference or a link, even when it is written in entities."""

History = Mapping[Key, Sequence[float | None]]
"""Of a metric in a scope, one value for each of the last runs, oldest first."""

_MOST_NAMES = 30
_SAMPLES = "| Sample | Value | Base |\n|---|---:|---:|"
_ROUNDS = (
    "| Scenario | Side | Round | Requests | Rate | Generator | Lag | Sampling | |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---|"
)
_CUT = "\n\n_There is more: it did not fit here. The other reports of this run have all of it._\n"


@dataclass(frozen=True)
class Markdown:
    """GitHub's Markdown, of at most `limit` UTF-16 units (GitHub counts them so) where a limit is given.

    What does not fit is left out from the end, by whole sections and whole lines of tables.
    """

    name: ClassVar[str] = "markdown"
    suffix: ClassVar[str] = ".md"

    limit: int | None = None

    def render(self, result: Result) -> str:
        """The whole report, or as much of it as may be."""
        return _fitted(list(_sections(Digest(result))), self.limit, _CUT)


REPORT = Markdown()


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of the page: lines of which each may be left out with all that follow it, between two that stay."""

    head: str
    lines: tuple[str, ...] = ()
    foot: str = ""

    def text(self, count: int | None = None) -> str:
        return "\n".join(part for part in (self.head, *self.lines[:count], self.foot) if part)


def _joined(sections: Iterable[_Section]) -> str:
    return "\n\n".join(section.text() for section in sections) + "\n"


def size(text: str) -> int:
    """The length as GitHub counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def _fitted(sections: Sequence[_Section], limit: int | None, cut: str) -> str:
    """The sections, or as many of them as fit and `cut`."""
    whole = _joined(sections)
    if limit is None or size(whole) <= limit:
        return whole
    kept, room = list[str](), limit - size(cut)
    for section in sections:
        text = section.text()
        if size(text) + 2 > room:
            kept.append(_shortened(section, room - 2))
            break
        kept.append(text)
        room -= size(text) + 2
    return "\n\n".join(filter(None, kept)) + cut


def _shortened(section: _Section, room: int) -> str:
    """As many lines of the section as fit; nothing when not even one does."""
    room -= size(section.text(0)) + 1
    count = 0
    for line in section.lines:
        room -= size(line) + 1
        if room < 0:
            break
        count += 1
    return section.text(count) if count else ""


def code(text: str) -> str:
    """Text from outside, word for word: no markup in it counts, and nothing in it becomes a mention or a link."""
    return f"<code>{_entities(text)}</code>" if text else ""


def prose(text: str) -> str:
    """A sentence with words from outside in it: like `code`, but only for what is quoted or would become a link."""
    return "".join(code(part) if number % 2 else _unlinked(part) for number, part in enumerate(quoted(text)))


def _unlinked(text: str) -> str:
    return " ".join(code(word) if _LINKED.search(word) else _escaped(word) for word in text.split(" "))


def _escaped(text: str) -> str:
    """Text that goes on in a line: only what would be markup there."""
    return _INLINE.sub(_entity, text)


def _entity(sign: re.Match[str]) -> str:
    # GitHub makes links of mail addresses even in code and out of entities, unless something stands after the @
    return "&#64;<!-- -->" if sign[0] == "@" else f"&#{ord(sign[0])};"


def _entities(text: str) -> str:
    return _PUNCTUATION.sub(_entity, text)


def _sections(digest: Digest) -> Iterator[_Section]:
    yield _Section(f"## {mark(digest)} {prose(digest.headline)}\n\nperfgate · {prose(digest.subject)}")
    yield from _details(digest, {})


def mark(digest: Digest) -> str:
    """The sign for how it ended."""
    return "✅" if digest.passed else "❌" if digest.measured else "⚠️"


def details(digest: Digest, limit: int, cut: str, history: History) -> str:
    """All that stands below the headline: what failed, why and what to do, warnings, and the rest folded.

    Of at most `limit` UTF-16 units, in which `cut` says that something was left out.
    """
    return _fitted(list(_details(digest, history)), limit, cut)


def _details(digest: Digest, history: History) -> Iterator[_Section]:
    table: _Table = _BesideBase(history) if digest.two_sided else _Table(history)
    if digest.loosened:
        lines = tuple(f"- {prose(sentence)}" for sentence in digest.loosened)
        yield _Section("**This change loosens what it is judged by:**\n", lines)
    lasting = [_trouble(trouble) for trouble in digest.troubles if not trouble.healed]
    failures = [_Section(table.head, tuple(map(table.group, digest.failures)))] if digest.failures else []
    yield from (*failures, *lasting) if digest.measured else (*lasting, *failures)
    if digest.reasons:
        yield _Section("### Why\n", tuple(map(_reason, digest.reasons)))
    advice = [counsel for counsel in digest.advice if not counsel.is_hint]
    if advice:
        yield _Section("### Advice\n", tuple(map(_advice, advice)))
    if digest.attention:
        counts = Counter({group.status: 0 for group in digest.attention})
        for group in digest.attention:
            counts[group.status] += len(group.rows)
        yield _Section(f"### {words.tally(counts)}\n\n{table.head}", tuple(map(table.group, digest.attention)))
    if digest.hints:
        yield _folded(words.many(len(digest.hints), "hint"), "", map(_advice, digest.hints))
    for scenario, rows in digest.quiet:
        title = f"{prose(scenario)}: {words.tally(Counter(row.status for row in rows))}"
        yield _folded(title, table.head, (table.line(row, code(row.name)) for row in rows))
    for scenario, samples in digest.unruled:
        title = f"{prose(scenario)}: {words.many(len(samples), 'sample')} without a rule"
        yield _folded(title, _SAMPLES, map(_sample, samples))
    yield _folded("How it was measured", "| | |\n|---|---|", _facts(digest))
    if digest.rounds:
        yield _folded("Round by round", _ROUNDS, map(_round, digest.rounds))


def _folded(title: str, head: str, lines: Iterable[str]) -> _Section:
    return _Section(f"<details><summary>{title}</summary>\n\n{head}", tuple(lines), "\n</details>")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class _Table:
    """Findings against limits and stored baselines."""

    history: History

    head: ClassVar[str] = "| | Check | Observed | Compared with | Change |\n|---|---|---:|---:|---:|"

    def cells(self, row: Row) -> tuple[str, ...]:
        """What stands beside the check."""
        against = f"{row.against} {_unbroken(row.reference)}".strip()
        return _unbroken(row.observed), against, _lines(_unbroken(row.change), row.certainty)

    def line(self, row: Row, check: str) -> str:
        """A line for one finding."""
        return _line(f"**{row.status}**", check, *self.cells(row))

    def group(self, group: Group) -> str:
        """A line for one finding with its reason, or for several that share one."""
        if len(group.rows) == 1:
            row = group.rows[0]
            name = code(row.name) + (f" in {prose(row.scenario)}" if row.scenario else "")
            trend = words.trend(self.history.get(row.finding.key, ()))
            name = f"{name} {trend}".rstrip()
            reasons = (prose(row.because), prose(row.needed), code(row.statement), prose(row.rule))
            return self.line(row, _lines(name, *reasons))
        names = ", ".join(f"{code(row.name)} {row.observed}".rstrip() for row in group.rows[:_MOST_NAMES])
        more = f" and {len(group.rows) - _MOST_NAMES} more" if len(group.rows) > _MOST_NAMES else ""
        told = _lines(prose(group.title), prose(group.because), names + more)
        return _line(f"**{group.status}**", told, *("" for _ in self.cells(group.rows[0])))


class _BesideBase(_Table):
    """Findings of a run that measured its base as well."""

    head: ClassVar[str] = "| | Check | Base | Head | Change | Limit |\n|---|---|---:|---:|---:|---:|"

    def cells(self, row: Row) -> tuple[str, ...]:
        change = _lines(_unbroken(row.change), row.interval)
        return _unbroken(row.before), _unbroken(row.observed), change, row.held


def _unbroken(figure: str) -> str:
    """A figure and its unit, kept on one line."""
    return figure.replace(" ", "\u00a0")


def _lines(*parts: str) -> str:
    return "<br>".join(filter(None, parts))


def _trouble(trouble: Trouble) -> _Section:
    log = "\n".join(map(_entities, trouble.detail))
    return _Section(f"**{prose(trouble.title)}**: {prose(trouble.because)}", (f"\n<pre>{log}</pre>",) if log else ())


def _reason(reason: Reason) -> str:
    more = f" and {len(reason.seen) - _MOST_NAMES} more" if len(reason.seen) > _MOST_NAMES else ""
    seen = f"**{prose(', '.join(reason.seen[:_MOST_NAMES]) + more)}**"
    return f"- {_lines(seen, *(f'⇐ {prose(step)}' for step in reason.steps))}"


def _advice(counsel: Counsel) -> str:
    place = f"At {counsel.code}" if counsel.code else ""
    sql = _lines(*map(code, counsel.sql))
    tried = _lines(*map(prose, counsel.tried))
    effect = f"Expect: {counsel.effect}" if counsel.effect else ""
    told = (*map(prose, counsel.evidence), prose(place), prose(counsel.remedy), sql, tried, prose(effect))
    return f"- **{prose(counsel.title)}** ({prose(counsel.about)})<br>{_lines(*told)}"


def _sample(sample: Unruled) -> str:
    return _line(_lines(code(sample.name), prose(sample.note)), sample.value, sample.base_value)


def _facts(digest: Digest) -> Iterator[str]:
    for label, fact in digest.facts:
        yield _line(label, prose(fact))
    for stretch in digest.stretches:
        yield _line("rounds", prose(stretch.sentence))
    for trouble in digest.troubles:
        if trouble.healed:
            yield _line("spoilt", prose(f"{trouble.title}: {trouble.because}"))
    for name, spent, share in digest.phases:
        yield _line("time", prose(f"{name}: {spent}, {share}"))
    for note in digest.notes:
        yield _line("note", prose(note))


def _round(taken: Stretch) -> str:
    numbers = (taken.requests, taken.rate, taken.generator, taken.lag, taken.sampler)
    return _line(prose(taken.scenario), taken.side, taken.rounds, *numbers, taken.mark)
