"""Profiles: `budgets.yaml` as it is for a purpose, such as a quick look on a laptop or a thorough run at night."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

from perfgate import yamlfile
from perfgate.budgetsfile import NOT_IN_PROFILES
from perfgate.errors import BadRequest, suggestion
from perfgate.plan import Selector
from perfgate.yamlfile import Document, Place

KEY = "profiles"
VARIABLE = "PERFGATE_PROFILE"
"""The environment variable that chooses a profile where no option does."""

_KINDS = (("warn", "fail"), ("regression",))
"""The keys of an entry under `budgets` that are a rule: a limit, or a tolerance."""

_PLACES = tuple(f.name for f in fields(Selector))

_EITHER = ("users", "rate")
"""The keys of a scenario of which it has one."""


class Complaints(yamlfile.Complaints):
    """The mistakes in a file and in all its profiles. What is wrong in the file itself is told once."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._plain = self._document
        self._of_plain: set[tuple[Place, str]] = set()

    def about(self, variant: Document) -> Complaints:
        """These complaints, with the next ones to be about a variant of the file."""
        self._document = variant
        return self

    def add(self, place: Place, message: str) -> None:
        if self._document is self._plain:
            self._of_plain.add((place, message))
        elif (place, message) in self._of_plain:
            return
        super().add(place, message)


def names(document: Document) -> list[str]:
    """The profiles that the file has, as far as they are such."""
    profiles = document.value.get(KEY) if isinstance(document.value, dict) else None
    return [name for name, added in profiles.items() if isinstance(added, dict)] if isinstance(profiles, dict) else []


def check(document: Document, complaints: yamlfile.Complaints) -> None:
    """Complain of a profile that could not be chosen."""
    if "" in names(document):
        complaints.add((KEY, ""), "a profile needs a name")


def unknown(document: Document, profile: str) -> BadRequest:
    """What to say to somebody who asks for a profile that the file lacks."""
    found = ", ".join(names(document))
    hint = f"its profiles are {found}" if found else f"it has no `{KEY}:`; leave out --profile and unset {VARIABLE}"
    return BadRequest(f"{document.where((KEY,))}: no profile is called {profile!r}", hint=hint)


def overlaid(document: Document, profile: str, complaints: yamlfile.Complaints) -> Document:
    """The file with what one of its profiles says in place of what it says itself; "" takes it as it is.

    Mappings are merged key by key; a name of a scenario may be a glob, and they are taken in the order of the file. An
    entry under `budgets` changes the entry for the same samples, or is one more. Other lists are replaced. Lines stay
    those of the file. What a profile cannot do is complained of, and left out.
    """
    if not profile:
        return document
    place: Place = (KEY, profile)
    plain = {key: value for key, value in document.value.items() if key != KEY}
    added = dict(document.value[KEY][profile])
    for key in NOT_IN_PROFILES:
        if key in added:
            del added[key]
            complaints.add((*place, key), f"{key!r} is the whole file's: no profile changes it")
    lines = dict(document.lines)
    return Document(document.name, _Overlay(lines, place, complaints).whole(plain, added), lines)


class _Overlay:
    """Merges a profile's values, and has each changed place point to the line that changed it."""

    def __init__(self, lines: dict[Place, int], source: Place, complaints: yamlfile.Complaints) -> None:
        depth = len(source)
        self._lines = lines
        self._source = source
        self._complaints = complaints
        self._own = {place[depth:]: line for place, line in lines.items() if place[:depth] == source}

    def whole(self, plain: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
        """The whole file."""
        merged = dict(plain)
        for key, value in added.items():
            old = plain.get(key)
            if key == "budgets" and isinstance(value, list) and isinstance(old, list):
                merged[key] = self._budgets(old, value)
            elif key == "scenarios" and isinstance(value, dict) and isinstance(old, dict):
                merged[key] = self._scenarios(old, value)
            else:
                merged[key] = self._merged(old, value, (key,), (key,))
        return merged

    def _merged(self, old: Any, new: Any, here: Place, there: Place) -> Any:
        """The value for the place `here` of the file, where the profile has `new` at its place `there`."""
        if isinstance(old, dict) and isinstance(new, dict):
            self._lines[here] = self._own[there]
            return {**old, **{k: self._merged(old.get(k), v, (*here, k), (*there, k)) for k, v in new.items()}}
        self._point(new, here, there)
        return new

    def _point(self, value: Any, here: Place, there: Place) -> None:
        self._lines[here] = self._own[there]
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in inside:
            self._point(inner, (*here, key), (*there, key))

    def _scenarios(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        merged = dict(old)
        for pattern, value in new.items():
            there: Place = ("scenarios", pattern)
            found = [name for name in merged if fnmatchcase(name, pattern)]
            if not found and set("*?[") & set(pattern):
                words = f"no scenario is called {pattern!r}; {suggestion(pattern, old)}"
                self._complaints.add((*self._source, *there), words)
                continue
            for name in found or [pattern]:
                before = _without_other_load(merged.get(name), value)
                merged[name] = self._merged(before, value, ("scenarios", name), there)
        return merged

    def _budgets(self, old: list[Any], new: list[Any]) -> list[Any]:
        merged, changed = list(old), dict[tuple[int, tuple[str, ...]], int]()
        for index, entry in enumerate(new):
            there: Place = ("budgets", index)
            for kind, part in _parts(entry):
                at = _index_of(part, kind, merged)
                earlier = changed.setdefault((at, kind), index)
                if earlier != index:
                    where = f"line {self._own[('budgets', earlier)]}"
                    self._complaints.add((*self._source, *there), f"changes what {where} changes too; keep one")
                old_entry = merged[at] if at < len(merged) else None
                merged[at : at + 1] = [self._merged(old_entry, part, ("budgets", at), there)]
        return merged


def _without_other_load(old: Any, new: Any) -> Any:
    """A scenario without its `users` where it gets a `rate`, and the other way round."""
    if not (isinstance(old, dict) and isinstance(new, dict)) or not any(key in new for key in _EITHER):
        return old
    return {key: value for key, value in old.items() if key not in _EITHER}


def _parts(entry: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """An entry as its limit and its tolerance, since the file may have an entry for each; else as it is."""
    kinds = [kind for kind in _KINDS if isinstance(entry, dict) and any(key in entry for key in kind)]
    for kind in kinds:
        others = {key for other in kinds if other is not kind for key in other}
        yield kind, {key: value for key, value in entry.items() if key not in others}
    if not kinds:
        yield (), entry


def _index_of(part: Any, kind: tuple[str, ...], entries: list[Any]) -> int:
    """Which entry a part changes: the one with the same rule for the same samples, else any for them, else one more."""
    same = [index for index, known in enumerate(entries) if _samples(known) == _samples(part)]
    of_kind = [index for index in same if any(key in entries[index] for key in kind)]
    return next(iter(of_kind or same), len(entries))


def _samples(entry: Any) -> Any:
    """Which samples an entry under `budgets` is about, to tell whether two are about the same."""
    if not isinstance(entry, dict):
        return entry
    return {key: entry[key] for key in _PLACES if entry.get(key, "") != ""}
