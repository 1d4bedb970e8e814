"""Frozen records that cross module borders, and the small protocols the parts meet on.

Records that come from outside (files, programs) are pydantic models and are validated once, at the border.
Records made inside are plain dataclasses: only clean values exist in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personaevo.errors import InputError
from personaevo.notebook import table

Floats = NDArray[np.float64]
Role = Literal["user", "assistant"]
Split = Literal["train", "test"]
Tier = Literal["kernel", "wasm", "weak"]
Wording = Literal["draft", "direction", "text"]  # how a model plays a persona
_MANNER = "Manner: what you want and what you know stays as it is; how you say it is that of this person, throughout."


def problem_of(error: ValidationError) -> str:
    """The first thing that is wrong with values, in one line."""
    first = error.errors()[0]
    field, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] == "missing" or not field else f", got {shown(first.get('input'))}"
    return f"{f'field {field!r:.80}: ' if field else ''}{message[:1].lower()}{message[1:]}{given}"


def shown(value: object) -> str:
    """A value as messages show it."""
    try:
        return f"{value!r:.100}"
    except (ValueError, RecursionError):  # an integer of more digits than Python writes, or deeply nested
        return f"a value of type {type(value).__name__}"


if TYPE_CHECKING:
    Told = BaseModel
else:

    class _Telling(type(BaseModel)):
        def __call__(cls, *args: Any, **values: Any) -> Any:
            if args:
                raise cls.mistake(f"{cls.__name__}: give its fields by name")
            try:
                return super().__call__(**values)
            except ValidationError as error:
                raise cls.told(error) from None

    class Told(BaseModel, metaclass=_Telling):
        """Base of models whose mistakes, where they are made from Python, are told as all others are. Reading (``model_validate``) raises
        pydantic's error, as readers know more of where the mistake is."""

        mistake: ClassVar[type[Exception]] = InputError

        @classmethod
        def told(cls, error: ValidationError) -> Exception:
            """The error in our words."""
            return cls.mistake(f"{cls.__name__}: {problem_of(error)}")


class Record(Told):
    """Base of validated records: frozen, unknown keys ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Task(Record):
    """What the simulated user wants; fixed for the whole search.

    ``goal`` is a phrase that completes "I want to …"; ``facts`` are private and maps a name to a value, both as the
    user would say them; ``context`` is free text around the task; ``group`` names the kind of task inside the domain
    (in ``service`` the kind of business).
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
        """The user's side, in order."""
        return [turn.content for turn in self.turns if turn.role == "user"]


class Axis(Record):
    """A named direction in dial space. ``dials`` maps a dial to its values at level 0 and 1; ``low`` and ``high`` are playbook texts, said
    of an axis that has no dials; ``who`` completes "someone who is …" at either end, for descriptions that a program writes."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    definition: str = ""
    low: str = ""
    high: str = ""
    who: tuple[str, str] = ("", "")
    dials: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Persona(Record):
    """One simulated user. ``behaviors`` maps an axis to a level in 0..1, ``dials`` a dial to a target in its own unit; ``text`` is what a
    simulator reads of them."""

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
        """Who they are, then how they write and what they hold back, in plain words: the description and, from the next line, the policy.
        At most 120 words where the policy is composed (see ``programs.personas.compose_policy``)."""
        return "\n".join(part for part in (self.description.strip(), self.policy.strip()) if part)

    def _repr_html_(self) -> str:
        return table(("dial", "value"), list(self.dials.items()), f"{self.id}: {self.text}")

    def overlay(self, prompt: str) -> str:
        """A user simulator's prompt with ``text`` laid over it: goal and facts stay as the prompt has them, the manner changes."""
        block = "\n".join(part for part in (_MANNER, self.text) if part)
        return f"{prompt.rstrip()}\n\n{block}\n" if prompt.strip() else f"{block}\n"


@dataclass(frozen=True, slots=True)
class Program:
    """A persona program: its source and the hash of its normalized source (see ``programs.source.program_id``)."""

    id: str
    source: str


