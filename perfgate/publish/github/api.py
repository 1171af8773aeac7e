"""GitHub's REST interface, as far as perfgate needs it: comments, checks and statuses as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from perfgate.publish.github.exchange import Exchange, Overtaken, Patience, Refused
from perfgate.publish.report import one_line

if TYPE_CHECKING:
    from perfgate.publish.github.place import Place

__all__ = ["Api", "CheckRun", "Comment", "Overtaken", "Patience", "Refused", "alike"]

_JOB_TOKEN = "ghs_"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of the pull request; `author` is "" where the account is gone."""

    id: int
    body: str
    author: str
    bot: bool
    url: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A check of a commit; `reference` is ours, `annotations` how many it has."""

    id: int
    url: str
    reference: str
    annotations: int


class Api:
    """The pull request and the commit of a place, seen with a token. What goes wrong is `Refused`, nothing else."""

    def __init__(self, place: Place, token: str, patience: Patience | None = None) -> None:
        self.place = place
        self._exchange = Exchange(place.api, token, patience or Patience())
        self._has_name = not token.startswith(_JOB_TOKEN)
        self._repository = f"/repos/{quote(place.repository, safe='/')}"
        self._login = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.close()

    def comments(self) -> list[Comment]:
        """All comments of the pull request, oldest first."""
        found = [_comment(data) for data in self._exchange.pages("list the comments", self._comments_path, _list)]
        return sorted(found, key=lambda comment: comment.id)

    def create_comment(self, body: str) -> Comment:
        """A comment, once, even where the answer is lost on the way."""

        def made() -> Comment | None:
            return next((c for c in self.comments() if alike(c.body, body) and self.is_ours(c)), None)

        path = self._comments_path
        comment = self._exchange.once("create a comment", "POST", path, {"body": body}, _comment, made)
        self._login = self._login or comment.author
        return comment

    def edit_comment(self, comment: Comment, body: str) -> Comment:
        """Replaces the text of a comment as it was read; `Overtaken` where it is another by now.

        GitHub has no edit on a condition: looking just before every attempt leaves others the time of one request.
        """
        path = self._comment_path(comment.id)

        def unchanged() -> None:
            now = _comment(self._exchange.ask("read the comment", "GET", path)[1]).body
            if not alike(now, comment.body) and not alike(now, body):
                raise Overtaken("cannot edit the comment: somebody else did so at the same time")

        return _comment(self._exchange.ask("edit the comment", "PATCH", path, body={"body": body}, before=unchanged)[1])

    def delete_comment(self, number: int) -> None:
        """Deletes a comment; one that is gone already is no error."""
        try:
            self._exchange.ask("delete a comment", "DELETE", self._comment_path(number))
        except Refused as refused:
            if refused.status not in (404, 410):
                raise

    def settle(self) -> None:
        """Waits before looking whether a write stayed, as `Exchange.settle` does."""
        self._exchange.settle()

    def is_ours(self, comment: Comment) -> bool:
        """Whether we wrote it. A job's token does not know its name, but that it is a bot's, which nobody can claim."""
        login = self._login or self._author
        return comment.author == login if login else comment.bot

    def create_check(self, name: str, reference: str, fields: Mapping[str, object]) -> CheckRun:
        """A check run on head, once; `reference` tells it from those of other runs, `fields` are GitHub's."""
        told = {"name": name, "head_sha": self.place.head, "external_id": reference, **fields}

        def made() -> CheckRun | None:
            return next((check for check in self.checks(name) if check.reference == reference), None)

        return self._exchange.once("create a check", "POST", f"{self._repository}/check-runs", told, _check, made)

    def update_check(self, number: int, fields: Mapping[str, object], annotated: int) -> CheckRun:
        """Changes a check run; `annotated` is how many annotations it has afterwards: those of `fields` are added."""
        path = f"{self._repository}/check-runs/{number}"

        def made() -> CheckRun | None:
            check = _check(self._exchange.ask("read the check", "GET", path)[1])
            return check if check.annotations >= annotated else None

        return self._exchange.once("update the check", "PATCH", path, dict(fields), _check, made)

    def checks(self, name: str) -> list[CheckRun]:
        """The check runs of that name on head."""
        path = f"{self._repository}/commits/{quote(self.place.head, safe='')}/check-runs"
        return [_check(data) for data in self._exchange.pages("list the checks", path, _runs, {"check_name": name})]

    def create_status(self, state: str, context: str, description: str, url: str) -> None:
        """The status of head in one context; said again, it is the same."""
        fields = {"state": state, "context": context, "description": description, "target_url": url}
        path = f"{self._repository}/statuses/{quote(self.place.head, safe='')}"
        self._exchange.ask("set the status of the commit", "POST", path, body=fields)

    @property
    def _comments_path(self) -> str:
        if self.place.pull is None:
            raise Refused(f"there is no pull request to comment on: the event is {self.place.event}")
        return f"{self._repository}/issues/{self.place.pull}/comments"

    def _comment_path(self, number: int) -> str:
        return f"{self._repository}/issues/comments/{number}"

    @cached_property
    def _author(self) -> str:
        """The name behind the token, "" where GitHub does not tell it."""
        if not self._has_name:
            return ""
        try:
            data = self._exchange.ask("ask who it is", "GET", "/user")[1]
        except Refused as refused:
            if refused.denied:
                return ""
            raise
        return str(data.get("login", "")) if isinstance(data, dict) else ""


def alike(one: str, other: str) -> bool:
    """Whether two texts of comments are the same: GitHub may change the ends of lines, and of the text."""
    return one.split() == other.split()


def _list(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise _strange(data)
    return data


def _runs(data: object) -> list[Any]:
    return _list(data.get("check_runs") if isinstance(data, dict) else data)


def _comment(data: object) -> Comment:
    told = _numbered(data)
    user = _part(told, "user")
    author, bot = str(user.get("login") or ""), user.get("type") == "Bot"
    return Comment(told["id"], str(told.get("body") or ""), author, bot, str(told.get("html_url") or ""))


def _check(data: object) -> CheckRun:
    told = _numbered(data)
    annotated = _part(told, "output").get("annotations_count")
    url, reference = str(told.get("html_url") or ""), str(told.get("external_id") or "")
    return CheckRun(told["id"], url, reference, annotated if isinstance(annotated, int) else 0)


def _numbered(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("id"), int):
        raise _strange(data)
    return data


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object, which GitHub leaves empty where there is none."""
    part = data.get(name)
    return part if isinstance(part, dict) else {}


def _strange(data: object) -> Refused:
    """An answer without an error that is none either: a repository that moved, or a server that is no GitHub."""
    message = data.get("message") if isinstance(data, dict) else None
    told = f": {one_line(str(message), 200)}" if message else ""
    return Refused(
        f"the answer is none that GitHub gives{told}; was the repository renamed, is this its API's address?"
    )
