"""Behavior in words, as prompts show it: plain lines, to be put into blocks of data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from personaevo.records import Role, Turn
from personaevo.refine.behavior import Action, Context, DialogueItem, Item, Step, TextItem

_SIDES: dict[Role, str] = {"user": "person", "assistant": "other side"}
_LAST_TURNS, _LAST_STEPS = 4, 5


def action(done: Action) -> str:
    """An action as JSON, in the words of the form that is asked for."""
    values = {"type": done.type, "name": done.name, "text": done.text}
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)


def did(what: str | Action) -> str:
    """What was said, written or done."""
    return what if isinstance(what, str) else action(what)


def turns(told: Iterable[Turn]) -> str:
    """A line for each turn; the person is the "user" of them."""
    return "\n".join(f"{_SIDES[turn.role]}: {_flat(turn.content)}" for turn in told)


def steps(taken: Sequence[Step], first: int = 0) -> str:
    """A line for each step: its number (``first`` is that of the first one), the action, and why it was done where that is known."""
    return "\n".join(
        f"{number}. {action(step.action)}" + (f" because: {_flat(step.rationale)}" if step.rationale.strip() else "")
        for number, step in enumerate(taken, first + 1)
    )


def situation(context: Context) -> str:
    """The moment before somebody does something: what they were told, the last turns or steps, what they see."""
    parts = [_flat(context.prompt), turns(context.turns[-_LAST_TURNS:])]
    parts += [steps(context.steps[-_LAST_STEPS:], max(0, len(context.steps) - _LAST_STEPS)), context.observation.strip()]
    return "\n".join(part for part in parts if part) or "(nothing has happened yet)"


def item(one: Item) -> str:
    """All that the person did in one item, with what it answers."""
    lead = f"situation: {_flat(one.context)}\n" if one.context.strip() else ""
    if isinstance(one, DialogueItem):
        return lead + turns(one.seen())
    return lead + (f"person: {_flat(one.text)}" if isinstance(one, TextItem) else steps(one.steps))


def _flat(text: str) -> str:
    return " ".join(text.split())
