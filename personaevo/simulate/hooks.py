"""The director for simulators of others: one stage direction a turn, or the turn as a draft, and when the user leaves.

The simulator's own model words the turns. It gets the direction after the agent's message, or the draft to be said in other words. What it
said can be typed as this user types: drafts come typed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from personaevo.definitions import Domain
from personaevo.errors import ConfigError
from personaevo.measure.fingerprint import REPEAT_RUN_WORDS
from personaevo.records import Task
from personaevo.simulate.directions import direction, note
from personaevo.simulate.director import ACK_CAN_SHOW, Director
from personaevo.simulate.facts import facts_of
from personaevo.simulate.lengths import SHORT
from personaevo.simulate.plans import Move, Realization, TurnPlan
from personaevo.simulate.seeds import seed_of
from personaevo.simulate.stated import GoalTracker, realization_of
from personaevo.simulate.templates import templates_for
from personaevo.simulate.typist import typist_for
from personaevo.simulate.wording import wording

_WAITS = 3  # turns in a row in which the agent asks nothing and is done, or says no more than "ok"
_NEEDS_ROOM = frozenset({"answer", "goal"})  # moves of which nobody knows how many words they take
_REPEATS = "repetition_rate"
_SPARE = 5  # words that behaviors may take beyond the length of a turn that is not short: as much as in drafts
_REACTIONS = frozenset({"ack", "affirm", "go_on"})  # none of them is an answer
Way = Literal["direction", "draft"]


@dataclass
class _Turn:
    """The turn just given: what was heard before it, its plan, the plan as a direction tells it, how the templates say it, and in which
    ways it was asked for."""

    heard: str | None
    plan: TurnPlan
    told: TurnPlan
    draft: Realization
    ways: set[Way] = field(default_factory=set)


class UserDirector:
    """Directs one user through one dialogue. Equal seeds, dials, tasks and heard texts give equal turns.

    Each call of ``direction`` or ``draft`` goes on to the next turn; the other of the two, right after and with the same ``heard``, gives
    that same turn. A turn counts as carried out as it was planned, unless ``said`` tells how it was said.
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
        """One stage direction for the turn after the agent's text ``heard`` (None at the opening); "" once the user has left.

        Without a task it says that something is told, and not what. A question that no fact of the task answers is to be answered: a
        model may know more than the facts (a draft does not, and reacts to it).
        """
        turn = self._next(heard, "direction")
        return "" if turn is None else direction(turn.told, self._templates.goal if self._templates else None)

    def draft(self, heard: str | None) -> str:
        """The same turn in words, to be said in other words, typed where a dial of typing is set; "" once the user has left.

        Raises:
            ConfigError: there is no task.
        """
        if self._templates is None:
            raise ConfigError("a draft needs the task: give it to persona.director(seed, task), or ask for direction(heard)")
        turn = self._next(heard, "draft")
        return "" if turn is None else self.type(turn.draft.text)

    def type(self, text: str) -> str:
        """What a model said for the turn just given, typed as this user types (see ``typist.Typist``): facts, codes, names and numbers stay
        as they are, and so does a text that is typed already. Where no dial of typing is set, it is the text."""
        return text if self._typist is None else self._typist.type(text, self._count)

    @property
    def note(self) -> str:
        """A sentence for the prompt of the model that gets the directions: it is to follow them, and not to mention them."""
        return note()

    @property
    def left(self) -> bool:
        """Whether the turn just given is the user's last one."""
        return self._director.leaving

    @property
    def outcome(self) -> str:
        """ "completed" or "gave_up" once the user has left, "" before."""
        return self._director.outcome

    def said(self, text: str) -> None:
        """Tells how the turn just given was really said; what it left out of the plan comes up again. Without a turn nothing happens."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            self._director.said(self._as_said(text, turn))

    def _next(self, heard: str | None, way: Way) -> _Turn | None:
        """The turn that is asked for: the one just given if it was not yet asked for in this way, else the next one."""
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
        answers = is_open and self._templates is not None and not plan.leaves
        self._turn = _Turn(heard, plan, _with_answer(plan) if answers else plan, draft)
        return self._turn

    def _undrafted(self, plan: TurnPlan) -> Realization:
        """What comes of a plan that nobody here can word: room for an answer that nobody knows, and only what can be shown in it."""
        words = max(plan.words, SHORT) if any(move.kind in _NEEDS_ROOM for move in plan.moves) else plan.words
        again = self._director.goal_said and words >= REPEAT_RUN_WORDS  # before, there is nothing to say again
        fits = ACK_CAN_SHOW if plan.bare else self._fitting([name for name in plan.shows if again or name != _REPEATS], words, plan)
        return Realization("", words, goal=_says_goal(plan), unshown=tuple(name for name in plan.shows if name not in fits))

    def _fitting(self, names: Sequence[str], words: int, plan: TurnPlan) -> frozenset[str]:
        """The behaviors for which there is room beside the moves, in the plan's order."""
        banks, fits = wording(self._director.domain), set()
        room = words - len(plan.moves) + (_SPARE if words > SHORT else 0)
        for name in names:
            least = REPEAT_RUN_WORDS if name == _REPEATS else banks[f"marker.{name}"].words[0]
            if least <= room:
                fits.add(name)
                room -= least
        return frozenset(fits)

    def _as_said(self, text: str, turn: _Turn) -> Realization:
        """What the text gave of its plan."""
        goal = self._goal.after(text) if self._goal is not None else _says_goal(turn.plan)
        return realization_of(text, turn.plan, turn.draft, self._facts, goal)


def _with_answer(plan: TurnPlan) -> TurnPlan:
    """The plan, its reactions replaced by an answer that nobody here knows."""
    kept = tuple(move for move in plan.moves if move.kind not in _REACTIONS)
    return replace(plan, moves=(Move("answer", plan.words), *kept), words=max(plan.words, SHORT))


def _says_goal(plan: TurnPlan) -> bool:
    return any(move.kind == "goal" for move in plan.moves)
