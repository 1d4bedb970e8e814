"""Commands about language models: ``personaevo models`` and ``personaevo calibrate``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.shared import (
    PATH,
    Interrupts,
    as_json,
    counted,
    debuggable,
    models_of,
    program_name,
    say,
    set_option,
    show,
    show_json,
    show_planned,
    show_view,
)
from personaevo.errors import BudgetError, ModelUnavailableError
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.calibration import CalibrationRun, CalibrationSettings
    from personaevo.models.found import DiscoveredModels


_INSTALL = "pip install 'personaevo[local]'"
_SHOWN = 20


@click.command()
@click.option("--gguf", "folders", type=PATH, multiple=True, metavar="FOLDER", help="A folder with GGUF files (repeatable).")
@as_json
@debuggable
def models(folders: tuple[Path, ...], as_json: bool) -> None:
    """List available language models: servers on this machine, GGUF files, and API keys. Nothing is downloaded."""
    from personaevo.models.found import discover_models

    found = discover_models(os.environ, folders)
    if as_json:
        rows = [{"model": one.model, "where": one.where, "ready": one.ready} for one in found.models]
        show_json({"models": rows, "keys": list(found.keys), "xllamacpp": found.local})
        return
    for one in found.models[:_SHOWN]:
        show(f"{'ready' if one.ready else 'not yet':9}{one_line(shlex.quote(one.model))}  ({one_line(one.where)})")
    if len(found.models) > _SHOWN:
        show(f"and {len(found.models) - _SHOWN:,} more: --json lists all")
    for key in found.keys:
        show(f"{'ready':9}{key.partition('_')[0].lower()}:NAME  ({key} is set)")
    for line in _next_steps(found):
        show(line)


def _next_steps(found: DiscoveredModels) -> list[str]:
    """A command that uses a model, or ways to get one."""
    model = next((one.model for one in found.models if one.ready), None)
    if model is not None:
        return ["", "To let the first one play users:", f"  {program_name()} search --model {one_line(shlex.quote(f'user={model}'))}"]
    if found.models and found.local is None:
        return ["", "To run these files in place:", f"  {_INSTALL}"]
    if found.keys:
        return ["", "To let a model of your account play users (--dry-run estimates the cost):",
                f"  {program_name()} search --model user={found.keys[0].partition('_')[0].lower()}:NAME"]  # fmt: skip
    return [
        "No model was found. Ways to get one:" if not found.models else "None of these is ready. Ways to get one:",
        f"  a GGUF file of an instruct model, in ./models or in a folder given by --gguf FOLDER, and {_INSTALL}",
        "  a server on this machine (Ollama, llama.cpp, LM Studio, vLLM), or OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment",
    ]


_MODEL = (
    "Model to calibrate: user = openai:NAME or anthropic:NAME, with @URL for your own server, local:FILE.gguf, or embedded. Also agent = "
    "the model it talks to (default: the scripted agent)."
)
_WORDING = "How the model words turns: from drafts, or by one direction per turn (default: the better of both in six dialogues each)."


@click.command()
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--domain", default="service", show_default=True, metavar="NAME|FOLDER", help="Domain whose tasks and wording are used.")
@click.option("--dialogues", type=click.IntRange(4, 10_000), default=60, show_default=True, metavar="N", help="Dialogues for the fit.")
@click.option("--check", type=click.IntRange(0, 10_000), default=20, show_default=True, metavar="N",
              help="Pairs of dialogues that test the correction on other dials and tasks (0: none).")  # fmt: skip
@click.option("--wording", type=click.Choice(["draft", "direction"]), help=_WORDING)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N", help="Random seed.")
@click.option("--archive", type=PATH, metavar="FILE", help="DuckDB file to write (default: calibration.duckdb, or the next free name).")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more than X US dollars in total.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before models use more than N input and output tokens.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="Stop before models are called more than N times.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that override the built-in ones (see archive/prices.toml).")
@click.option("--replay", type=PATH, metavar="ARCHIVE", help="Take all answers of models from this archive; no model is called.")
@click.option("--dry-run", is_flag=True, help="Print the planned calls of models and their estimated cost, and stop.")
@click.option("--html", "page", type=PATH, metavar="FILE", help="Write an HTML page with a plot for every behavior.")
@as_json
@debuggable
@click.pass_context
def calibrate(context: click.Context, /, dry_run: bool, page: Path | None, as_json: bool, archive: Path | None, **given: Any) -> None:
    """Measure how well a model follows the dials of a user, and fit a correction.

    Users with dials over the whole plausible range talk to the agent. For every behavior a line of shown against asked values is fitted;
    'search' and 'stress' with --calibration ARCHIVE invert it. A stopped calibration continues with the same arguments and --archive.
    """
    from personaevo.calibration import calibrate_user, free_name, planned

    request = _request(context, given)
    if dry_run:
        show_planned(planned(request), request.dialogues_in_all, as_json=as_json)
        return
    if page is not None and (page.is_dir() or not page.absolute().parent.is_dir()):
        raise click.UsageError(f"--html {page}: expected a file in a folder that exists")
    place = archive or free_name()
    with Interrupts() as interrupts:
        try:
            with counted("dialogues") as observe:
                done = calibrate_user(request, place, observe)
        except KeyboardInterrupt:
            _say_stopped("Interrupted", place)
            context.exit(interrupts.exit_code)
        except (BudgetError, ModelUnavailableError) as error:
            _say_stopped(f"Stopped: {error}", place)
            context.exit(1)
    if page is not None:
        _write_page(done, page)
    if as_json:
        show_json(_as_object(done))
    else:
        _show(done, request)


def _request(context: click.Context, given: dict[str, Any]) -> CalibrationSettings:
    from personaevo.calibration import CalibrationSettings
    from personaevo.models import Budget

    models = models_of(given["models"], given["settings"])
    if "user" not in models:
        expected = "expected --model user=PROVIDER:NAME, the model to be calibrated (or user=embedded, which needs no key)"
        raise click.UsageError(expected, context)
    budget = Budget(given["max_usd"], given["max_tokens"], given["max_calls"])
    names = ("domain", "dialogues", "check", "wording", "seed", "prices", "replay")
    return CalibrationSettings(models, budget=budget, **{name: given[name] for name in names})


def _say_stopped(what: str, archive: Path) -> None:
    """Print why a calibration stopped, and how to continue it."""
    saved = "Nothing was saved."
    if archive.exists():
        saved = f"The answers so far are in {archive}: continue with the same arguments and --archive {shlex.quote(str(archive))}"
    say(f"{what.rstrip('.')}. {saved}")


def _as_object(done: CalibrationRun) -> dict[str, Any]:
    from personaevo.calibration import as_object
    from personaevo.views.tables import spending_object

    models = spending_object(done.spending)
    return {**as_object(done.found), "archive": str(done.archive), "seconds": round(done.seconds, 3), "models": models}


def _write_page(done: CalibrationRun, page: Path) -> None:
    from personaevo.report import calibration_page, write

    write(calibration_page(done.found), page, "--html")
    say(f"The page is {page}")


def _show(done: CalibrationRun, request: CalibrationSettings) -> None:
    from personaevo.text import one_line
    from personaevo.views.calibration import calibration_view
    from personaevo.views.tables import spending_text

    show_view(calibration_view(done.found))
    if done.spending:
        show(f"\nCalls and costs of models:\n\n{spending_text(done.spending)}")
    file, name = shlex.quote(one_line(str(done.archive))), program_name()
    show(f"\nArchive: {file} ({done.seconds:.0f} s).")
    if request.user != "embedded":
        user = shlex.quote(f"user={one_line(request.models['user'])}")
        show(f"Try next:\n  {name} search --domain {shlex.quote(one_line(request.domain))} --model {user} --calibration {file}")
