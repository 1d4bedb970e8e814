"""Records of a refinement: the versions of a profile in the order they were made, and the result of one person."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from personaevo.errors import InputError
from personaevo.records import Record
from personaevo.refine.profile import Claim, Profile

ALIKE = 0.5  # least similarity (difflib's ratio, 0 to 1) at which a removed and an added claim count as one changed claim
DIALS = "dials"

State = Literal["start", "accepted", "rejected"]


class Score(Record):
    """A measured quantity of one version: mean of ``n`` values and standard error; ``value`` is None, with the reason, if it could not be
    measured."""

    value: Annotated[float, Field(allow_inf_nan=False)] | None
    se: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    n: Annotated[int, Field(ge=0)] = 0
    reason: str = ""


class Version(Record):
    """One version.

    Attributes:
        parent: number of the version that it was made from (None: the initial profile).
        why: the analysis that led to it.
        reason: why it was accepted or rejected.
        scores: measurements of exactly this profile.
    """

    number: Annotated[int, Field(ge=0)]
    profile: Profile
    state: State
    parent: int | None = None
    why: str = ""
    reason: str = ""
    scores: dict[str, Score] = Field(default_factory=dict)


class Change(Record):
    """One difference between two profiles: a claim of ``section``, or, if that is "dials", the dial ``name`` with its values.

    ``before`` is None for what was added, ``after`` for what was removed.
    """

    section: str
    kind: Literal["added", "removed", "changed"]
    before: str | float | None = None
    after: str | float | None = None
    name: str = ""


class History(Record):
    """All versions of one person's profile, numbered 0, 1, … in the order they were made; the first is the initial profile.

    Raises:
        InputError: numbers, states or parents of the versions are inconsistent.
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
        """A history of the initial profile only."""
        return cls(versions=(Version(number=0, profile=profile, state="start", scores=scores or {}),))

    def added(
        self, profile: Profile, *, accepted: bool, parent: int | None = None, why: str = "", reason: str = "",
        scores: dict[str, Score] | None = None,
    ) -> History:  # fmt: skip
        """A copy with one more version, made from ``parent`` (default: the current one)."""
        version = Version(
            number=len(self.versions), profile=profile, state="accepted" if accepted else "rejected",
            parent=self.current.number if parent is None else parent, why=why, reason=reason, scores=scores or {},
        )  # fmt: skip
        return History(versions=(*self.versions, version))

    @property
    def kept(self) -> tuple[Version, ...]:
        """The initial profile and the accepted versions."""
        return tuple(version for version in self.versions if version.state != "rejected")

    @property
    def current(self) -> Version:
        """The latest accepted version, else the initial profile: the parent of the next one."""
        return self.kept[-1]

    def best(self, score: str, *, higher: bool = True) -> Version:
        """The kept version with the best value of a score; the earliest of equal ones.

        Versions without a value do not count; if no version has one, the initial profile is returned.
        """
        scored = {version.number: version.scores[score].value for version in self.kept if score in version.scores}
        known = {number: value for number, value in scored.items() if value is not None}
        return self.versions[(max if higher else min)(known, key=lambda number: known[number], default=0)]

    def line(self, number: int) -> tuple[Version, ...]:
        """A version and its ancestors, the initial profile first."""
        found: list[Version] = []
        place: int | None = number
        while place is not None:
            found.append(self.versions[place])
            place = found[-1].parent
        return tuple(reversed(found))

    def changes(self, number: int) -> list[Change]:
        """Changes of a version against its parent; none for the initial profile."""
        version = self.versions[number]
        return [] if version.parent is None else diff(self.versions[version.parent].profile, version.profile)


def diff(a: Profile, b: Profile) -> list[Change]:
    """Changes from ``a`` to ``b``: section by section, changed and removed claims in the order of ``a``, then added ones; dials last.

    Only the words of claims count, not their order within a section.
    """
    found = [change for name in a.sections for change in _claims(name, a.sections[name], b.sections[name])]
    for name in dict.fromkeys([*a.dials, *b.dials]):
        before, after = a.dials.get(name), b.dials.get(name)
        if before != after:
            kind: Literal["added", "removed", "changed"] = "added" if before is None else "removed" if after is None else "changed"
            found.append(Change(section=DIALS, kind=kind, before=before, after=after, name=name))
    return found


def _claims(section: str, before: tuple[Claim, ...], after: tuple[Claim, ...]) -> list[Change]:
    """Changes of one section: a removed claim is paired with the most similar added one if they are similar enough."""
    gone, new, found = _difference(before, after), _difference(after, before), []
    for text in gone:
        words = text.lower().split()
        likeness = {
            other: difflib.SequenceMatcher(None, words, other.lower().split(), autojunk=False).ratio() for other in dict.fromkeys(new)
        }
        near = max(likeness, key=lambda other: likeness[other], default=None)
        if near is not None and likeness[near] >= ALIKE:
            new.remove(near)
            found.append(Change(section=section, kind="changed", before=text, after=near))
        else:
            found.append(Change(section=section, kind="removed", before=text))
    return found + [Change(section=section, kind="added", after=text) for text in new]


def _difference(claims: tuple[Claim, ...], others: tuple[Claim, ...]) -> list[str]:
    """The texts of ``claims`` that ``others`` lack, counting repetitions."""
    left = [claim.text for claim in others]
    found = []
    for claim in claims:
        if claim.text in left:
            left.remove(claim.text)
        else:
            found.append(claim.text)
    return found


def text_diff(a: Profile, b: Profile) -> str:
    """The change from ``a`` to ``b`` as a unified diff of all lines, dials included; "" if the profiles are equal."""
    if a.id == b.id:
        return ""
    before, after = (
        [*profile.text().splitlines(), *(f"{name} = {value:g}" for name, value in profile.dials.items())] for profile in (a, b)
    )
    return "\n".join(difflib.unified_diff(before, after, a.id, b.id, n=len(before) + len(after), lineterm=""))
