"""Records of a refinement: the versions of a profile in the order they were made, and the result of one person."""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from personaevo.errors import InputError
from personaevo.records import Record
from personaevo.refine.profile import BUDGET, Claim, Profile

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


Stop = Literal["rounds", "patience", "converged", "budget", "analysis"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
_ADDED_FIELDS = ("rows", "recognized", "nearer")  # of an outcome; not in archives from before typing was measured


class Settings(Record):
    """Settings of a refinement.

    Attributes:
        rounds: maximum number of updates, one after the other.
        samples: role-plays per item (dialogues, with the embedded player) for one score.
        candidates: candidate updates per round.
        patience: rounds without an accepted update after which the refinement stops.
        leaks: policy on text copied from the person's items (``apply_policy``).
        budget: maximum number of words of a profile.
        paper: the published protocol: scored on the training items, every version taken, the last returned. In-sample.
        measures: optional secondary text measures ("cosine" of embeddings, "bert_score").
        form: form of a model's analysis ("free", "states", "partner", "latent", "measured").
        seed: of everything random, the split included.
    """

    rounds: Annotated[int, Field(ge=1, le=100)] = 3
    samples: Annotated[int, Field(ge=2, le=10_000)] = 10
    candidates: Annotated[int, Field(ge=1, le=20)] = 2
    patience: Annotated[int, Field(ge=1, le=100)] = 2
    leaks: Literal["warn", "redact", "reject"] = "redact"
    budget: Annotated[int, Field(ge=1, le=10_000)] = BUDGET
    paper: bool = False
    measures: tuple[Literal["cosine", "bert_score"], ...] = ()
    form: Literal["free", "states", "partner", "latent", "measured"] = "free"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class Outcome(Record):
    """One profile scored on the final items.

    Attributes:
        values: primary measure of each item (None: could not be measured).
        beside: secondary measures (see ``secondary_measures``).
        leak: leak score of the profile (0..1).
        shown: mean fingerprint of its role-plays, where there is one.
        rows: features of each role-play (``features``); only kept for the refined profile.
        recognized, nearer: share of other people that it fits less than its own person (``Lineup``).
        reason: why there are no values.
    """

    profile: Profile | None = None
    values: tuple[Finite | None, ...] = ()
    beside: dict[str, Finite | None] = Field(default_factory=dict)
    leak: Annotated[float, Field(ge=0, le=1)] | None = None
    shown: tuple[Finite, ...] | None = None
    rows: tuple[tuple[Finite | None, ...], ...] = ()
    recognized: Share | None = None
    nearer: Share | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """Mean of the values that are not missing."""
        known = [value for value in self.values if value is not None]
        return sum(known) / len(known) if known else None


class LearningCurvePoint(Record):
    """Shrinkage alone from the first ``items`` items of a person: the primary measure, and the share of other people told apart."""

    items: Annotated[int, Field(ge=1)]
    value: Finite | None = None
    recognized: Share | None = None


class PersonResult(Record):
    """The refinement of one person on one side of the dialogue (``role``; "" if there are no dialogues).

    A result that is done has a profile, a history and the outcomes "refined" and "start" with their profiles; a failed one has only a
    ``reason``.

    Attributes:
        stop: why the refinement ended.
        in_sample: True if there were no held-out items to score on.
        profile: the refined profile, exactly as scored in ``outcomes["refined"]``; the other outcomes are controls.
        targets: feature rows of the scored items, where they have one.
        seen: fingerprints of the person's dialogues on that side, as a reference holds them; used to match the person with a reference.
        features: version of the feature set ("" in results from before typing was measured).
        curve: scores with fewer items.
    """

    person: str
    role: str = ""
    state: Literal["done", "failed"] = "done"
    reason: str = ""
    stop: Stop | Literal[""] = ""
    fit_only: bool = False
    in_sample: bool = False
    measure: str = ""
    higher: bool = False
    items: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    profile: Profile | None = None
    history: History | None = None
    outcomes: dict[str, Outcome] = Field(default_factory=dict)
    targets: tuple[tuple[Finite | None, ...], ...] = ()
    seen: tuple[tuple[Finite, ...], ...] = ()
    features: str = ""
    curve: tuple[LearningCurvePoint, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> PersonResult:
        scored = all(name in self.outcomes and self.outcomes[name].profile for name in ("refined", "start"))
        if self.state == "done" and not (self.profile and self.history and scored):
            raise ValueError("a refinement that is done has a profile, a history, and the outcomes 'refined' and 'start'")
        return self

    @property
    def key(self) -> tuple[str, str]:
        """Unique key within a run."""
        return self.person, self.role

    @property
    def accepted(self) -> int:
        """Number of accepted updates."""
        return len(self.history.kept) - 1 if self.history else 0

    @property
    def digest(self) -> str:
        """32 hex digits over the whole result, numbers at 9 significant digits: equal for equal results."""
        missing = {name for name in ("seen", "features", "curve") if not getattr(self, name)}  # older archives do not have these fields
        record = self.model_dump(mode="json", exclude=missing)
        for outcome in record["outcomes"].values():
            for name in [name for name in _ADDED_FIELDS if not outcome[name] and outcome[name] != 0]:
                del outcome[name]
        text = json.dumps(_rounded(record), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value + 0.0:.9g}"
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
