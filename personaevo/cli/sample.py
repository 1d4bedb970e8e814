"""Commands that draw personas from an archive: ``personaevo sample`` and ``personaevo stress``."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.shared import (
    PATH,
    announce,
    as_json,
    counted,
    debuggable,
    models_of,
    program_name,
    sandbox_option,
    say,
    set_option,
    show,
    show_json,
    warnings_shown,
)
from personaevo.errors import BudgetError, ModelError
from personaevo.text import one_line, plain

if TYPE_CHECKING:
    from personaevo.models import Models
    from personaevo.records import Task, Tier
    from personaevo.sampler import PersonaSampler, SampledPersona, Strategy
    from personaevo.sampler.sampler import Format, Turn
    from personaevo.stress import StressResult


_MAX_WIDTH = 120  # characters per line
_MAX_WITH_TURNS = 1_000  # personas: the turns of each take a millisecond
_ROLE = "generator="
_FORMS: tuple[Format, ...] = ("mirrorbench", "deepeval", "inspect", "usersim")
_STRATEGIES = {
    "human": "kinds of users as frequent as among people", "uniform": "all kinds of users equally often",
    "hard": "users with whom agents fail",
}  # fmt: skip


@click.command()
@click.argument("archive", metavar="ARCHIVE|NAME")
@click.option("-n", "count", type=click.IntRange(1, 100_000), default=5, show_default=True, metavar="N", help="Number of personas.")
@click.option("--task", metavar="FILE|TEXT", help="Task of the personas: a goal, the id of a task of the archive, or a file or folder of "
              "tasks (the first one; FILE:ID for another). Default: any task of the archive.")  # fmt: skip
@click.option("--where", metavar="EXPR", help="Only personas that match, such as 'words_per_turn < 6 and cell in (1, 2)'.")
@click.option("--strategy", type=click.Choice(list(_STRATEGIES)), default="human", show_default=True,
              help="Kinds of users (cells) as frequent as among people, equally often, or those with whom agents fail.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Equal seeds give equal personas.")
@click.option("--format", "form", type=click.Choice(["text", "json", "jsonl", *_FORMS]), help="Output format (default: text). jsonl and "
              "those after it are JSON lines: MirrorBench, deepeval goldens, Inspect samples, NeMo UserSim personas.")  # fmt: skip
@click.option("--model", metavar="generator=MODEL",
              help="Model that programs may call for a new task: openai:NAME or anthropic:NAME, with @URL.")  # fmt: skip
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before the model costs more than X US dollars.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before the model uses more than N tokens.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="Stop before the model is called more than N times.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that override the built-in ones (see archive/prices.toml).")
@sandbox_option
@as_json
@debuggable
def sample(archive: str, count: int, sandbox: Tier | None, form: str | None, as_json: bool, **given: Any) -> None:
    """Draw personas from an archive, ready for the prompt of a user simulator.

    ARCHIVE is a file, or the name of a packaged archive. For its own tasks, stored personas are returned with their measured behavior; for
    another task its programs are run in the sandbox. --where may use every feature (as measured), the axes of the programs, cell,
    cell_name, task, outcome, p_human and preservation; an unset value never matches.

    Up to 1,000 personas come with three turns as planned by their director, played against the embedded agent. Rows for MirrorBench
    contain the whole dialogue, from which it takes the first speaker and the number of turns; rows of the other formats have no turns.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    form = "json" if as_json else form or "text"
    with _models(given) as models, warnings_shown():
        personas, sampler = _sampled(archive, count, sandbox or "kernel", models, given)
    tasks = _tasks(sampler, given["task"])
    if form in _FORMS:
        from personaevo.sampler.sampler import rows as format_rows

        for row in format_rows(personas, form, tasks, given["seed"]):
            show(json.dumps(row, allow_nan=False))
        return
    turns = _turns(personas, tasks, given["seed"]) if count <= _MAX_WITH_TURNS else None
    if form == "text":
        _show(personas, sampler, given, tasks, turns)
        return
    rows = [persona.to_dict() for persona in personas]
    rows = rows if turns is None else [{**row, "turns": said} for row, said in zip(rows, turns, strict=True)]
    if form == "json":
        show_json({"personas": rows})
    else:
        show("\n".join(json.dumps(row, allow_nan=False) for row in rows))


