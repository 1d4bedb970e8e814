"""Layouts of logs (keys of dialogues and turns, and sides of role names; ``fitness/layouts.toml``), and the files to read."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from personaevo import content
from personaevo.errors import ConfigError, ContentError, InputError
from personaevo.readers import files, tasks
from personaevo.readers.files import PARQUET, TEXT, Row
from personaevo.records import Record

SIDES = ("user", "assistant", "nobody")
_BLANKS = re.compile(r"[\s_-]+")
_SHOWN_ROLES = 4
_Names = tuple[str, ...]


class NoDialoguesError(InputError):
    """The file was read, but has nothing that looks like a dialogue."""


class Keys(Record):
    """The keys of the parts of a dialogue and of a turn; earlier ones in a list have precedence."""

    turns: _Names
    role: _Names
    content: _Names
    id: _Names
    user: _Names


class _Table(Record):
    keys: Keys
    roles: dict[Literal["user", "assistant", "nobody"], _Names] = Field(min_length=len(SIDES))


@cache
def _table() -> _Table:
    try:
        return _Table.model_validate(content.toml("fitness", "layouts.toml"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ContentError(f"fitness/layouts.toml: field '{field}': {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def keys() -> Keys:
    """The installed table of keys.

    Raises:
        ContentError: it is missing or does not have the expected form.
    """
    return _table().keys


class Roles:
    """The side that a role name means: the installed table, overridden by ``given`` (name → user, assistant or nobody).

    Raises:
        ConfigError: ``given`` has another side.
        ContentError: the table is missing or does not have the expected form.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self._sides = {_normal(name): side for side, names in _table().roles.items() for name in names}
        for name, side in (given or {}).items():
            if side not in SIDES or not _normal(name):
                expected = f"expected NAME={'|'.join(SIDES)}"
                raise ConfigError(f"roles: {expected}, got {files.short(f'{name}={side}')}")
            self._sides[_normal(name)] = side  # type: ignore[assignment]

    def side(self, name: str) -> str | None:
        """"user", "assistant", "nobody", or None for an unknown name."""
        return self._sides.get(_normal(name))

    def unknown(self, names: Iterable[str]) -> str:
        """The error text for unknown roles: those found, those expected, and what to do."""
        counts = Counter(names).most_common()
        found = ", ".join(f"{files.short(name)} ({count})" for name, count in counts[:_SHOWN_ROLES]) + ", …" * (len(counts) > _SHOWN_ROLES)
        known = (f"{side} (also {', '.join(names[1:4])}, …)" for side, names in _table().roles.items() if side != "nobody")
        return f"found turns of {found}; expected {' and '.join(known)}; say who they are: reference build --roles NAME=user|assistant"


def _normal(name: str) -> str:
    return _BLANKS.sub(" ", name.strip().casefold())


# --- recognizing values


