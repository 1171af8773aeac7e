"""GitHub's own description of its interface, as a judge of what the fake is asked and of what it answers."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

DESCRIPTION = Path(__file__).parent / "openapi.json"
LONGEST_COMPLAINT = 200
_HOST = "http://github"


@cache
def contract() -> Contract:
    """The one contract of a process: reading the description takes longer than checking an exchange."""
    return Contract()


class Contract:
    """What GitHub promises to take and to give."""

    def __init__(self) -> None:
        description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
        description["servers"] = [{"url": _HOST}]
        _let_null_be(description)
        self._examples: dict[str, Any] = description["components"]["examples"]
        self._openapi = OpenAPI.from_dict(description, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]

    def example(self, name: str) -> Any:
        """A copy of an example of the description: what an answer looks like, with values that mean nothing."""
        return copy.deepcopy(self._examples[name]["value"])

    def breach_of_request(self, verb: str, target: str, body: bytes) -> str:
        """What GitHub would not take about a request for `target` (path and query); "" where all is well."""
        try:
            self._openapi.validate_request(_request(verb, target, body))
        except OpenAPIError as error:
            return _told(error)
        return ""

    def breach_of_answer(self, verb: str, target: str, status: int, body: bytes) -> str:
        """What GitHub would not have answered; of refusals and empty answers the description leaves most out."""
        if status >= 400 or status == 204:
            return ""
        answer = MockResponse(data=body, status_code=status, content_type="application/json")
        try:
            self._openapi.validate_response(_request(verb, target, b""), answer)
        except OpenAPIError as error:
            return _told(error)
        return ""


def _let_null_be(node: object) -> None:
    """GitHub answers null where its description has a nullable enumeration without null in it (a check in progress)."""
    if isinstance(node, dict):
        if node.get("nullable") and "enum" in node and None not in node["enum"]:
            node["enum"].append(None)
        for child in node.values():
            _let_null_be(child)
    elif isinstance(node, list):
        for child in node:
            _let_null_be(child)


def _request(verb: str, target: str, body: bytes) -> MockRequest:
    parts = urlsplit(target)
    return MockRequest(_HOST, verb, parts.path, args=dict(parse_qsl(parts.query)), data=body)


def _told(error: OpenAPIError) -> str:
    """The error, and the complaints of the schema that are behind it, each shortened: they repeat the whole value."""
    cause = error.__cause__
    details = [str(detail.message) for detail in getattr(cause, "schema_errors", ())]
    told = [type(error).__name__, *(details or ([str(cause)] if cause else []))]
    return "; ".join(text if len(text) <= LONGEST_COMPLAINT else f"…{text[-LONGEST_COMPLAINT:]}" for text in told)
