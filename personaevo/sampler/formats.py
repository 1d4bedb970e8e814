"""Export personas as rows in the formats of other evaluation tools, and their example turns with stage directions."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from personaevo import definitions
from personaevo.chat import Role
from personaevo.errors import ConfigError, InputError
from personaevo.records import Task
from personaevo.sampler.pool import SampledPersona
from personaevo.simulate.episodes import ScriptedAgent
from personaevo.simulate.turns import seed_of


class Turn(TypedDict):
    """One turn of the user: the agent's message before it (None at the opening), the stage direction, and the drafted text."""

    heard: str | None
    direction: str
    draft: str


def example_turns(persona: SampledPersona, tasks: Mapping[str, Task], seed: int, count: int = 3) -> list[Turn]:
    """The first ``count`` turns of the persona with the scripted agent of its domain; fewer if the dialogue ends earlier.

    ``tasks`` maps ids to tasks. The list is empty if the persona's task is not among them, or its domain is not available. Equal arguments
    give equal turns.
    """
    task = tasks.get(persona.task)
    try:
        domain = definitions.domain(persona.domain)
    except ConfigError:
        return []
    if task is None:
        return []
    own = seed_of(seed, persona.id, task.id)
    director = persona.director(own, task, persona.domain)
    agent = ScriptedAgent(task, domain, random.Random(seed_of(own, "agent")))
    said: list[tuple[Role, str]] = []
    found: list[Turn] = []
    heard = agent.reply(said) if domain.opens == "agent" else None
    while len(found) < count and not director.left and (heard is not None or not found):
        said += [("assistant", heard)] if heard is not None else []
        found.append(Turn(heard=heard, direction=director.direction(heard), draft=director.draft(heard)))
        said.append(("user", found[-1]["draft"]))
        heard = agent.reply(said)
    return found


Format = Literal["jsonl", "mirrorbench", "deepeval", "inspect", "usersim"]
MOST_TURNS = 40  # turns of the user in a MirrorBench row
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 60


