"""`perfgate init`: looks at a project, writes its configuration and workflow, and takes the first baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from perfgate import acceptance, baselines, files, resultfile, runner, settings, yamlfile
from perfgate.basis import Basis
from perfgate.errors import BadRequest, NotMeasured, PerfgateError
from perfgate.init import budgets, load, probe, workflow
from perfgate.init.draft import LOAD, Draft, installs_of, surveyed
from perfgate.init.signs import Endpoint
from perfgate.measure.ownership import Owner
from perfgate.options import CONFIG
from perfgate.plan import Plan
from perfgate.revision import git
from perfgate.runner import Measurement, Progress
from perfgate.yamlfile import Place

REASON = "first baseline, by perfgate init"
GO_ON = "mend it in budgets.yaml, then type `perfgate init` again: files that are there stay as they are"
USUAL = "a usual path"

_QUESTIONS: Mapping[Place, str] = {
    ("service", "command"): "does it start the service as it runs for its users?",
    ("service", "ready"): "does it answer 2xx once the service can work?",
    ("database", "setup", 0): "does the setup make the tables, and the same rows every time?",
}
"""What is to be checked in any case, where it is there."""


@dataclass(frozen=True)
class File:
    """One file of the configuration; one that was there before stays as it is."""

    path: Path
    text: str
    was_there: bool = False


@dataclass(frozen=True)
class Initialisation:
    """What init found out about a project, and writes. `trouble` is why the service could not be asked, if it was."""

    draft: Draft
    files: tuple[File, ...]
    checks: tuple[str, ...] = ()
    trouble: PerfgateError | None = None

    @property
    def config(self) -> Path:
        return self.draft.root / CONFIG

    def told(self) -> Iterator[str]:
        """What was found, and where."""
        for place, guess in self.draft.guesses.items():
            if guess.value:
                yield f"found {'.'.join(map(str, place))}: {guess.value} ({guess.source})"
        yield from (f"note: {remark}" for remark in self.draft.remarks)

    def shown(self) -> Iterator[str]:
        """The files as they would be written."""
        for file in self.files:
            yield f"--- {self._name(file)}: is there, and stays" if file.was_there else f"--- {self._name(file)}"
            yield from [] if file.was_there else file.text.splitlines()

    def write(self) -> Iterator[str]:
        """Write what is not there yet. Raises NotMeasured where the disk refuses."""
        for file in self.files:
            if not file.was_there:
                files.write(file.path, file.text)
            yield f"{self._name(file)}: is there, and stays" if file.was_there else f"wrote {self._name(file)}"
        if checks := [*self._lines_to_check(), *self.checks]:
            yield f"check {'this line' if len(checks) == 1 else f'these {len(checks)} lines'}:"
            yield from (f"  {check}" for check in checks)

    def _lines_to_check(self) -> Iterator[str]:
        """The lines of the budgets file that are guesses worth a look, each with the question."""
        document = yamlfile.read(self.config, CONFIG)
        for place, guess in self.draft.guesses.items():
            if question := guess.check or _QUESTIONS.get(place, ""):
                yield f"{document.where(place)} {'.'.join(map(str, place))}: {question}"

    def _name(self, file: File) -> str:
        within = file.path.is_relative_to(self.draft.root)
        return str(file.path.relative_to(self.draft.root)) if within else str(file.path)


def prepared(root: Path, progress: Progress, *, asking: bool) -> Initialisation:
    """What is to be written in the project's folder.

    `asking` starts the service, if it can be, and leaves out what it does not answer. Raises BadRequest where the
    folder says nothing of a service, or has a budgets file that is wrong.
    """
    config = root / CONFIG
    if config.is_file():
        plan = settings.load(config, runner.known())
        draft = Draft(root, plan.service, plan.database, {}, {}, installs=installs_of(root))
        return _with_files(draft, (File(config, "", was_there=True),))
    draft = surveyed(root)
    refused, trouble = dict[str, str](), None
    if asking and draft.service is not None and draft.writes_load:
        draft = replace(draft, endpoints=_with_front(draft.endpoints))
        refused, trouble = _asked(draft, progress)
    own = [File(config, budgets.text(draft))]
    if draft.writes_load:
        known = [one for one in draft.endpoints if one.source != USUAL or (trouble is None and str(one) not in refused)]
        own.append(File(root / LOAD, load.text(known, refused)))
    made = _with_files(draft, tuple(replace(file, was_there=file.path.exists()) for file in own))
    return replace(made, trouble=trouble)


def _with_front(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The endpoints, and the front page, which most services have wherever it is declared."""
    front = Endpoint("GET", "/", USUAL, "/")
    return endpoints if str(front) in map(str, endpoints) else (*endpoints, front)


