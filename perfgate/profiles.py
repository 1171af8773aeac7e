"""Profiles: `budgets.yaml` as it is for a purpose, such as a quick look on a laptop or a thorough run at night."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from perfgate.errors import BadRequest, suggestion
from perfgate.yamlfile import Document, Place

KEY = "profiles"

_LIMITS = ("warn", "fail", "regression")


def names(document: Document) -> list[str]:
    """The profiles that the file has."""
    profiles = document.value.get(KEY) if isinstance(document.value, dict) else None
    return list(profiles) if isinstance(profiles, dict) else []


def overlaid(document: Document, profile: str) -> Document:
    """The file with what the profile says in place of what it says itself; "" takes it as it is.

    Mappings are merged key by key; a name of a scenario may be a glob. An entry under `budgets` changes the entry for
    the same samples, or is one more. Lines stay those of the file. Raises BadRequest for a profile that it lacks.
    """
    value = document.value
    if not isinstance(value, dict):
        return document
    lines = dict(document.lines)
    plain = {key: inner for key, inner in value.items() if key != KEY}
    if profile:
        if profile not in names(document):
            raise BadRequest(
                f"{document.where((KEY,))}: no profile is called {profile!r}; {suggestion(profile, names(document))}"
            )
        place: Place = (KEY, profile)
        added = value[KEY][profile]
        if not isinstance(added, dict):
            raise BadRequest(f"{document.where(place)}: a profile is a mapping of the keys that it changes")
        if odd := [key for key in added if key in (KEY, "version")]:
            raise BadRequest(f"{document.where((*place, odd[0]))}: {odd[0]!r} cannot be changed by a profile")
        plain = _Overlay(lines, place).whole(plain, added)
    elif KEY in value and not isinstance(value[KEY], dict):
        raise BadRequest(f"{document.where((KEY,))}: profiles: has to be a mapping of names to what they change")
    return Document(document.name, plain, lines)


class _Overlay:
    """Merges a profile's values, and has each changed place point to the line that changed it."""

    def __init__(self, lines: dict[Place, int], source: Place) -> None:
        self._lines = lines
        self._source = source

    def whole(self, plain: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
        """The whole file."""
        merged = dict(plain)
        for key, value in added.items():
            if key == "budgets" and isinstance(value, list) and isinstance(plain.get(key), list):
                merged[key] = self._budgets(plain[key], value)
            elif key == "scenarios" and isinstance(value, dict) and isinstance(plain.get(key), dict):
                merged[key] = self._scenarios(plain[key], value)
            else:
                merged[key] = self._merged(plain.get(key), value, (key,), (key,))
        return merged

    def _merged(self, old: Any, new: Any, here: Place, there: Place) -> Any:
        self._point(here, there)
        if not (isinstance(old, dict) and isinstance(new, dict)):
            for inner in [place for place in self._lines if place[: len(self._source)] == self._source]:
                rest = inner[len(self._source) :]
                if rest[: len(there)] == there:
                    self._point((*here, *rest[len(there) :]), rest)
            return new
        return {**old, **{k: self._merged(old.get(k), v, (*here, k), (*there, k)) for k, v in new.items()}}

    def _point(self, here: Place, there: Place) -> None:
        if (*self._source, *there) in self._lines:
            self._lines[here] = self._lines[(*self._source, *there)]

    def _scenarios(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        merged = dict(old)
        for pattern, value in new.items():
            for name in _named(pattern, old):
                merged[name] = self._merged(merged.get(name), value, ("scenarios", name), ("scenarios", pattern))
        return merged

    def _budgets(self, old: list[Any], new: list[Any]) -> list[Any]:
        merged = list(old)
        for index, entry in enumerate(new):
            same = next((i for i, known in enumerate(old) if _samples(known) == _samples(entry)), len(merged))
            known = merged[same] if same < len(merged) else {}
            value = self._merged(known, entry, ("budgets", same), ("budgets", index))
            merged[same : same + 1] = [value]
        return merged


def _named(pattern: str, known: Mapping[str, Any]) -> Iterator[str]:
    """The scenarios that a name in a profile means; one that is known under no such name is one more."""
    found = [name for name in known if fnmatchcase(name, pattern)]
    yield from found or [pattern]


def _samples(entry: Any) -> Any:
    """Which samples an entry under `budgets` is about, to tell whether two are about the same."""
    return {key: value for key, value in entry.items() if key not in _LIMITS} if isinstance(entry, dict) else entry
