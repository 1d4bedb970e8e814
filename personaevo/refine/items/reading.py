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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from personaevo.errors import InputError
from personaevo.readers import files, read_dialogues
from personaevo.readers.dialogues import MAX_TURN_CHARS, MAX_TURNS
from personaevo.readers.files import Row
from personaevo.refine.items.behavior import MAX_OBSERVATION, MAX_STEPS, ActionType, Behavior, DialogueItem, Item, SessionItem, TextItem
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


MAX_ROWS = 200_000
MAX_PEOPLE = 100_000
_ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_SHOWN = 60
_ITEM_KEYS = ("turns", "steps", "text")


def read(path: str | Path, person: str = "") -> Behavior:
    """Read the behavior of one person from a file (the module's docstring lists its forms).

    The person is ``person`` if given, else the one the file names, else the ``user_id`` that all dialogues share, else the file's name.
    Rows of other people are left out and counted in a note. Attributes are those of the file, or of the person's first dialogue that has
    any.

    Raises:
        InputError: the file cannot be read, a row has an unexpected form, it has several people and none was chosen, nothing is left, ids
            repeat, or there are over 2,000 items.
    """
    path = Path(path)
    head, rows = _rows(path)
    person = person or files.text(Row(head, ""), "person", path) or _only_person(rows, path)
    person = person or path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")
    theirs = [row for row in rows if _side(row.value, person) is not None]
    omitted = Omissions()
    items = list(_items(theirs, person, path, omitted))
    files.distinct(((item.id, where) for item, where in items), path)
    others = len(rows) - len(theirs)
    notes = (*omitted.notes(), *((f"rows of other people, left out: {others:,}",) if others else ()))
    attributes = head.get("attributes") or _first_attributes([(row, _side(row.value, person) or "user") for row in theirs])
    if not isinstance(attributes, dict):
        raise files.fault(path, "", f"field 'attributes': expected an object, got {files.short(attributes)}")
    return _behavior(path, person, [item for item, _ in items], attributes, notes)


def read_people(source: str | Path, dialogues: str | Path | None = None, unread: dict[str, str] | None = None) -> Iterator[Behavior]:
    """Read the behavior of many people, one after the other, in the order of their names.

    ``source`` is a folder with one file per person (see ``read``; hidden files and other extensions are skipped), or a JSON index
    ``{person: [[dialogue id, "user" | "assistant"], …]}``. The dialogues of an index are in the file ``dialogues``, or in the file in
    the same folder that begins with the same name (``p4g_people.json``: ``p4g….jsonl`` or ``.jsonl.gz``).

    If ``unread`` is given, files of a folder that cannot be read are recorded there (name and reason), and the others are read.

    Raises:
        InputError: as ``read``; there is no file or index, no file can be read, two files have the same person, or the index names a
            missing dialogue. A folder is read lazily; an index is checked before the first person.
    """
    source = Path(source)
    return _folder(source, unread) if source.is_dir() else _index(source, dialogues)


def _folder(folder: Path, unread: dict[str, str] | None) -> Iterator[Behavior]:
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(_ENDINGS) and not path.name.startswith("."))
    if not paths:
        raise files.fault(folder, "", f"expected a file for each person ({', '.join(_ENDINGS)}), got none")
    seen: dict[str, Path] = {}
    for path in paths:
        try:
            behavior = read(path)
        except InputError as error:
            if unread is None or (path == paths[-1] and not seen):
                raise
            unread[path.name] = str(error)
            continue
        if behavior.person in seen:
            name = files.short(behavior.person)
            raise files.fault(path, "", f"expected a person of its own, got {name} as in {seen[behavior.person].name}")
        seen[behavior.person] = path
        yield behavior


