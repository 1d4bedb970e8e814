"""``personaevo calibrate``: measure how well a model follows the dials of a user."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.interrupts import Interrupts
from personaevo.cli.output import say, show, show_json, show_view
from personaevo.cli.planned import show_planned
from personaevo.cli.shared import PATH, as_json, counted, debuggable, models_of, program_name, set_option
from personaevo.errors import BudgetError, ModelUnavailableError

if TYPE_CHECKING:
    from personaevo.calibration import CalibrationRun, CalibrationSettings

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
    from personaevo.inspect.spending import spending_object

    models = spending_object(done.spending)
    return {**as_object(done.found), "archive": str(done.archive), "seconds": round(done.seconds, 3), "models": models}


def _write_page(done: CalibrationRun, page: Path) -> None:
    from personaevo.report import calibration_page, write

    write(calibration_page(done.found), page, "--html")
    say(f"The page is {page}")


def _show(done: CalibrationRun, request: CalibrationSettings) -> None:
    from personaevo.inspect.calibration import calibration_view
    from personaevo.inspect.spending import spending_text
    from personaevo.text import one_line

    show_view(calibration_view(done.found))
    if done.spending:
        show(f"\nCalls and costs of models:\n\n{spending_text(done.spending)}")
    file, name = shlex.quote(one_line(str(done.archive))), program_name()
    show(f"\nArchive: {file} ({done.seconds:.0f} s).")
    if request.user != "embedded":
        user = shlex.quote(f"user={one_line(request.models['user'])}")
        show(f"Try next:\n  {name} search --domain {shlex.quote(one_line(request.domain))} --model {user} --calibration {file}")
