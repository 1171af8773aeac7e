"""A calibration as people read it, and as `--json` writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import TextIO

from perfgate.calibration import MINUTES, Calibrated, Calibration, Row, rounded_up
from perfgate.judge.detection import PLANTED
from perfgate.model import Run, Side
from perfgate.publish.report import inert, one_line
from perfgate.publish.reports.terminal import Terminal
from perfgate.publish.sheet import Sheet
from perfgate.publish.words import many

SCHEMA = "perfgate calibration 1"

NARROWEST = 80

HOPELESS = 1.0
"""A change that is only seen when it is larger is not worth a number."""

ROUGH = 12
"""Process starts below which noise is known to no better than a fifth."""

_HEADS = ("", "noise", *(f"{minutes} min" for minutes in MINUTES), "tolerance", "passed", "red", "caught")


def shown(calibration: Calibration, stream: TextIO) -> str:
    """The report as `stream` can show it."""
    terminal = Terminal.on(stream)
    return text(calibration, max(terminal.width, NARROWEST), colour=terminal.colour)


def text(calibration: Calibration, width: int, *, colour: bool) -> str:
    """The report; every line ends with a line break."""
    sheet = Sheet(width)
    sheet.prose(f"The same code on both sides, on {one_line(calibration.run.machine.kind)}", "bold")
    for name in (scenario.name for scenario in calibration.scenarios):
        sheet.prose(company(calibration.run, name))
    for scenario in calibration.scenarios:
        _scenario(sheet, scenario, len(calibration.scenarios))
    _legend(sheet)
    return inert(sheet.text(colour=colour))


def company(run: Run, scenario: str) -> str:
    """How much other processes took of the machine meanwhile, and what that cost."""
    rounds = [facts for facts in run.rounds if facts.scenario == scenario]
    kept = [facts.others for facts in rounds if not facts.disturbed and facts.valid]
    retaken = sum(facts.disturbed and facts.side is Side.HEAD for facts in rounds)
    words = f"{scenario}: other processes took {median(kept):.2f} of {many(run.machine.cores, 'core')}"
    words += f" in the median round, {max(kept):.2f} at most; "
    return words + (
        f"{many(retaken, 'disturbed pair')} {_was(retaken)} taken again" if retaken else "no pair was disturbed"
    )


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _scenario(sheet: Sheet, scenario: Calibrated, scenarios: int) -> None:
    sheet.space()
    sheet.prose(_measured(scenario), "bold")
    if scenario.starts < ROUGH:
        sheet.prose(_rough(scenario, scenarios), "yellow", indent=2)
    _table(sheet, scenario.rows)
    for why, rows in _reasons(scenario.rows).items():
        sheet.prose(f"{', '.join(rows)}: {why}.", "dim", indent=2)
    for metric, endpoints in scenario.doubtful.items():
        sheet.prose(_doubt(metric, endpoints), "yellow", indent=2)
    sheet.prose(_basis(scenario), "dim", indent=2)


def _table(sheet: Sheet, rows: Sequence[Row]) -> None:
    """A line for each row; a name too long for its column has a line of its own."""
    cells = [_HEADS, *map(_cells, rows)]
    longest, *widths = (max(map(sheet.cells, column)) for column in zip(*cells, strict=True))
    column = min(longest, sheet.width - sum(width + 2 for width in widths))
    _above(sheet, column, widths)
    styles = ("dim", *("dim" if row.is_aside else "" for row in rows))
    for (name, *numbers), style in zip(cells, styles, strict=True):
        if sheet.cells(name) > column:
            sheet.line((name, style))
            name = ""
        tail = "".join(f"  {sheet.right(*cell)}" for cell in zip(numbers, widths, strict=True))
        sheet.line((f"{sheet.left(name, column)}{tail}".rstrip(), style))


def _above(sheet: Sheet, column: int, widths: Sequence[int]) -> None:
    """What columns have in common: changes seen in so many minutes, and what replays of the proposal said."""
    last = 1 + len(MINUTES)
    seen, replays = sum(widths[1:last]) + 2 * len(MINUTES) - 2, widths[last] + 4
    left = " " * (column + 2 + widths[0] + 2)
    sheet.line((f"{left}{sheet.left('sees changes from', seen)}{' ' * (replays)}in replays", "dim"))


def _rough(scenario: Calibrated, scenarios: int) -> str:
    """How long to measure for figures that are worth more."""
    minutes = math.ceil(2 * ROUGH * scenario.seconds * scenario.pairs / scenario.starts * scenarios / 60)
    return f"{many(scenario.starts, 'process start')} make rough figures: --time '{minutes} min' gives better ones."


def _measured(scenario: Calibrated) -> str:
    uncertain = f"noise known to ±{100 / math.sqrt(2 * max(scenario.starts - 1, 1)):.0f} %"
    return f"{scenario.name}: {many(scenario.pairs, 'pair')} of rounds, {scenario.seconds:.1f} s each; {uncertain}"


def _basis(scenario: Calibrated) -> str:
    most = ", ".join(map(str, scenario.most))
    return (
        f"{many(scenario.decisions, 'decision')} share the scenario's chance of an alarm. "
        f"{_minutes()} min have room for max_rounds {most}. "
        f"A gated run takes up to {scenario.plan_pairs} pairs before it confirms an alarm."
    )


def _minutes() -> str:
    return ", ".join(map(str, MINUTES))


def _doubt(metric: str, endpoints: Sequence[str]) -> str:
    return f"{metric}: a rule that names no endpoint is about each one too; too noisy for it: {', '.join(endpoints)}."


def _name(row: Row) -> str:
    return one_line(" ".join(filter(None, (row.sample.metric, row.scope.details()))), 44)


def _cells(row: Row) -> tuple[str, ...]:
    checked = row.checked
    shares = (checked.passed, checked.red, checked.caught) if checked else (None, None, None)
    proposed = "-" if row.tolerance is None else f"{row.tolerance * 100:g} %"
    return (_name(row), rounded_up(row.noise), *map(_seen, row.seen), proposed, *map(_share, shares))


def _seen(change: float | None) -> str:
    if change is None:
        return "-"
    return "> 100 %" if change > HOPELESS else rounded_up(change)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.0f} %"


def _reasons(rows: Iterable[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.why:
            found.setdefault(row.why, []).append(_name(row))
    return found


def _legend(sheet: Sheet) -> None:
    sheet.space()
    for words in (
        "noise: standard deviation of ln(head / base) over the pairs of rounds, as measured.",
        f"sees changes from: the smallest change that {_minutes()} minutes of rounds turn red four times in five.",
        "-: no alarm and its confirmation fit into so little time.",
        f"tolerance: unchanged code keeps it, and {PLANTED} times as much is caught in a gated run's time.",
        f"in replays: of these rounds, how often unchanged code passed, was red, and {PLANTED} times as much was red.",
    ):
        sheet.prose(words, "dim")


def document(calibration: Calibration) -> str:
    """The figures as JSON, ratios as such and times in seconds; null is a time too short for a decision."""
    run = calibration.run
    content = {
        "schema": SCHEMA,
        "started": run.started,
        "commit": run.commit,
        "dirty": run.dirty,
        "machine": run.machine.kind,
        "seconds": run.seconds,
        "scenarios": {scenario.name: _figures(scenario, run) for scenario in calibration.scenarios},
    }
    return json.dumps(content, indent=1) + "\n"


def _figures(scenario: Calibrated, run: Run) -> dict[str, object]:
    rounds = [facts for facts in run.rounds if facts.scenario == scenario.name]
    return {
        "pairs": scenario.pairs,
        "process_starts": scenario.starts,
        "seconds_a_pair": round(scenario.seconds, 3),
        "decisions": scenario.decisions,
        "pairs_of_a_run": scenario.plan_pairs,
        "others": round(median(facts.others for facts in rounds), 3),
        "retaken": sum(facts.disturbed and facts.side is Side.HEAD for facts in rounds),
        "metrics": [_figure(row) for row in scenario.rows],
    }


def _figure(row: Row) -> dict[str, object]:
    checked = row.checked
    return {
        "metric": row.sample.metric,
        "endpoint": row.scope.endpoint,
        "place": row.scope.details(),
        "noise": round(row.noise, 6),
        "seen": {f"{minutes} min": _number(change) for minutes, change in zip(MINUTES, row.seen, strict=True)},
        "tolerance": row.tolerance,
        "why": row.why,
        "replays": checked.replays if checked else 0,
        "passed": checked.passed if checked else None,
        "red": checked.red if checked else None,
        "caught": checked.caught if checked else None,
    }


def _number(change: float | None) -> float | str | None:
    if change is None:
        return None
    return round(change, 6) if change <= HOPELESS else "> 100 %"