@dataclass(frozen=True, slots=True)
class Level:
    """What an objective's raw value is where its share is 0, and where it is 1: what people get."""

    zero: float
    people: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured quantity: ``value`` on the scale that is compared (a share of what people get; neither end is clipped), its standard
    error on that scale, and ``raw``, the value before it was made a share. ``replicates`` are the values without each ``generate`` call
    in turn, in the order of the plan's tasks: with those of another program on the same plan they give the error of the difference."""

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
    """One planned dialogue and what came of it.

    ``state`` is "completed" or "failed"; a failed episode has a ``reason``, a ``fault`` ("program" or "infrastructure") and no
    fingerprint. ``fingerprint`` has one value per feature; ``preservation`` (0..1) is the share of task checks that held.
    ``p_human`` is filled in by the judge. ``broke`` has, for each turn of a directed user that broke its plan, its number (from 1) and in
    which points (see ``simulate.checks``).
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
    """One point of a reflection on a population: which behavior is off, and how. Remarks are ordered, the worst first, and carry no number.

    ``wanted``: people show "more" or "less" of it; dialogues should be "wider" or "narrower" spread; personas should be farther "apart" or
    more "alike"; one persona should be "steadier" or "looser" from one dialogue to the next; two behaviors (``feature`` is then
    "ONE~OTHER") go "together" among people, or are "opposed", more than here.
    """

    feature: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a program scored on a prefix of the evaluation plan.

    ``split`` is "train" for the search and "test" for held-out tasks and people. ``objectives`` maps a name
    (those of ``judge.objectives``, and "score") to an Estimate. ``remarks`` are the judge's reflection.
    ``tier`` is the sandbox tier that the program ran in, None if that was not recorded.
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
    """One dialogue of those that a run's judge was trained against: for which split, of which kind, on which task, its fingerprint."""

    split: str
    kind: str
    task_id: str
    fingerprint: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a run was scored by: of each objective its role and floor, and what people get with so many planned dialogues.

    ``rules`` maps an objective to its role, direction, floor and version; ``levels`` holds (split, planned dialogues, objective, level).
    """

    rules: Mapping[str, tuple[str, str, float | None, int]]
    levels: tuple[tuple[str, int, str, Level], ...]
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposal of the search, in the order of asking.

    ``number`` counts from 0 (the seed program). ``state`` is "evaluated", "failed" (with a reason) or "duplicate" (its normalized
    source was known: nothing was run, ``program`` is the known program's id).
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
    """One proposal for a candidate as it did on the stand-in of the run's model; the one that was ``played`` became the candidate."""

    program_id: str
    operator: str
    standing: float
    played: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one candidate adds to the archive, written in one transaction; ``screened`` are the proposals that it was chosen
    from, if any were tried on a stand-in."""

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
    """The final table: its rows, and the best program compared with each of the others. ``auditor_sees`` tells what the auditor saw beside
    fingerprint and dynamics ("typing 1": habits of typing, of that version)."""

    rows: tuple[TableRow, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    auditor_sees: str = ""

    def compared(self, against: str, objective: str) -> Comparison | None:
        """The best program compared with a row."""
        return next((one for one in self.comparisons if (one.against, one.objective) == (against, objective)), None)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one sandboxed ``generate`` call came to: n personas, None where a member failed."""

    ok: bool
    personas: tuple[Persona | None, ...] = ()
    reason: str | None = None
    seconds: float = 0.0
    fault: Literal["program", "infrastructure"] | None = None

    @property
    def made(self) -> list[Persona]:
        """The personas that are there."""
        return [persona for persona in self.personas if persona is not None]


@dataclass(frozen=True, slots=True)
class Run:
    """One search as the archive remembers it: its id, settings (JSON-able) and what it was measured against."""

    id: int
    settings: Mapping[str, Any]
    cells: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a chat model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one reply; ``cached_tokens`` are among ``input_tokens``. ``estimated`` tells that a server did not count all of them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a chat model answered: its text, the same parsed where a schema was given, and its cost in US dollars. ``cut`` tells that the
    answer reached the limit of tokens before its end, ``refusal`` why there is none that can be used ("" if there is)."""

    text: str
    parsed: Any = None
    usage: Usage = Usage()
    cost: float = 0.0
    cut: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One answer of a model as the archive keeps it. ``key`` is a digest of everything that the answer depends on, the sample index
    included; ``candidate`` is the proposal that it was made for, None if for all; ``seconds`` from the first attempt to the answer."""

    key: str
    role: str
    model: str
    candidate: int | None
    reply: Reply
    seconds: float


class Store(Protocol):
    """Where answers are kept: what was paid for once is not paid for again. Safe to use from several threads."""

    def get(self, key: str) -> Reply | None:
        """The answer kept under a key."""
        ...

    def put(self, call: ModelCall) -> None:
        """Keep an answer."""
        ...


class ChatModel(Protocol):
    """A chat model, or a wrapper of one. ``sample`` tells equal questions apart whose answers shall be drawn independently."""

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer."""
        ...


class Agent(Protocol):
    """The other side of the dialogue: the agent that is talked to."""

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        """The agent's next turn, or None when it ends the dialogue."""
