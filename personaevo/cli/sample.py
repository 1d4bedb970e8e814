"""``personaevo sample``."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, announce, as_json, debuggable, program_name, sandbox_option, warnings_told
from personaevo.text import one_line, plain

if TYPE_CHECKING:
    from personaevo.models import Models
    from personaevo.records import Task, Tier
    from personaevo.sampler import PersonaSampler, SampledPersona, Strategy
    from personaevo.sampler.formats import Format
    from personaevo.sampler.turns import Turn

_WIDEST = 120
_MOST_DIRECTED = 1_000  # personas that are shown with turns: each takes a millisecond
_ROLE = "generator="
_FORMS: tuple[Format, ...] = ("mirrorbench", "deepeval", "inspect", "usersim")
_DRAWN = {"human": "kinds of users as people are", "uniform": "all kinds of users alike", "hard": "users with whom agents fail"}


@click.command()
@click.argument("archive", metavar="ARCHIVE|NAME")
@click.option("-n", "count", type=click.IntRange(1, 100_000), default=5, show_default=True, metavar="N", help="How many personas.")
@click.option("--task", metavar="FILE|TEXT", help="What they want: a goal, the id of a task of the archive, or a file or folder of "
              "tasks (the first one; FILE:ID for another). Default: any task of the archive.")  # fmt: skip
@click.option("--where", metavar="EXPR", help="Only those that fit, such as 'words_per_turn < 6 and cell in (1, 2)'.")
@click.option("--strategy", type=click.Choice(list(_DRAWN)), default="human", show_default=True,
              help="Kinds of users (cells) as people fill them, all alike, or those with whom agents fail.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Equal seeds give equal personas.")
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl", *_FORMS]), help="How to print them (default: text); "
              "from jsonl on JSON lines, for MirrorBench, deepeval (goldens), Inspect (samples) and NeMo UserSim (personas).")  # fmt: skip
@click.option("--model", metavar="generator=MODEL", help="What programs may ask for a new task: openai:NAME or anthropic:NAME, with @URL.")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before the model costs more.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="The same for tokens in and out.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="The same for calls.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that come before those known (see archive/prices.toml).")
@sandbox_option
@as_json
@debuggable
def sample(archive: str, count: int, sandbox: Tier | None, form: str | None, as_json: bool, **given: Any) -> None:
    """Draw personas from an archive, ready to be laid over a user simulator's prompt.

    ARCHIVE is a file, or the name of a packaged archive. Personas of its own tasks are stored, with what was measured of them; for another
    task its programs are run in the sandbox. --where may name every feature (as measured), the axes of the programs, cell, cell_name,
    task, outcome, p_human and preservation; what is unset never matches.

    Up to 1,000 personas come with three turns as their director plans them, against the embedded agent. MirrorBench's rows have the whole
    dialogue, as MirrorBench takes from it who opens and how many turns there are; the rows of the others have none.
    """
    form = _form(form, as_json=as_json)
    with _models(given) as models, warnings_told():
        personas, sampler = _sampled(archive, count, sandbox or "kernel", models, given)
    tasks = _tasks(sampler, given["task"])
    if form in _FORMS:
        _show_lines(personas, form, tasks, given["seed"])
        return
    turns = [_turns(persona, tasks, given["seed"]) for persona in personas] if count <= _MOST_DIRECTED else None
    if form == "text":
        _show(personas, sampler, given, tasks, turns)
        return
    rows = [persona.to_dict() for persona in personas]
    rows = rows if turns is None else [{**row, "turns": said} for row, said in zip(rows, turns, strict=True)]
    if form == "json":
        show_json({"personas": rows})
    else:
        show("\n".join(json.dumps(row, allow_nan=False) for row in rows))


def _form(form: str | None, *, as_json: bool) -> str:
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    return "json" if as_json else form or "text"


@contextmanager
def _models(given: dict[str, Any]) -> Iterator[Models | None]:
    """What programs may ask; None without --model."""
    text = given["model"]
    if text is None:
        yield None
        return
    if not text.startswith(_ROLE):
        raise click.UsageError(f"--model {text}: expected generator=MODEL, such as generator=openai:gpt-4o-mini; no other role is asked")
    from personaevo.models import Budget, Kept, Models, parse, read_prices

    budget = Budget(given["max_usd"], given["max_tokens"], given["max_calls"])
    with Models({"generator": parse(text.removeprefix(_ROLE))}, Kept(), prices=read_prices(given["prices"]), budget=budget) as models:
        yield models


def _sampled(
    archive: str, count: int, sandbox: Tier, models: Models | None, given: dict[str, Any]
) -> tuple[list[SampledPersona], PersonaSampler]:
    from personaevo.sampler import PersonaSampler

    announce(sandbox)
    with PersonaSampler(archive, sandbox=sandbox, models=models) as sampler:
        strategy: Strategy = given["strategy"]
        personas = sampler.sample(_task(given["task"]), count, seed=given["seed"], strategy=strategy, where=given["where"])
    return personas, sampler


def _task(given: str | None) -> Task | str | None:
    if given is None:
        return None
    from personaevo.readers import read_tasks

    name, _, wanted = given.rpartition(":")
    if name and Path(name).exists():
        return _named(read_tasks(name), name, wanted)
    path = Path(given)
    looks_like_file = path.suffix in (".json", ".jsonl", ".gz") or given.startswith(("/", "./", "../"))
    return read_tasks(path)[0] if looks_like_file or (given.strip() and path.exists()) else given


def _named(tasks: list[Task], file: str, wanted: str) -> Task:
    from personaevo.errors import InputError

    found = next((task for task in tasks if task.id == wanted), None)
    if found is None:
        raise InputError(f"{file}: no task has the id '{wanted}'; the first is '{tasks[0].id}'")
    return found


def _tasks(sampler: PersonaSampler, given: str | None) -> dict[str, Task]:
    """The tasks by id that personas of this sample may have."""
    from personaevo.simulate.given import as_task

    task = _task(given)
    if task is None or (isinstance(task, str) and task in sampler.tasks):
        return sampler.known_tasks()
    made = as_task(task, sampler.domain)
    return {**sampler.known_tasks(), made.id: made}


def _turns(persona: SampledPersona, tasks: Mapping[str, Task], seed: int) -> list[Turn]:
    from personaevo.sampler.turns import example_turns

    return example_turns(persona, tasks, seed)


def _show_lines(personas: Sequence[SampledPersona], form: Format, tasks: Mapping[str, Task], seed: int) -> None:
    from personaevo.sampler.formats import rows

    for row in rows(personas, form, tasks, seed):
        show(json.dumps(row, allow_nan=False))


def _show(
    personas: Sequence[SampledPersona], sampler: PersonaSampler, given: dict[str, Any], tasks: Mapping[str, Task],
    turns: Sequence[Sequence[Turn]] | None,
) -> None:  # fmt: skip
    """For people: who each is, how it behaved, the text for a simulator, and how it begins a dialogue."""
    name, width = one_line(sampler.archive), min(_WIDEST, shutil.get_terminal_size((100, 24)).columns)
    head = f"{len(personas)} persona{'s' if len(personas) > 1 else ''} from {name}: {_DRAWN[given['strategy']]}, seed {given['seed']}"
    show("\n".join(textwrap.wrap(head, width)))
    for number, persona in enumerate(personas, start=1):
        goal = tasks[persona.task].goal if persona.task in tasks else ""
        show(f"\n{_text(number, persona, goal, width)}")
        for line in _dialogue(turns[number - 1] if turns else (), width):
            show(line)
    if not sampler.settings.get("models") and not sampler.settings.get("agent"):
        say("Found with the embedded engine. To see them played by a model of yours:")
        say(f"  {program_name()} stress {name} --agent MODULE:FUNCTION --model user=openai:NAME")


def _dialogue(turns: Sequence[Turn], width: int) -> Iterator[str]:
    """What the agent says and what the persona's director makes of it."""
    for turn in turns:
        for who, text in (("agent", turn["heard"]), ("user", turn["draft"])):
            yield from textwrap.wrap(one_line(text or ""), width, initial_indent=f"  {who:<10}", subsequent_indent=" " * 12)


def _text(number: int, persona: SampledPersona, goal: str, width: int) -> str:
    fields = {
        "kind": f"{persona.cell_name} (cell {persona.cell})",
        "task": f"{persona.task}{f': {goal}' if goal else ''}",
        "measured": ", ".join(f"{name} {value:.2g}" for name, value in persona.measured.items() if value) or "nothing",
        "id": f"{persona.id} of program {persona.program[:12]}",
    }
    lines = [line for label, text in fields.items() if text for line in _field(label, one_line(text), width)]
    said = [f"  | {line}" for text in plain(persona.text).splitlines() for line in textwrap.wrap(text, max(width - 4, 20)) or [""]]
    return "\n".join([f"Persona {number}", *lines, *said])


def _field(label: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=f"  {label:<10}", subsequent_indent=" " * 12)
