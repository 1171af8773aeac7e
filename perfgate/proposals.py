"""Proposed tolerances, as entries of `budgets.yaml` and as edits of it that keep everything else as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from perfgate import files, settings
from perfgate.calibration import Calibration, Row, rounded_up
from perfgate.errors import BadRequest
from perfgate.plan import Selector, Tolerance
from perfgate.publish.report import one_line
from perfgate.runner import known

_PLAIN = re.compile(r"[A-Za-z/][\w ./{}-]*")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tolerance for the samples of `target`, with the noise that it was made for (sd of a pair's ln(head / base)).

    `where` is the line of the tolerance that it replaces, `present` what that is; "" and None for a new entry.
    """

    target: Selector
    tolerance: float
    noise: float
    where: str = ""
    present: float | None = None

    @property
    def written(self) -> str:
        return f"{self.tolerance * 100:g} %"

    def lines(self, about: str) -> Iterator[str]:
        """The entry, with a comment that says where the number is from: `about`, if that is not said above it."""
        noise = f"noise {rounded_up(self.noise)} a pair"
        yield f"# {about}: {noise}" if about else f"# {noise}"
        for dash, (name, value) in zip(chain("-", repeat(" ")), _places(self.target).items(), strict=False):
            yield f"{dash} {name}: {_scalar(value)}"
        yield f"  regression: {{fail: {self.written}}}"


def _scalar(text: str) -> str:
    """The text as YAML takes it for one, quoted where it might not."""
    return text if _PLAIN.fullmatch(text) and ": " not in text and text == text.strip() else json.dumps(text)


def proposals(calibration: Calibration) -> list[Proposal]:
    """What is proposed, without what the file says already: the same for all scenarios where one rule binds them all.

    A rule of several scenarios gets the largest of their tolerances. It is made a rule of each where not all were
    measured, or where some cannot keep any and there is no such rule yet.
    """
    found: dict[Selector, list[Row]] = {}
    for row in (row for scenario in calibration.scenarios for row in scenario.rows if row.tolerance is not None):
        found.setdefault(_target(row, calibration), []).append(row)
    plain = [_proposal(target, rows, calibration) for target, rows in found.items()]
    return [proposal for proposal in plain if proposal.present != proposal.tolerance]


def _target(row: Row, calibration: Calibration) -> Selector:
    plan, own = calibration.plan, row.target
    if own.scenario:
        return own
    alike = [other for scenario in calibration.scenarios for other in scenario.rows if other.target == own]
    kept = {other.scope.scenario for other in alike if other.tolerance is not None}
    if not plan.left_out and (_rule(own, calibration) is not None or kept >= plan.scenarios.keys()):
        return own
    return replace(own, scenario=row.scope.scenario)


def _rule(target: Selector, calibration: Calibration) -> Tolerance | None:
    rules = (rule for rule in calibration.plan.rules if isinstance(rule, Tolerance))
    return next((rule for rule in rules if rule.selector == target), None)


def _proposal(target: Selector, rows: Sequence[Row], calibration: Calibration) -> Proposal:
    present = _rule(target, calibration)
    return Proposal(
        target,
        max(row.tolerance for row in rows if row.tolerance is not None),
        max(row.noise for row in rows),
        present.where if present else "",
        present.fail if present else None,
    )


def about(calibration: Calibration) -> str:
    """Where the numbers are from: time and machine."""
    when = calibration.run.started[:16].replace("T", " ")
    return one_line(f"calibrated {when} UTC on {calibration.run.machine.kind}", 100)


def snippet(found: Iterable[Proposal], said: str) -> Iterator[str]:
    """What to put into the file, and what to change in it, below a line that says where it is from."""
    yield f"  # {said}"
    for proposal in found:
        if proposal.where:
            was = "" if proposal.present is None else f", is {proposal.present * 100:g} %"
            yield f"  # {proposal.where}: {proposal.target.metric}: fail: {proposal.written}{was}"
        else:
            yield from (f"  {line}" for line in proposal.lines(""))


