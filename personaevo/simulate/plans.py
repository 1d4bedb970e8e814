"""Turns as plans and in words, facts in text, and understanding of the agent's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MoveKind = Literal[
    "greet", "goal", "fact", "correct", "remind", "answer", "affirm", "ack", "go_on", "close", "give_up",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """One dialogue move: ``name`` and ``value`` of its fact, as this user writes it, and ``room``, the number of words that it may take."""

    kind: MoveKind
    room: int
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """One turn before it is worded: its length in words, the moves in order, and the behaviors to show (names of features, the longest
    first). ``leaves``: it is the user's last turn."""

    words: int
    moves: tuple[Move, ...] = ()
    shows: tuple[str, ...] = ()
    leaves: bool = False

    @property
    def bare(self) -> bool:
        """Whether the turn is a bare acknowledgement."""
        return bool(self.moves) and self.moves[0].kind == "ack"

    @property
    def facts(self) -> tuple[str, ...]:
        """Names of the facts that the turn gives."""
        return tuple(move.name for move in self.moves if move.name)


@dataclass(frozen=True, slots=True)
class Realization:
    """A turn in words: its text, its number of words, the facts that it gave (one name for each time), whether it said the goal, the
    behaviors of the plan that it could not show, and the points in which it broke its plan."""

    text: str
    words: int
    given: tuple[str, ...] = ()
    goal: bool = False
    unshown: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()
