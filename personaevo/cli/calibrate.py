"""``personaevo calibrate``."""

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
    from personaevo.calibration import Done, Request

_MODEL = (
    "Who is calibrated: user = openai:NAME or anthropic:NAME, with @URL for a server of your own, local:FILE.gguf or embedded; and agent, "
    "who it talks to (default: the scripted one)."
)
_WORDING = "How the model words turns: anew from drafts, or by a direction a turn (default: the better one in six dialogues each)."


@click.command()
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--domain", default="service", show_default=True, metavar="NAME|FOLDER", help="Whose tasks and wording are used.")
@click.option("--dialogues", type=click.IntRange(4, 10_000), default=60, show_default=True, metavar="N", help="Dialogues for the lines.")
@click.option("--check", type=click.IntRange(0, 10_000), default=20, show_default=True, metavar="N",
              help="Pairs of dialogues that try the inverse on other dials and tasks (0: none).")  # fmt: skip
@click.option("--wording", type=click.Choice(["draft", "direction"]), help=_WORDING)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, metavar="N", help="Seed of everything random.")
@click.option("--archive", type=PATH, metavar="FILE", help="DuckDB file to write (default: calibration.duckdb, or the next free name).")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more, resumed parts included.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="The same for tokens in and out.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="The same for calls.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that come before those known (see archive/prices.toml).")
@click.option("--replay", type=PATH, metavar="ARCHIVE", help="Take all answers of models from this archive; nothing is asked.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked of models and what it may cost, and stop.")
@click.option("--html", "page", type=PATH, metavar="FILE", help="Write a page with a plot for every behavior.")
@as_json
@debuggable
@click.pass_context
def calibrate(context: click.Context, /, dry_run: bool, page: Path | None, as_json: bool, archive: Path | None, **given: Any) -> None:
    """Measure how well a model plays what it is asked, and how to ask.

    Users with dials over the whole plausible range talk to the agent; for every behavior a line of shown against asked is fitted. Users of
    'search' and 'stress' with --calibration ARCHIVE are asked through the inverse. What was stopped goes on with the same arguments and
    --archive.
    """
    from personaevo.calibration import as_object, free_name

    request = _request(context, given)
    if dry_run:
        from personaevo.calibration import planned

        show_planned(planned(request), request.dialogues_in_all, as_json=as_json)
        return
    _check_page(page)
    place = archive or free_name()
    with Interrupts() as interrupts:
        try:
            done = _calibrated(request, place)
        except KeyboardInterrupt:
            say(_how_to_go_on("Interrupted", place))
            context.exit(interrupts.exit_code)
        except (BudgetError, ModelUnavailableError) as error:
            say(_how_to_go_on(f"Stopped: {error}", place))
            context.exit(1)
    if page is not None:
        from personaevo.report import calibration_page, write

        write(calibration_page(done.found), page, "--html")
        say(f"The page is {page}")
    if as_json:
        from personaevo.inspect.spending import spending_object

        models = spending_object(done.spending)
        show_json({**as_object(done.found), "archive": str(done.archive), "seconds": round(done.seconds, 3), "models": models})
    else:
        _show(done, request)


def _request(context: click.Context, given: dict[str, Any]) -> Request:
    from personaevo.calibration import Request
    from personaevo.models import Budget

    models = models_of(given["models"], given["settings"])
    if "user" not in models:
        expected = "expected --model user=PROVIDER:NAME, the model to be calibrated (or user=embedded, which needs no key)"
        raise click.UsageError(expected, context)
    budget = Budget(given["max_usd"], given["max_tokens"], given["max_calls"])
    names = ("domain", "dialogues", "check", "wording", "seed", "prices", "replay")
    return Request(models, budget=budget, **{name: given[name] for name in names})


def _check_page(page: Path | None) -> None:
    """What cannot be written is told before the work, not after it."""
    if page is not None and (page.is_dir() or not page.absolute().parent.is_dir()):
        raise click.UsageError(f"--html {page}: expected a file in a folder that exists")


def _calibrated(request: Request, archive: Path) -> Done:
    from personaevo.calibration import calibrate_user

    with counted("dialogues") as observe:
        return calibrate_user(request, archive, observe)


def _how_to_go_on(what: str, archive: Path) -> str:
    if not archive.exists():
        return f"{what.rstrip('.')}. Nothing was kept."
    return f"{what.rstrip('.')}. What was answered is in {archive}: go on with the same arguments and --archive {shlex.quote(str(archive))}"


def _show(done: Done, request: Request) -> None:
    from personaevo.inspect.calibration import calibration_view
    from personaevo.inspect.spending import spending_text
    from personaevo.text import one_line

    show_view(calibration_view(done.found))
    if done.spending:
        show(f"\nWhat models did and cost, in all:\n\n{spending_text(done.spending)}")
    file, name = shlex.quote(one_line(str(done.archive))), program_name()
    show(f"\nArchive: {file} ({done.seconds:.0f} s).")
    if request.user != "embedded":
        user = shlex.quote(f"user={one_line(request.models['user'])}")
        show(f"Try next:\n  {name} search --domain {shlex.quote(one_line(request.domain))} --model {user} --calibration {file}")
