"""``personaevo stress``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, announce, as_json, counted, debuggable, models_of, sandbox_option, set_option, warnings_told
from personaevo.errors import BudgetError, ModelError

if TYPE_CHECKING:
    from personaevo.records import Tier
    from personaevo.stress import StressResult

_COUNT = click.IntRange(min=1)
_MODEL = "Who plays user or generator (repeatable): openai:NAME or anthropic:NAME, with @URL for your own server, or local:FILE.gguf."


@click.command()
@click.argument("archive", metavar="ARCHIVE|NAME")
@click.option("--agent", required=True, metavar="MODULE:FUNCTION|URL", help="The agent: a function of messages, or an HTTP chat endpoint.")
@click.option("--tasks", type=PATH, metavar="FILE", help="What users want (default: the held-out tasks of the archive's search).")
@click.option("--task-count", type=_COUNT, metavar="N", help="At most so many of the tasks (default: all).")
@click.option("--personas", type=_COUNT, default=5, show_default=True, metavar="N", help="Users for each task.")
@click.option("--strategy", type=click.Choice(["human", "uniform", "hard"]), default="human", show_default=True, help="See 'sample'.")
@click.option("--where", metavar="EXPR", help="Only users who fit, such as 'words_per_turn < 6'; see 'sample'.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of everything random.")
@click.option("--control/--no-control", default=True, help="Persona-free users on the same tasks beside them (default: yes).")
@click.option("--domain", metavar="NAME|FOLDER", help="Whose wording users speak (default: that of the archive's search).")
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--calibration", type=PATH, metavar="FILE", help="Ask the user's model through the inverse of what 'calibrate' measured.")
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="The same for tokens in and out.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="The same for calls.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that come before those known (see archive/prices.toml).")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True, max=86_400), default=60.0, show_default=True, metavar="SECONDS",
              help="For one answer of the agent.")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Dialogues at a time, in threads.")
@click.option("-o", "--out", type=PATH, metavar="FILE.jsonl", help="Write each dialogue as it ends, as JSON lines that --human reads.")
@click.option("--resume", is_flag=True, help="Go on with the dialogues in --out; arguments must be as they were.")
@sandbox_option
@as_json
@debuggable
def stress(archive: str, sandbox: Tier | None, as_json: bool, out: Path | None, **given: Any) -> None:
    """Run an agent under a population of users, and see with whom it fails.

    The agent succeeds with a user who leaves content and whose task came through whole. The report tells success by kind of user and by
    behavior, beside persona-free users on the same tasks, and shows the dialogues to read.
    """
    _check_out(out, resume=given["resume"])
    try:
        result = _stressed(archive, sandbox or "kernel", {**given, "keep": out})
    except (ModelError, BudgetError, KeyboardInterrupt):
        if out is not None and out.exists():
            say(f"The dialogues until now are in {out}: go on with the same arguments and --resume.")
        raise
    if out is not None:
        say(f"{len(result.talks) + len(result.control)} dialogues are in {out}")
    if as_json:
        show_json(result.to_dict())
        return
    from personaevo.stress import stress_text

    show(stress_text(result, min(120, shutil.get_terminal_size((100, 24)).columns)))


def _check_out(out: Path | None, *, resume: bool) -> None:
    """What cannot be written is told before the work, not after it."""
    if resume and out is None:
        raise click.UsageError("--resume needs --out FILE.jsonl: the dialogues to go on with")
    if out is not None and out.is_file() and not resume:
        raise click.UsageError(f"--out {out} exists: add --resume to go on with its dialogues, or give another file")
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise click.UsageError(f"--out {out}: expected a file in a folder that exists")


def _stressed(archive: str, sandbox: Tier, given: dict[str, Any]) -> StressResult:
    from personaevo.models import Budget
    from personaevo.stress import stress_agent

    models = models_of(given.pop("models"), given.pop("settings"))
    budget = Budget(given.pop("max_usd"), given.pop("max_tokens"), given.pop("max_calls"))
    agent, tasks = given.pop("agent"), given.pop("tasks")
    announce(sandbox)
    with warnings_told(), counted("dialogues") as observe:
        return stress_agent(agent, tasks, archive, models=models, budget=budget, sandbox=sandbox, observe=observe, **given)
