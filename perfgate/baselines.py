"""The accepted runs under `baselines/`: one small file a scenario, reviewed like code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from perfgate import files, runfile
from perfgate.errors import BadRequest
from perfgate.model import Baseline, Comparable, Key, Metric, Noise, Run, Sample, Side
from perfgate.settings import is_file_name
from perfgate.stats import mean

FOLDER = "baselines"
PROJECT_FILE = "_project.json"
"""Holds what belongs to no scenario: artifacts and benchmarks."""

_DIGITS_OF_SAMPLED = 4


@dataclass(frozen=True, slots=True)
class Change:
    """What accepting would do to one sample: `before` None adds it, `after` None takes it out."""

    key: Key
    metric: Metric
    before: Sample | None
    after: Sample | None


def path_of(folder: Path, scenario: str) -> Path:
    """The file that holds the scenario's baseline. Raises BadRequest for a name that no scenario can have."""
    if scenario and not is_file_name(scenario):
        raise BadRequest(f"{scenario!r} is not the name of a scenario", hint="measure again")
    return folder / (f"{scenario}.json" if scenario else PROJECT_FILE)


def load_all(folder: Path) -> dict[str, Baseline]:
    """All baselines by scenario. Raises BadRequest for a file that is damaged or belongs under another name."""
    found: dict[str, Baseline] = {}
    if folder.exists() and not folder.is_dir():
        raise BadRequest(f"{folder.name}: is no folder", hint="move it away; perfgate keeps its baselines there")
    for path in sorted(folder.glob("*.json")):
        name = f"{folder.name}/{path.name}"
        if not path.is_file() and path.exists():
            raise BadRequest(f"{name}: is no file", hint=f"`git checkout -- {name}` restores it")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(
                f"{name}: cannot be read: {error}", hint=f"`git checkout -- {name}` restores it"
            ) from error
        baseline = runfile.load_baseline(text, name)
        if path_of(folder, baseline.scenario).name != path.name:
            wanted = path_of(folder, baseline.scenario).name
            raise BadRequest(f"{name}: is about scenario {baseline.scenario!r}", hint=f"rename it to {wanted}")
        found[baseline.scenario] = baseline
    return found


def changes(run: Run, baselines: Mapping[str, Baseline], globs: Iterable[str] = ()) -> list[Change]:
    """What accepting the run's head would change, in order. Sampled values that moved only within their noise stay."""
    patterns = tuple(globs) or ("*",)
    metrics = {metric.name: metric for baseline in baselines.values() for metric in baseline.metrics}
    metrics.update({metric.name: metric for metric in run.metrics})
    heads = [sample for sample in run.samples if sample.side is Side.HEAD]
    after = {sample.key: _rounded(sample) for sample in heads if _is_kept(sample)}
    without_value = {sample.key for sample in heads if not sample.present}
    before = {s.key: s for name, b in baselines.items() if name in _scenarios(run) for s in b.samples}
    return [
        Change(key, metrics[key.metric], before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys(), key=lambda key: (key.scope.scenario, key))
        if any(fnmatchcase(key.metric, glob) for glob in patterns)
        and key not in without_value
        and (
            _moved(before.get(key), after.get(key), metrics[key.metric])
            or not _comparable(run, baselines.get(key.scope.scenario), metrics[key.metric])
        )
    ]


def _comparable(run: Run, old: Baseline | None, metric: Metric) -> bool:
    """Whether an accepted value still means something here; one from elsewhere is replaced even if it looks alike."""
    if old is None or metric.comparable is Comparable.ANYWHERE:
        return True
    if metric.comparable is Comparable.SAME_MACHINE:
        return old.machine.kind == run.machine.kind
    return (old.postgres.major if old.postgres else "") == (run.postgres.major if run.postgres else "")


def _scenarios(run: Run) -> set[str]:
    return {"", *run.loads}


