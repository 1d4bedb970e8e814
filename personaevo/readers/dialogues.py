"""Reads dialogues: JSON lines of ``Dialogue``, results of τ²-bench, and human runs in the layout of tau-usi."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from personaevo.errors import DialoguesWarning
from personaevo.readers import files, tau2
from personaevo.readers.files import Row
from personaevo.records import Dialogue

MAX_TURNS = 10_000
MAX_TURN_CHARS = 100_000


def read_dialogues(path: str | Path) -> list[Dialogue]:
    """The dialogues in a file or folder, in the order in which they stand there.

    Understood are JSON lines (plain or gzipped) of ``Dialogue`` with any further keys; results of τ²-bench, as one
    file, the folder of a run, or a folder of runs (user "llm", task = the task's id); and tau-usi's runs,
    ``{id: {"conversation": […]}}`` (user "human"). Of the latter two, spoken turns are kept: no tool calls, tool
    results, set-up messages, commands, stop markers or empty turns, so that a dialogue may end up without turns.
    Voice simulations of τ²-bench are left out, with a ``DialoguesWarning``.

    Raises:
        InputError: the file cannot be read, holds no dialogue (or only voice), or one is not of the expected form; ids must
            differ, and no dialogue may have over 10,000 turns or messages, and no turn over 100,000 characters.
    """
    path = Path(path)
    left: list[str] = []
    found = list(_folder(path, left) if path.is_dir() else _file(path, left))
    if left and not found:
        raise files.fault(path, "", f"{tau2.told(left, 0)}; give text runs")
    if left:
        warnings.warn(tau2.told(left, len(found)), DialoguesWarning, stacklevel=2)
    if not found:
        raise files.fault(path, "", "expected at least one dialogue, got none")
    for dialogue, where in found:
        for index, turn in enumerate(dialogue.turns):
            if len(turn.content) > MAX_TURN_CHARS:
                size = f"expected at most {MAX_TURN_CHARS:,} characters, got {len(turn.content):,}"
                raise files.fault(path, where, f"field 'turns.{index}.content': {size}; shorten it or leave it out")
    files.distinct(((dialogue.id, where) for dialogue, where in found), path)
    return [dialogue for dialogue, _ in found]


def _folder(path: Path, left: list[str]) -> Iterator[tuple[Dialogue, str]]:
    runs = tau2.runs(path)
    if not runs:
        expected = f"expected a file, or a folder of τ²-bench results with {tau2.RESULTS} or simulations/*.json"
        raise files.fault(path, "", f"{expected}, got a folder without")
    for run in runs:
        name = "" if len(runs) == 1 else str(run.relative_to(path).with_suffix(""))
        yield from ((dialogue, f"{name} {where}".strip()) for dialogue, where in tau2.read_run(run, left, name))


def _file(path: Path, left: list[str]) -> Iterator[tuple[Dialogue, str]]:
    loaded = files.load(path)
    if isinstance(loaded, Row):
        yield from _whole(loaded, path, left)
    else:
        yield from (_dialogue(row, path) for row in loaded)


def _whole(row: Row, path: Path, left: list[str]) -> Iterator[tuple[Dialogue, str]]:
    """The dialogues of a file that is one JSON value: its layout shows in its keys."""
    if isinstance(row.value, list):
        yield from (_dialogue(entry, path) for entry in files.entries(row, "", path))
    elif tau2.is_results(row.value):
        yield from tau2.simulations(row, path, left)
    elif tau2.is_usi(row.value):
        yield from tau2.usi(row, path)
    elif "turns" in row.value or "id" in row.value:
        yield _dialogue(Row(row.value, "line 1"), path)
    else:
        layouts = "a dialogue (id, turns), τ²-bench results (simulations) or tau-usi runs (conversation under each key)"
        raise files.fault(path, "", f"expected {layouts}, got the keys {files.short(sorted(row.value)[:8])}")


def _dialogue(row: Row, path: Path) -> tuple[Dialogue, str]:
    if isinstance(files.fields(row, path).get("turns"), list):
        files.entries(row, "turns", path, MAX_TURNS)  # before each is looked at
    return files.record(Dialogue, files.fields(row, path), row, path), row.where
