"""The result of refining one person: records that the archive stores and reports are made from."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from personaevo.records import Record
from personaevo.refine.profile import BUDGET, Profile
from personaevo.refine.versions import History

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
