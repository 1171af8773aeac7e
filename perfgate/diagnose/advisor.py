"""What an advisor is: one file that looks for one kind of fault, and says nothing where it cannot know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from perfgate.advice import Advice
from perfgate.diagnose.subject import Subject


class Advisor(ABC):
    """One kind of fault.

    `category` names it in every advice; `options` are what a user may set for it, with their defaults. Those that need
    the laboratory say so (`tries`): the others are asked first, so that an allowance that runs out costs none of them.
    """

    category: str
    tries: bool = False
    options: ClassVar[Mapping[str, object]] = {}

    @abstractmethod
    def advise(self, subject: Subject) -> Iterable[Advice]:
        """Every advice, in any order. What it raises is noted, and costs the run this advisor alone."""
