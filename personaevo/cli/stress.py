"""``personaevo stress``: test an agent against a population of users."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, announce, as_json, counted, debuggable, models_of, sandbox_option, set_option, warnings_shown
from personaevo.errors import BudgetError, ModelError

if TYPE_CHECKING:
    from personaevo.records import Tier
    from personaevo.stress import StressResult

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
