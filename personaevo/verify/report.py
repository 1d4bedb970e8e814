"""Checks of a verification: the consistency of evaluations, the scoring of a run, and the final table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from personaevo.archive import Finding

TOLERANCE = 1e-6
EXACT = 1e-9  # the tolerance where the inputs of a value are stored too


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: disagreements, things that could not be checked with the reason, and the number of checks by kind."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    checked: Mapping[str, int]


@dataclass
class Report:
    """The results of a verification so far."""

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, where: str, found: object, expected: object) -> None:
        """Add a disagreement."""
        self.findings.append(Finding(kind, where, shown(found), shown(expected)))

    def compare(self, kind: str, where: str, found: float | None, expected: float | None, tolerance: float = TOLERANCE) -> None:
        """Add a disagreement if two numbers differ."""
        if found is None or expected is None:
            agree = found is expected
        else:
            agree = math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
        if not agree:
            self.add(kind, where, found, expected)


def shown(value: object) -> str:
    """Write a value with 9 significant digits; None is "nothing"."""
    return "nothing" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def near(found: Any, expected: Sequence[float]) -> bool:
    """Tell whether two lists of numbers agree within the tolerance."""
    numbers = isinstance(found, list | tuple) and all(isinstance(value, int | float) for value in found)
    return (
        numbers and len(found) == len(expected)
        and all(math.isclose(*pair, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for pair in zip(found, expected, strict=True))
    )  # fmt: skip
