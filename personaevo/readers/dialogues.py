"""Reads dialogues: JSON lines of ``Dialogue``, results of τ²-bench, and human runs in the layout of tau-usi."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Dialogue

MAX_TURNS = 10_000
MAX_TURN_CHARS = 100_000
_MARKERS = re.compile(r"###(?:STOP|TRANSFER|OUT-OF-SCOPE)###")
_COMMANDS = re.compile(r"^\s*(?:\\tau |\\reward|/stop\s*$)")
_CANVAS = "<|canvas|>"
_ROLES = ("user", "assistant")


def read_dialogues(path: str | Path) -> list[Dialogue]:
    """The dialogues in a file or folder, in the order in which they stand there.

    Understood are JSON lines (plain or gzipped) of ``Dialogue`` with any further keys; results of τ²-bench, in one
    file or as a folder with ``simulations/*.json`` (user "llm", task = the task's id); and tau-usi's runs,
    ``{id: {"conversation": […]}}`` (user "human"). Of the latter two, spoken turns are kept: no tool calls, tool
    results, set-up messages, commands, stop markers or empty turns, so that a dialogue may end up without turns.

    Raises:
        InputError: the file cannot be read, holds no dialogue, or one is not of the expected form; ids must differ, and
            no dialogue may have over 10,000 turns or messages, and no turn over 100,000 characters.
    """
    path = Path(path)
    found = list(_folder(path) if path.is_dir() else _file(path))
    if not found:
        raise files.fault(path, "", "expected at least one dialogue, got none")
    for dialogue, where in found:
        for index, turn in enumerate(dialogue.turns):
            if len(turn.content) > MAX_TURN_CHARS:
                size = f"expected at most {MAX_TURN_CHARS:,} characters, got {len(turn.content):,}"
                raise files.fault(path, where, f"field 'turns.{index}.content': {size}; shorten it or leave it out")
    files.distinct(((dialogue.id, where) for dialogue, where in found), path)
    return [dialogue for dialogue, _ in found]


def _folder(path: Path) -> Iterator[tuple[Dialogue, str]]:
    paths = sorted((path / "simulations").glob("*.json"))
    if not paths:
        raise files.fault(
            path, "", "expected a file, or a folder of τ²-bench results with simulations/*.json, got a folder without"
        )
    domain = (
        _domain(Row(files.document(path / "results.json"), "results.json")) if (path / "results.json").is_file() else ""
    )
    for each in paths:
        yield _simulation(Row(files.document(each), f"simulations/{each.name}"), path, domain)


def _file(path: Path) -> Iterator[tuple[Dialogue, str]]:
    loaded = files.load(path)
    if isinstance(loaded, Row):
        yield from _whole(loaded, path)
    else:
        yield from (_dialogue(row, path) for row in loaded)


def _whole(row: Row, path: Path) -> Iterator[tuple[Dialogue, str]]:
    """The dialogues of a file that is one JSON value: its layout shows in its keys."""
    if isinstance(row.value, list):
        yield from (_dialogue(entry, path) for entry in files.entries(row, "", path))
    elif "simulations" in row.value:
        domain = _domain(row)
        yield from (_simulation(entry, path, domain) for entry in files.entries(row, "simulations", path))
    elif row.value and all(isinstance(value, dict) and "conversation" in value for value in row.value.values()):
        yield from (_usi(identity, Row(value, f"'{identity}'"), path) for identity, value in row.value.items())
    elif "turns" in row.value or "id" in row.value:
        yield _dialogue(Row(row.value, "line 1"), path)
    else:
        layouts = "a dialogue (id, turns), τ²-bench results (simulations) or tau-usi runs (conversation under each key)"
        raise files.fault(path, "", f"expected {layouts}, got the keys {files.short(sorted(row.value)[:8])}")


def _dialogue(row: Row, path: Path) -> tuple[Dialogue, str]:
    if isinstance(files.fields(row, path).get("turns"), list):
        files.entries(row, "turns", path, MAX_TURNS)  # before each is looked at
    return files.record(Dialogue, files.fields(row, path), row, path), row.where


def _domain(row: Row) -> str:
    """The τ² domain that the results name; "" where they do not."""
    value = row.value
    for key in ("info", "environment_info", "domain_name"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _simulation(row: Row, path: Path, domain: str) -> tuple[Dialogue, str]:
    task = files.text(row, "task_id", path)
    given = files.text(row, "id", path)
    values = {
        "id": given or f"{task}-{files.text(row, 'trial', path) or '0'}",
        "turns": _spoken(files.entries(row, "messages", path, MAX_TURNS), path),
        "source": "tau2",
        "domain": domain,
        "task": task or None,
        "user_kind": "llm",
    }
    return files.record(Dialogue, values, row, path), row.where


def _usi(identity: str, row: Row, path: Path) -> tuple[Dialogue, str]:
    turns = _spoken(files.entries(row, "conversation", path, MAX_TURNS), path)
    return files.record(
        Dialogue, {"id": identity, "turns": turns, "source": "tau-usi", "user_kind": "human"}, row, path
    ), row.where


def _spoken(messages: list[Row], path: Path) -> list[dict[str, Any]]:
    """What user and assistant say to each other. A message with tool calls goes to the tools: the other side never
    sees its text.
    """
    turns = []
    for message in messages:
        values = files.fields(message, path)
        content = (
            files.text(message, "content", path)
            if values.get("role") in _ROLES and not values.get("tool_calls")
            else ""
        )
        said = "" if _CANVAS in content else _MARKERS.sub("", content)
        said = "\n".join(line for line in said.split("\n") if not _COMMANDS.match(line)).strip()
        if said:
            turns.append({"role": values["role"], "content": said})
    return turns