def first(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of the names that is a key with a value other than None."""
    return next((name for name in names if values.get(name) is not None), None)


def is_turn(value: object) -> bool:
    """Whether this is one turn: an object with role and content."""
    return isinstance(value, dict) and all(any(name in value for name in names) for names in (keys().role, keys().content))


def is_turns(value: object) -> bool:
    """Whether this is a list of turns."""
    return isinstance(value, list) and bool(value) and is_turn(value[0])


def unpacked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values, with turns that are a JSON text (as often in tables) parsed."""
    texts = {name: value for name in keys().turns if isinstance(value := values.get(name), str) and value.lstrip()[:1] == "["}
    found = {}
    for name, value in texts.items():
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            continue
    return {**values, **{name: value for name, value in found.items() if is_turns(value)}}


def turns_key(values: Mapping[str, Any]) -> str | None:
    """The key of this dialogue's turns; None if it is not a dialogue. A list of dialogues is not a list of turns."""
    here = [name for name in keys().turns if name in values]
    listed = [name for name in here if is_turns(values[name])]
    maybe = [name for name in here if not isinstance(values[name], dict) and not is_dialogues(values[name])]
    return next(iter(listed or maybe), None)


def is_dialogue(value: object) -> bool:
    """Whether this is one dialogue: an object with turns."""
    return isinstance(value, dict) and turns_key(unpacked(value)) is not None


def is_dialogues(value: object) -> bool:
    """Whether this is a list of dialogues, each an object with turns or the list of its turns."""
    return isinstance(value, list) and bool(value) and not is_turn(value[0]) and (is_dialogue(value[0]) or is_turns(value[0]))


def nothing(row: Row, path: Path) -> NoDialoguesError:
    """The error for a record that is not a dialogue: the expected and the found form."""
    found = f"got the keys {files.short(list(row.value)[:8])}" if isinstance(row.value, dict) else f"got {files.short(row.value)}"
    named = isinstance(row.value, dict) and "id" in row.value
    expected = "expected a dialogue (id, turns), τ²-bench results (simulations) or tau-usi runs (conversation under each key)"
    expected = "field 'turns' of a dialogue: field required" if named else expected
    others = f"turns (role, content) may be called {', '.join(keys().turns[1:5])} and so on, or be a row each (id, role, content)"
    return NoDialoguesError(str(files.fault(path, row.where, f"{expected}, {found}; {others}")))


MAX_FILES = 10_000
ENDINGS = (".json", ".jsonl", ".ndjson", *TEXT, PARQUET)


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or the folder of a run of τ²-bench (``is_run``). ``name`` distinguishes it from the others ("" for a single one);
    ``in_folder``: it was found in a folder, not named itself."""

    path: Path
    name: str
    in_folder: bool
    is_run: bool


def sources(given: str | Path | Iterable[str | Path]) -> list[Source]:
    """The files to read, each once; those of a folder recursively and sorted by name.

    In a folder, files count that end in .json, .jsonl, .ndjson, .csv, .tsv or .parquet, also with .gz, .bz2 or .xz, and do not begin
    with "."; a run of τ²-bench is one source.

    Raises:
        InputError: no file is given, over 10,000 files, or a folder without such files.
    """
    paths = [Path(given)] if isinstance(given, str | os.PathLike) else [Path(one) for one in given]
    if not paths:
        raise InputError("dialogues: expected a file, several files or a folder, got none")
    found: dict[Path, tuple[Path, bool]] = {}
    for path in (one.parent if tasks.is_head(one) else one for one in paths):
        within = list(islice(_within(path), MAX_FILES + 1)) if path.is_dir() else [path]
        if not within:
            logs = f"a folder with files of dialogues ({', '.join(ENDINGS)}, also {', '.join(files.PACKED)})"
            run = f"a folder of τ²-bench results with {tasks.RESULTS} or simulations/*.json"
            raise files.fault(path, "", f"expected a file, {logs} or {run}, got a folder without")
        if len(within) > MAX_FILES:
            raise files.fault(path, "", f"expected at most {MAX_FILES:,} files, got more; join them")
        for each in within:
            found.setdefault(each.resolve(), (each, each != path))
    names = _names(list(found), paths[0].resolve() if len(paths) == 1 else None)
    return [Source(path, names[real], inside, path.is_dir()) for real, (path, inside) in found.items()]


def _names(paths: list[Path], folder: Path | None) -> dict[Path, str]:
    """A name for each of several paths, relative to the given folder or their common one; without the suffix if it is unique so."""
    if len(paths) == 1:
        return {paths[0]: ""}
    base = folder or Path(os.path.commonpath([path.parent for path in paths]))
    whole = {path: path.relative_to(base) for path in paths}
    counts = Counter(name.with_suffix("") for name in whole.values())
    return {path: str(name if counts[name.with_suffix("")] > 1 else name.with_suffix("")) for path, name in whole.items()}


def _within(folder: Path) -> Iterator[Path]:
    """The files in a folder, recursively, or the folder itself if it is a run."""
    try:
        if tasks.is_run(folder):
            yield folder
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir() and not path.is_symlink():
                yield from _within(path)
            elif path.is_file() and files.ending(path) in ENDINGS:
                yield path
    except OSError as error:
        raise files.fault(folder, "", f"expected a readable folder: {error.strerror or error}") from None
