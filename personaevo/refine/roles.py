"""The roles of a refinement: their interfaces and records, and their embedded implementation, which needs no model.

A player acts out a profile, an analyst says where it differs from the person, and a refiner rewrites it. Each is embedded or a model's
(``--model user=… analyst=… refiner=…``); the loop treats both alike. Embedded, the agenda-based simulator plays, the analysis is measured,
and the refiner moves dials. One dialogue is weak evidence on a person, and copying it is worse than the population's mean. Targets are
therefore posterior expectations, and dials are moved by the shortfall of the role-plays, which do not show exactly the values of the dials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from personaevo.records import Floats
from personaevo.refine.behavior import Action, Context, Item
from personaevo.refine.profile import Profile


@dataclass(frozen=True, slots=True)
class Response:
    """The role-player's answer at one moment; ``did`` is None, with the ``reason``, if there was no usable one."""

    context: Context
    did: str | Action | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RolePlay:
    """One role-play of one item.

    ``responses`` answer the item's contexts one by one (empty if a whole dialogue of its own was played). ``fingerprint`` [d] is the
    feature row of the text (``features.measured``), None if there was no text.
    """

    item_id: str
    sample: int
    responses: tuple[Response, ...] = ()
    fingerprint: Floats | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The differences between role-plays of a profile and the person.

    Attributes:
        text: the analysis, for the refiner and for reports.
        targets: dials with the value that is expected of the person.
        sources: ids of the training items that it was made from.
        shown: dials with the value that the role-plays show, where measured.
        evidence: ids of the items that show a behavior more (+) or less (-) than people do, by the behavior's name with that sign in front.
    """

    text: str
    targets: dict[str, float]
    sources: tuple[str, ...]
    shown: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer of the refiner that is not a usable profile, with the reason."""

    reason: str


class Player(Protocol):
    """Acts out a profile.

    Equal arguments give equal role-plays; with the same ``seed``, two profiles are compared on common random numbers.
    """

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        """Play each item ``samples`` times; ordered by item, then by sample. A failed answer is a response without ``did``."""
        ...


class Analyst(Protocol):
    """Compares role-plays of the training items with what the person did there."""

    def analyze(self, profile: Profile, items: Sequence[Item], role_plays: Sequence[RolePlay]) -> Analysis:
        """Describe the differences. Raises ReplyError if a model's answer is unusable."""
        ...


class Refiner(Protocol):
    """Rewrites a profile from the analysis alone: the person's behavior is never shown to it."""

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """Make ``count`` candidates; ``advice`` names the fault of earlier ones (such as a leak)."""
        ...
