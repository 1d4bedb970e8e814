"""What a refinement came to, of one person: records that the archive keeps and reports are made of."""

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
_SINCE = ("rows", "recognized", "nearer")  # of an outcome, kept since typing is measured


class Settings(Record):
    """How to refine.

    Attributes:
        rounds: at most so many updates are tried one after the other.
        samples: role-plays of each item (or dialogues, with the embedded player) that a score is made of.
        candidates: refinements tried in a round.
        patience: so many rounds without an accepted one end it.
        leaks: what is done about text carried over from the person's items (``leakage.apply``).
        budget: words that a profile may have.
        paper: the published protocol: scored on what it was made from, every version taken, the last returned. In-sample.
        measures: optional measures of texts that are to stand beside the others ("cosine" of embeddings, "bert_score").
        form: how a model analyzes ("free", "states", "partner", "latent", "measured").
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
    """One profile on the items it is judged by in the end.

    ``values`` are the primary measure of each item (None: could not be measured), ``beside`` the other measures (see ``scoring.beside``),
    ``leak`` the leak score of the profile (0..1), ``shown`` the mean fingerprint of its role-plays where there is one, ``rows`` what each
    of them showed (``features``; only kept of the refined). ``recognized`` and ``nearer`` are the shares of other people that it fits less
    than its own person (``recognition``). Without values, ``reason`` says why.
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
        """Mean of the values that are there."""
        known = [value for value in self.values if value is not None]
        return sum(known) / len(known) if known else None


class Step(Record):
    """What shrinkage alone comes to from so many of the person's ``items``: the primary measure, and the share of others recognized."""

    items: Annotated[int, Field(ge=1)]
    value: Finite | None = None
    recognized: Share | None = None


class PersonResult(Record):
    """One person's refinement on one side of the dialogue (``role``, "" where there are no dialogues).

    ``profile`` is the refined one, exactly as it was scored in ``outcomes["refined"]``; the other outcomes are controls (``controls``).
    ``in_sample`` tells that there was nothing held out to score on. ``targets`` are the rows of the items judged by, where they have one,
    measured by ``features`` (the version; "" in results of before typing was measured); ``seen`` the fingerprints of all dialogues on that
    side, whole and as a reference holds them: by these the person is known again among people. ``curve`` is what fewer items would have
    come to. ``stop`` is why it ended. One that is done has a profile, a history and the
    outcomes "refined" and "start" with their profiles; a failed one has a ``reason`` and nothing else.
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
    curve: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> PersonResult:
        scored = all(name in self.outcomes and self.outcomes[name].profile for name in ("refined", "start"))
        if self.state == "done" and not (self.profile and self.history and scored):
            raise ValueError("a refinement that is done has a profile, a history, and the outcomes 'refined' and 'start'")
        return self

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others of a run."""
        return self.person, self.role

    @property
    def accepted(self) -> int:
        """How many updates were accepted."""
        return len(self.history.kept) - 1 if self.history else 0

    @property
    def digest(self) -> str:
        """32 hex digits of all that was found, numbers at 9 digits: equal for equal results."""
        since = {name for name in ("seen", "features", "curve") if not getattr(self, name)}  # archives of before they were kept stay good
        record = self.model_dump(mode="json", exclude=since)
        for outcome in record["outcomes"].values():
            for name in [name for name in _SINCE if not outcome[name] and outcome[name] != 0]:
                del outcome[name]
        text = json.dumps(_rounded(record), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value + 0.0:.9g}"
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
