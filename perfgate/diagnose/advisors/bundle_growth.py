"""An artifact that became too large: the file that did it, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perfgate.advice import Advice, Effort, Severity, Trial
from perfgate.diagnose.advisor import Advisor
from perfgate.diagnose.subject import Subject
from perfgate.model import Finding, Key, Level, Scope, Side, Unit
from perfgate.profiled import ShippedFile
from perfgate.units import show

SIZES = ("bundle.brotli", "bundle.gzip", "bundle.raw")

MOST = 2
LEAST_SHARE = 0.2
"""Share of what an artifact has too much that a file must have to be told."""

DENSE = 0.6
"""A file whose Brotli form is larger than this share of it holds what hardly compresses: text has 0.2 to 0.35."""

ONE_LINE = 0.5
"""Share of a file from which on its longest line is named."""


@dataclass(frozen=True)
class Heavy:
    """A file with its size by the metric that is red, here and in base (`was`; None where it is not, or none is).

    `compared` says that there is a base.
    """

    file: ShippedFile
    metric: str
    size: int
    was: int | None
    compared: bool

    @property
    def growth(self) -> int:
        return self.size - (self.was or 0)


class BundleGrowth(Advisor):
    """The files that make an artifact red, those that grew most first."""

    category = "bundle_growth"

    def advise(self, subject: Subject) -> Iterator[Advice]:
        worst: dict[str, Finding] = {}
        for found in sorted(
            subject.red(*SIZES), key=lambda one: (one.level is not Level.FAIL, SIZES.index(one.metric))
        ):
            worst.setdefault(found.scope.artifact, found)
        for artifact, found in worst.items():
            for heavy in _heavy(subject, artifact, found):
                yield _advice(subject, artifact, found, heavy)


def _size(file: ShippedFile, metric: str) -> int:
    return int(getattr(file, metric.partition(".")[2]))


def _heavy(subject: Subject, artifact: str, found: Finding) -> list[Heavy]:
    """Beside a base, what grew; without one, what is large enough to have grown by so much."""
    head = subject.shipped.get(Side.HEAD, {}).get(artifact, ())
    base = subject.shipped.get(Side.BASE, {}).get(artifact)
    before = {file.path: _size(file, found.metric) for file in base or ()}
    files = [
        Heavy(file, found.metric, _size(file, found.metric), before.get(file.path), base is not None) for file in head
    ]
    files.sort(key=lambda heavy: heavy.growth, reverse=True)
    total = sum(heavy.size for heavy in files)
    excess = total - (sum(before.values()) if base is not None else _reference(subject, found))
    return [heavy for heavy in files if heavy.growth > 0 and heavy.growth >= LEAST_SHARE * max(excess, 0)][:MOST]


def _reference(subject: Subject, found: Finding) -> float:
    """What the artifact weighed in the accepted baseline; without one, nothing."""
    return subject.references.get(Key(found.metric, found.scope), 0.0)


def _advice(subject: Subject, artifact: str, found: Finding, heavy: Heavy) -> Advice:
    file, size = heavy.file, show(heavy.size, Unit.BYTES)
    total = subject.value(found.metric, found.scope) or float(heavy.size)
    dense = file.raw > 0 and file.brotli / file.raw > DENSE
    in_line = file.line_bytes >= ONE_LINE * file.raw > 0
    return Advice(
        BundleGrowth.category,
        Severity.HIGH if found.level is Level.FAIL else Severity.MEDIUM,
        title=f"{file.path} {_happened(heavy)}: {size} of the {show(total, Unit.BYTES)} of {artifact}",
        evidence=tuple(_evidence(subject, found, heavy, dense=dense, in_line=in_line)),
        effect=f"without it, {artifact} has {show(total - heavy.growth, Unit.BYTES)}",
        effort=Effort.HOURS,
        remedy=_remedy(file, dense=dense),
        scope=Scope(artifact=artifact),
        verified=(_trial(artifact, total, heavy),),
        code=f"{file.path}:{file.line}" if in_line else file.path,
        metrics=("bundle.*",),
    )


def _happened(heavy: Heavy) -> str:
    if not heavy.compared:
        return "is the heaviest"
    return "is new" if heavy.was is None else f"grew by {show(heavy.growth, Unit.BYTES)}"


def _evidence(subject: Subject, found: Finding, heavy: Heavy, *, dense: bool, in_line: bool) -> Iterator[str]:
    file, form = heavy.file, heavy.metric.partition(".")[2]
    sizes = f"{show(file.raw, Unit.BYTES)} on disk, {show(file.gzip, Unit.BYTES)} by gzip, "
    yield f"{file.path}: {sizes}{show(file.brotli, Unit.BYTES)} by Brotli"
    before = _reference(subject, found)
    if not heavy.compared and before:
        yield f"the whole artifact had {show(before, Unit.BYTES)} ({form}) when it was accepted"
    if dense:
        ratio = show(file.brotli / file.raw, Unit.RATIO)
        yield f"Brotli leaves {ratio} of it, so it holds what does not compress: images or fonts as text, or noise"
    if in_line:
        yield f"line {file.line} alone has {show(file.line_bytes, Unit.BYTES)}"


def _remedy(file: ShippedFile, *, dense: bool) -> str:
    if dense:
        return (
            f"Find what put data into {file.path}, and ship it as a file of its own that is loaded when it is needed."
        )
    return f"Find the import that brought the code into {file.path}: drop it, or load it when it is needed."


def _trial(artifact: str, total: float, heavy: Heavy) -> Trial:
    if heavy.was is not None:
        what = f"{heavy.metric} of {artifact}, with {heavy.file.path} as it is and as it was in base"
    else:
        what = f"{heavy.metric} of {artifact}, with {heavy.file.path} and without"
    return Trial(what, Unit.BYTES, total, total - heavy.growth, tried=False)


ADVISOR = BundleGrowth()
