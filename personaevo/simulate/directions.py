"""Stage directions: a turn plan in plain words (``fitness/directions.toml``), and the director for other simulators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from personaevo import content
from personaevo.errors import ContentError
from personaevo.simulate.plans import Move, TurnPlan
from personaevo.simulate.wording import filled

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
