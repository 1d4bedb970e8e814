"""The three roles of a refinement and what passes between them: who plays a profile, who says where it differs, who rewrites it.

Each role is the embedded engine's or a model's (``--model user=… analyst=… refiner=…``); the loop does not know which.
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
    """What a profile was made to do at one moment; ``did`` is None, with the ``reason``, where nothing usable came."""

    context: Context
    did: str | Action | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Performance:
    """One role-play of one item. ``responses`` answer the item's contexts one by one (none where a whole dialogue of its own was played);
    ``fingerprint`` [d] is the row of what was said (``features.measured``), None where nothing was."""

    item_id: str
    sample: int
    responses: tuple[Response, ...] = ()
    fingerprint: Floats | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """Where what a profile does differs from what the person did. ``text`` is for the refiner and for people; ``targets`` are dials with
    the value that is expected of the person, and ``shown`` what the profile's role-plays show of them, where that was measured;
    ``sources`` are the ids of the training items it was made from, ``evidence`` those that show a behavior more (+) or less (-) than
    people, by the behavior's name with that sign in front."""

    text: str
    targets: dict[str, float]
    sources: tuple[str, ...]
    shown: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer of the refiner that is no profile, and why."""

    reason: str


class Player(Protocol):
    """Plays a profile. Equal arguments give equal performances; the same ``seed`` for two profiles makes them comparable (common random
    numbers)."""

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[Performance]:
        """``samples`` role-plays of each item, by item, then by sample. What fails is a response without ``did``."""
        ...


class Analyst(Protocol):
    """Compares role-plays of the training items with what the person did there."""

    def analyze(self, profile: Profile, items: Sequence[Item], performances: Sequence[Performance]) -> Analysis:
        """Where they differ. Raises ReplyError if a model gives nothing usable."""
        ...


class Refiner(Protocol):
    """Rewrites a profile from the analysis alone: it never sees the person's behavior."""

    def refine(self, profile: Profile, analysis: Analysis, count: int, advice: str = "") -> list[Profile | Refused]:
        """``count`` candidates; ``advice`` says what was wrong with earlier ones (a leak, say)."""
        ...