def _index(path: Path, dialogues: str | Path | None) -> Iterator[Behavior]:
    listed = files.document(path)
    if not isinstance(listed, dict) or not listed or len(listed) > MAX_PEOPLE:
        expected = f"expected {{person: [[dialogue id, role], …]}} of 1 to {MAX_PEOPLE:,} people"
        raise files.fault(path, "", f"{expected}, got {files.short(listed)}")
    source = Path(dialogues) if dialogues is not None else _dialogues_of(path)
    rows = {str(row.value.get("id")): row for row in _dialogue_rows(source)}
    found = {name: _indexed(Row(pairs, f"'{one_line(name)[:_SHOWN]}'"), path, source, rows) for name, pairs in listed.items()}
    return (
        _behavior(path, person, [_dialogue(row, role, source) for row, role in pairs], _first_attributes(pairs), ())
        for person, pairs in sorted(found.items())
    )


def _indexed(row: Row, path: Path, source: Path, rows: Mapping[str, Row]) -> list[tuple[Row, str]]:
    """The dialogues of one person in an index, each with the person's role."""
    found = []
    for pair in files.entries(row, "", path):
        value = pair.value
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _role(value[1])):
            raise files.fault(path, pair.where, f"expected [dialogue id, \"user\" or \"assistant\"], got {files.short(value)}")
        if value[0] not in rows:
            raise files.fault(path, pair.where, f"expected a dialogue of {source}, got {files.short(value[0])}, which is not there")
        found.append((rows[value[0]], str(value[1])))
    return found


def _dialogues_of(path: Path) -> Path:
    start = path.name.removesuffix(".json").removesuffix("_people")
    near = [other for other in sorted(path.parent.glob("*.jsonl*")) if other.name.startswith(start) and other.name.endswith(_ENDINGS)]
    if len(near) != 1:
        expected = f"expected one file of its dialogues in its folder ({start}….jsonl or .jsonl.gz)"
        got = ", ".join(other.name for other in near[:3]) or "none"
        raise files.fault(path, "", f"{expected}, got {got}; name one")
    return near[0]


def _behavior(path: Path, person: str, items: list[Item], attributes: Mapping[str, Any], notes: tuple[str, ...]) -> Behavior:
    try:
        values = {"person": person, "items": items, "attributes": dict(attributes), "notes": notes}
        return files.record(Behavior, values, Row(values, ""), path)
    except InputError as error:
        text = str(error)
        raise error if text.startswith(f"{path}: ") else files.fault(path, "", text) from None


# --- rows


def _rows(path: Path) -> tuple[Mapping[str, Any], list[Row]]:
    """The file's fields on the person, and its rows."""
    loaded = files.load(path)
    if not isinstance(loaded, Row):
        rows = list(islice(loaded, MAX_ROWS + 1))
        heads = rows[:1] if not _is_item(files.fields(rows[0], path)) and {"person", "attributes"} & rows[0].value.keys() else []
        return (heads[0].value if heads else {}), _bounded(rows[len(heads) :], path)
    if isinstance(loaded.value, list):
        return {}, _bounded(files.entries(loaded, "", path), path)
    if "items" in loaded.value:
        return loaded.value, _bounded(files.entries(loaded, "items", path), path)
    return {}, [loaded] if _is_item(loaded.value) else _dialogue_rows(path)


def _bounded(rows: list[Row], path: Path) -> list[Row]:
    if len(rows) > MAX_ROWS:
        raise files.fault(path, "", f"expected at most {MAX_ROWS:,} rows, got more; split the file")
    for row in rows:
        files.fields(row, path)
    return rows


def _dialogue_rows(path: Path) -> list[Row]:
    """The dialogues of a file in any layout that ``readers`` reads; rows of lines and lists keep all their keys."""
    loaded = files.load(path) if not path.is_dir() else Row({}, "")
    if not isinstance(loaded, Row):
        return _bounded(list(islice(loaded, MAX_ROWS + 1)), path)
    if isinstance(loaded.value, list):
        return _bounded(files.entries(loaded, "", path), path)
    found = read_dialogues(path)
    return [Row(one.model_dump(mode="json", include={"id", "turns", "user_id"}), f"dialogue '{one.id}'") for one in found]


