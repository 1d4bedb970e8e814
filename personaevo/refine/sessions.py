"""Reading the behavior of people: one file per person, a folder of such files, or an index of the people in a file of dialogues.

A file is JSON lines (plain or gzipped), a list, or ``{"person", "attributes", "items": […]}``; the first of JSON lines may hold only person
and attributes. The keys of a row determine its kind:

| keys | item |
|---|---|
| ``turns`` | a dialogue as in ``readers.read_dialogues``; the person is the one named by ``role``, ``user_id`` or ``partner.user_id`` |
| ``steps`` | a session of actions |
| ``action_type``, or an object under ``action`` or ``answer`` | one step of a session |
| ``text`` | a single text, with ``context`` |

Results of τ²-bench and runs of tau-usi are read as well: all their dialogues belong to one person, on the user's side.

Steps may be this project's own, rows of OPeRA, or rows of Shop-R1 (arXiv 2507.17842). Each field is taken from the first key present:

| field | keys |
|---|---|
| action | the object under ``action`` or ``answer``, else the step itself |
| type | ``type``, ``action_type``, ``action``: click; type_and_submit, input or type; terminate |
| name | ``name``, ``semantic_id``, ``element`` |
| text | ``text``, ``input_text`` |
| kind | ``kind``, ``click_type`` |
| rationale | ``rationale`` |
| observation | ``observation``, ``context``, ``simplified_html``, ``html``, ``prompt`` (a text, or messages with ``content``) |

Steps of other types (scroll, navigate, …) are left out, and long observations are cut at the end; notes count both.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.refine.behavior import MAX_OBSERVATION, MAX_STEPS, ActionType, SessionItem
from personaevo.text import one_line

_TYPES: Mapping[str, ActionType] = {
    "click": "click", "type_and_submit": "type_and_submit", "input": "type_and_submit", "type": "type_and_submit", "terminate": "terminate",
}  # fmt: skip
_NAMES = ("name", "semantic_id", "element")
_TEXTS = ("text", "input_text")
_KINDS = ("kind", "click_type")
_OBSERVATIONS = ("observation", "context", "simplified_html", "html", "prompt")
_LISTED = 8


@dataclass
class Omissions:
    """Data that reading left out: steps by their type, and observations that were cut."""

    types: Counter[str] = field(default_factory=Counter)
    cut: int = 0

    def notes(self) -> tuple[str, ...]:
        """One line for each kind of omission; empty if nothing was left out."""
        listed = ", ".join(f"{one_line(name)[:40]} {count:,}" for name, count in self.types.most_common(_LISTED))
        others = f"steps of other types, left out: {self.types.total():,} ({listed})" if self.types else ""
        cut = f"observations cut to their first {MAX_OBSERVATION:,} characters: {self.cut:,}" if self.cut else ""
        return tuple(note for note in (others, cut) if note)


def is_step(values: Mapping[str, Any]) -> bool:
    """Whether a row is a single step of a session."""
    return "action_type" in values or any(isinstance(values.get(key), dict) for key in ("action", "answer"))


def session(row: Row, path: Path, omitted: Omissions) -> SessionItem | None:
    """The session of a row ``{"id", "steps": […]}``, with ``context`` (the person's goal); None if no step is left.

    Raises:
        InputError: a step has an unexpected form.
    """
    steps = [step for one in files.entries(row, "steps", path, MAX_STEPS) if (step := _step(one, path, omitted)) is not None]
    values = {"id": files.text(row, "id", path, needed=True), "context": files.text(row, "context", path), "steps": steps}
    return files.record(SessionItem, values, row, path) if steps else None


def gathered(rows: Iterable[Row], path: Path, omitted: Omissions) -> Iterator[SessionItem]:
    """Sessions from rows of single steps.

    Steps with the same ``session_id`` form a session, ordered by ``timestamp`` if all have one, else as in the file. A row without a
    session is a session of its own, named by its ``id`` or a hash of its content.

    Raises:
        InputError: a step has an unexpected form, or a session has over 2,000.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        known = files.text(row, "session_id", path) or files.text(row, "id", path)
        content = json.dumps(row.value, sort_keys=True).encode()
        groups.setdefault(known or hashlib.blake2b(content, digest_size=8).hexdigest(), []).append(row)
    for identity, members in groups.items():
        if len(members) > MAX_STEPS:
            raise files.fault(path, members[0].where, f"session {files.short(identity)}: expected at most {MAX_STEPS:,} steps, got more")
        times = [row.value.get("timestamp") for row in members]
        if all(isinstance(time, str) and time for time in times):
            members.sort(key=lambda row: str(row.value["timestamp"]))
        steps = [step for row in members if (step := _step(row, path, omitted)) is not None]
        if steps:
            yield files.record(SessionItem, {"id": identity, "steps": steps}, members[0], path)


def _step(row: Row, path: Path, omitted: Omissions) -> dict[str, Any] | None:
    """The step's fields; None if its type is not supported."""
    values = files.fields(row, path)
    inner = next((key for key in ("action", "answer") if isinstance(values.get(key), dict)), None)
    action = Row(values[inner], f"{row.where} {inner}".strip()) if inner else row
    given = _first(action, ("type", "action_type", "action"), path)
    if not given:
        raise files.fault(path, action.where, f"field 'type': expected {', '.join(_TYPES)}, got nothing")
    kind = _TYPES.get(given.lower())
    if kind is None:
        omitted.types[given] += 1
        return None
    observation = _observation(row, path)
    omitted.cut += len(observation) > MAX_OBSERVATION
    done = {} if kind == "terminate" else {"name": _first(action, _NAMES, path), "kind": _first(action, _KINDS, path)}
    done |= {"text": _first(action, _TEXTS, path)} if kind == "type_and_submit" else {}
    reason = _first(row, ("rationale",), path) or _first(action, ("rationale",), path)
    return {"action": {"type": kind, **done}, "rationale": reason, "observation": observation[:MAX_OBSERVATION]}


def _first(row: Row, keys: Sequence[str], path: Path) -> str:
    return next((text for key in keys if (text := files.text(row, key, path))), "")


def _observation(row: Row, path: Path) -> str:
    for key in _OBSERVATIONS:
        if isinstance(row.value.get(key), list):
            return "\n".join(files.text(message, "content", path) for message in files.entries(row, key, path, MAX_STEPS))
        if text := files.text(row, key, path):
            return text
    return ""
