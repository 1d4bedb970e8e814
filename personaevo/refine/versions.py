"""The versions of a profile in the order of their making, what became of each, and what differs between two."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from personaevo.errors import InputError
from personaevo.records import Record
from personaevo.refine.profile import Claim, Profile

ALIKE = 0.5  # from which likeness on (difflib's ratio, 0 to 1) one claim is another one changed
DIALS = "dials"

State = Literal["start", "accepted", "rejected"]


class Score(Record):
    """A measured quantity of one version: the mean of ``n`` values and its standard error; ``value`` is None, with the reason, where it
    could not be measured."""

    value: Annotated[float, Field(allow_inf_nan=False)] | None
    se: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    n: Annotated[int, Field(ge=0)] = 0
    reason: str = ""


class Version(Record):
    """One version: ``parent`` is the number of the one that it was made from (None: the start), ``why`` the analysis that led to it,
    ``reason`` why it was accepted or rejected, ``scores`` what was measured of exactly this profile."""

    number: Annotated[int, Field(ge=0)]
    profile: Profile
    state: State
    parent: int | None = None
    why: str = ""
    reason: str = ""
    scores: dict[str, Score] = Field(default_factory=dict)


class Change(Record):
    """One difference of two profiles: a claim of ``section``, or, where that is "dials", the dial ``name`` with its numbers. ``before`` is
    None for what was added, ``after`` for what was removed."""

    section: str
    kind: Literal["added", "removed", "changed"]
    before: str | float | None = None
    after: str | float | None = None
    name: str = ""


class History(Record):
    """All versions of one person's profile, numbered 0, 1, … in the order of their making; the first is the start.

    Raises:
        InputError: the versions do not form a history: numbers, states or parents are not as they must be.
    """

    versions: Annotated[tuple[Version, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _grown(self) -> History:
        for number, version in enumerate(self.versions):
            starts = number == 0
            rooted = version.parent is None if starts else version.parent is not None and 0 <= version.parent < number
            if version.number != number or (version.state == "start") != starts or not rooted:
                given = f"number {version.number}, state {version.state}, parent {version.parent}"
                raise InputError(f"history: expected version {number} with an earlier parent, only the first a start; got {given}")
        return self

    @classmethod
    def begun(cls, profile: Profile, scores: dict[str, Score] | None = None) -> History:
        """A history with its start only."""
        return cls(versions=(Version(number=0, profile=profile, state="start", scores=scores or {}),))

    def added(
        self, profile: Profile, *, accepted: bool, parent: int | None = None, why: str = "", reason: str = "",
        scores: dict[str, Score] | None = None,
    ) -> History:  # fmt: skip
        """The history with one more version, made from ``parent`` (default: the current one)."""
        version = Version(
            number=len(self.versions), profile=profile, state="accepted" if accepted else "rejected",
            parent=self.current.number if parent is None else parent, why=why, reason=reason, scores=scores or {},
        )  # fmt: skip
        return History(versions=(*self.versions, version))

    @property
    def kept(self) -> tuple[Version, ...]:
        """The start and all that were accepted."""
        return tuple(version for version in self.versions if version.state != "rejected")

    @property
    def current(self) -> Version:
        """The latest that was accepted, else the start: what the next one is made from."""
        return self.kept[-1]

    def best(self, score: str, *, higher: bool = True) -> Version:
        """Of the start and the accepted, the one with the best value of a score; of equal ones the earliest. Versions without a value do
        not count; if none has one, it is the start."""
        scored = {version.number: version.scores[score].value for version in self.kept if score in version.scores}
        known = {number: value for number, value in scored.items() if value is not None}
        return self.versions[(max if higher else min)(known, key=lambda number: known[number], default=0)]

    def line(self, number: int) -> tuple[Version, ...]:
        """A version and those that it descends from, the start first."""
        found: list[Version] = []
        place: int | None = number
        while place is not None:
            found.append(self.versions[place])
            place = found[-1].parent
        return tuple(reversed(found))

    def changes(self, number: int) -> list[Change]:
        """What a version changed on its parent; nothing for the start."""
        version = self.versions[number]
        return [] if version.parent is None else diff(self.versions[version.parent].profile, version.profile)


def diff(a: Profile, b: Profile) -> list[Change]:
    """What changes from ``a`` to ``b``: section by section in their order, in each first what was changed or removed, in the order of
    ``a``, then what was added; dials last. Only the words of claims count, not their order within a section."""
    found = [change for name in a.sections for change in _claims(name, a.sections[name], b.sections[name])]
    for name in dict.fromkeys([*a.dials, *b.dials]):
        before, after = a.dials.get(name), b.dials.get(name)
        if before != after:
            kind: Literal["added", "removed", "changed"] = "added" if before is None else "removed" if after is None else "changed"
            found.append(Change(section=DIALS, kind=kind, before=before, after=after, name=name))
    return found


def _claims(section: str, before: tuple[Claim, ...], after: tuple[Claim, ...]) -> list[Change]:
    gone = _beyond(before, after)
    new = _beyond(after, before)
    found = []
    for text in gone:
        near = max(new, key=lambda other: _likeness(text, other), default=None)
        if near is not None and _likeness(text, near) >= ALIKE:
            new.remove(near)
            found.append(Change(section=section, kind="changed", before=text, after=near))
        else:
            found.append(Change(section=section, kind="removed", before=text))
    return found + [Change(section=section, kind="added", after=text) for text in new]


def _beyond(claims: tuple[Claim, ...], others: tuple[Claim, ...]) -> list[str]:
    """The texts of claims that the others do not have, as often as they do not have them."""
    left = [claim.text for claim in others]
    found = []
    for claim in claims:
        if claim.text in left:
            left.remove(claim.text)
        else:
            found.append(claim.text)
    return found


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a.lower().split(), b.lower().split(), autojunk=False).ratio()


def text_diff(a: Profile, b: Profile) -> str:
    """The change from ``a`` to ``b`` as a unified diff of all lines of the two profiles, dials among them; "" if they say the same."""
    before, after = ([*profile.text().splitlines(), *_numbers(profile)] for profile in (a, b))
    return "\n".join(difflib.unified_diff(before, after, a.id, b.id, n=len(before) + len(after), lineterm="")) if a.id != b.id else ""


def _numbers(profile: Profile) -> list[str]:
    return [f"{name} = {value:g}" for name, value in profile.dials.items()]
