"""Reads dialogues: logs in common layouts, results of τ²-bench, and human runs in the layout of tau-usi."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, get_args

from personaevo.errors import DialoguesWarning
from personaevo.readers import files, layouts, tasks
from personaevo.readers.files import Row, is_table, table_rows
from personaevo.readers.layouts import NoDialoguesError, Roles, Source, sources
from personaevo.records import Dialogue
from personaevo.text import parted

MAX_TURNS = 10_000
MAX_TURN_CHARS = 100_000
_MORE = ("source", "domain", "task", "user_kind")
_KINDS = get_args(Dialogue.model_fields["user_kind"].annotation)
_DEEPEST = 3  # objects around the dialogues

_Found = Iterator[tuple[Dialogue, str]]
_NOTES = {
    "nobody": "turns that neither side hears (system, tools), left out: {:,}",
    "thoughts": "turns from which thinking was taken out: {:,}",
    "runs": "dialogues with several messages of the user in a row, each of which counts as a turn: {:,}",
}

Given = str | Path | Iterable[str | Path]


@dataclass(frozen=True, slots=True)
class Logs:
    """The dialogues that were read, and notes for the user: which turns were left out, and what counts as a turn."""

    dialogues: tuple[Dialogue, ...]
    notes: tuple[str, ...]


def read_dialogues(given: Given, roles: Mapping[str, str] | None = None) -> list[Dialogue]:
    """The dialogues of ``read_logs``, without its notes."""
    return list(read_logs(given, roles).dialogues)


def read_logs(given: Given, roles: Mapping[str, str] | None = None) -> Logs:
    """Read the dialogues in a file, in several files or in a folder (recursively), in file order; files by name.

    Formats are JSON and JSON lines, CSV and Parquet (see ``tables``), each also compressed (.gz, .bz2, .xz):

    - dialogues: ``{"id", "turns": [{"role", "content"}], "user_id", "source", "domain", "task", "user_kind"}``; turns may also be
      called messages, conversations (ShareGPT), conversation (WildChat, LMSYS) and so on; ``fitness/layouts.toml`` has all names. One per
      line, in a list, under keys or by their ids. Ids and people may be numbers; a dialogue without id gets FILE:NUMBER.
    - one row per turn (id, role, content, user_id): the rows of one id are a dialogue, in their order; without ids, all rows are one.
    - results of τ²-bench, as a file or the folder of a run, and of the first τ-bench (``traj``): user "llm", task = the task's id.
      tau-usi's runs, ``{id: {"conversation": […]}}``: user "human". Of these, spoken turns are kept: no tool calls, tool results,
      set-up messages, commands or stop markers.

    Turns without text, thinking blocks, and turns of other roles (system, tool) are left out, so that a dialogue may have no turns. Each
    message is a turn, also several of one role in a row. ``roles`` maps role names to "user", "assistant" or "nobody", and overrides the
    content table. If several files have an id in common, ids become FILE:ID. Files of a folder without dialogues are skipped and voice
    simulations of τ²-bench are left out, each with a ``DialoguesWarning``.

    Raises:
        InputError: a file cannot be read, no file has a dialogue (or only voice), or one has another form; ids in a file must be unique,
            a dialogue may have at most 10,000 turns or messages, and a turn at most 100,000 characters.
        ConfigError: ``roles`` has other values.
    """
    tally, known = Counter[str](), Roles(roles)
    found: dict[Source, list[Dialogue]] = {}
    passed: list[NoDialoguesError] = []
    voice: list[str] = []
    for source in sources(given):
        try:
            found[source] = _Reader(source, known, tally, voice).read()
        except NoDialoguesError as error:
            if not source.in_folder:
                raise
            passed.append(error)
    for problem in _left_out(found, passed, voice):
        warnings.warn(problem, DialoguesWarning, stacklevel=2)
    return Logs(tuple(_with_unique_ids(found)), tuple(text.format(tally[key]) for key, text in _NOTES.items() if tally[key]))


def _left_out(found: Mapping[Source, list[Dialogue]], passed: list[NoDialoguesError], voice: list[str]) -> list[str]:
    """Warnings about files and simulations that were left out. Raises InputError if no dialogue remains."""
    count = sum(map(len, found.values()))
    if not count:
        raise passed[0] if passed else files.fault(next(iter(found)).path, "", f"{tasks.told(voice, 0)}; give text runs")
    skipped = f"files hold no dialogues and are passed over: {len(passed):,} (the first: {str(passed[0])[:200]})" if passed else ""
    return [text for text in (skipped, tasks.told(voice, count) if voice else "") if text]


def _with_unique_ids(found: Mapping[Source, list[Dialogue]]) -> Iterator[Dialogue]:
    """The dialogues of all files, with unique ids."""
    ids = Counter(dialogue.id for dialogues in found.values() for dialogue in dialogues)
    alike = any(count > 1 for count in ids.values())
    for source, dialogues in found.items():
        for dialogue in dialogues:
            yield dialogue.model_copy(update={"id": f"{source.name}:{dialogue.id}"}) if alike else dialogue


@dataclass
class _Reader:
    """Reads one source; counts changes in ``tally``, and adds the places of simulations without text to ``voice``."""

    source: Source
    roles: Roles
    tally: Counter[str]
    voice: list[str]
    count: int = 0

    @property
    def path(self) -> Path:
        """The file, or the folder of a run."""
        return self.source.path

    def read(self) -> list[Dialogue]:
        before = len(self.voice)
        found = list(tasks.read_run(self.path, self.voice, self.source.name) if self.source.is_run else self._file())
        if not found and len(self.voice) == before:
            raise files.fault(self.path, "", "expected at least one dialogue, got none")
        for dialogue, where in found:
            for index, turn in enumerate(dialogue.turns):
                if len(turn.content) > MAX_TURN_CHARS:
                    size = f"expected at most {MAX_TURN_CHARS:,} characters, got {len(turn.content):,}"
                    raise files.fault(self.path, where, f"field 'turns.{index}.content': {size}; shorten it or leave it out")
            self.tally["runs"] += any(pair == ("user", "user") for pair in pairwise(turn.role for turn in dialogue.turns))
        files.distinct(((dialogue.id, where) for dialogue, where in found), self.path)
        return [dialogue for dialogue, _ in found]

    def _file(self) -> _Found:
        loaded = table_rows(self.path) if is_table(self.path) else files.load(self.path)
        if not isinstance(loaded, Row):
            return self._rows(loaded)
        listed = isinstance(loaded.value, list)
        return self._rows(files.entries(loaded, "", self.path) if listed else [Row(loaded.value, loaded.where or "line 1")])

    def _rows(self, rows: Iterable[Row], deep: int = 0) -> _Found:
        rows = iter(rows)
        begin = next(rows, None)
        if begin is None:
            return
        rows = chain([begin], rows)
        if layouts.is_turn(begin.value) and not layouts.is_dialogue(begin.value):
            yield from self._gathered(rows)
        else:
            for row in rows:
                if layouts.is_turns(row.value):
                    yield self._dialogue(Row({"turns": row.value}, row.where), "turns")
                else:
                    yield from self._object(row, deep)

    def _object(self, row: Row, deep: int) -> _Found:
        """The dialogues of an object, whose keys identify its layout."""
        value = layouts.unpacked(files.fields(row, self.path))
        key = layouts.turns_key(value)
        if tasks.is_results(value):
            yield from tasks.simulations(row, self.path, self.voice, self.source.name)
        elif tasks.is_simulation(value):
            yield from tasks.simulation(row, self.path, self.voice, self.source.name)
        elif key is not None:
            yield self._dialogue(Row(value, row.where), key)
        elif tasks.is_usi(value):
            yield from tasks.usi(row, self.path)
        elif value and all(map(layouts.is_dialogue, value.values())):
            for identity, entry in value.items():
                yield self._dialogue(Row({"id": identity, **entry}, f"'{identity}'"))
        else:
            yield from self._inside(row, deep)

    def _inside(self, row: Row, deep: int) -> _Found:
        """The dialogues in lists and objects inside an object."""
        within = {
            key: value for key, value in row.value.items()
            if layouts.is_dialogues(value) or (isinstance(value, dict) and deep < _DEEPEST and _holds(value, deep + 1))
        }  # fmt: skip
        if not within:
            raise layouts.nothing(row, self.path)
        for key, value in within.items():
            place = Row(value, f"{row.where if deep else ''} {key}".strip())
            entries = files.entries(Row({key: value}, ""), key, self.path) if isinstance(value, list) else [place]
            yield from self._rows(entries, deep + 1)

    def _gathered(self, rows: Iterable[Row]) -> _Found:
        """The dialogues of rows that are one turn each."""
        order = (*(name for name in layouts.keys().id if name != "id"), "id")  # "id" last: it may be the id of the turn
        grouped: dict[str | None, list[Row]] = {}
        for row in rows:
            key = layouts.first(files.fields(row, self.path), order)
            grouped.setdefault(None if key is None else self._name(row, key), []).append(row)
        if None in grouped and len(grouped) > 1:
            raise files.fault(self.path, grouped[None][0].where, "expected the id of its dialogue, as other rows have it, got none")
        for identity, turns in grouped.items():
            if len(turns) > MAX_TURNS:
                raise files.fault(self.path, turns[0].where, f"expected at most {MAX_TURNS:,} turns of one dialogue, got {len(turns):,}")
            more = {name: turns[0].value[name] for name in _MORE if name in turns[0].value}
            yield self._record(Row({**more, "id": identity}, turns[0].where), turns, own=False)

    # --- one dialogue

    def _dialogue(self, row: Row, key: str | None = None) -> tuple[Dialogue, str]:
        key = key or layouts.turns_key(row.value) or "turns"
        return self._record(row, files.entries(row, key, self.path, MAX_TURNS), own=key == "turns")

    def _record(self, row: Row, turns: list[Row], *, own: bool) -> tuple[Dialogue, str]:
        """The dialogue of a row. In the project's ``own`` layout all fields are checked; in others invalid ones are left out."""
        self.count += 1
        given = row.value
        id_key, user_key = layouts.first(given, layouts.keys().id), layouts.first(given, layouts.keys().user)
        said, person = self._turns(turns, row)
        values: dict[str, Any] = {name: _text(given[name]) for name in _MORE if given.get(name) is not None}
        if not own:
            values = {name: value for name, value in values.items() if isinstance(value, str) and (name != "user_kind" or value in _KINDS)}
        values["id"] = (self._name(row, id_key) if id_key else "") or f"{files.stem(self.path)}:{self.count}"
        named = _text(given[user_key]) if user_key else None
        values["user_id"] = named if (own and user_key == "user_id") or isinstance(named, str) else person
        values["turns"] = said
        return files.record(Dialogue, values, row, self.path), row.where

    def _name(self, row: Row, key: str) -> str:
        """An id, which may be a number; "" if it is blank."""
        value = _text(row.value[key])
        if value is not None and not isinstance(value, str):
            raise files.fault(self.path, row.where, f"field '{key}': expected a text or a number, got {files.short(value)}")
        return value or ""

    def _turns(self, turns: list[Row], row: Row) -> tuple[list[dict[str, str]], str | None]:
        """The turns of user and assistant, and the user's id if one of the user's turns has it."""
        said: list[dict[str, str]] = []
        person: str | None = None
        for turn in turns:
            name, content = self._parts(turn)
            side = self.roles.side(name)
            if side is None:
                raise files.fault(self.path, row.where, self.roles.unknown([name for name, _ in map(self._parts, turns)]))
            if side == "nobody":
                self.tally["nobody"] += 1
                continue
            text = parted(content).said
            if text != content:
                self.tally["thoughts"] += 1
                text = text.strip()
            if text.strip():
                said.append({"role": side, "content": text})
            if side == "user" and person is None and (key := layouts.first(turn.value, layouts.keys().user)):
                named = _text(turn.value[key])
                person = named if isinstance(named, str) and named else None
        return said, person

    def _parts(self, turn: Row) -> tuple[str, str]:
        """A turn's role, as named in the file, and its text."""
        values = files.fields(turn, self.path)
        names = layouts.keys()
        role, key = layouts.first(values, names.role), layouts.first(values, names.content)
        if role is None or not isinstance(values[role], str):
            found = f"found the keys {files.short(list(values)[:8])}"
            expected = f"role (or {', '.join(names.role[1:4])}) and content (or {', '.join(names.content[1:3])})"
            raise files.fault(self.path, turn.where, f"{found}; expected {expected}")
        text = "" if key is None else _flat(values[key])
        if text is None:
            raise files.fault(self.path, turn.where, f"field '{key}': expected text, got {files.short(values[key or ''])}")
        return values[role], text


def _holds(values: Mapping[str, Any], deep: int) -> bool:
    """Whether an object has dialogues, at any depth."""
    if tasks.is_results(values) or any(map(layouts.is_dialogues, values.values())):
        return True
    inner = [value for value in values.values() if isinstance(value, dict)]
    return bool(inner) and (all(map(layouts.is_dialogue, inner)) or (deep < _DEEPEST and any(_holds(value, deep + 1) for value in inner)))


def _text(value: object) -> object:
    """A number as its digits (3.0 as 3: tables store ids so), NaN as None, any other value unchanged."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else str(value)
    return value


def _flat(value: object) -> str | None:
    """The text of a turn's content, which may be a list of parts of which text counts; None if it has another form."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return next((_flat(value[key]) for key in ("text", "parts", "content") if key in value and value.get("type") != "tool_result"), "")
    if isinstance(value, list):
        parts = [_flat(part) for part in value]
        return None if None in parts else "\n".join(part for part in parts if part)
    return None
