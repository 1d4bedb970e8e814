"""Which effects an attack had: on the range, on the host's time and memory, and by what was accepted from it."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from personaevo.chat import Message, Reply, Usage
from personaevo.programs import Call, DialTable
from personaevo.records import Persona
from tests.attacks.attack import Attack
from tests.attacks.field import Memory, Range

LATE = 2.5  # seconds; with all walls two runs that are stopped after WALL_SECONDS end far below it
MOST_GROWTH = 40 << 20  # bytes; 1 MB of JSON, the limit, takes up to 32 MB once it is read (objects with one empty object each)
DIALS = DialTable({"words_per_turn": (1.0, 60.0)})
_TASK = {"goal": "book a table", "facts": {"people": "2"}, "context": "", "domain": "service"}
_FIRST, _SECOND, _THIRD = (Call(_TASK, 3, seed) for seed in (1, 2, 3))
# What is asked must not depend on what else is asked, nor on when.
ROUNDS = ((_FIRST, _SECOND), (_THIRD, _SECOND, _FIRST), (_SECOND, _THIRD, _FIRST), (_SECOND,))
_HONEST = "AXES = []\ndef generate(task, n, rng, model=None):\n    return [{'description': 'x'}] * n\n"
_LONGEST = {"id": 80, "description": 2000, "policy": 8000}
_KEYS = {"id", "description", "behaviors", "dials", "policy"}
_LONGEST_REASON = 1000


class Box(Protocol):
    """What runs programs: a sandbox, or nothing of the kind."""

    def run_many(self, source: str, calls: Sequence[Call], model: Any) -> Sequence[Any]: ...
    def server_pids(self) -> list[int]: ...
    def close(self) -> None: ...


class Echo:
    """A model that any program may ask. It sends what it is asked as bytes, as a client would."""

    def reply(self, messages: Sequence[Message], *, schema: object = None, sample: int = 0) -> Reply:
        """The length of what was asked."""
        sent = "\n".join(message.content for message in messages if message.content).encode()
        return Reply(f"{len(sent)} bytes", usage=Usage(len(sent) // 4, 3))


def effects(attack: Attack, field: Range, boxes: Sequence[Box]) -> set[str]:
    """Run an attack in every box, each with calls of its own, until it has an effect; the names of its effects."""
    source, accepted, found = attack.text(field.plants), dict[int, str](), set[str]()
    serving = [box for box in boxes if box.server_pids()]
    for box, calls in zip(boxes, ROUNDS, strict=True):
        results, found = _run(source, calls, box)
        found |= field.changes() | _read(results, calls, field)
        good = {call.seed: text(result.personas) for call, result in zip(calls, results, strict=False) if result.ok}
        if any(accepted.setdefault(seed, personas) != personas for seed, personas in good.items()):
            found.add("unstable")
        if found or not good:
            break
    if found:
        _settle(field, serving)
    return found


def _settle(field: Range, boxes: Sequence[Box]) -> None:
    """Boxes that lost their servers start them anew, before the next attack is watched."""
    for box in boxes:
        box.run_many(_HONEST, [_FIRST], Echo())
    field.changes()


def _run(source: str, calls: Sequence[Call], box: Box) -> tuple[Sequence[Any], set[str]]:
    found = set()
    servers, memory, start = box.server_pids(), Memory(), time.monotonic()
    try:
        results = box.run_many(source, calls, Echo())
    except Exception as error:  # noqa: BLE001 - that a program makes the host raise is an effect
        results, found = [], {f"raised {type(error).__name__}"}
    if time.monotonic() - start > LATE:
        found.add("late")
    if memory.growth() > MOST_GROWTH:
        found.add("memory")
    gc.collect() if "memory" in found else None
    if box.server_pids() != servers or any(result.fault == "infrastructure" for result in results):
        found.add("servers")
    if any(result.fault == "late" for result in results):
        found.add("late")
    return results, found


def _read(results: Sequence[Any], calls: Sequence[Call], field: Range) -> set[str]:
    found = set[str]()
    for result, call in zip(results, calls, strict=False):
        if result.ok:
            found |= field.said(text(result.personas)) | ({"contract"} if breach(result.personas, call.n) else set())
        else:
            found |= field.said(str(result.reason)) & {"secret"}
            if not isinstance(result.reason, str) or len(result.reason) > _LONGEST_REASON or not result.reason.isprintable():
                found.add("contract")
    return found


def text(personas: Any) -> str:
    """Personas as comparable text, believed or checked."""
    plain = [persona.model_dump() if isinstance(persona, Persona) else persona for persona in personas] if _listed(personas) else personas
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)


def breach(personas: Any, n: int) -> str:
    """How accepted personas break the contract; "" if they do not. Written from the contract, not from the code that checks it."""
    if not _listed(personas) or len(personas) != n:
        return f"not {n} personas"
    plain = [persona.model_dump() if isinstance(persona, Persona) else persona for persona in personas]
    ids = [persona.get("id", index) for index, persona in enumerate(plain) if isinstance(persona, dict)]
    if len(set(map(repr, ids))) != n:
        return "not different personas"
    return next((problem for problem in map(_problem, plain) if problem), "")


def _problem(persona: Any) -> str:
    if not isinstance(persona, dict) or set(persona) - _KEYS or "description" not in persona:
        return "other keys"
    if not all(_is_text(persona.get(key, "x"), longest) for key, longest in _LONGEST.items()) or not persona.get("id", "x").strip():
        return "no text"
    if not persona["description"].strip():
        return "blank"
    behaviors, dials = persona.get("behaviors", {}), persona.get("dials", {})
    if behaviors or not isinstance(dials, dict) or set(dials) - {"words_per_turn"}:  # no attack declares an axis
        return "other behaviors"
    return "" if all(_is_number(value) for value in dials.values()) else "no number"


def _is_text(value: object, longest: int) -> bool:
    if not isinstance(value, str) or len(value) > longest:
        return False
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 1.0 <= value <= 60.0  # type: ignore[operator]


def _listed(personas: Any) -> bool:
    return isinstance(personas, (list, tuple))


def summary(found: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The attacks that had an effect, with their effects in order."""
    return {name: sorted(kinds) for name, kinds in found.items() if kinds}
