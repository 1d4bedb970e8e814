"""Measures played dialogues: refuses those in which the user injects prompts, and adds fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from personaevo import definitions, injection
from personaevo.errors import InputError
from personaevo.measure.fingerprint import Fingerprints, apply_losses
from personaevo.readers import layouts
from personaevo.records import Dialogue, Episode


def refused(episode: Episode) -> Episode:
    """The episode, failed if its user addresses the judge or a model instead of the agent (prompt injection)."""
    for number, (role, text) in enumerate(episode.turns, start=1):
        flag = injection.find(text) if role == "user" else None
        if flag is not None:
            reason = f"turn {number}, by the user, is not said to the agent: '{flag.excerpt}' (pattern '{flag.pattern}': {flag.why})"
            return replace(episode, state="failed", reason=reason, fault="program")
    return episode


def measured(episodes: Sequence[Episode], losses: tuple[str, ...]) -> tuple[Episode, ...]:
    """The episodes, completed ones with their fingerprints, measured after the same losses of case and punctuation as the reference."""
    done = [index for index, one in enumerate(episodes) if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in episodes[index].turns if role == "user"] for index in done]
    values = definitions.features().measure(texts).values
    found = list(episodes)
    for row, index in enumerate(done):
        found[index] = replace(found[index], fingerprint=tuple(map(float, values[row])))
    return tuple(found)


_EXPECTED = "expected a Dialogue, a dict with turns, a list of messages (role, content), or the user's turns as a list of texts"


def fingerprint(dialogues: Iterable[Dialogue | Mapping[str, Any] | Sequence[Any]]) -> Fingerprints:
    """Measure the user's side of dialogues: ``values[n, d]``, one row for each dialogue in order, with the columns' ``names``.

    A dialogue is a ``Dialogue``; a dict with turns under "turns", "messages" or another key of ``fitness/layouts.toml``; a list of
    messages, each a dict or an object with a role and a content (a text, None, or a list of parts of which text counts); or the user's
    turns alone, as a list of texts. Turns of the assistant, the system and tools are skipped; "human" and "customer" are users too.

    Raises:
        InputError: the argument or a dialogue has another type (put a single dialogue into a list), a role is unknown, or a dialogue has
            no user turn with a word in it.
    """
    if isinstance(dialogues, str | bytes | Mapping | Dialogue) or not isinstance(dialogues, Iterable):
        raise InputError(f"fingerprint: expected a list of dialogues, got {_kind(dialogues)}; put one dialogue into a list")
    roles = layouts.Roles()
    texts = [_user_texts(one, f"dialogue {index} (counted from 0)", roles) for index, one in enumerate(dialogues)]
    return definitions.features().measure(texts)


def _user_texts(given: Any, where: str, roles: layouts.Roles) -> list[str]:
    if isinstance(given, Dialogue):
        return given.user_texts()
    turns = given
    if isinstance(given, Mapping):
        values = layouts.unpacked(dict(given))
        key = layouts.turns_key(values)
        if layouts.is_turn(values) and key is None:
            raise InputError(f"fingerprint: {where} is one message: {_EXPECTED}; put the messages of a dialogue into a list")
        if key is None:
            raise InputError(f"fingerprint: {where}: {_EXPECTED}, got a dict with the keys {sorted(map(str, values))[:6]}")
        turns = values[key]
    if isinstance(turns, str | bytes | Mapping) or not isinstance(turns, Sequence):
        raise InputError(f"fingerprint: {where}: {_EXPECTED}, got {_kind(turns)}")
    if all(isinstance(turn, str) for turn in turns) and turns is given:
        return list(turns)
    return [text for turn in turns for text in _said(turn, where, roles)]


def _said(turn: Any, where: str, roles: layouts.Roles) -> list[str]:
    """The text of one turn, if it is the user's."""
    names = layouts.keys()
    values = turn if isinstance(turn, Mapping) else {name: getattr(turn, name, None) for name in ("role", "content")}
    role = layouts.first(values, names.role)
    name = getattr(values[role], "value", values[role]) if role else None
    if not isinstance(name, str):
        raise InputError(f"fingerprint: {where}: {_EXPECTED}, got {_kind(turn)} among the turns")
    side = roles.side(name)
    if side is None:
        raise InputError(f"fingerprint: {where}: expected turns of user and assistant, got the role {name[:40]!r}; rename it")
    content = layouts.first(values, names.content)
    return [_text(values[content], where)] if side == "user" and content else []


def _text(content: Any, where: str) -> str:
    """A content's text: of a list of parts those that have text."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") or "" if isinstance(part, Mapping) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"fingerprint: {where}: expected the content of a turn as text, got {_kind(content)}")
    return "\n".join(texts)


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