def _is_kept(sample: Sample) -> bool:
    """Baselines hold what later runs are compared with.

    Times of single statements are too noisy for that, and a statement's count of zero is what its absence says anyway.
    """
    if sample.scope.statement and (sample.noise is Noise.SAMPLED or not any(sample.present)):
        return False
    return bool(sample.present)


def _rounded(sample: Sample) -> Sample:
    """A sampled value means nothing beyond a few digits; an exact one keeps every digit, since it must be equal."""
    if sample.noise is Noise.EXACT:
        return replace(sample, values=(sample.present[0],))
    return replace(sample, values=tuple(_significant(value) for value in sample.present))


def _significant(value: float) -> float:
    return float(f"{value:.{_DIGITS_OF_SAMPLED}g}")


def _moved(before: Sample | None, after: Sample | None, metric: Metric) -> bool:
    if before is None or after is None or before.noise is not after.noise:
        return True
    if after.noise is Noise.EXACT:
        return before.values != after.values
    apart = min(after.present) > max(before.present) or max(after.present) < min(before.present)
    if not apart or min(*after.present, *before.present) <= 0:
        return apart
    return abs(math.log(mean(after.present) / mean(before.present))) > 2 * metric.drift


def accepted(
    run: Run, baselines: Mapping[str, Baseline], taken: Iterable[Change], *, by: str, reason: str, when: str
) -> list[Baseline]:
    """The baselines with the changes applied, only those that change."""
    by_scenario: dict[str, list[Change]] = {}
    for change in taken:
        by_scenario.setdefault(change.key.scope.scenario, []).append(change)
    return [
        _applied(run, scenario, baselines.get(scenario), own, by=by, reason=reason, when=when)
        for scenario, own in sorted(by_scenario.items())
    ]


def _applied(
    run: Run, scenario: str, old: Baseline | None, taken: list[Change], *, by: str, reason: str, when: str
) -> Baseline:
    samples = {sample.key: sample for sample in (old.samples if old else ())}
    metrics = {metric.name: metric for metric in (*(old.metrics if old else ()), *run.metrics)}
    _refuse_a_mixture(run, old, taken, metrics)
    for change in taken:
        samples.pop(change.key, None)
        if change.after is not None:
            samples[change.key] = change.after
    moved_home = all(_comparable(run, old, metrics[key.metric]) for key in samples.keys() - {c.key for c in taken})
    texts = {**(old.statements if old else {}), **run.statements}
    named = {key.scope.statement for key in samples if key.scope.statement}
    return Baseline(
        scenario=scenario,
        commit=run.commit + ("-dirty" if run.dirty else ""),
        accepted=when,
        by=by,
        reason=reason,
        machine=run.machine if moved_home or old is None else old.machine,
        postgres=run.postgres if moved_home or old is None else old.postgres,
        metrics=tuple(metrics[name] for name in sorted({key.metric for key in samples})),
        samples=tuple(samples[key] for key in sorted(samples)),
        statements={name: texts[name] for name in sorted(named) if name in texts},
    )


def _refuse_a_mixture(run: Run, old: Baseline | None, taken: list[Change], metrics: Mapping[str, Metric]) -> None:
    """One file names one machine and one server, so what depends on them is replaced as a whole or not at all."""
    keys = {change.key for change in taken}
    foreign = {s.key for s in (old.samples if old else ()) if not _comparable(run, old, metrics[s.metric])}
    if foreign & keys and foreign - keys:
        left = sorted({key.metric for key in foreign - keys})
        raise BadRequest(
            f"the baseline comes from another machine or Postgres, and {', '.join(left)} would stay from there",
            hint="leave `--metric` out, or name only metrics that are exact everywhere, such as 'queries.calls'",
        )


def write(folder: Path, baselines: Iterable[Baseline]) -> Iterator[Path]:
    """Write each baseline to its file, atomically; yields the files. One without samples is removed instead."""
    for baseline in baselines:
        path = path_of(folder, baseline.scenario)
        if baseline.samples:
            files.write(path, runfile.dump_baseline(baseline))
        else:
            path.unlink(missing_ok=True)
        yield path
