"""The comment on a pull request: the verdict, what failed and why, what to do, and everything else folded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from perfgate.errors import BadRequest, ExitCode
from perfgate.publish import words
from perfgate.publish.digest import Digest
from perfgate.publish.github.place import Place
from perfgate.publish.report import one_line
from perfgate.publish.reports.markdown import History, code, details, mark, prose, size
from perfgate.result import Result

LONGEST = 65_000
"""UTF-16 units: GitHub takes 65,536, and the line that the comment is found by needs some."""

MOST_PLACES = 5
NO_HISTORY: History = {}

_KEY = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,49})?")
_FULL_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MEMORY = re.compile(r"^<!-- failed:([0-9a-f]{40,64}) fixed:([0-9a-f]{40,64}|) -->$", re.MULTILINE)
_RULE = re.compile(r"\S+:\d+")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a comment keeps for the next run, in a line that nobody sees.

    `failed` is the last commit that failed, "" where none did; `fixed` is the first that passed after it, "" while none
    has.
    """

    failed: str = ""
    fixed: str = ""

    def __str__(self) -> str:
        return f"<!-- failed:{self.failed} fixed:{self.fixed} -->" if self.failed else ""

    def after(self, code: ExitCode, head: str) -> Memory:
        """What there is to remember once the commit `head` ended with `code`."""
        if code is ExitCode.FAILED:
            return Memory(head)
        if code is ExitCode.PASSED and self.failed and not self.fixed:
            return Memory(self.failed, head)
        return self


def memory(text: str) -> Memory:
    """What a comment remembers; nothing where there is none yet."""
    found = _MEMORY.findall(text)
    return Memory(*found[-1]) if found else Memory()


def check_key(key: str) -> str:
    """The name of a configuration, "" for the only one. Raises BadRequest where it cannot be one."""
    if not _KEY.fullmatch(key):
        raise BadRequest(f"--key {key}: not a name of a configuration", hint="50 letters, digits, and . _ - at most")
    return key


def body(
    result: Result,
    place: Place,
    key: str = "",
    former: str = "",
    limit: int = LONGEST,
    history: History = NO_HISTORY,
) -> str:
    """What the comment says of a judged result, in at most `limit` UTF-16 units.

    `key` names the configuration, `former` is what the comment said of it so far. `history` holds the values of earlier
    runs, which are drawn beside what failed and what needs attention.
    """
    assert result.verdict is not None
    digest = Digest(result)
    kept = memory(former).after(result.verdict.exit_code, place.head)
    name = f"perfgate ({key})" if key else "perfgate"
    above = (
        f"## {mark(digest)} {name}: {prose(digest.headline)}",
        _recovery(digest, kept, place),
        _subject(digest, place),
    )
    below = (_next_steps(digest), str(kept))
    top, end = ("\n\n".join(filter(None, parts)) for parts in (above, below))
    cut = f"\n\n_There is more: it did not fit here. {_report(place, 'This run')} has all of it._\n"
    told = details(digest, limit - size(top) - size(end) - 4, cut, history)
    return "\n\n".join(part.strip("\n") for part in (top, told, end) if part)


def _recovery(digest: Digest, kept: Memory, place: Place) -> str:
    """That it failed before, and which commit mended it."""
    if not digest.passed or not kept.fixed:
        return ""
    failed, fixed = (_commit(name, place) for name in (kept.failed, kept.fixed))
    if failed == fixed:
        return f"**{failed} failed in an earlier run, and passed when it was run again**"
    return f"**Fixed in {fixed}**, failed in {failed}"


def _subject(digest: Digest, place: Place) -> str:
    """What was measured, against what, and where to read more."""
    run = digest.run
    head = _commit(place.head, place) + (f" on {code(one_line(place.branch))}" if place.branch else "")
    without = "" if digest.two_sided else ", which was not measured"
    base = f", against base {_commit(run.base, place)}{without}" if run.base else ""
    postgres = f"PostgreSQL {prose(one_line(run.postgres.version))}" if run.postgres else ""
    again = f", attempt {place.attempt}" if place.attempt > 1 else ""
    facts = (f"{head}{base}", postgres, words.duration(run.seconds), _report(place, f"whole report{again}"))
    return " · ".join(filter(None, facts))


def _report(place: Place, text: str) -> str:
    return f"[{text}]({place.run_url})"


def _commit(name: str, place: Place) -> str:
    """A commit as people say it, with a link where its full name is known."""
    if _FULL_NAME.fullmatch(name):
        return f"[`{name[:7]}`]({place.commit_url(name)})"
    return code(one_line(name))


def _next_steps(digest: Digest) -> str:
    """How to see it again, and how to accept it; nothing where nothing failed."""
    if digest.passed or not digest.measured:
        return ""
    steps = "\n".join(f"- {step}" for step in _steps(digest))
    return f"<details><summary>Reproduce it, or accept it</summary>\n\n{steps}\n\n</details>"


def _steps(digest: Digest) -> Iterator[str]:
    run = digest.run
    base = f" --base {one_line(run.base)}" if run.base else ""
    profile = f" --profile {one_line(run.profile)}" if run.profile else ""
    yield f"On your machine: {code(f'perfgate run{base}{profile}')}"
    yield f"How it was judged: {code('perfgate explain METRIC')}"
    rules = sorted({row.rule for group in digest.failures for row in group.rows if _RULE.fullmatch(row.rule)})
    if rules:
        yield f"The limits: {', '.join(map(code, rules[:MOST_PLACES]))}{' and more' if rules[MOST_PLACES:] else ''}"
    yield f"If it is meant to be so: {code('perfgate accept --even-if-red --reason WHY')}, and commit the baselines"
