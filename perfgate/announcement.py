"""Telling GitHub how a run ended: comment, check, annotations and summary, and what becomes of it if that fails."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfgate import keeping, trends
from perfgate.errors import BadRequest, ExitCode
from perfgate.keeping import Place as Store
from perfgate.model import Status
from perfgate.options import Telling
from perfgate.publish.github import checks, commands, comment, sticky
from perfgate.publish.github.annotations import Annotation, annotate
from perfgate.publish.github.api import Api, Patience, Refused
from perfgate.publish.github.place import Place, place
from perfgate.publish.github.ranking import worst_first
from perfgate.publish.report import inert, one_line
from perfgate.publish.reports.markdown import History, size
from perfgate.publish.stream import Steady
from perfgate.result import Result

TOKEN = "GITHUB_TOKEN"


@dataclass(frozen=True)
class Note:
    """What could not be told, in a sentence; `pardoned` where nobody could have."""

    text: str
    pardoned: bool = False


@dataclass(frozen=True)
class Announcer:
    """Tells GitHub of results, at a place and with a token.

    `folder` is the project's within its repository; `env` holds the variables of GitHub's runner. `caution` is what the
    comment says right below its headline, in Markdown. `store` is where it finds the values of earlier runs to draw.
    """

    place: Place
    token: str
    telling: Telling
    folder: str
    env: Mapping[str, str]
    patience: Patience = field(default_factory=Patience)
    caution: str = ""
    store: Store | None = None

    def announce(self, result: Result, report: Path | None = None) -> ExitCode:
        """Tell of a judged result, whose page is at `report`.

        What fails is said on stderr. Returns PASSED, or NOT_MEASURED where something failed that is required.
        """
        notes = list(self.tell(result, report))
        for note in notes:
            Steady(sys.stderr).write(f"perfgate: {inert(one_line(note.text))}\n")
        failed = self.telling.required and not all(note.pardoned for note in notes)
        return ExitCode.NOT_MEASURED if failed else ExitCode.PASSED

    def tell(self, result: Result, report: Path | None = None) -> Iterator[Note]:
        """Tell of a result, and give a note for everything that could not be told."""
        result = worst_first(result)
        remarks = annotate(result, self.folder)
        for line in () if self.place.relayed else commands.commands(remarks):  # they stick to the running job's commit
            Steady(sys.stdout).write(f"{line}\n")
        yield from self._files(result, report)
        try:
            with Api(self.place, self.token, self.patience) as api:
                yield from self._remote(api, result, remarks)
        except Refused as refused:
            yield self._note("GitHub", refused)

    def _files(self, result: Result, report: Path | None) -> Iterator[Note]:
        """What the runner takes from files, which needs no token."""
        try:
            commands.add_summary(self.env, result)
            commands.add_outputs(self.env, _outputs(result, report))
        except OSError as error:
            yield Note(f"the summary or the outputs of this step could not be written: {error}")

    def _remote(self, api: Api, result: Result, remarks: tuple[Annotation, ...]) -> Iterator[Note]:
        """What takes the token; what fails there is no reason to leave out the rest."""
        tasks: dict[str, Callable[[], object]] = {
            "the comment": lambda: self._comment(api, result),
            "the check": lambda: checks.publish(api, self.telling.key, result, remarks),
        }
        for what, task in tasks.items():
            try:
                task()
            except Refused as refused:
                yield self._note(what, refused)

    def _comment(self, api: Api, result: Result) -> None:
        """The comment on the pull request, if there is one, and if a comment is wanted."""
        assert result.verdict is not None
        passed, key = result.verdict.exit_code is ExitCode.PASSED, self.telling.key
        quiet = self.telling.comment == "red" and passed
        if self.place.pull is None or (quiet and not _is_there(api, key)):
            return

        earlier = self._earlier(result)

        def written(former: str, room: int) -> str:
            room = min(room, comment.LONGEST) - size(self.caution) - len("\n\n")
            head, *others = comment.body(result, self.place, key, former, room, earlier).split("\n\n", 1)
            return "\n\n".join(filter(None, (head, self.caution, *others)))

        sticky.upsert(api, key, self.place, written)

    def _earlier(self, result: Result) -> History:
        """What earlier runs measured of all that did not simply pass."""
        findings = result.verdict.findings if result.verdict else ()
        keys = [found.key for found in findings if found.status not in (Status.PASS, Status.IMPROVED)]
        return trends.recent(self.store, keys) if self.store and keys else comment.NO_HISTORY

    def _note(self, what: str, refused: Refused) -> Note:
        """A token of a fork may only read: the summary and the annotations are what there is for it."""
        if self.place.fork and refused.denied:
            return Note(f"{what}: not published, since this is a fork's pull request: see the summary", pardoned=True)
        return Note(f"{what}: not published: {refused.reason}")


def _is_there(api: Api, key: str) -> bool:
    """Whether perfgate has written of this configuration already."""
    return any(key in sticky.sections(one.body) and api.is_ours(one) for one in api.comments())


def prepared(telling: Telling, config: Path, env: Mapping[str, str] | None = None) -> Announcer | None:
    """Who tells GitHub of the project of this budgets file; None where nobody is asked to.

    Raises BadRequest, before anything is measured, where GitHub cannot be told from here.
    """
    env = os.environ if env is None else env
    if not telling.github:
        if telling != Telling():
            raise BadRequest("--key, --comment and --require-publish say how --github does it", hint="add --github")
        return None
    here = place(env)
    if here is None:
        raise BadRequest(
            "--github: GITHUB_REPOSITORY is not set, so this is no job of GitHub Actions",
            hint="leave --github out; `--report page.md` writes the report as Markdown",
        )
    root = config.resolve().parent
    return Announcer(here, equipped(telling, env), telling, folder(root, env), env, store=keeping.place(root))


def equipped(telling: Telling, env: Mapping[str, str]) -> str:
    """The token, once all else is there that telling takes. Raises BadRequest where something is not."""
    token = env.get(TOKEN, "").strip()
    if not token:
        raise BadRequest(
            f"--github: {TOKEN} is not set, and GitHub does not set it by itself",
            hint=f"add to the step: env: {{{TOKEN}: ${{{{ github.token }}}}}}",
        )
    if importlib.util.find_spec("github") is None:
        raise BadRequest("--github needs PyGithub", hint="pip install 'perfgate[github]'")
    comment.check_key(telling.key)
    return token


def folder(project: Path, env: Mapping[str, str]) -> str:
    """Where the project lies within its repository, "" for its top."""
    top = next((path for path in (project, *project.parents) if (path / ".git").exists()), None)
    top = top or Path(env.get("GITHUB_WORKSPACE") or project).resolve()
    return project.relative_to(top).as_posix() if project.is_relative_to(top) and project != top else ""


def _outputs(result: Result, report: Path | None) -> dict[str, str]:
    """The outputs of the step, by name."""
    assert result.verdict is not None
    told = {"verdict": str(result.verdict.status), "exit_code": str(int(result.verdict.exit_code))}
    return {**told, "report": str(report)} if report is not None else told
