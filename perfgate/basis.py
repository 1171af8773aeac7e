"""What a change is measured beside and judged by: its base, and whose rules hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfgate import loosening, settings
from perfgate.errors import BadRequest, PerfgateError
from perfgate.model import Side
from perfgate.plan import Plan
from perfgate.publish.github.place import place
from perfgate.settings import Known
from perfgate.worktree import NONE, Base, Repository, branch_to_merge_into

if TYPE_CHECKING:
    from perfgate.runner import Progress

MERGE_GROUP = "merge_group"
PUSH = "push"


@dataclass(frozen=True)
class Basis:
    """The plan with the rules that judge, the base to measure beside if there is one, and what the reader has to know.

    `loosened` says what the change allows that its base does not.
    """

    plan: Plan
    base: Base | None = None
    loosened: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def release(self) -> None:
        """Leave the base's check-out to other runs."""
        if self.base is not None:
            self.base.release()


def find(plan: Plan, asked: str, known: Known, progress: Progress, env: Mapping[str, str] = os.environ) -> Basis:
    """The basis of a run: the base is what is `asked` for, else what CI's variables tell, and "none" does without.

    A pull request, and the group of a merge queue, is judged by the rules of the commit that it began at, unless the
    file says otherwise there. Raises BadRequest where git does not have what is asked for, or a pull request's base.
    """
    search = _Search(env)
    if asked == NONE or not (asked or search.branch or search.event):
        return Basis(plan)
    why = "" if asked else search.absence
    if why:
        progress.say(why)
        return Basis(plan, notes=(why,))
    progress.phase("check out base")
    if asked and not search.judges:
        repository = Repository(plan.root, progress.say)
        return _beside(repository.checked_out(repository.commit(asked)), plan, known, judges=False)
    try:
        return _of_event(search, plan, asked, known, progress)
    except BadRequest as error:
        if search.judges:
            raise
        lost = f"no base: what was there before this push cannot be had: {error.args[0]}"
        progress.say(lost)
        return Basis(plan, notes=(lost,))


def _of_event(search: _Search, plan: Plan, asked: str, known: Known, progress: Progress) -> Basis:
    """Beside what CI's variables name, or with its rules beside what is asked for."""
    repository = Repository(plan.root, progress.say)
    began = search.commit(repository)
    basis = _beside(repository.checked_out(began), plan, known, judges=search.judges)
    other = repository.commit(asked) if asked else began
    return basis if other == began else replace(basis, base=repository.checked_out(other))


def judging(plan: Plan, began: str, known: Known, progress: Progress, env: Mapping[str, str] = os.environ) -> Plan:
    """The plan to judge a stored result by that was measured beside the commit `began`, "" for none."""
    if not began or not _Search(env).judges:
        return plan
    basis = find(plan, "", known, progress, env)
    basis.release()
    return basis.plan


@dataclass(frozen=True)
class _Search:
    """Where CI's variables lead to a base."""

    env: Mapping[str, str]

    @property
    def branch(self) -> str:
        """The branch that a pull request wants to go to; "" for anything else."""
        return branch_to_merge_into(self.env)

    @property
    def event(self) -> str:
        """The event of GitHub's, "" elsewhere."""
        return self.env.get("GITHUB_EVENT_NAME", "") if self.env.get("GITHUB_REPOSITORY") else ""

    @property
    def judges(self) -> bool:
        """Whether somebody wants to bring a change in, and may not choose what it is judged by."""
        return bool(self.branch) or self.event == MERGE_GROUP

    @property
    def before(self) -> str:
        """The commit that the event itself names; "" for none."""
        here = place(self.env) if self.event in (MERGE_GROUP, PUSH) else None
        return here.base if here else ""

    @property
    def absence(self) -> str:
        """Why there is nothing to compare this event with; "" where there should be something."""
        if self.branch or self.before:
            return ""
        if self.event in (MERGE_GROUP, PUSH):
            return f"no base: nothing was there before this {self.event}"
        return f"no base: {self.event} has none; `--base REF` names one, `--base release` takes the last tag"

    def commit(self, repository: Repository) -> str:
        """The full name of the commit where the change began. Raises BadRequest where git does not have it."""
        return repository.merge_base(self.branch) if self.branch else repository.commit(self.before)


def _beside(base: Base, plan: Plan, known: Known, *, judges: bool) -> Basis:
    """The basis with this base; it is measured where there is a service to load."""
    measured = base if plan.scenarios else None
    try:
        before = settings.load(base.root / plan.file.name, known, plan.profile)
    except PerfgateError as error:
        words = f"judged by this change's own rules: those of base {base.commit[:8]} cannot be read"
        return Basis(plan, measured, (f"{words}: {error.args[0].splitlines()[0]}",) if judges else ())
    whole = settings.load(plan.file, known, plan.profile)  # the plan may be a part, as somebody asked for
    rules = loosening.of_rules(before, base.commit, plan)
    others = (*loosening.of_load(before, whole), *loosening.of_baselines(before, plan))
    if not judges or before.rules_of is Side.HEAD:
        return Basis(plan, measured, (*rules, *others))
    if rules:
        rules = (*rules, f"until this is merged, the rules of base {base.commit[:8]} judge all the same")
    return Basis(_bound(plan, before, base.commit), measured, (*rules, *others))


def _bound(plan: Plan, before: Plan, commit: str) -> Plan:
    """The plan with the rules of base before its own; a rule that is still there is shown where it stands now."""
    present = {loosening.key(rule): rule.where for rule in plan.rules}
    theirs = tuple(
        replace(rule, side=Side.BASE, where=present.get(loosening.key(rule), f"{rule.where} of base {commit[:8]}"))
        for rule in before.rules
    )
    return replace(plan, rules=(*theirs, *plan.rules))
