"""One comment on a pull request, kept up to date by all jobs of all runs, even while they write at the same time.

The comment consists of sections, one for each configuration (`key`), and each begins with a line that nobody sees:

    <!-- perfgate:{"attempt":1,"key":"api","run":1234,"sha":"…"} -->

GitHub knows neither transactions nor edits on a condition, so writers converge instead: whoever has written looks again
after a moment, joins what several comments hold in the oldest of them, deletes the others, and puts its section back
where another writer lost it. What a newer run wrote is not replaced by an older one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from perfgate.publish.github.api import Api, Comment, Overtaken, Refused
from perfgate.publish.reports.markdown import size

if TYPE_CHECKING:
    from perfgate.publish.github.place import Place

LONGEST_COMMENT = 65_536
"""UTF-16 units: GitHub's own limit of 65,536 characters, counted in the way that counts most."""

MOST_SECTIONS = 8
"""A section with a key has this part of a comment, so that the first one to write leaves room for the others."""

MOST_LOOKS = 5
"""One before writing, and four to see whether it stayed."""

Write = Callable[[str, int], str]
"""The text of a section, from what it said so far ("" for nothing) and the UTF-16 units that it may have."""

MARKS = ("\u274c", "\u26a0", "\u2705")
"""What the verdict of a section is marked with (cross, warning sign, tick), the most pressing first."""

_MARK = "<!-- perfgate:"
_LINE = re.compile(rf"^{_MARK}(\{{[^\n]*\}}) -->[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """What the job of one configuration wrote, in which run, about which commit."""

    key: str
    run: int
    attempt: int
    sha: str
    text: str

    @property
    def calm(self) -> int:
        """The place of its first line's mark among `MARKS`; last without any."""
        first = self.text.partition("\n")[0]
        return next((place for place, mark in enumerate(MARKS) if mark in first), len(MARKS))

    @property
    def age(self) -> tuple[int, int]:
        """Larger for what is newer: GitHub numbers runs upwards, and a re-run keeps its number."""
        return self.run, self.attempt

    def __str__(self) -> str:
        fields = {name: value for name, value in asdict(self).items() if name != "text"}
        told = json.dumps(fields, sort_keys=True, separators=(",", ":")).replace("<", r"\u003c").replace(">", r"\u003e")
        return f"{_MARK}{told} -->\n{self.text}"


class Action(StrEnum):
    """What became of a section.

    KEPT: it said the same already. OUTDATED: a newer run has written its own. CONTESTED: another job of the same run
    writes under the same key, and was the last.
    """

    CREATED = "created"
    UPDATED = "updated"
    KEPT = "kept"
    OUTDATED = "outdated"
    CONTESTED = "contested"


@dataclass(frozen=True, slots=True)
class Posted:
    """The comment that has the section, and what became of the section."""

    id: int
    url: str
    action: Action


def upsert(api: Api, key: str, place: Place, body: str | Write) -> Posted:
    """Puts the section `key` into perfgate's comment on the pull request of `place`, which is created if need be.

    Raises `Refused` where GitHub does not take it, or where others kept changing the comment.
    """
    writer = _Writer(api, Section(key, place.run, place.attempt, place.head, ""), body)
    for look in range(MOST_LOOKS):
        if look:
            api.settle()
        posted = writer.look()
        if posted is not None:
            return posted
    raise Refused(f"others changed the comment each of the {MOST_LOOKS} times that it was looked at")


def sections(body: str) -> dict[str, Section]:
    """The sections of a comment by key; none where it does not begin with one, and so is not perfgate's."""
    before, *parts = _LINE.split(body.replace("\r\n", "\n"))
    found = [_section(told, text) for told, text in zip(parts[::2], parts[1::2], strict=True)]
    if before or not found or found[0] is None:
        return {}
    return _newest(section for section in found if section is not None)


class _Writer:
    """One job that puts its section into the comment."""

    def __init__(self, api: Api, empty: Section, body: str | Write) -> None:
        self._api = api
        self._empty = empty
        self._body = body
        self._mine: Section | None = None
        self._action = Action.KEPT

    def look(self) -> Posted | None:
        """Where the comment stands as it should; None after having changed something, to be looked at again."""
        ours = {
            comment: found
            for comment in self._api.comments()
            if (found := sections(comment.body)) and self._api.is_ours(comment)
        }
        wanted = self._wanted(_newest(section for found in ours.values() for section in found.values()))
        if list(ours.values()) == [wanted]:
            comment = next(iter(ours))
            return Posted(comment.id, comment.url, self._action)
        self._put(ours, wanted)
        return None

    def _wanted(self, there: Mapping[str, Section]) -> dict[str, Section]:
        """All sections as they should be; and notes when ours is not among them."""
        present = there.get(self._empty.key)
        if present is not None and present.age > self._empty.age:
            self._action = Action.OUTDATED
            return dict(there)
        if self._mine is None:
            self._mine = self._written(present, there)
        elif present is not None and present != self._mine and present.age == self._mine.age:
            self._action = Action.CONTESTED
            return dict(there)
        return {**there, self._mine.key: self._mine}

    def _written(self, former: Section | None, there: Mapping[str, Section]) -> Section:
        others = [section for section in there.values() if section.key != self._empty.key]
        room = LONGEST_COMMENT - size(_joined([*others, self._empty]))
        if self._empty.key:
            room = min(room, LONGEST_COMMENT // MOST_SECTIONS - size(str(self._empty)))
        body = self._body
        text = _bare(body(former.text if former else "", room) if callable(body) else body)
        if size(text) > room:
            raise Refused(f"the comment has no room for {size(text)} characters, but for {max(room, 0)}")
        return replace(self._empty, text=text)

    def _put(self, ours: Mapping[Comment, Mapping[str, Section]], wanted: Mapping[str, Section]) -> None:
        """Everything into the oldest comment, and only then away with the others."""
        body = _joined(wanted.values())
        if not ours:
            self._api.create_comment(body)
            self._action = Action.CREATED
            return
        kept, *later = ours
        if ours[kept] != wanted and not self._edited(kept, body):
            return
        for comment in later:
            self._api.delete_comment(comment.id)

    def _edited(self, comment: Comment, body: str) -> bool:
        """False where the comment is not what it was, or gone: there is something else to be seen by now."""
        try:
            self._api.edit_comment(comment, body)
        except Refused as refused:
            if isinstance(refused, Overtaken) or refused.status in (404, 410):
                return False
            raise
        self._action = Action.UPDATED if self._action is Action.KEPT else self._action
        return True


def _newest(found: Iterable[Section]) -> dict[str, Section]:
    """By key; of two that are equally new the first."""
    newest: dict[str, Section] = {}
    for section in found:
        if section.key not in newest or section.age > newest[section.key].age:
            newest[section.key] = section
    return newest


def _joined(found: Iterable[Section]) -> str:
    """What is red stands above what is green; else the sections stand in the order of their keys."""
    return "\n\n".join(str(section) for section in sorted(found, key=lambda section: (section.calm, section.key)))


def _bare(text: str) -> str:
    """The text as it comes back from GitHub, without anything that would begin a section."""
    return text.replace("\r\n", "\n").strip().replace(_MARK, _MARK.replace("<", "&lt;"))


def _section(told: str, text: str) -> Section | None:
    """None for a line that we did not write."""
    try:
        section = Section(**json.loads(told), text=text.strip())
    except (ValueError, TypeError, RecursionError):
        return None
    named = all(type(word) is str for word in (section.key, section.sha))
    return section if named and all(type(number) is int for number in section.age) else None
