"""``personaevo sample``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, announce, as_json, debuggable, sandbox_option, warnings_told
from personaevo.text import one_line, plain

if TYPE_CHECKING:
    from personaevo.records import Task, Tier
    from personaevo.sampler import SampledPersona, Strategy

_SHOWN = ("id", "description", "behaviors", "dials", "policy", "program", "cell")


@click.command()
@click.argument("archive", type=PATH)
@click.option("-n", "count", type=click.IntRange(1, 100_000), default=5, show_default=True, metavar="N", help="How many personas.")
@click.option("--task", metavar="FILE|TEXT", help="What they want: a goal, or a file of tasks (its first one; FILE:ID for another).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Equal seeds give equal personas.")
@click.option("--strategy", type=click.Choice(["human", "uniform"]), default="human", help="Cells as people fill them, or all alike.")
@sandbox_option
@as_json
@debuggable
def sample(archive: Path, count: int, task: str | None, seed: int, strategy: Strategy, sandbox: Tier | None, as_json: bool) -> None:
    """Draw personas from an archive, ready to be laid over a user simulator's prompt.

    Without --task they are made for the first held-out task of the archive's domain.
    """
    from personaevo.sampler import PersonaSampler

    announce(sandbox or "kernel")
    with warnings_told():
        sampler = PersonaSampler(archive, sandbox=sandbox or "kernel")
    wanted = _task(task, sampler.settings)
    personas = sampler.sample(wanted, count, seed=seed, strategy=strategy)
    sampler.close()
    if as_json:
        show_json({"personas": [persona.model_dump(mode="json", include=set(_SHOWN)) for persona in personas]})
        return
    say(f"{count} personas who want to {wanted if isinstance(wanted, str) else wanted.goal}")
    for persona in personas:
        show(_text(persona))


def _task(given: str | None, settings: Mapping[str, Any]) -> Task | str:
    from personaevo.readers import read_tasks

    if given is None:
        return _default_task(settings)
    name, _, wanted = given.rpartition(":")
    if name and Path(name).is_file():
        return _named(read_tasks(name), name, wanted)
    path = Path(given)
    looks_like_file = path.suffix in (".json", ".jsonl", ".gz") or given.startswith(("/", "./", "../"))
    return read_tasks(path)[0] if looks_like_file or path.is_file() else given


def _named(tasks: list[Task], file: str, wanted: str) -> Task:
    from personaevo.errors import InputError

    found = next((task for task in tasks if task.id == wanted), None)
    if found is None:
        raise InputError(f"{file}: no task has the id '{wanted}'; the first is '{tasks[0].id}'")
    return found


def _default_task(settings: Mapping[str, Any]) -> Task:
    """The first held-out task of the search's own tasks, else of its domain's."""
    from personaevo.definitions import domain_files, domain_names
    from personaevo.errors import InputError
    from personaevo.readers import read_tasks

    file, domain = settings.get("tasks"), str(settings.get("domain"))
    if file is None and domain in domain_names():
        file = domain_files(domain).tasks
    if file is None or not Path(file).is_file():
        raise InputError(f"the tasks of the domain '{domain}' are not at hand: say what the personas want with --task FILE|TEXT")
    tasks = read_tasks(file)
    return next((task for task in tasks if task.split == "test"), tasks[0])


def _text(persona: SampledPersona) -> str:
    levels = ", ".join(f"{one_line(name)} {level:.2f}" for name, level in persona.behaviors.items())
    head = f"{one_line(persona.id)}  (cell {persona.cell}: {one_line(persona.cell_name)}; program {persona.program[:12]})"
    body = [one_line(persona.description), *([levels] if levels else []), *(f"| {line}" for line in plain(persona.policy).splitlines())]
    return "\n".join([head, *(f"  {line}" for line in body), ""])
