"""Frozen records that modules exchange.

Records of outside data (files, programs) are pydantic models, validated once when read. Records made inside are plain dataclasses, which
hold valid values only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personaevo.chat import Role
from personaevo.errors import InputError
from personaevo.renamed import old_names
from personaevo.text import table

Floats = NDArray[np.float64]
Split = Literal["train", "test"]
Tier = Literal["kernel", "wasm", "weak"]
Wording = Literal["draft", "direction", "text"]  # how a model plays a persona
_MANNER = "Manner: what you want and what you know stays as it is; how you say it is that of this person, throughout."


def problem_of(error: ValidationError) -> str:
    """The first validation error, in one line."""
    first = error.errors()[0]
    field, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] == "missing" or not field else f", got {shown(first.get('input'))}"
    return f"{f'field {field!r:.80}: ' if field else ''}{message[:1].lower()}{message[1:]}{given}"


def shown(value: object) -> str:
    """A value as error messages show it."""
    try:
        return f"{value!r:.100}"
    except (ValueError, RecursionError):  # an integer of more digits than Python writes, or deeply nested
        return f"a value of type {type(value).__name__}"


if TYPE_CHECKING:
    CheckedModel = BaseModel
else:

    class _CheckedMeta(type(BaseModel)):
        def __call__(cls, *args: Any, **values: Any) -> Any:
            if args:
                raise cls.error_type(f"{cls.__name__}: give its fields by name")
            try:
                return super().__call__(**values)
            except ValidationError as error:
                raise cls.to_error(error) from None

    class CheckedModel(BaseModel, metaclass=_CheckedMeta):
        """Base of models whose constructor raises an error of this package (``error_type``). ``model_validate`` raises pydantic's error,
        to which readers of files add the place."""

        error_type: ClassVar[type[Exception]] = InputError

        @classmethod
        def to_error(cls, error: ValidationError) -> Exception:
            """The package's error for a validation error."""
            return cls.error_type(f"{cls.__name__}: {problem_of(error)}")


class Record(CheckedModel):
    """Base of validated records: frozen, unknown keys ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Task(Record):
    """The goal of a simulated user; fixed for the whole search.

    ``goal`` completes "I want to …". ``facts`` are private and map a name to a value, both as the user would say them. ``context`` is free
    text around the task. ``group`` names the kind of task in the domain (in ``service`` the kind of business).
    """

    id: Annotated[str, Field(min_length=1)]
    goal: Annotated[str, Field(min_length=1)]
    facts: dict[str, str] = Field(default_factory=dict)
    context: str = ""
    domain: str = ""
    group: str = ""
    split: Split = "train"

    def for_program(self) -> dict[str, Any]:
        """The part of the task that a persona program sees."""
        return {"goal": self.goal, "facts": dict(self.facts), "context": self.context, "domain": self.domain}


class Turn(Record):
    """One turn of a dialogue."""

    role: Role
    content: str


class Dialogue(Record):
    """One dialogue; ``user_id`` identifies the person on the user's side where the corpus knows it."""

    id: str
    turns: tuple[Turn, ...]
    source: str = ""
    domain: str = ""
    task: str | None = None
    user_kind: Literal["human", "llm", "simulated"] = "human"
    user_id: str | None = None

    def user_texts(self) -> list[str]:
        """The user's turns, in order."""
        return [turn.content for turn in self.turns if turn.role == "user"]


class Axis(Record):
    """A named direction in dial space. ``dials`` maps a dial to its values at level 0 and 1; ``low`` and ``high`` are playbook texts of an
    axis without dials; ``who`` completes "someone who is …" at either end, for descriptions that a program writes."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    definition: str = ""
    low: str = ""
    high: str = ""
    who: tuple[str, str] = ("", "")
    dials: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Persona(Record):
    """One simulated user. ``behaviors`` maps an axis to a level in 0..1, ``dials`` a dial to a target in its own unit; ``text`` is what a
    user simulator gets."""

    id: str
    description: str
    behaviors: dict[str, float] = Field(default_factory=dict)
    dials: dict[str, float] = Field(default_factory=dict)
    policy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON-able values."""
        return self.model_dump(mode="json")

    @property
    def text(self) -> str:
        """The description and, from the next line, the policy: who they are, then how they write and what they hold back. At most 120 words
        where the policy is composed (see ``programs.personas.compose_policy``)."""
        return "\n".join(part for part in (self.description.strip(), self.policy.strip()) if part)

    def _repr_html_(self) -> str:
        return table(("dial", "value"), list(self.dials.items()), f"{self.id}: {self.text}")

    def overlay(self, prompt: str) -> str:
        """A user simulator's prompt followed by ``text``: goal and facts stay as the prompt has them, the manner changes."""
        block = "\n".join(part for part in (_MANNER, self.text) if part)
        return f"{prompt.rstrip()}\n\n{block}\n" if prompt.strip() else f"{block}\n"


@dataclass(frozen=True, slots=True)
class Program:
    """A persona program: its source and the hash of its normalized source (see ``programs.source.program_id``)."""

    id: str
    source: str


