"""A profile played by a chat model, and behavior as text for prompts.

At each moment of an item the model is asked for the person's next action, after the real history. The truth of a moment is never in its
prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from personaevo.chat import Role
from personaevo.records import Turn
from personaevo.refine.behavior import Action, Context, DialogueItem, Item, Step, TextItem

_SIDES: dict[Role, str] = {"user": "person", "assistant": "other side"}
_SITUATION_TURNS, _SITUATION_STEPS = 4, 5  # the last ones, in a short description of a moment


def action_text(done: Action) -> str:
    """An action as JSON, with the keys of the requested answer."""
    values = {"type": done.type, "name": done.name, "text": done.text}
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)


def answer_text(answer: str | Action) -> str:
    """A text as it is, an action as JSON."""
    return answer if isinstance(answer, str) else action_text(answer)


def turns_text(turns: Iterable[Turn]) -> str:
    """One line for each turn; the person is the "user"."""
    return "\n".join(f"{_SIDES[turn.role]}: {_flat(turn.content)}" for turn in turns)


def steps_text(steps: Sequence[Step], before: int = 0) -> str:
    """One line for each step: its number (after ``before`` earlier ones), the action, and the reason where known."""
    return "\n".join(
        f"{number}. {action_text(step.action)}" + (f" because: {_flat(step.rationale)}" if step.rationale.strip() else "")
        for number, step in enumerate(steps, before + 1)
    )


def situation_text(context: Context) -> str:
    """The moment before an action: the person's task, the last turns or steps, and the page."""
    earlier = max(0, len(context.steps) - _SITUATION_STEPS)
    parts = [_flat(context.prompt), turns_text(context.turns[-_SITUATION_TURNS:])]
    parts += [steps_text(context.steps[-_SITUATION_STEPS:], earlier), context.observation.strip()]
    return "\n".join(part for part in parts if part) or "(nothing has happened yet)"


def item_text(item: Item) -> str:
    """All behavior of the person in one item, with its context."""
    lead = f"situation: {_flat(item.context)}\n" if item.context.strip() else ""
    if isinstance(item, DialogueItem):
        return lead + turns_text(item.seen())
    return lead + (f"person: {_flat(item.text)}" if isinstance(item, TextItem) else steps_text(item.steps))


def _flat(text: str) -> str:
    return " ".join(text.split())