def _with_files(draft: Draft, own: tuple[File, ...]) -> Initialisation:
    top = Path(git(draft.root, "rev-parse", "--show-toplevel") or draft.root)
    flow = workflow.written(draft, top, _branch(draft.root))
    path = top / flow.path
    there = path.exists()
    _check_within(top, (*own, File(path, flow.text, there)))
    checks = tuple(f"{flow.path}: {check}" for check in flow.checks) if not there else ()
    return Initialisation(draft, (*own, File(path, flow.text, there)), checks)


def _check_within(top: Path, wanted: tuple[File, ...]) -> None:
    """Raise BadRequest where a link would lead what is written out of the repository."""
    for file in wanted:
        folder = file.path.parent
        if not file.was_there and not folder.resolve().is_relative_to(top.resolve()):
            raise BadRequest(f"{folder} is a link that leads out of the repository", hint="remove the link")


def _asked(draft: Draft, progress: Progress) -> tuple[dict[str, str], PerfgateError | None]:
    """What the service refuses of the endpoints that were found; or why it could not be started."""
    plan = Plan(draft.root, draft.root / CONFIG, draft.service, draft.database, {}, {}, ())
    measurement = Measurement(plan, progress, {})
    try:
        with Owner() as owner, measurement.surroundings(owner) as stands, stands[0].fresh("init") as running:
            progress.phase("ask the service for what its code says it answers")
            return probe.refused(running.port, draft.endpoints), None
    except PerfgateError as error:
        return {}, type(error)(measurement.redactor.text(error.args[0]), hint=measurement.redactor.text(error.hint))


def first_baseline(made: Initialisation, progress: Progress) -> Iterator[str]:
    """Run the gate once, and accept what it measured; what there is to do next.

    Raises NotMeasured where it cannot be measured, or is red for another reason than that nothing was accepted yet.
    """
    if made.trouble is not None:
        raise NotMeasured(
            f"no baseline yet: {made.trouble.args[0]}", hint="\n  ".join(filter(None, (made.trouble.hint, GO_ON)))
        )
    plan = settings.load(made.config, runner.known())
    if baselines.load_all(plan.root / baselines.FOLDER):
        yield f"{baselines.FOLDER}/ is there, and stays; next: perfgate run"
        return
    result = runner.judged(runner.measure(Basis(plan), progress), plan)
    resultfile.save(result, runner.state_folder(plan) / runner.LAST_RESULT)
    try:
        proposal = acceptance.propose(result, plan, (), even_if_red=False)
    except BadRequest as error:
        raise NotMeasured(f"no baseline yet: {error.args[0]}", hint=GO_ON) from error
    yield from (f"wrote {path.relative_to(plan.root)}" for path in proposal.write(REASON))
    yield "next: commit these files, and type `perfgate run` after each change"


def _branch(root: Path) -> str:
    """The branch that pull requests go to, as far as the clone knows."""
    head = git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    current = git(root, "symbolic-ref", "--short", "HEAD")
    return head or (current if current in ("main", "master", "trunk", "develop") else "main")