@dataclass(frozen=True, slots=True)
class Level:
    """The raw values of an objective that count as share 0 (``zero``) and 1 (``people``: the value of people)."""

    zero: float
    people: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured quantity: ``value`` as a share of the value of people (not clipped), its standard error on that scale, and the ``raw``
    value. ``replicates`` are the jackknife values, each without one ``generate`` call, in the order of the plan's tasks: with those of
    another program on the same plan they give the error of the difference."""

    value: float
    se: float
    raw: float
    replicates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CellScore:
    """A program in one cell: the share of its planned episodes there, its score there (0..1) and the score's standard error."""

    cell: int
    share: float
    score: float
    se: float

    @property
    def low(self) -> float:
        """Lower confidence bound by which elites are compared (one standard error)."""
        return self.score - self.se


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One episode of the evaluation plan: which task, which persona slot of it, and the episode's seed."""

    task_id: str
    slot: int
    seed: int


@dataclass(frozen=True, slots=True)
class Episode:
    """One planned dialogue and its result.

    A failed episode has a ``reason``, a ``fault`` and no fingerprint. ``fingerprint`` has one value per feature; ``preservation`` (0..1)
    is the share of task checks that held. The judge fills in ``p_human``. ``broke`` has, for each turn of a directed user that broke its
    plan, its number (from 1) and the points broken (see ``simulate.checks``).
    """

    item: PlanItem
    state: Literal["completed", "failed"]
    turns: tuple[tuple[Role, str], ...] = ()
    outcome: str = ""
    fingerprint: tuple[float, ...] = ()
    preservation: float = 0.0
    p_human: float | None = None
    cell: int | None = None
    persona: Persona | None = None
    reason: str | None = None
    fault: Literal["program", "infrastructure"] | None = None
    broke: tuple[tuple[int, tuple[str, ...]], ...] = ()


Wanted = Literal["more", "less", "wider", "narrower", "apart", "alike", "steadier", "looser", "together", "opposed"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One point of a reflection on a population: a behavior that is off, and how. Remarks are ordered, the worst first, without numbers.

    ``wanted``: people show "more" or "less" of it; dialogues should be "wider" or "narrower" spread; personas should be farther "apart" or
    more "alike"; one persona should be "steadier" or "looser" between dialogues; two behaviors (``feature`` is then "ONE~OTHER") go
    "together" among people, or are "opposed", more than here.
    """

    feature: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a program on a prefix of the evaluation plan.

    ``split`` is "train" for the search and "test" for held-out tasks and people. ``objectives`` maps a name (those of
    ``judge.objectives``, and "score") to an Estimate. ``remarks`` are the judge's reflection. ``tier`` is the sandbox tier, None if it
    was not recorded.
    """

    program_id: str
    split: Split
    planned: int
    completed: int
    objectives: Mapping[str, Estimate]
    cells: tuple[CellScore, ...] = ()
    remarks: tuple[Remark, ...] = ()
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """One negative example of a run's judge: split, kind, task and fingerprint of a dialogue."""

    split: str
    kind: str
    task_id: str
    fingerprint: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a run was scored. ``rules`` maps an objective to its role, direction, floor and version; ``levels`` holds (split, planned
    dialogues, objective, level).
    """

    rules: Mapping[str, tuple[str, str, float | None, int]]
    levels: tuple[tuple[str, int, str, Level], ...]
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposal of the search. ``number`` counts from 0 (the seed program) in the order of asking. ``state`` is "evaluated", "failed"
    (with a reason) or "duplicate" (its normalized source was known: nothing was run, ``program`` is the known program's id).
    """

    number: int
    program: Program
    parents: tuple[str, ...]
    operator: str
    state: Literal["evaluated", "failed", "duplicate"]
    reason: str | None = None
    fault: Literal["program", "infrastructure"] | None = None


@dataclass(frozen=True, slots=True)
class Screened:
    """One proposal for a candidate, with its standing on the surrogate of the run's model; the ``played`` one became the candidate."""

    program_id: str
    operator: str
    standing: float
    played: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one candidate adds to the archive, written in one transaction; ``screened`` are the proposals from which it was
    chosen, if any were tried on a surrogate."""

    candidate: Candidate
    evaluation: Evaluation | None = None
    episodes: tuple[Episode, ...] = ()
    screened: tuple[Screened, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One entry of the final table: mean and 95 % interval of the share, the raw mean, and over how many planned episodes."""

    mean: float
    low: float
    high: float
    raw: float
    completed: int
    planned: int


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the final table: "humans", "persona_free", a control, "seed_program" or "evolved"."""

    row: str
    program_id: str | None
    measures: Mapping[str, Measure]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The paired difference of two rows of the final table in one objective, ``row`` less ``against``, with its 95 % interval."""

    row: str
    against: str
    objective: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FinalTable:
    """The final table: its rows, and the best program compared with each of the others. ``auditor_sees`` names what the auditor saw in
    addition to fingerprint and dynamics ("typing 1": habits of typing, version 1)."""

    rows: tuple[TableRow, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    auditor_sees: str = ""

    def compared(self, against: str, objective: str) -> Comparison | None:
        """The best program compared with a row."""
        return next((one for one in self.comparisons if (one.against, one.objective) == (against, objective)), None)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of one sandboxed ``generate`` call: n personas, None for a member that failed."""

    ok: bool
    personas: tuple[Persona | None, ...] = ()
    reason: str | None = None
    seconds: float = 0.0
    fault: Literal["program", "infrastructure"] | None = None

    @property
    def made(self) -> list[Persona]:
        """The personas without failed members."""
        return [persona for persona in self.personas if persona is not None]


@dataclass(frozen=True, slots=True)
class Run:
    """One search as recorded in the archive: its id, settings (JSON-able) and cells."""

    id: int
    settings: Mapping[str, Any]
    cells: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


__getattr__ = old_names(__name__)