def rows(personas: Sequence[SampledPersona], form: Format, tasks: Mapping[str, Task] | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """One JSON-serializable row for each persona.

    "jsonl" has all its fields. "mirrorbench" is a line of MirrorBench's JSON lines (see ``mirrorbench_row``), with the turns of the
    persona's director and the scripted agent of its domain. "deepeval" is a conversational golden (``add_goldens_from_jsonl_file``),
    "inspect" a record of Inspect's ``json_dataset`` (the persona's text in its metadata), "usersim" the content of NeMo UserSim's column
    ``persona``. ``tasks`` maps ids to tasks; equal arguments give equal rows.

    Raises:
        InputError: ``tasks`` lacks a persona's task, which all formats but "jsonl" and "usersim" contain; or, for "mirrorbench", its
            domain is not available: MirrorBench rejects rows without turns.
    """
    known, taken = tasks or {}, Counter[str]()
    if form == "jsonl":
        return [persona.to_dict() for persona in personas]
    if form == "usersim":
        return [{"first_name": "Someone", "persona": persona.text, "persona_id": persona.id} for persona in personas]
    if form == "mirrorbench":
        return [mirrorbench_row(persona, *_played(persona, known, seed), taken) for persona in personas]
    make = _deepeval_row if form == "deepeval" else _inspect_row
    return [make(persona, _task_of(persona, known), taken) for persona in personas]


def mirrorbench_row(
    persona: SampledPersona, task: Task, turns: Iterable[tuple[Role, str]], taken: Counter[str] | None = None
) -> dict[str, Any]:
    """A conversation for MirrorBench's loader: at least one turn, none without text, roles alternating; an id that is a valid file name and
    not in ``taken``; the facts in the task's description, as MirrorBench's proxies invent facts that are missing there.

    The proxies add ``metadata.persona`` to their prompt. MirrorBench takes from the turns who opens and how many turns there are, and
    compares with these turns as the real conversation.

    Raises:
        InputError: there is no turn with text.
    """
    said = _alternating(turns)
    if not said:
        raise InputError(f"persona '{persona.id}', task '{task.id}': expected a dialogue with at least one turn (of MirrorBench), got none")
    return {
        "conversation_id": _file_name(persona, task, Counter() if taken is None else taken),
        "dataset": "personaevo",
        "task_description": described(task),
        "turns": said,
        "metadata": {"persona": persona.overlay("").strip(), "domain": task.domain, **_origin(persona, task)},
    }


def _deepeval_row(persona: SampledPersona, task: Task, taken: Counter[str]) -> dict[str, Any]:
    return {
        "name": _file_name(persona, task, taken),
        "scenario": described(task),
        "expected_outcome": f"The user got what they wanted: {task.goal}",
        "persona": {"characteristics": persona.text},
        "additional_metadata": _origin(persona, task),
    }


def _inspect_row(persona: SampledPersona, task: Task, taken: Counter[str]) -> dict[str, Any]:
    metadata = {"persona": persona.text, **_origin(persona, task)}
    return {"id": _file_name(persona, task, taken), "input": described(task), "target": task.goal, "metadata": metadata}


def _origin(persona: SampledPersona, task: Task) -> dict[str, Any]:
    origin = {"persona_id": persona.id, "program": persona.program, "cell": persona.cell, "cell_name": persona.cell_name}
    return {"archive": persona.archive, "task": task.id, **origin}


def described(task: Task) -> str:
    """The task as text for a user's model: goal and context, in the first person, and all facts that it may tell."""
    agent = f"Talk to {'an' if task.domain[:1] in tuple('aeiou') else 'a'} {task.domain} agent." if task.domain else "Talk to an agent."
    facts = "; ".join(f"{name}: {value}" for name, value in task.facts.items())
    known = f"What you know: {facts}. Tell it when asked, and make up nothing else." if facts else "You know nothing else."
    return " ".join(part for part in (agent, f"In your own words: I want to {task.goal.rstrip('.')}.", task.context.strip(), known) if part)


def _task_of(persona: SampledPersona, tasks: Mapping[str, Task]) -> Task:
    if persona.task not in tasks:
        missing = f"its task '{persona.task}' was not found, and the rows contain it"
        raise InputError(f"persona '{persona.id}': {missing}: give it with --task FILE")
    return tasks[persona.task]


def _played(persona: SampledPersona, tasks: Mapping[str, Task], seed: int) -> tuple[Task, list[tuple[Role, str]]]:
    task = _task_of(persona, tasks)
    turns: list[tuple[Role, str]] = []
    for turn in example_turns(persona, tasks, seed, MOST_TURNS):
        turns += [("assistant", turn["heard"])] if turn["heard"] else []
        turns.append(("user", turn["draft"]))
    if not turns:
        why = f"its domain '{persona.domain}' is not installed, and MirrorBench rejects rows without turns"
        raise InputError(f"persona '{persona.id}': {why}: give a task of an installed domain with --task")
    return task, turns


def _alternating(turns: Iterable[tuple[Role, str]]) -> list[dict[str, str]]:
    """The turns with text, adjacent turns of one role joined."""
    said: list[dict[str, str]] = []
    for role, text in turns:
        if said and said[-1]["role"] == role and text.strip():
            said[-1]["content"] += f"\n{text}"
        elif text.strip():
            said.append({"role": role, "content": text})
    return said


def _file_name(persona: SampledPersona, task: Task, taken: Counter[str]) -> str:
    """Task and persona as a file name, numbered if already taken."""
    parts = (_UNFIT.sub("_", name)[:_LONGEST] for name in (task.id, persona.id))
    name = "-".join(parts).lstrip(".-") or "conversation"
    key = name.lower()  # some file systems ignore case
    taken[key] += 1
    if taken[key] == 1:
        return name
    number = taken[key]
    while taken[f"{key}-{number}"]:
        number += 1
    taken[f"{key}-{number}"] += 1
    return f"{name}-{number}"
