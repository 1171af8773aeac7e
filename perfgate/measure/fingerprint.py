"""One name for one statement, whoever writes it and wherever it runs.

`pg_stat_statements.queryid` changes with the version of Postgres and whenever a table is created anew, so statements
are keyed on their text instead: without comments, literals, parameters and the length of lists, in one spacing and one
case. Nothing that was a literal survives, because the text is shown in reports and kept in baselines.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator
from typing import NamedTuple

PLACEHOLDER = "?"

_IDENTIFIER = r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*"
_OPERATOR = "-+*/<>=~!@#%^&|`?"
# The lexical rules of Postgres (src/backend/parser/scan.l), with standard_conforming_strings on. A string that does not
# end (pg_stat_activity cuts its texts) goes to the end of the text: half a literal is a literal.
_TOKEN = re.compile(
    rf"""
      (?P<space> [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<comment> /\* )
    | (?P<string> [eE]'(?: [^'\\]++ | \\(?:.|\Z) | '' )*+(?:'|\Z)
                | (?: [bBxXnN] | [uU]& )?'(?: [^']++ | '' )*+(?:'|\Z) )
    | (?P<dollar> \$(?P<tag>(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<parameter> \$[0-9]+ )
    | (?P<number> 0[xXoObB][0-9A-Za-z_]+ | \.?[0-9](?: [eE][+-][0-9] | [0-9A-Za-z_.] )* )
    | (?P<quoted> (?:[uU]&)?"(?: [^"]++ | "" )*+(?:"|\Z) )
    | (?P<word> {_IDENTIFIER} )
    | (?P<operator> :: | := | (?: (?!--|/\*)[{re.escape(_OPERATOR)}] )+ )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)

# Words shown in capitals, first those after which an expression begins. None of them is likely as a column's name.
_OPERAND_FOLLOWS = """
    AND BETWEEN BY CASE DISTINCT ELSE HAVING ILIKE IN LIKE LIMIT OFFSET ON OR RETURNING SELECT THEN VALUES WHEN
    WHERE
"""
_OTHER_KEYWORDS = """
    ALL ALTER ANALYZE ANY ARRAY AS ASC BEGIN CASCADE CLOSE COLLATE COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT
    CURRENT_DATE CURRENT_TIMESTAMP CURSOR DEALLOCATE DECLARE DEFAULT DELETE DESC DISCARD DO DROP END EXCEPT EXECUTE
    EXISTS EXPLAIN FALSE FETCH FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL GROUP IF INDEX INNER INSERT INTERSECT INTO
    IS ISNULL JOIN KEY LAST LATERAL LEFT LOCK MATERIALIZED MOVE NATURAL NOT NOTHING NOTNULL NULL NULLS OF ONLY ORDER
    OUTER OVER PARTITION PRECEDING PREPARE PRIMARY RECURSIVE REFERENCES RELEASE RESET RIGHT ROLLBACK ROW ROWS SAVEPOINT
    SET SHARE SHOW SIMILAR SKIP SOME START TABLE TEMPORARY TO TRANSACTION TRUE TRUNCATE UNBOUNDED UNION UNIQUE UPDATE
    USING VACUUM VIEW WINDOW WITH
"""
_BEFORE_OPERAND = frozenset(_OPERAND_FOLLOWS.split())
_KEYWORDS = _BEFORE_OPERAND | frozenset(_OTHER_KEYWORDS.split())
_CONSTANTS = frozenset({"TRUE", "FALSE", "NULL"})
_QUERY_STARTS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


class Token(NamedTuple):
    """A piece of a statement, in its one spelling."""

    kind: str
    text: str


def normalise(text: str) -> str:
    """The statement in its one spelling: `SELECT * FROM items WHERE id IN (?)`.

    Literals, parameters and the names of cursors (drivers make them up) become `?`; lists after IN and ARRAY and the
    rows after VALUES shrink to one of each; comments go; spacing and the case of unquoted words are made equal.
    Normalising twice changes nothing more.
    """
    tokens = _shrink(_fold(list(_tokens(text))))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    return _spaced(_without_cursor_name(tokens))


def fingerprint(normalised: str) -> str:
    """The short name of a normalised statement: 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = match.lastgroup or "other"
        if kind == "comment":
            position = _comment_end(text, position)
        elif kind == "operator":
            operator = _operator(match[0])
            position = match.start() + len(operator)
            yield Token(kind, operator)
        elif kind == "word":
            word = match[0].translate(_UPPER)
            yield Token(kind, word if word in _KEYWORDS else match[0].translate(_LOWER))
        elif kind != "space":
            yield Token(kind, match[0])


def _comment_end(text: str, position: int) -> int:
    """Where the comment ends whose inside begins at `position`. Postgres nests them."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _operator(run: str) -> str:
    """The first operator in a run of their characters: it ends in a sign only if it has one of ~!@#%^&|`? as well."""
    while len(run) > 1 and run[-1] in "+-" and not set(run) & set("~!@#%^&|`?"):
        run = run[:-1]
    return run


def _fold(tokens: list[Token]) -> list[Token]:
    """Every literal and parameter as a placeholder; a sign belongs to its number, a continued string is one string."""
    folded: list[Token] = []
    previous = ""
    for token in tokens:
        kind = token.kind
        if token.text in _CONSTANTS and _begins_operand(folded, 1):
            kind = "constant"
        if kind == "number" and folded and folded[-1].text in ("-", "+") and _begins_operand(folded, 2):
            folded.pop()
        if not (kind == previous == "string"):
            literal = kind in ("string", "dollar", "parameter", "number", "constant")
            folded.append(Token("operator", PLACEHOLDER) if literal else token)
        previous = kind
    return folded


def _begins_operand(before: list[Token], back: int) -> bool:
    """Whether an expression begins after the token `back` from the end: `= -1` has a sign, `a -1` an operator."""
    if back > len(before):
        return True
    kind, text = before[-back]
    if kind == "word":
        return text in _BEFORE_OPERAND
    return text in ("(", "[", ",") or (kind == "operator" and text not in (PLACEHOLDER, "*", "::"))


def _shrink(tokens: list[Token]) -> list[Token]:
    """Lists and rows of values at the length of their kinds: how many were sent is data and not the statement."""
    shrunk: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        shrunk.append(token)
        position += 1
        if token.text in ("IN", "ARRAY") and position < len(tokens) and tokens[position].text in ("(", "["):
            end = _closing(tokens, position)
            shrunk += _shrunk_list(tokens[position:end])
            position = end
        elif token.text == "VALUES":
            end = _rows_end(tokens, position)
            shrunk += _joined(_unrepeated([_shrink(row) for row in _elements(tokens[position:end])]))
            position = end
    return shrunk


def _shrunk_list(bracketed: list[Token]) -> list[Token]:
    """A bracketed list with neighbours that are equal once; lists inside it likewise. A subquery is no list."""
    closed = bracketed[-1].text in (")", "]") and len(bracketed) > 1
    inside = bracketed[1:-1] if closed else bracketed[1:]
    if inside and inside[0].text in _QUERY_STARTS:
        inside = _shrink(inside)
    else:
        elements = [_shrunk_list(e) if e and e[0].text == "[" else _shrink(e) for e in _elements(inside)]
        inside = _joined(_unrepeated(elements))
    return [bracketed[0], *inside, *bracketed[-1:]] if closed else [bracketed[0], *inside]


def _rows_end(tokens: list[Token], position: int) -> int:
    """Where the rows end that begin at `position`: after `(..), (..), (..)`."""
    end = position
    while position < len(tokens) and tokens[position].text == "(":
        end = position = _closing(tokens, position)
        if position < len(tokens) and tokens[position].text == ",":
            position += 1
    return end


def _closing(tokens: list[Token], start: int) -> int:
    """The place after the bracket that closes the one at `start`, or the end of a text that was cut."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position].text in ("(", "[")) - (tokens[position].text in (")", "]"))
        if depth == 0:
            return position + 1
    return len(tokens)


def _elements(tokens: list[Token]) -> list[list[Token]]:
    """The parts between the commas that stand in no bracket."""
    elements: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == 0:
            elements.append([])
        else:
            elements[-1].append(token)
    return elements


def _unrepeated(elements: list[list[Token]]) -> list[list[Token]]:
    return [element for place, element in enumerate(elements) if place == 0 or element != elements[place - 1]]


def _joined(elements: list[list[Token]]) -> list[Token]:
    joined = list(elements[0])
    for element in elements[1:]:
        joined += [Token("other", ","), *element]
    return joined


def _without_cursor_name(tokens: list[Token]) -> list[Token]:
    """Cursors have made-up names that change with each process (`_django_curs_140123_sync_1`)."""
    first = tokens[0].text if tokens else ""
    place = {"DECLARE": 1, "CLOSE": 1, "FETCH": len(tokens) - 1, "MOVE": len(tokens) - 1}.get(first, 0)
    if not 0 < place < len(tokens) or tokens[place].kind not in ("word", "quoted") or tokens[place].text == "ALL":
        return tokens
    return [*tokens[:place], Token("operator", PLACEHOLDER), *tokens[place + 1 :]]


def _spaced(tokens: list[Token]) -> str:
    pieces: list[str] = []
    for place, token in enumerate(tokens):
        if place and _apart(tokens[place - 1], token):
            pieces.append(" ")
        pieces.append(token.text)
    return "".join(pieces)


def _apart(left: Token, right: Token) -> bool:
    """Whether a space stands between two neighbours. Two that would run into one token always have it."""
    if left.text in ("(", "[") or right.text in (")", "]", ",", ";"):
        return False
    if right.text == "(":
        return left.kind != "word" or left.text in _KEYWORDS
    if right.text == "[":
        return left.text == ","
    if "." in (left.text, right.text):
        return left.text == right.text or ":" in (left.text[:1], right.text[:1])
    if left.text == "::":
        return right.kind not in ("word", "quoted")
    return right.text != "::" or left.text[:1] == ":"
