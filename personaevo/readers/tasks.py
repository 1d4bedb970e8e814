"""Reads tasks: JSON lines of ``Task``, or the tasks of a τ²-bench domain: one ``tasks.json``, or a folder with a file for each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from personaevo import injection
from personaevo.errors import InputError
from personaevo.readers import files, wording
from personaevo.readers.files import Row
from personaevo.readers.wording import goal_of_brief, is_brief, without_markdown
from personaevo.records import Dialogue, Task

MAX_TASKS = 100_000
MAX_FACTS = 200
MAX_TEXT_CHARS = 20_000


def read_tasks(path: str | Path) -> list[Task]:
    """Read tasks from a file: JSON lines (or a JSON list) of ``Task``, or τ²-bench's ``tasks.json``; or from a folder: one with
    ``task_*.json``, or that of a τ² domain, which has such a folder ``tasks`` or else ``tasks.json``.

    Of a τ² task, ``reason_for_call`` gives the goal (its first wish, in the first person), identifiers and ``known_info`` give the facts,
    the other texts for the user go to the context; ``persona`` and ``evaluation_criteria`` are left out. Instructions that are one text
    are split at their headings. The group is the τ² domain. Test tasks are those under "test" in the split file next to ``NAME.json``
    (``split_NAME.json``, else ``split_tasks.json``). Without such a file, or if neither its "train" nor its "test" names a task, about half
    are test tasks, by a hash of their ids.

    Raises:
        InputError: the file cannot be read, has no task or over 100,000, or a task has another form: ids must be unique, a text has at
            most 20,000 characters, a task at most 200 facts, and goal and facts must not look like a prompt injection (see
            ``injection``), since every dialogue about them would fail; or the split file names none of the tasks.
    """
    path = Path(path)
    parts = (sorted(path.glob("task_*.json")) or sorted((path / "tasks").glob("task_*.json"))) if path.is_dir() else []
    path = path / "tasks.json" if path.is_dir() and not parts else path
    rows = [Row(files.document(part), part.name) for part in parts] or _rows(path)
    if not rows:
        raise files.fault(path, "", "expected at least one task, got none")
    if len(rows) > MAX_TASKS:
        raise files.fault(path, "", f"expected at most {MAX_TASKS:,} tasks, got more; leave some out")
    theirs = [str(row.value.get("id", "")) for row in rows if "user_scenario" in files.fields(row, path)]
    listed = _listed(path, theirs) if theirs else None
    tasks = []
    for row in rows:
        values = files.fields(row, path)
        tasks.append(files.record(Task, _from_tau2(row, path, listed) if "user_scenario" in values else values, row, path))
        _check(tasks[-1], row, path)
    files.distinct(((task.id, row.where) for task, row in zip(tasks, rows, strict=True)), path)
    return tasks


def _rows(path: Path) -> list[Row]:
    loaded = files.load(path)
    if not isinstance(loaded, Row):
        return list(islice(loaded, MAX_TASKS + 1))
    if isinstance(loaded.value, list):
        return files.entries(loaded, "", path)
    return files.entries(loaded, "tasks", path) if "tasks" in loaded.value else [loaded]


def _listed(path: Path, ids: list[str]) -> frozenset[str] | None:
    """The test ids of the split file of ``path``; None if there is no such file or it does not split these ids.

    Raises:
        InputError: none of its lists names one of the ids.
    """
    folder = path if path.is_dir() and path.name != "tasks" else path.parent
    near = (folder / name for name in (f"split_{path.stem}.json", "split_tasks.json"))
    split_file = next((file for file in near if file.is_file()), None)
    if split_file is None:
        return None
    row = Row(files.document(split_file), "")
    lists = [name for name, value in files.fields(row, split_file).items() if isinstance(value, list) or name == "test"]
    named = {name: frozenset(str(entry.value) for entry in files.entries(row, name, split_file)) for name in lists}
    if named and not any(known.intersection(ids) for known in named.values()):
        other = next((files.short(name) for names in named.values() for name in sorted(names)), "none")
        given = f"names none of the {len(ids):,} tasks of {path.name} (it names {other}, they are {files.short(ids[0])}, …)"
        raise files.fault(split_file, "", f"{given}: expected the split of these tasks; without it, half of them are test tasks")
    divides = "test" in named and (named["test"] | named.get("train", frozenset())).intersection(ids)
    return named["test"] if divides else None


def _check(task: Task, row: Row, path: Path) -> None:
    if len(task.facts) > MAX_FACTS:
        raise files.fault(path, row.where, f"field 'facts': expected at most {MAX_FACTS}, got {len(task.facts):,}; leave some out")
    said = {"goal": task.goal, **{f"facts.{name[:40]}": f"{name}: {value}" for name, value in task.facts.items()}}
    for field, text in {**said, "id": task.id, "context": task.context, "domain": task.domain, "group": task.group}.items():
        if len(text) > MAX_TEXT_CHARS:
            raise _too_long(path, row.where, field, len(text))
    for field, text in said.items():
        flag = injection.find(text)
        if flag is not None:
            problem = f"'{flag.excerpt}' would not be said to the agent ({flag.why}; pattern '{flag.pattern}'); reword it"
            raise files.fault(path, row.where, f"field '{field}': {problem}")


def _from_tau2(row: Row, path: Path, listed: frozenset[str] | None) -> dict[str, Any]:
    identity = files.text(row, "id", path, needed=True)
    scenario = Row(row.value["user_scenario"], f"{row.where} user_scenario")
    instructions = files.fields(scenario, path).get("instructions")
    one_text = isinstance(instructions, str)
    if one_text:
        parts = Row({"reason_for_call": instructions, "known_info": instructions}, scenario.where)
    else:
        parts = Row(instructions, f"{scenario.where}.instructions")
    reason = _text(parts, "reason_for_call", path)
    if not any(map(str.isalnum, reason)):
        raise files.fault(path, parts.where, f"field 'reason_for_call': expected a sentence, got {files.short(reason)}")
    if one_text and is_brief(reason):
        goal, rest, others = goal_of_brief(reason), "", [without_markdown(reason)]
    else:
        goal, rest = wording.goal(reason)
        others = [] if one_text else [_text(parts, key, path) for key in ("task_instructions", "known_info", "unknown_info")]
    by_hash = hashlib.sha256(identity.encode("utf-8", "replace")).digest()[0] % 2
    held_out = by_hash if listed is None else identity in listed
    context = [rest, *(wording.first_person(other.strip()) for other in others if any(map(str.isalnum, other)))]
    return {
        "id": identity, "goal": goal, "facts": wording.facts(files.text(parts, "known_info", path), reason),
        "context": "\n".join(filter(None, context)), "group": files.text(parts, "domain", path), "split": "test" if held_out else "train",
    }  # fmt: skip


def _text(row: Row, key: str, path: Path) -> str:
    text = files.text(row, key, path)
    if len(text) > MAX_TEXT_CHARS:
        raise _too_long(path, row.where, key, len(text))
    return text


def _too_long(path: Path, where: str, field: str, length: int) -> InputError:
    return files.fault(path, where, f"field '{field}': expected at most {MAX_TEXT_CHARS:,} characters, got {length:,}; shorten it")


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
