from __future__ import annotations

import pytest

from perfgate.diagnose.patterns import patterns
from perfgate.examination import Execution

SENT = Execution("GET /", 0, "f", "SELECT 1", ("7", "%sent"), {}, 0.0)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("(p.\"Full name\" ~~ '%x'::text)", [('"Full name"', "%x")]),
        ("((p.name)::text ~~* '%it''s'::text)", [('"name"', "%it's")]),
        ("((lower(p.name) ~~ 'x%'::text) AND (p.id > 3))", [('(LOWER("name"))', "x%")]),
        ("(p.name ~~ $2)", [('"name"', "%sent")]),
        ("(p.name ~~ ('%'::text || $2))", [('"name"', "%")]),
        ("((p.name ~~ '%a'::text) OR (p.more ~~ '%b'::text))", [('"name"', "%a"), ('"more"', "%b")]),
        ("(p.name !~~ '%x'::text)", []),
        ("(NOT (p.name ~~ '%x'::text))", []),
        ("(COALESCE(p.name, 'theirs'::text) ~~ '%x'::text)", []),
        ("(p.name ~~ ANY ('{%a,%b}'::text[]))", []),
        ("(q.name ~~ '%x'::text)", []),
        ("(p.name ~~ $3)", []),
        ("", []),
        ("((", []),
    ],
)
def test_patterns_are_read_from_a_condition_with_what_an_index_would_be_made_of(
    condition: str, found: list[tuple[str, str]]
) -> None:
    assert [(pattern.key, pattern.text) for pattern in patterns(condition, "p", SENT)] == found