def _is_item(values: Mapping[str, Any]) -> bool:
    return any(key in values for key in _ITEM_KEYS) or is_step(values)


def _only_person(rows: list[Row], path: Path) -> str:
    """The one user of all rows; "" if they name none."""
    named = {_user(row.value) for row in rows if _role(row.value.get("role")) != "assistant"} - {""}
    if len(named) > 1:
        shown = ", ".join(one_line(name)[:_SHOWN] for name in sorted(named)[:3])
        raise files.fault(path, "", f"expected rows of one person, got {len(named):,} people ({shown}, …); say which, or give an index")
    return next(iter(named), "")


def _side(values: Mapping[str, Any], person: str) -> str | None:
    """The person's side of the row; None if the row is of another person."""
    given = _role(values.get("role"))
    if given or _user(values) in ("", person):
        return given or "user"
    partner = values.get("partner")
    return "assistant" if isinstance(partner, dict) and _user(partner) == person else None


def _role(value: object) -> str:
    """The value if it is a role, else ""."""
    return value if isinstance(value, str) and value in ("user", "assistant") else ""


def _user(values: Mapping[str, Any]) -> str:
    """The user that a row or its partner names; "" if none."""
    named = values.get("user_id")
    return str(named) if isinstance(named, str | int) and not isinstance(named, bool) else ""


def _own(values: Mapping[str, Any], role: str, key: str) -> Any:
    """A field of the person: the row's on the user's side, the partner's on the other."""
    holder = values if role == "user" else values.get("partner")
    return holder.get(key) if isinstance(holder, dict) else None


def _first_attributes(rows: Iterable[tuple[Row, str]]) -> Mapping[str, Any]:
    """The person's attributes in the first row that has any; rows come with the person's role."""
    found = (_own(row.value, role, "attributes") for row, role in rows)
    return next((attributes for attributes in found if isinstance(attributes, dict) and attributes), {})


# --- items


def _items(rows: list[Row], person: str, path: Path, omitted: Omissions) -> Iterator[tuple[Item, str]]:
    """Items and their places in the file; single steps are grouped into sessions at the end."""
    makers: Mapping[str, Callable[[Row], Item | None]] = {
        "turns": lambda row: _dialogue(row, _side(row.value, person) or "user", path),
        "steps": lambda row: session(row, path, omitted),
        "text": lambda row: files.record(TextItem, {**row.value, "kind": "text"}, row, path),
    }
    steps = []
    for row in rows:
        key = next((key for key in makers if key in row.value), None)
        if is_step(row.value) and key in (None, "text"):
            steps.append(row)
        elif key is None:
            keys = files.short(sorted(row.value)[:8])
            raise files.fault(path, row.where, f"expected turns, steps, text or an action, got the keys {keys}")
        elif (item := makers[key](row)) is not None:
            yield item, row.where
    for item in gathered(steps, path, omitted):
        yield item, f"session '{one_line(item.id)[:_SHOWN]}'"


def _dialogue(row: Row, role: str, path: Path) -> DialogueItem:
    """The dialogue of a row; its context is the person's own task."""
    turns = files.entries(row, "turns", path, MAX_TURNS)
    for turn in turns:
        if len(files.text(turn, "content", path)) > MAX_TURN_CHARS:
            raise files.fault(path, turn.where, f"field 'content': expected at most {MAX_TURN_CHARS:,} characters, got more; shorten it")
    task = _own(row.value, role, "task")
    given = row.value.get("context") or (task if isinstance(task, str) else "")
    values = {"id": row.value.get("id"), "turns": row.value["turns"], "role": role, "context": given}
    item = files.record(DialogueItem, values, row, path)
    if not item.own():
        raise files.fault(path, row.where, f"expected a turn of the person ({role}) with a word in it, got none; leave the dialogue out")
    return item
