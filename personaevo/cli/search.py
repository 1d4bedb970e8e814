"""``personaevo search``: evolve persona programs."""

from __future__ import annotations

import shlex
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from click.core import ParameterSource
from tqdm import tqdm

from personaevo.cli.shared import (
    PARTS,
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
from personaevo.config import SearchConfig
from personaevo.errors import BudgetError
from personaevo.evolve.progress import Forecast, Progress
from personaevo.judge.objectives import steering

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


_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"
_WIDTH, _LEAST_BAR = 80, 28  # characters: of a terminal of unknown width; of a short bar and the numbers around it
_PACE_SECONDS = 300.0  # the window of the pace: answers that a resumed search already has pass at once


class SearchProgress:
    """Shows each ``Progress`` it is called with; a context manager that cleans up the terminal however the search ends."""

    def __init__(self, config: SearchConfig) -> None:
        self.config = config
        self.live = sys.stderr.isatty()
        self._bar: Any = None
        self._pace: deque[tuple[float, int, int]] = deque()  # time, count, episodes
        self._last_part = 0
        self._ended = False

    def __enter__(self) -> Self:
        if self.live:
            say(f"{self.config.domain}: loading people and tasks, training the judge …")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, now: Progress) -> None:
        """Show the state of the search."""
        done, planned, unit = now.done, now.planned, "candidates"
        if now.outlook is not None:
            done, planned, unit = now.outlook.played, now.outlook.planned.all, "dialogues"
        if not self._pace:
            self._start(now, done, planned)
        self._pace.append((time.monotonic(), done, now.episodes))
        while len(self._pace) > 2 and self._pace[-1][0] - self._pace[0][0] > _PACE_SECONDS:
            self._pace.popleft()
        text = self._text(now, planned - done)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(done - self._bar.n)
        elif (part := done * PARTS // planned) > self._last_part or (now.done == now.planned and not self._ended):
            self._last_part = part
            say(f"{done}/{planned} {unit}, {text}")
        if now.done >= now.planned and not self._ended:
            self._end(now)

    def _start(self, now: Progress, done: int, planned: int) -> None:
        self._last_part = done * PARTS // planned
        if now.outlook is None:
            say(f"{self.config.domain}: people and tasks loaded, judge trained, search begun")
        else:
            say(_plan(now.outlook))
        if self.live:
            begun = max(0, done - 1) if now.outlook is None else done
            self._bar = tqdm(
                total=planned, initial=begun, file=sys.stderr, bar_format=_BAR, dynamic_ncols=True, leave=True, mininterval=0.2,
                miniters=1,
            )

    def _text(self, now: Progress, left: int) -> str:
        """The text after the bar; costs of models are shown as far as they fit."""
        parts = [_best(now), f"cells {now.cells_held}/{now.cells_total}"]
        if now.outlook is not None:
            parts = [f"candidates {now.done}/{now.planned}", *(parts if now.done else [])]
        (began, first, episodes), (at, last, played) = self._pace[0], self._pace[-1]
        if at > began and last > first:
            if now.outlook is None:
                parts.append(f"{(played - episodes) / (at - began):,.0f} episodes/s")
            parts.append(f"{_clock((at - began) / (last - first) * left)} left")
        available = (self._bar.ncols or _WIDTH) - _LEAST_BAR if self._bar is not None else None
        costs = []
        if now.spent is not None:
            cost = [f"${now.spent.usd:.2f}"] if now.spent.usd else []
            costs = [*cost, f"{now.spent.tokens:,} tokens", f"{now.spent.calls:,} calls"]
        for more in costs:
            if available is None or len(", ".join([*parts, more])) <= available:
                parts.append(more)
        return ", ".join(parts)

    def _end(self, now: Progress) -> None:
        self._ended = True
        if self._bar is not None and now.outlook is None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None
        if self._bar is None:
            say("scoring the best program on held-out tasks …")


def _plan(outlook: Forecast) -> str:
    """The planned dialogues and their estimated time."""
    parts, time = outlook.planned, ""
    if outlook.seconds is not None:
        time = f", about {max(1, round(outlook.seconds / 60)):,} min"
    named = {"to train the judge": parts.controls, "of candidates": parts.candidates, "of the finals": parts.finals,
             "of the final table": parts.table}  # fmt: skip
    listed = ", ".join(f"{count} {name}" for name, count in named.items() if count)
    return f"{parts.all} dialogues are played by models{time}: {listed}"


def _best(now: Progress) -> str:
    """The best program's expected score on fresh dialogues, corrected for selection; "-" while no program meets the floors.

    Where it is 0, as with few dialogues, from which consistency cannot be measured, the objectives above 0.
    """
    found = now.best.evaluation.objectives if now.best is not None else {}
    positive = [f"{name.replace('_', ' ')} {found[name].value:.2f}" for name in steering() if name in found and found[name].value > 0]
    if positive and now.expected is not None and now.expected <= 0:
        return f"best: {', '.join(positive)}"
    return "best -" if now.expected is None else f"best {now.expected:.2f} expected"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