@contextmanager
def _models(given: dict[str, Any]) -> Iterator[Models | None]:
    """The model that programs may call; None without --model."""
    text = given["model"]
    if text is None:
        yield None
        return
    if not text.startswith(_ROLE):
        raise click.UsageError(f"--model {text}: expected generator=MODEL, such as generator=openai:gpt-4o-mini; no other role is used")
    from personaevo.models import Budget, MemoryStore, Models, parse, read_prices

    budget = Budget(given["max_usd"], given["max_tokens"], given["max_calls"])
    specs = {"generator": parse(text.removeprefix(_ROLE))}
    with Models(specs, MemoryStore(), prices=read_prices(given["prices"]), budget=budget) as models:
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
    from personaevo.errors import InputError
    from personaevo.readers import read_tasks

    name, _, wanted = given.rpartition(":")
    if name and Path(name).exists():
        tasks = read_tasks(name)
        found = next((task for task in tasks if task.id == wanted), None)
        if found is None:
            raise InputError(f"{name}: no task has the id '{wanted}'; the first is '{tasks[0].id}'")
        return found
    path = Path(given)
    looks_like_file = path.suffix in (".json", ".jsonl", ".gz") or given.startswith(("/", "./", "../"))
    return read_tasks(path)[0] if looks_like_file or (given.strip() and path.exists()) else given


def _tasks(sampler: PersonaSampler, given: str | None) -> dict[str, Task]:
    """The tasks that personas of this sample may have, by id."""
    from personaevo.simulate.directions import as_task

    task = _task(given)
    if task is None or (isinstance(task, str) and task in sampler.tasks):
        return sampler.known_tasks()
    made = as_task(task, sampler.domain)
    return {**sampler.known_tasks(), made.id: made}


def _turns(personas: Sequence[SampledPersona], tasks: Mapping[str, Task], seed: int) -> list[list[Turn]]:
    from personaevo.sampler.sampler import example_turns

    return [example_turns(persona, tasks, seed) for persona in personas]


def _show(
    personas: Sequence[SampledPersona], sampler: PersonaSampler, given: dict[str, Any], tasks: Mapping[str, Task],
    turns: Sequence[Sequence[Turn]] | None,
) -> None:  # fmt: skip
    """Print each persona as text: its kind, measured behavior, the text for a simulator, and its first turns."""
    name, width = one_line(sampler.archive), min(_MAX_WIDTH, shutil.get_terminal_size((100, 24)).columns)
    drawn = f"{_STRATEGIES[given['strategy']]}, seed {given['seed']}"
    show("\n".join(textwrap.wrap(f"{len(personas)} persona{'s' if len(personas) > 1 else ''} from {name}: {drawn}", width)))
    for number, persona in enumerate(personas, start=1):
        goal = tasks[persona.task].goal if persona.task in tasks else ""
        show(f"\n{_text(number, persona, goal, width)}")
        for turn in turns[number - 1] if turns else ():
            for line in (*_field("agent", one_line(turn["heard"] or ""), width), *_field("user", one_line(turn["draft"] or ""), width)):
                show(line)
    if not sampler.settings.get("models") and not sampler.settings.get("agent"):
        say("Found with the embedded engine. To let your own model play them:")
        say(f"  {program_name()} stress {name} --agent MODULE:FUNCTION --model user=openai:NAME")


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


_COUNT = click.IntRange(min=1)
_MODEL = "Model of the user or generator (repeatable): openai:NAME or anthropic:NAME, with @URL for your own server, or local:FILE.gguf."


