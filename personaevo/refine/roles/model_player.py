"""A profile played by a chat model, and behavior as text for prompts.

At each moment of an item the model is asked for the person's next action, after the real history. The truth of a moment is never in its
prompt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from pydantic import BaseModel

from personaevo import injection
from personaevo.chat import ChatModel, Message, Role
from personaevo.definitions import prompt
from personaevo.errors import ReplyError
from personaevo.records import Turn
from personaevo.refine.features import fingerprint
from personaevo.refine.items.behavior import MAX_NAME, Action, ActionType, Context, DialogueItem, Item, Step, TextItem
from personaevo.refine.profile import Profile
from personaevo.refine.roles.base import Response, RolePlay
from personaevo.simulate.model_users import MAX_TURN, heard_text, one_turn
from personaevo.simulate.templates import filled
from personaevo.text import one_line, quoted

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


LONGEST = {"dialogue": MAX_TURN, "text": 20_000}  # characters
_READ = 100_000
_LAST_TURNS, _LAST_STEPS = 60, 30
_PERSON = 12_000  # characters of a profile
_NOTHING = "(nothing)"


class NextAction(BaseModel):
    """What the person does next."""

    rationale: str
    type: ActionType
    name: str
    text: str


class ModelPlayer:
    """Plays profiles with ``model``; ``losses`` are losses of the corpus's text, ``at_once`` the number of concurrent requests."""

    def __init__(self, model: ChatModel, losses: Sequence[str] = (), at_once: int = 8) -> None:
        self.model, self.losses, self.at_once = model, tuple(losses), at_once

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        """Play each item ``samples`` times; ordered by item, then by sample. Each moment is a request of its own.

        An unusable answer (refused, empty, over-long, not an action) is a response without ``did``. The fingerprint is that of the
        generated turns or text. Other errors of the model (budget, set-up, not available) are raised.
        """
        plays = [(item, sample) for item in items for sample in range(samples)]
        moments = [(item, context, sample_index(seed, sample)) for item, sample in plays for context in item.contexts()]
        with ThreadPoolExecutor(self.at_once) as pool:
            # Each in a copy of the caller's context, which names the person that calls are booked on.
            asked = [pool.submit(copy_context().run, partial(self._respond, profile, *moment)) for moment in moments]
            try:
                responses = iter([one.result() for one in asked])
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        made = []
        for item, sample in plays:
            answers = tuple(next(responses) for _ in item.contexts())
            texts = [one.did for one in answers if isinstance(one.did, str)]
            made.append(RolePlay(item.id, sample, answers, fingerprint(texts, self.losses)))
        return made

    def _respond(self, profile: Profile, item: Item, context: Context, sample: int) -> Response:
        asked = messages(profile, item, context)
        try:
            if item.kind == "actions":
                return _action_response(context, self.model.reply(asked, schema=NextAction, sample=sample).parsed)
            reply = self.model.reply(asked, sample=sample)
        except ReplyError as error:
            return Response(context, None, one_line(str(error)))
        if reply.cut:
            return Response(context, None, "over-long: the answer reached the limit of tokens")
        return _text_response(context, one_turn(reply.text, "user", _READ).text, LONGEST[item.kind])


def sample_index(seed: int, sample: int) -> int:
    """The sample index of one role-play: equal for all profiles, independent for other seeds and samples."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {sample}".encode(), digest_size=4).digest(), "big") >> 1


def _text_response(context: Context, text: str, longest: int) -> Response:
    if not any(map(str.isalnum, text)):
        return Response(context, None, "empty: the answer has no word")
    if len(text) > longest:
        return Response(context, None, f"over-long: {len(text):,} characters, expected at most {longest:,}")
    flag = injection.find(text)
    if flag is not None:
        return Response(context, None, f"not said by a person: '{flag.excerpt}' ({flag.why})")
    return Response(context, text)


def _action_response(context: Context, answer: NextAction) -> Response:
    name, text = answer.name.strip(), answer.text.strip()
    if answer.type == "terminate":
        return Response(context, Action(type="terminate"))
    if not name or (answer.type == "type_and_submit" and not text):
        return Response(context, None, f"not an action: '{answer.type}' without {'text' if name else 'the name of an element'}")
    if max(len(name), len(text)) > MAX_NAME:
        return Response(context, None, f"over-long: a name or text of an action has over {MAX_NAME:,} characters")
    return Response(context, Action(type=answer.type, name=name, text=text if answer.type == "type_and_submit" else ""))


# --- the request


def messages(profile: Profile, item: Item, context: Context) -> list[Message]:
    """The request: rules and person first, then the item, then the moment (so that prefixes can be cached)."""
    parts = prompt("player", item.kind, "person", "situation", "opening", "silence", "before", "write", "write-on", "act")
    person = profile.persona().text
    blocks = [parts[item.kind], filled(parts["person"], person=quoted("person", person, _PERSON))]
    situation = quoted("situation", context.prompt.strip() or _NOTHING)
    if item.kind == "text":
        ask = filled(parts["write-on"], situation=situation) if context.prompt.strip() else parts["write"]
        return [Message("system", "\n\n".join(blocks)), Message("user", ask)]
    if context.prompt.strip():
        blocks.append(filled(parts["situation"], situation=situation))
    if item.kind == "dialogue":
        return [Message("system", "\n\n".join(blocks)), *_history(context.turns)]
    done = steps_text(context.steps[-_LAST_STEPS:], max(0, len(context.steps) - _LAST_STEPS)) or _NOTHING
    page = context.observation.strip() or _NOTHING
    ask = filled(parts["act"], steps=quoted("steps", done), observation=quoted("page", page))
    return [Message("system", "\n\n".join(blocks)), Message("user", ask)]


def _history(turns: Sequence[Turn]) -> list[Message]:
    """The turns with the roles flipped; the other side is first and last, with a stage direction where it has not spoken.

    Consecutive turns of one side are one message. Of a long conversation the last turns are kept.
    """
    parts = prompt("player")
    said = [turn for turn in turns if turn.content.strip()]
    told: list[tuple[Role, str]] = [("user", parts["before"])] if len(said) > _LAST_TURNS else []
    for turn in said[-_LAST_TURNS:]:
        own = turn.role == "user"
        if own and not told:
            told.append(("user", parts["opening"]))
        told.append(("assistant", turn.content[:MAX_TURN]) if own else ("user", heard_text(turn.content[:MAX_TURN])))
    if not told or told[-1][0] == "assistant":
        told.append(("user", parts["silence"] if told else parts["opening"]))
    joined: list[Message] = []
    for role, text in told:
        if joined and joined[-1].role == role:
            joined[-1] = Message(role, f"{joined[-1].content}\n{text}")
        else:
            joined.append(Message(role, text))
    return joined
