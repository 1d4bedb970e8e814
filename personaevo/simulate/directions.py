"""``personaevo.Persona``, a persona record with its director and typist; the task arguments of public functions; and stage directions: the
plan of a turn in words, for simulators that play the user with a model of their own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from personaevo import content, records
from personaevo.config import DEFAULT_DOMAIN
from personaevo.definitions import Domain, domain_names
from personaevo.definitions import domain as load_domain
from personaevo.errors import ConfigError, ContentError, InputError
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task, problem_of
from personaevo.simulate.director import Director
from personaevo.simulate.draws import ACK_CAN_SHOW, SHORT
from personaevo.simulate.templates import filled, templates_for, wording
from personaevo.simulate.turns import GoalTracker, Move, Realization, TurnPlan, facts_of, realization_of, seed_of
from personaevo.simulate.typist import typist_for


def as_task(given: Task | Mapping[str, Any] | str, domain: str) -> Task:
    """Convert a task argument to a record, with ``domain`` if it names none.

    Raises:
        InputError: it is not a task.
    """
    if isinstance(given, Task):
        task = given
    else:
        values = {"goal": given.strip()} if isinstance(given, str) else dict(given)
        try:
            task = Task.model_validate({"id": "given", **values})
        except ValidationError as error:
            raise InputError(f"task: {problem_of(error)}") from None
    return task if task.domain else task.model_copy(update={"domain": domain})


class Persona(records.Persona):
    """One simulated user, with its director and typist."""

    def director(self, seed: int, task: Task | Mapping[str, Any] | str | None = None, domain: str | None = None) -> UserDirector:
        """A director of this user for one dialogue, turn by turn (see ``hooks.UserDirector``).

        ``task`` is a record, its fields ("goal", "facts", "context") or a goal. Without one, directions say that the user answers, but not
        what. ``domain`` (a name, or a folder's absolute path) provides the wording of drafts and the usual length of dialogues; by default
        it is the task's domain if that is installed, else the persona's own.

        Raises:
            InputError: it is not a task.
            ConfigError: there is no such domain.
        """

        wanted = None if task is None else as_task(task, "")
        named = wanted.domain if wanted is not None and wanted.domain in domain_names() else ""
        return UserDirector(self.dials, seed, wanted, load_domain(domain or named or self._own_domain()))

    def type(self, text: str, turn: int, *, seed: int = 0, task: Task | Mapping[str, Any] | str | None = None) -> str:
        """Type a text that a model or template worded as this user types.

        The persona's typing dials set how much of it is in lower case, without full stops, abbreviated, … (``fitness/typing.toml``), and
        ``slips_per_100_words`` the rate of typing slips. The meaning stays, and so do codes, addresses, file names and numbers; with the
        ``task`` (a record, its fields or a goal) also the values of its facts and the names in it. Each line is typed like a separate
        message. ``turn`` numbers the turns of a dialogue, ``seed`` the dialogues. Equal arguments give equal texts, and a typed text stays
        as it is: ``type(type(text, 3), 3) == type(text, 3)``.

        Raises:
            InputError: it is not a task.
        """
        from personaevo.simulate.typist import Typist, protected_by  # noqa: PLC0415 - drawing personas does not need it

        return Typist(self.dials, seed, protected_by(None if task is None else as_task(task, ""))).type(text, turn)

    def _own_domain(self) -> str:
        """The domain of a persona that was not drawn from an archive."""
        return DEFAULT_DOMAIN


_FEW, _SOME = 6, 15  # most words of a turn of a few words, and of one short sentence
_QUESTIONS = frozenset({"info_seeking_rate", "clarification_rate"})
_PARTS = ("moves", "unknown", "length", "shows", "avoids", "problems")


def direction(plan: TurnPlan, goal: str | None, problem: str = "") -> str:
    """The stage direction of a turn. Without a ``goal`` it mentions the goal or a fact without its words. ``problem`` is the kind of
    ``checks.Broken`` in the previous attempt."""
    table = _table()
    moves = [*dict.fromkeys(_move(move, goal, table) for move in plan.moves)] or [table["moves"]["none"]]
    length = "one" if plan.words == 1 else "few" if plan.words <= _FEW else "some" if plan.words <= _SOME else "many"
    shows = [table["shows"][name] for name in plan.shows if name in table["shows"]]
    shown = {*plan.shows, *(_QUESTIONS if _QUESTIONS.intersection(plan.shows) else ())}  # no "ask nothing" if it asks one thing
    avoids = [] if plan.bare else [text for name, text in table["avoids"].items() if name not in shown]
    parts = [*moves, filled(table["length"][length], words=str(plan.words)), *shows, *avoids, table["problems"].get(problem, "")]
    return str(table["start"]) + " ".join(part for part in parts if part)


def note() -> str:
    """The sentence for a model's prompt that makes it follow directions."""
    return str(_table()["note"])


def _move(move: Move, goal: str | None, table: Mapping[str, Any]) -> str:
    if goal is None and move.kind in table["unknown"]:
        return str(table["unknown"][move.kind])
    return filled(table["moves"][move.kind], goal=goal or "", name=move.name, value=move.value)


@cache
def _table() -> Mapping[str, Any]:
    found = content.toml("fitness", "directions.toml")
    missing = [part for part in _PARTS if not isinstance(found.get(part), dict)]
    if missing or not all(isinstance(found.get(text), str) for text in ("start", "note")):
        raise ContentError(f"fitness/directions.toml: expected start, note and the tables {', '.join(_PARTS)}")
    return found


_WAITS = 3  # consecutive turns in which the agent asks nothing and is done, or says no more than "ok"
_NEEDS_ROOM = frozenset({"answer", "goal"})  # moves of unknown length
_REPEATS = "repetition_rate"
_SPARE = 5  # words that behaviors may add to a turn that is not short, as in drafts
_REACTIONS = frozenset({"ack", "affirm", "go_on"})  # moves that do not answer a question
Way = Literal["direction", "draft"]


@dataclass
class _Turn:
    """The current turn: the agent's text before it, its plan, the plan for the direction, its draft, and the ways in which it was
    requested."""

    heard: str | None
    plan: TurnPlan
    told: TurnPlan
    draft: Realization
    ways: set[Way] = field(default_factory=set)


class UserDirector:
    """Directs one user through one dialogue. Equal seeds, dials, tasks and heard texts give equal turns.

    Each call of ``direction`` or ``draft`` advances to the next turn; the other of the two, called directly after with the same ``heard``,
    gives the same turn. A turn counts as realized as planned, unless ``said`` reports its text.
    """

    def __init__(self, dials: Mapping[str, float], seed: int, task: Task | None, domain: Domain) -> None:
        waits = max(_WAITS, int(domain.script.get("least_turns", 0)))
        self._director = Director(task, dials, domain, random.Random(seed_of(seed, "user")), waits=waits)
        self._templates = None
        self._facts: dict[str, str] = {}
        self._goal: GoalTracker | None = None
        if task is not None:
            self._templates = templates_for(task, domain, random.Random(seed_of(seed, "wording")), dials, 0.0)
            self._facts, self._goal = facts_of(task), GoalTracker(task.goal)
        self._turn: _Turn | None = None
        self._typist, self._count = typist_for(dials, seed, task), 0

    def direction(self, heard: str | None) -> str:
        """The stage direction for the turn after the agent's text ``heard`` (None at the opening); "" once the user has left.

        Without a task it mentions content without its words. It tells the model to answer a question that no fact of the task answers,
        since the model may know more than the facts (a draft only reacts to it).
        """
        turn = self._next(heard, "direction")
        return "" if turn is None else direction(turn.told, self._templates.goal if self._templates else None)

    def draft(self, heard: str | None) -> str:
        """The same turn in words, to be reworded; typed if a dial of typing is set; "" once the user has left.

        Raises:
            ConfigError: there is no task.
        """
        if self._templates is None:
            raise ConfigError("a draft needs the task: give it to persona.director(seed, task), or ask for direction(heard)")
        turn = self._next(heard, "draft")
        return "" if turn is None else self.type(turn.draft.text)

    def type(self, text: str) -> str:
        """Type a model's text for the current turn as this user types (see ``typist.Typist``): facts, codes, names and numbers stay, and so
        does a text that is typed already. Without a dial of typing the text stays."""
        return text if self._typist is None else self._typist.type(text, self._count)

    @property
    def note(self) -> str:
        """A sentence for the model's prompt: follow the directions, and do not mention them."""
        return note()

    @property
    def left(self) -> bool:
        """Whether the current turn is the user's last one."""
        return self._director.leaving

    @property
    def outcome(self) -> str:
        """ "completed" or "gave_up" once the user has left, "" before."""
        return self._director.outcome

    def said(self, text: str) -> None:
        """Report the text of the current turn; parts of the plan that it left out come up again. Without a current turn nothing happens."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            goal = self._goal.after(text) if self._goal is not None else turn.draft.goal
            self._director.said(realization_of(text, turn.plan, turn.draft, self._facts, goal))

    def _next(self, heard: str | None, way: Way) -> _Turn | None:
        """The current turn if it was not yet requested in this way, else the next one."""
        turn = self._turn
        if turn is None or way in turn.ways or turn.heard != heard:
            turn = self._planned(heard)
        if turn is not None:
            turn.ways.add(way)
        return turn

    def _planned(self, heard: str | None) -> _Turn | None:
        if self._turn is not None:
            self._director.said(self._turn.draft)
            self._turn = None
        is_open = self._director.nlu.understand(heard, self._director.given).open
        plan = self._director.plan(heard)
        if plan is None:
            return None
        self._count += 1
        draft = self._undrafted(plan) if self._templates is None else self._templates.say(plan, heard)
        shows = tuple(name for name in plan.shows if name not in draft.unshown)
        plan = replace(plan, words=max(plan.words, draft.words), shows=shows)  # facts have lengths of their own
        directed = plan
        if is_open and self._templates is not None and not plan.leaves:  # an open answer in place of the reactions
            kept = tuple(move for move in plan.moves if move.kind not in _REACTIONS)
            directed = replace(plan, moves=(Move("answer", plan.words), *kept), words=max(plan.words, SHORT))
        self._turn = _Turn(heard, plan, directed, draft)
        return self._turn

    def _undrafted(self, plan: TurnPlan) -> Realization:
        """The assumed realization of a plan without templates: room for an unknown answer, and only the behaviors that fit."""
        words = max(plan.words, SHORT) if any(move.kind in _NEEDS_ROOM for move in plan.moves) else plan.words
        again = self._director.goal_said and words >= REPEAT_RUN_WORDS  # before, there is nothing to say again
        fits = ACK_CAN_SHOW if plan.bare else self._fitting([name for name in plan.shows if again or name != _REPEATS], words, plan)
        says_goal = any(move.kind == "goal" for move in plan.moves)
        return Realization("", words, goal=says_goal, unshown=tuple(name for name in plan.shows if name not in fits))

    def _fitting(self, names: Sequence[str], words: int, plan: TurnPlan) -> frozenset[str]:
        """The behaviors that fit into the turn with the moves, in the plan's order."""
        banks, fits = wording(self._director.domain), set()
        room = words - len(plan.moves) + (_SPARE if words > SHORT else 0)
        for name in names:
            least = REPEAT_RUN_WORDS if name == _REPEATS else banks[f"marker.{name}"].words[0]
            if least <= room:
                fits.add(name)
                room -= least
        return frozenset(fits)
