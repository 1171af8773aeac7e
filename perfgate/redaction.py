"""What must not leave the machine, taken out of everything a result says: passwords, tokens, and values in SQL.

Texts of others get into a result as the last lines of a log and as messages of Postgres. What is a secret is told by
where it came from (passwords of databases, values of environment variables with telling names) and by how it is written
(credentials in addresses, assignments to passwords, parameters and keys in messages of Postgres).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar
from urllib.parse import unquote

from perfgate.advice import Advice
from perfgate.model import Run, Sample

HIDDEN = "***"
SHORTEST = 6
"""Shorter values would blacken half of what is told: an environment may hold KEY=1."""

_TELLING = re.compile(
    r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|API_?KEY|PRIVATE|CREDENTIAL|(^|_)(KEY|PW|PWD|DSN|AUTH)($|_)", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"\b([\w-]{0,40}?(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key))"
    r"([\"']?\s*[=:]\s*)(?!\?|\$\d)('[^']*'|\"[^\"]*\"|[^\s,;&]+)",
    re.IGNORECASE,
)
"""A placeholder in a statement, `?` or `$1`, is no value."""
_KEY_ENDS = r"(?=\s+(?:already exists|is not present|is still referenced|is duplicated|conflicts with)|\.?\s*$)"
_VALUE = r'((?:invalid input (?:syntax|value) for|malformed|field value out of range)[^"\n]*")[^\n]*(")'
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@'\"]+(?=@)")
_IN_ADDRESS = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_CREDENTIALS, HIDDEN),
    (_ASSIGNED, rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(authorization|(?:set-)?cookie)(\s*:\s*)[^\n]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"\$(\d+) = '(?:[^']|'')*'"), rf"$\1 = {HIDDEN}"),
    (re.compile(rf"(?ims)\b(key \([^\n]*?\)=)\(.{{0,20000}}?\){_KEY_ENDS}"), rf"\1({HIDDEN})"),
    (re.compile(r"(?ims)(failing row contains )\(.{0,20000}?\)(?=\.?\s*$)"), rf"\1({HIDDEN})"),
    (re.compile(rf"(?i){_VALUE}"), rf"\1{HIDDEN}\2"),
    (re.compile(r'(?i)(\bvalue ")[^"\n]*(" is out of range)'), rf"\1{HIDDEN}\2"),
    (re.compile(r"(\[parameters: )[^\n]+"), rf"\1{HIDDEN}]"),  # SQLAlchemy's
)
_SQL = re.compile(
    r"\bselect\b.+\bfrom\b|\binsert\s+into\b|\bupdate\b.+\bset\b|\bdelete\s+from\b|\bwhere\b.+[=<>]"
    r"|^\s*(?:and|or|on|set|having|values)\b",  # a further line of a statement
    re.IGNORECASE,
)
_LITERAL = re.compile(r"\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$")

T = TypeVar("T")


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """The values of variables whose names say that they are secret, and passwords in addresses."""
    for name, value in environment.items():
        if name != "PWD" and _TELLING.search(name) and len(value) >= SHORTEST:  # a shell's folder is no password
            yield value
        yield from passwords_of(value)


def passwords_of(address: str) -> Iterator[str]:
    """Passwords in an address, as written and as meant."""
    for password in _IN_ADDRESS.findall(address):
        yield from {word for word in (password, unquote(password)) if len(word) >= SHORTEST}


@dataclass(frozen=True)
class Redactor:
    """Takes `secrets` out of texts, and whatever is written like one."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> Redactor:
        """Longer ones first: one may be part of another."""
        return cls(tuple(sorted({one for one in secrets if one}, key=lambda one: (-len(one), one))))

    def text(self, text: str) -> str:
        """The text without them."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        for pattern, shown in _PATTERNS:
            text = pattern.sub(shown, text)
        return "\n".join(map(_without_literals, text.split("\n"))) if "'" in text or "$" in text else text

    def anything(self, value: T) -> T:
        """A plain value with all its texts redacted."""
        return self._walk(value)  # type: ignore[no-any-return]

    def _walk(self, value: Any) -> Any:
        if type(value) is str:
            return self.text(value)
        if isinstance(value, tuple):
            return tuple(map(self._walk, value))
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: self._walk(getattr(value, f.name)) for f in fields(value)})
        return value

    def advice(self, found: Advice) -> Advice:
        """An advice that tells no secret.

        Its SQL is run and written as it is, so it stays whole or goes: with a name or a value blackened it would be
        another statement. The strings and numbers in it are of the schema or the program, and no secret.
        """
        told = replace(self.anything(replace(found, sql=(), metrics=())), metrics=found.metrics)
        if any(secret in statement for secret in self.secrets for statement in found.sql):
            return replace(told, safe=False)
        return replace(told, sql=found.sql)

    def run(self, run: Run) -> Run:
        """A run whose flaws, notes and samples' notes tell no secret; statements are normalised already."""
        return replace(
            run,
            flaws=self.anything(run.flaws),
            notes=self.anything(run.notes),
            samples=tuple(self._sample(sample) for sample in run.samples),
        )

    def _sample(self, sample: Sample) -> Sample:
        return replace(sample, note=self.text(sample.note)) if sample.note else sample


def _without_literals(line: str) -> str:
    """A line of SQL without the values in it."""
    return _LITERAL.sub("'?'", line) if _SQL.search(line) else line
