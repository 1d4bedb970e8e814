"""Export dialogues of personas for MirrorBench, and as plain JSON lines; and a user proxy that is directed turn by turn.

    python examples/mirrorbench_export.py [ARCHIVE] [FOLDER]      writes FOLDER/mirrorbench.jsonl and FOLDER/dialogues.jsonl

A row of MirrorBench's JSON lines is a conversation (id, dataset, description, turns) with metadata, by the rules of its loader (see
``mirrorbench_row`` in ``personaevo.sampler.sampler``). Here the turns are those of the embedded user and the domain's scripted agent; use
dialogues of your own simulator instead. Name the file in a job as the ``path`` of one of its JSONL datasets, such as
``dataset:jsonl/chatbot_arena_mirror``. ``mirrorbench run`` exits with 0 even if every episode failed: check its report.

MirrorBench's own proxies read the text in ``metadata.persona``. A directed proxy also reads ``metadata.directed``; register it before
MirrorBench runs:

    from mirrorbench.adapters.llm import LLM_ADAPTER_INFO, LLMAdapter
    from mirrorbench.core.registry.decorators import register_user_proxy

    @register_user_proxy(name="adapter:personaevo/directed", metadata=LLM_ADAPTER_INFO)
    class DirectedAdapter(LLMAdapter):
        def spawn(self, *, config, run_id):
            return DirectedSession(super().spawn(config=config, run_id=run_id))
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import personaevo as pe
from personaevo import definitions, readers
from personaevo.records import Episode, PlanItem
from personaevo.sampler import SampledPersona, sampler
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.turns import seed_of


def mirrorbench_row(task: pe.Task, persona: SampledPersona, episode: Episode, taken: Counter[str]) -> dict[str, object]:
    """One conversation; its metadata has the persona's text, and the data for a directed proxy."""
    row = sampler.mirrorbench_row(persona, task, episode.turns, taken)
    directed = {"dials": persona.dials, "task": task.model_dump(), "seed": episode.item.seed, "domain": persona.domain}
    return {**row, "metadata": {**row["metadata"], "behaviors": persona.behaviors, "directed": directed}}


class DirectedSession:
    """A session of MirrorBench's proxy that appends a stage direction for the turn to the system prompt.

    One session plays many conversations, and MirrorBench sets the number of turns, so the director replays the conversation each time.
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def generate(self, *, turn: Any, **options: Any) -> Any:
        """The user's next turn, as a MirrorBench result."""
        return self.session.generate(turn=with_direction(turn), **options)

    async def generate_async(self, *, turn: Any, **options: Any) -> Any:
        """The same for concurrent conversations."""
        return await self.session.generate_async(turn=with_direction(turn), **options)


def with_direction(turn: Any) -> Any:
    """MirrorBench's turn (``chat_history`` of messages with role and content, ``metadata`` of the row), with the direction after its system
    message. Unchanged if the row has no director, or the user has left."""
    made, (first, *history) = turn.metadata.get("directed"), turn.chat_history
    if made is None or first.role != "system":
        return turn
    director = pe.Persona(id="", description="", dials=made["dials"]).director(made["seed"], made["task"], made["domain"])
    heard = None
    for message in history:
        if message.role == "user":
            director.direction(heard)
            director.said(message.content)
        heard = message.content
    direction = director.direction(heard)
    prompt = "\n\n".join(part for part in (first.content, director.note, direction) if part)
    return replace(turn, chat_history=[replace(first, content=prompt), *history])


def dialogue_row(task: pe.Task, persona: SampledPersona, episode: Episode) -> dict[str, object]:
    """The same as a ``Dialogue``, for ``--human`` and ``read_dialogues``."""
    turns = [{"role": role, "content": text} for role, text in episode.turns]
    who = {"user_kind": "simulated", "user_id": f"{task.id}/{persona.id}"}
    return {"id": f"{task.id}/{persona.id}", "turns": turns, "task": task.id, "domain": task.domain, **who, "persona": persona.to_dict()}


def write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    print(f"{path}: {len(path.read_text('utf-8').splitlines())} rows")


def played(archive: str) -> list[tuple[pe.Task, SampledPersona, Episode]]:
    """Four personas on each of three tasks."""
    sampler = pe.PersonaSampler(archive)
    domain = definitions.domain(sampler.domain)
    tasks = [task for task in readers.read_tasks(definitions.domain_files(sampler.domain).tasks) if task.split == "test"][:3]
    found = []
    for task in tasks:
        for slot, persona in enumerate(sampler.sample(task, n=4, seed=1)):
            item = PlanItem(task.id, slot, seed_of("export", task.id, slot))
            found.append((task, persona, run_episode(task, persona, item, domain)))
    return [one for one in found if one[2].state == "completed"]


if __name__ == "__main__":
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
    if not folder.is_dir():
        sys.exit(f"mirrorbench_export: {folder}: expected a folder that exists")
    try:
        conversations, names = played(sys.argv[1] if len(sys.argv) > 1 else "service"), Counter[str]()
    except pe.PersonaevoError as error:
        sys.exit(f"mirrorbench_export: {error}")
    write(folder / "mirrorbench.jsonl", (mirrorbench_row(*one, names) for one in conversations))
    write(folder / "dialogues.jsonl", (dialogue_row(*one) for one in conversations))
