"""``personaevo search``: evolve persona programs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from personaevo.cli.shared import (
    PATH,
    Interrupts,
    announce,
    as_json,
    debuggable,
    models_of,
    program_name,
    sandbox_option,
    say,
    set_option,
    show,
    show_json,
    show_planned,
    warnings_shown,
)
from personaevo.errors import BudgetError

if TYPE_CHECKING:
    from personaevo.config import SearchConfig
    from personaevo.evolve.progress import SearchResult

NOTE = "Scores are those of the embedded engine; they say nothing about users played by language models."
_COUNT = click.IntRange(min=1)
_MODEL = (
    "Model of a role (repeatable): mutator, generator, reflector, user or agent = openai:NAME or anthropic:NAME, with @URL for your own "
    "server, or local:FILE.gguf; see 'models' (default of each role: embedded)."
)
_WORDING = "How a model plays a persona: turns drafted by the director (default), one direction per turn, or only the persona's text."


@click.command()
@click.argument("config", required=False, type=PATH, metavar="[CONFIG.toml]")
@click.option("--domain", metavar="NAME|FOLDER", help="An installed domain (default: service), or a folder from 'domain new' (./NAME).")
@click.option("--tasks", type=PATH, metavar="FILE", help="Tasks in place of the domain's own: JSON lines, or a tau2-bench tasks.json.")
@click.option("--human", type=PATH, metavar="FILE", help="People in place of the domain's own: dialogues, or a built reference.")
@click.option("--program", type=PATH, metavar="FILE", help="Persona program to start from.")
@click.option("--profiles", type=PATH, metavar="FILE|FOLDER", help="Refined profiles (see 'refine') for the first program and the cells.")
@click.option("--archive", type=PATH, metavar="FILE", help="DuckDB file to write (default: DOMAIN.duckdb, or the next free name).")
@click.option("--candidates", type=_COUNT, metavar="N", help="Number of programs, the first one included (default: 100).")
@click.option("--task-count", type=click.IntRange(min=2), metavar="N", help="Tasks on which each program is scored (default: 10).")
@click.option("--personas", type=_COUNT, metavar="N", help="Personas for each task (default: 5).")
@click.option("--jobs", type=_COUNT, metavar="N", help="Worker processes (default: one per processor); results do not depend on it.")
@click.option("--backend", type=click.Choice(["loky", "dask", "ray"]), help="Where dialogues are played: processes here, Dask or Ray.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler (tcp://…) or Ray cluster (ray://…); default: one on this machine.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Random seed (default: 0).")
@sandbox_option
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--agent", metavar="MODULE:FUNCTION|URL", help="Agent that users talk to: a function of messages, or an HTTP chat endpoint.")
@click.option("--wording", type=click.Choice(["draft", "direction", "text"]), help=_WORDING)
@click.option("--calibration", type=PATH, metavar="ARCHIVE", help="Correct the dials of the user's model by the curves 'calibrate' fitted.")
@click.option("--overlay", type=click.Choice(["after", "before"]), help="Place of a persona in a model user's prompt (default: after).")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more than X US dollars in total.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before models use more than N input and output tokens.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="Stop before models are called more than N times.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that override the built-in ones (see archive/prices.toml).")
@click.option("--replay", type=PATH, metavar="ARCHIVE", help="Take all answers of models from this archive; no model is called.")
@click.option("--dry-run", is_flag=True, help="Print the planned calls of models and their estimated cost, and stop.")
@click.option("--resume", is_flag=True, help="Continue the search in --archive with the same settings; --candidates may be larger.")
@as_json
@debuggable
@click.pass_context
def search(context: click.Context, /, config: Path | None, as_json: bool, dry_run: bool, **given: Any) -> None:
    """Evolve persona programs until their users behave like people.

    CONFIG.toml may contain every setting; options on the command line override it. Progress goes to stderr, the final table to stdout.
    """
    with Interrupts() as interrupts:
        settings = _settings(context, config, given)
        if dry_run:
            from personaevo.evolve.progress import dialogues, estimate

            show_planned(estimate(settings), dialogues(settings).all, as_json=as_json)
            return
        try:
            result = _searched(settings)
        except KeyboardInterrupt:
            _say_saved(context, settings)
            context.exit(interrupts.exit_code)
        except BudgetError as error:
            say(f"Stopped: {error}.")
            _say_saved(context, settings, "To continue with a higher limit:")
            context.exit(1)
    if as_json:
        show_json(_as_object(result))
    else:
        _show(result, settings)
    if result.problem:
        say(f"Nothing was found: {result.problem}")
        context.exit(1)


def _settings(context: click.Context, path: Path | None, given: dict[str, Any]) -> SearchConfig:
    """The settings of the file, overridden by those of the command line, with an archive to write."""
    from personaevo.config import make_config, read_config
    from personaevo.evolve.search import free_name

    over = {name: value for name, value in given.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    file = read_config(path) if path else {}
    asked = over.pop("settings", ())
    settings = make_config({**file, **over, "models": file.get("models") or {}} if "models" in over else {**file, **over})
    models = models_of(over.get("models", ()), asked, settings.models)
    if models != settings.models:
        settings = make_config({**file, **over, "models": models})
    if settings.archive is not None:
        return settings
    if settings.resume:
        raise click.UsageError("--resume needs --archive FILE: the archive of the search to continue", context)
    return settings.model_copy(update={"archive": free_name(settings.domain)})


def _searched(settings: SearchConfig) -> SearchResult:
    from personaevo.cli.progress import SearchProgress
    from personaevo.evolve.search import search as run_search
    from personaevo.executors import executor

    announce(settings.sandbox)
    with warnings_shown(), executor(settings.backend, settings.scheduler) as given, SearchProgress(settings) as display:
        return run_search(settings, observe=display, executor=given)


def _say_saved(context: click.Context, settings: SearchConfig, how: str = "To continue:") -> None:
    """Print after a stop how many candidates are saved, and how to continue."""
    from personaevo.archive import Archive
    from personaevo.errors import PersonaevoError

    assert settings.archive is not None
    saved = 0
    try:
        if settings.archive.exists():
            with Archive.read(settings.archive) as archive:
                saved = len(archive.commits(archive.run().id)) if archive.runs() else 0  # without a run it has only answers of models
    except PersonaevoError as error:
        say(f"Interrupted. {error}")
        return
    if not settings.archive.exists():
        say("Interrupted before the first candidate: nothing was saved.")
        return
    say(f"Interrupted: {saved} of {settings.candidates} candidates are saved in {settings.archive}. {how}")
    say(f"  {_resuming(context, settings)}")


def _resuming(context: click.Context, settings: SearchConfig) -> str:
    """The command that continues this search: the given arguments with --archive and --resume."""
    words = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name in ("archive", "resume", "debug"):
            continue
        value = context.params.get(name)
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif parameter.multiple:
            words += [word for one in value or () for word in (parameter.opts[0], str(one))]
        else:
            words += [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
    return f"{program_name()} {shlex.join(['search', *words, '--archive', str(settings.archive), '--resume'])}"


def _show(result: SearchResult, settings: SearchConfig) -> None:
    from personaevo.records import FinalTable
    from personaevo.text import one_line
    from personaevo.views.tables import spending_text, table_text

    file = shlex.quote(one_line(str(result.archive)))
    name, best, note = program_name(), result.best.id, NOTE
    models = {**settings.models, **({"agent": settings.agent} if settings.agent else {})}
    if models:
        named = ", ".join(f"{role} {one_line(model)}" for role, model in models.items())
        note = f"Scores are those of {named} (all else is embedded); other models give other scores."
    rate = f"{result.candidates:,} candidates, {result.episodes:,} episodes, {result.seconds:.0f} s"
    show("\nOn held-out tasks and people:")
    show(f"\n{table_text(FinalTable(result.table, result.comparisons, result.auditor_sees))}")
    if result.spending:
        show(f"\nCalls and costs of models:\n\n{spending_text(result.spending)}")
    show(f"\n{note}\n\nArchive: {file} ({rate}). Try next:")
    for words in (f"archive summary {file}", f"archive show {file} {best[:12]}", f"archive report {file}", f"sample {file} -n 5"):
        show(f"  {name} {words}")


def _as_object(result: SearchResult) -> dict[str, Any]:
    from dataclasses import asdict

    from personaevo.records import FinalTable
    from personaevo.views.tables import headline_object, spending_object, table_object

    table = FinalTable(result.table, result.comparisons)
    return {
        "archive": str(result.archive),
        "seed": result.seed,
        "candidates": result.candidates,
        "episodes": result.episodes,
        "seconds": round(result.seconds, 3),
        "best": {"id": result.best.id, "source": result.best.source},
        "table": table_object(table),
        "headline": headline_object(table),
        "comparisons": [asdict(one) for one in table.comparisons],
        "digest": result.digest,
        "models": spending_object(result.spending),
        "problem": result.problem,
    }