def settled(calibration: Calibration, *, write: bool) -> Iterator[str]:
    """Propose, or put the proposals into the file; yields what there is to say, as lines to read and to copy."""
    found, said, file = proposals(calibration), about(calibration), calibration.plan.file
    if not found:
        yield f"{file.name} needs no change: it says what is proposed, or nothing can be."
    elif write:
        put(file, found, said)
        yield f"{file.name} has changed:"
    else:
        yield f"For {file.name} (--write puts it there):"
    if found:
        yield from snippet(found, said)


def put(path: Path, found: Sequence[Proposal], said: str) -> None:
    """Put the proposals into the file, at once or not at all.

    Raises BadRequest, and leaves the file as it is, where it is written in a way that they cannot be put into.
    """
    text = path.read_bytes().decode()
    new = edited(text, found, said)
    beside = path.with_name(f".{path.name}.calibrated")
    try:
        files.write(beside, new)
        settings.load(beside, known())
    finally:
        beside.unlink(missing_ok=True)
    files.write(path, new)


def edited(text: str, found: Iterable[Proposal], said: str) -> str:
    """The text of `budgets.yaml` with the proposals in it. Raises BadRequest where that would change anything else."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    expected = json.loads(json.dumps(yaml.safe_load(text), default=str))
    entries = next((value for key, value in root.value if key.value == "budgets"), None)
    if not isinstance(entries, yaml.SequenceNode) or entries.flow_style:
        raise _by_hand("budgets: is no list of lines that begin with a dash")
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    for proposal in found:
        place = _place(expected["budgets"], proposal.target)
        if place is None:
            added += proposal.lines(said)
            expected["budgets"].append(_entry(proposal))
        else:
            edits.append(_edit(entries.value[place], proposal.written))
            expected["budgets"][place]["regression"]["fail"] = proposal.written
    if added:
        edits.append(_appended(text, entries, added))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    _check(text, expected)
    return text


def _check(text: str, expected: object) -> None:
    import yaml

    try:
        became = json.loads(json.dumps(yaml.safe_load(text), default=str))
    except yaml.YAMLError as error:
        raise _by_hand("the entries cannot be added to it") from error
    if became != expected:
        raise _by_hand("more than the tolerances would change")


def _by_hand(why: str) -> BadRequest:
    return BadRequest(f"the budgets file was left as it is: {why}", hint="leave out --write, and put them in by hand")


def _places(target: Selector) -> dict[str, str]:
    return {f.name: getattr(target, f.name) for f in fields(target) if getattr(target, f.name)}


def _entry(proposal: Proposal) -> dict[str, Any]:
    return {**_places(proposal.target), "regression": {"fail": proposal.written}}


def _place(entries: Sequence[Any], target: Selector) -> int | None:
    """The entry for exactly these samples that has a tolerance."""
    names = [f.name for f in fields(target)]
    for index, entry in enumerate(entries):
        own = {name: entry[name] for name in names if entry.get(name)}
        if own == _places(target) and isinstance(entry.get("regression"), dict):
            return index
    return None


def _edit(entry: Any, written: str) -> tuple[int, int, str]:
    """The change of `fail` in an entry's tolerance, or its insertion before what is there."""
    regression = next(value for key, value in entry.value if key.value == "regression")
    for key, value in regression.value:
        if key.value == "fail":
            return value.start_mark.index, value.end_mark.index, written
    mark = regression.value[0][0].start_mark
    between = ", " if regression.flow_style else "\n" + " " * mark.column
    return mark.index, mark.index, f"fail: {written}{between}"


def _appended(text: str, entries: Any, lines: Iterable[str]) -> tuple[int, int, str]:
    """The new entries behind the last line of the list, indented like its others."""
    last = entries.value[-1]
    begin = text.rfind("\n", 0, last.start_mark.index) + 1
    indent = re.match(r" *", text[begin:])
    eol = "\r\n" if "\r\n" in text else "\n"
    at = text.find("\n", _end(last))
    at, lead = (len(text), eol) if at < 0 else (at + 1, "")
    return at, at, lead + "".join(f"{indent[0] if indent else ''}{line}{eol}" for line in lines)


def _end(node: Any) -> int:
    """Where the text of a node ends; that of a block of lines ends with its last value."""
    import yaml

    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)
