"""Dialogues of personas as rows for MirrorBench, whose user proxies read ``metadata.persona``, and as plain JSON lines.

    python examples/mirrorbench_export.py [ARCHIVE] [FOLDER]      writes FOLDER/mirrorbench.jsonl and FOLDER/dialogues.jsonl

A row of MirrorBench's JSON lines is a conversation (id, dataset, task, description, turns) with metadata. Here the turns are those of the
embedded user and the domain's scripted agent; put dialogues of your own simulator in their place.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import personaevo as pe
from personaevo import definitions, readers
from personaevo.records import Episode, PlanItem
from personaevo.sampler import SampledPersona
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.seeds import seed_of


def mirrorbench_row(task: pe.Task, persona: SampledPersona, episode: Episode) -> dict[str, object]:
    """One conversation, the persona's text in its metadata."""
    return {
        "conversation_id": f"{task.id}/{persona.id}",
        "dataset": "personaevo",
        "task_tag": "chat",
        "task_description": f"Talk to a {task.domain} agent. You want to {task.goal}. {task.context}".strip(),
        "turns": [{"role": role, "content": text} for role, text in episode.turns],
        "metadata": {"persona": persona.overlay("").strip(), "behaviors": persona.behaviors, "cell": persona.cell_name},
    }


def dialogue_row(task: pe.Task, persona: SampledPersona, episode: Episode) -> dict[str, object]:
    """The same as a ``Dialogue``, as ``--human`` and ``read_dialogues`` take it."""
    turns = [{"role": role, "content": text} for role, text in episode.turns]
    who = {"user_kind": "simulated", "user_id": f"{task.id}/{persona.id}"}
    return {"id": f"{task.id}/{persona.id}", "turns": turns, "task": task.id, "domain": task.domain, **who, "persona": persona.to_dict()}


def write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    print(f"{path}: {len(path.read_text('utf-8').splitlines())} rows")


archive = sys.argv[1] if len(sys.argv) > 1 else "service"
folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".")
sampler = pe.PersonaSampler(archive)
domain = definitions.domain(sampler.domain)
tasks = [task for task in readers.read_tasks(definitions.domain_files(sampler.domain).tasks) if task.split == "test"][:3]
played = []
for task in tasks:
    for slot, persona in enumerate(sampler.sample(task, n=4, seed=1)):
        item = PlanItem(task.id, slot, seed_of("export", task.id, slot))
        played.append((task, persona, run_episode(task, persona, item, domain)))
write(folder / "mirrorbench.jsonl", (mirrorbench_row(*one) for one in played))
write(folder / "dialogues.jsonl", (dialogue_row(*one) for one in played))