@click.command()
@click.argument("archive", metavar="ARCHIVE|NAME")
@click.option("--agent", required=True, metavar="MODULE:FUNCTION|URL", help="The agent: a function of messages, or an HTTP chat endpoint.")
@click.option("--tasks", type=PATH, metavar="FILE", help="Tasks of the users (default: the held-out tasks of the archive's search).")
@click.option("--task-count", type=_COUNT, metavar="N", help="Use at most N tasks (default: all).")
@click.option("--personas", type=_COUNT, default=5, show_default=True, metavar="N", help="Users for each task.")
@click.option("--strategy", type=click.Choice(["human", "uniform", "hard"]), default="human", show_default=True, help="See 'sample'.")
@click.option("--where", metavar="EXPR", help="Only users that match, such as 'words_per_turn < 6'; see 'sample'.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Random seed.")
@click.option("--control/--no-control", default=True, help="Also run persona-free users on the same tasks (default: yes).")
@click.option("--domain", metavar="NAME|FOLDER", help="Domain whose wording users speak (default: that of the archive's search).")
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--calibration", type=PATH, metavar="FILE", help="Correct the dials of the user's model by the curves 'calibrate' fitted.")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more than X US dollars.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before models use more than N input and output tokens.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="Stop before models are called more than N times.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that override the built-in ones (see archive/prices.toml).")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True, max=86_400), default=60.0, show_default=True, metavar="SECONDS",
              help="Time limit for one answer of the agent.")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Concurrent dialogues (threads).")
@click.option("-o", "--out", type=PATH, metavar="FILE.jsonl", help="Write each dialogue when it ends, as JSON lines that --human reads.")
@click.option("--resume", is_flag=True, help="Continue the dialogues in --out; all other arguments must be the same.")
@sandbox_option
@as_json
@debuggable
def stress(archive: str, sandbox: Tier | None, as_json: bool, out: Path | None, **given: Any) -> None:
    """Test an agent against a population of users, and report the users with whom it fails.

    A dialogue is a success if the user ends content and communicated the whole task. The report gives success rates by kind of user and by
    behavior, compares them with persona-free users on the same tasks, and lists dialogues to read.
    """
    _check_out(out, resume=given["resume"])
    try:
        result = _stressed(archive, sandbox or "kernel", {**given, "keep": out})
    except (ModelError, BudgetError, KeyboardInterrupt):
        if out is not None and out.exists():
            say(f"The dialogues so far are in {out}: continue with the same arguments and --resume.")
        raise
    if out is not None:
        say(f"{len(result.talks) + len(result.control)} dialogues are in {out}")
    if as_json:
        show_json(result.to_dict())
        return
    from personaevo.stress import stress_text

    show(stress_text(result, min(120, shutil.get_terminal_size((100, 24)).columns)))


def _check_out(out: Path | None, *, resume: bool) -> None:
    """Check the output file before the work, not after it."""
    if resume and out is None:
        raise click.UsageError("--resume needs --out FILE.jsonl: the dialogues to continue")
    if out is not None and out.is_file() and not resume:
        raise click.UsageError(f"--out {out} exists: add --resume to continue its dialogues, or give another file")
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise click.UsageError(f"--out {out}: expected a file in a folder that exists")


def _stressed(archive: str, sandbox: Tier, given: dict[str, Any]) -> StressResult:
    from personaevo.models import Budget
    from personaevo.stress import stress_agent

    models = models_of(given.pop("models"), given.pop("settings"))
    budget = Budget(given.pop("max_usd"), given.pop("max_tokens"), given.pop("max_calls"))
    agent, tasks = given.pop("agent"), given.pop("tasks")
    announce(sandbox)
    with warnings_shown(), counted("dialogues") as observe:
        return stress_agent(agent, tasks, archive, models=models, budget=budget, sandbox=sandbox, observe=observe, **given)
