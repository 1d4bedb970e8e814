"""``pe.fingerprint`` takes dialogues in every form in which Python programs have them, and measures nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pytest

import personaevo as pe

SAID = ("I want to move my flight", "no, thanks", "QK7L2, and please hurry up!")
HEARD = ("Hello, how can I help?", "Tomorrow?", "Your reference?")
TALK = [turn for said, heard in zip(SAID, HEARD, strict=True) for turn in (("assistant", heard), ("user", said))]
MESSAGES = [{"role": role, "content": text} for role, text in TALK]


class Side(StrEnum):
    """Roles of another library."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass
class Message:
    """A message of another library."""

    role: Side
    content: str | None


SYSTEM: list[dict[str, Any]] = [{"role": "system", "content": "You are a customer. no no no"}, {"role": "developer", "content": "x"}]
TOOLS: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "{}", "tool_call_id": "1"},
]  # fmt: skip
PARTS = [{"role": role, "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {}}]} for role, text in TALK]
FORMS: dict[str, Any] = {
    "a record": pe.Dialogue.model_validate({"id": "d", "turns": MESSAGES}),
    "its dict": {"id": "d", "turns": MESSAGES},
    "its dump": pe.Dialogue.model_validate({"id": "d", "turns": MESSAGES}).model_dump(),
    "a dict of messages": {"messages": MESSAGES, "model": "any"},
    "messages": MESSAGES,
    "a tuple of messages": tuple(MESSAGES),
    "with system and tools": [*SYSTEM, *MESSAGES, *TOOLS],
    "contents in parts": PARTS,
    "objects": [Message(Side(role), text) for role, text in TALK],
    "objects of ours": list(pe.Dialogue.model_validate({"id": "d", "turns": MESSAGES}).turns),
    "ShareGPT": {"conversations": [{"from": "human" if role == "user" else "gpt", "value": text} for role, text in TALK]},
    "the user's turns": list(SAID),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dialogue_measures_the_same(form: str) -> None:
    expected = pe.fingerprint([list(SAID), ["hi"]])
    found = pe.fingerprint([FORMS[form], ["hi"]])
    assert found.names == expected.names
    np.testing.assert_array_equal(found.values, expected.values)


def test_forms_may_be_mixed_and_come_from_a_generator() -> None:
    assert pe.fingerprint(one for one in FORMS.values()).values.shape == (len(FORMS), len(pe.fingerprint([]).names))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hello there", "expected a list of dialogues, got a value of type str"),
        ({"id": "d", "turns": MESSAGES}, "got a value of type dict; put one dialogue into a list"),
        (FORMS["a record"], "got a value of type Dialogue; put one dialogue into a list"),
        (None, "expected a list of dialogues, got None"),
        (7, "got a value of type int"),
        (MESSAGES, "dialogue 0 .* is one message: .*; put the messages of a dialogue into a list"),
        (list(SAID), "dialogue 0 .*: expected a Dialogue, .* got a value of type str"),
        ([["hi"], {"text": "hi"}], r"dialogue 1 .*, got a dict with the keys \['text'\]"),
        ([["hi"], {"turns": "hi"}], "dialogue 1 .*, got a value of type str"),
        ([[3, "hi"]], "got a value of type int among the turns"),
        ([["hi", MESSAGES[0]]], "got a value of type str among the turns"),
        ([{"turns": ["hi", "there"]}], "got a value of type str among the turns"),
        ([[{"content": "hi"}]], "got a value of type dict among the turns"),
        ([[{"role": "wizzard", "content": "hi"}]], "expected turns of user and assistant, got the role 'wizzard'; rename it"),
        ([[{"role": "user", "content": 4.5}]], "expected the content of a turn as text, got a value of type float"),
        ([[{"role": "user", "content": [3]}]], "expected the content of a turn as text, got a value of type list"),
        ([None], "dialogue 0 .*, got None"),
        ([b"hi"], "got a value of type bytes"),
        ([np.zeros(3)], "got a value of type ndarray"),
        ([[{"role": "assistant", "content": "hi"}]], "dialogue 0 .* has no user turn with a word in it"),
        ([[]], "dialogue 0 .* has no user turn with a word in it"),
    ],
)
def test_anything_else_is_refused(given: Any, message: str) -> None:
    with pytest.raises(pe.PersonaevoError, match=message):
        pe.fingerprint(given)
