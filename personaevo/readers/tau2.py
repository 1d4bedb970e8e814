"""Reads dialogues of the τ-bench family: results of τ²-bench and of the first τ-bench, and human runs in the layout of tau-usi.

τ²-bench saves a run as a folder: ``results.json`` with ``{info, tasks, simulations: [{task_id, messages, …}]}``, or, for voice, the same
without simulations and one file for each in ``simulations/``. τ-bench saves a list of ``{task_id, trial, traj}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Dialogue

MAX_MESSAGES = 10_000
RESULTS = "results.json"
_SIMULATIONS = "simulations"
_MARKERS = re.compile(r"###(?:STOP|TRANSFER|OUT-OF-SCOPE)###")
_COMMANDS = re.compile(r"^\s*(?:\\tau |\\reward|/stop\s*$)")
_CANVAS = "<|canvas|>"
_ROLES = ("user", "assistant")
_SPOKEN_RUNS = "voice (full-duplex) simulations hold ticks of audio and no messages"

Found = tuple[Dialogue, str]


def is_results(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is τ²-bench's results."""
    return _SIMULATIONS in value


def is_simulation(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one simulation: of τ²-bench, or of the first τ-bench (``traj``)."""
    scored = "messages" in value and bool({"trial", "reward_info"} & value.keys())
    return "task_id" in value and (scored or "traj" in value or "ticks" in value)


def is_head(path: Path) -> bool:
    """Whether this is the file of a run with one file for each simulation."""
    return path.name == RESULTS and any((path.parent / _SIMULATIONS).glob("*.json"))


def is_run(folder: Path) -> bool:
    """Whether a folder is a run of τ²-bench."""
    return (folder / RESULTS).is_file() or any((folder / _SIMULATIONS).glob("*.json"))


def read_run(path: Path, left: list[str], name: str = "") -> Iterator[Found]:
    """The dialogues of one run (a folder, or a file of results), each with its place. The places of simulations without text are added to
    ``left``. ``name`` distinguishes runs: simulations without ids are named after it.

    Raises:
        InputError: a file cannot be read, or has another form.
    """
    head = path / RESULTS if path.is_dir() else path
    row = Row(files.document(head), "") if head.is_file() else Row({}, "")
    files.fields(row, head)
    parts = sorted((path / _SIMULATIONS).glob("*.json")) if path.is_dir() else []
    if not parts:
        yield from simulations(row, head, left, name)
        return
    for part in parts:
        yield from simulation(Row(files.document(part), f"{_SIMULATIONS}/{part.name}"), path, left, name, _domain(row))


def simulations(row: Row, path: Path, left: list[str], name: str = "") -> Iterator[Found]:
    """The dialogues of one parsed file of results, as in ``read_run``."""
    for entry in files.entries(row, _SIMULATIONS, path):
        yield from simulation(entry, path, left, name, _domain(row))


def told(left: list[str], found: int) -> str:
    """One line about the simulations that were left out."""
    where = ", ".join(left[:2]) + (", …" if len(left) > 2 else "")
    return f"{len(left):,} of {len(left) + found:,} simulations of tau2-bench cannot be read ({where}): {_SPOKEN_RUNS}"


def _domain(row: Row) -> str:
    """The τ² domain that the results name, or ""."""
    value = row.value
    for key in ("info", "environment_info", "domain_name"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def simulation(row: Row, path: Path, left: list[str], name: str = "", domain: str = "") -> Iterator[Found]:
    """The dialogue of one simulation, if it has text, as in ``read_run``."""
    if _is_voice(files.fields(row, path)):
        left.append(f"{path}: {row.where}")
        return
    task = files.text(row, "task_id", path)
    first = "traj" in row.value and "messages" not in row.value
    made = f"{task}-{files.text(row, 'trial', path) or '0'}"
    values = {
        "id": files.text(row, "id", path) or (f"{name}/{made}" if name else made),
        "turns": _spoken(files.entries(row, "traj" if first else "messages", path, MAX_MESSAGES), path),
        "source": "tau" if first else "tau2",
        "domain": domain,
        "task": task or None,
        "user_kind": "llm",
    }
    yield files.record(Dialogue, values, row, path), row.where


def _is_voice(values: Mapping[str, Any]) -> bool:
    messages = values.get("messages")
    audio = isinstance(messages, list) and any(isinstance(one, dict) and one.get("is_audio") is True for one in messages)
    return audio or (not messages and (bool(values.get("ticks")) or values.get("mode") == "full_duplex"))


def is_usi(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is runs of tau-usi: ``{id: {"conversation": […]}}``."""
    return bool(value) and all(isinstance(each, dict) and "conversation" in each for each in value.values())


def usi(row: Row, path: Path) -> Iterator[Found]:
    """The dialogues of people in runs of tau-usi."""
    for identity, value in row.value.items():
        run = Row(value, f"'{identity}'")
        turns = _spoken(files.entries(run, "conversation", path, MAX_MESSAGES), path)
        values = {"id": identity, "turns": turns, "source": "tau-usi", "user_kind": "human"}
        yield files.record(Dialogue, values, run, path), run.where


def _spoken(messages: list[Row], path: Path) -> list[dict[str, Any]]:
    """The turns of user and assistant. Messages with tool calls are left out: the other side does not see their text."""
    turns = []
    for message in messages:
        values = files.fields(message, path)
        spoken = values.get("role") in _ROLES and not values.get("tool_calls")
        content = files.text(message, "content", path) if spoken else ""
        said = "" if _CANVAS in content else _MARKERS.sub("", content)
        said = "\n".join(line for line in said.split("\n") if not _COMMANDS.match(line)).strip()
        if said:
            turns.append({"role": values["role"], "content": said})
    return turns
