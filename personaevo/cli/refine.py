"""``personaevo refine``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.interrupts import Interrupts
from personaevo.cli.output import say, show, show_json
from personaevo.cli.shared import PATH, as_json, counted, debuggable, models_of, program_name, set_option
from personaevo.errors import BudgetError, ModelUnavailableError

if TYPE_CHECKING:
    from personaevo.refine.behavior import Behavior
    from personaevo.refine.run import Refinement
    from personaevo.refine.starts import Start

NOTE = "Role-plays are the embedded engine's; they say nothing about people played by language models."
_COUNT, _SAMPLES = click.IntRange(min=1), click.IntRange(2, 10_000)
_MODEL = "Who plays a role (repeatable): user, analyst or refiner = openai:NAME or anthropic:NAME, @URL for your own server, or local:FILE."
_MEASURE = "Further measures of what a model says (repeatable; pip install 'personaevo[embeddings]')."
_WORDS = ("shrinkage", "population", "attributes", "nothing")


@click.command()
@click.argument("profile", required=False, metavar="[PROFILE]")
@click.option("--text", metavar="TEXT", help="The profile to start from, in words, in place of PROFILE.")
@click.option("--behavior", type=PATH, metavar="FILE", help="What the person did: dialogues, texts or sessions of actions.")
@click.option("--people", type=PATH, metavar="FOLDER|INDEX.json", help="Many people: a file each, or an index; with --behavior the others.")
@click.option("--dialogues", type=PATH, metavar="FILE", help="The dialogues of the index (default: the file beside it).")
@click.option("--domain", default="charity", show_default=True, metavar="NAME|FOLDER", help="Whose tasks and wording role-plays use.")
@click.option("--archive", type=PATH, metavar="FILE", help="DuckDB file that keeps everything.")
@click.option("--resume", is_flag=True, help="Go on with the refinement in --archive; settings must be as they were.")
@click.option("--rounds", type=click.IntRange(1, 100), metavar="N", help="Updates that are tried one after the other (default: 3).")
@click.option("--samples", type=_SAMPLES, metavar="K", help="Role-plays that a score is made of (default: 10; model: 4).")
@click.option("--leaks", type=click.Choice(["warn", "redact", "reject"]), help="On text carried over from the person (default: redact).")
@click.option("--measure", "measures", multiple=True, type=click.Choice(["cosine", "bert_score"]), help=_MEASURE)
@click.option("--form", type=click.Choice(["free", "states", "partner", "latent", "measured"]), help="How models analyze (default: free).")
@click.option("--paper", is_flag=True, default=None, help="The published protocol: in-sample, every version taken, the last returned.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Of everything random, the split included (default: 0).")
@click.option("--jobs", type=_COUNT, metavar="N", help="Worker processes (default: one per processor); results do not depend on it.")
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more, resumed parts included.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="The same for tokens in and out.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="The same for calls.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that come before those known (see archive/prices.toml).")
@click.option("-o", "--out", type=PATH, metavar="FOLDER", help="Write each refined profile to a file there.")
@as_json
@debuggable
@click.pass_context
def refine(context: click.Context, /, out: Path | None, as_json: bool, **given: Any) -> None:
    """Refine profiles of real people against what they did.

    PROFILE is a file (a profile, attributes, a persona as 'sample --json' prints it, or text), or one of the words shrinkage (what
    statistics expect of the person after the behavior; the default), population (the average of the others), attributes (the person's own),
    nothing. An update is kept only if it adds more than chance would, on behavior that it was not made from or on what is expected of the
    person; at the end the profile is scored on behavior that was not looked at before.
    """
    if out is not None:
        from personaevo.refine.implicit import open_folder

        open_folder(out)  # what cannot be written in the end is better known now
    with Interrupts() as interrupts:
        try:
            done = _refined(context, given)
        except KeyboardInterrupt:
            say(_how_to_go_on("Interrupted", given))
            context.exit(interrupts.exit_code)
        except (BudgetError, ModelUnavailableError) as error:
            say(_how_to_go_on(f"Stopped: {error}", given))
            context.exit(1)
    if out is not None:
        from personaevo.refine.implicit import write_profiles

        written = write_profiles(done.results, out, given["domain"])
        say(f"{len(written)} profile{'s are' if len(written) != 1 else ' is'} in {out}")
    if as_json:
        show_json(_as_object(done))
    else:
        _show(done, domain=shlex.quote(given["domain"]), embedded=not given["models"])
    if all(one.state == "failed" for one in done.results):
        context.exit(1)


def _how_to_go_on(what: str, given: dict[str, Any]) -> str:
    kept = given["archive"]
    return f"{what}. " + (f"Who is done is in {kept}: go on with --resume." if kept else "Nothing was kept: with --archive it would be.")


def _refined(context: click.Context, given: dict[str, Any]) -> Refinement:
    from personaevo.models import Budget
    from personaevo.refine.result import Settings
    from personaevo.refine.run import refine_people

    models = models_of(given["models"], given["settings"])
    values = {name: given[name] for name in ("rounds", "samples", "leaks", "form", "paper", "seed") if given[name] is not None}
    if given["measures"]:
        values["measures"] = tuple(dict.fromkeys(given["measures"]))
    if "user" in models:
        values.setdefault("samples", 4)
    behaviors, known, unread = _people(context, given)
    budget = Budget(given["max_usd"], given["max_tokens"], given["max_calls"])
    with counted("people") as observe:
        return refine_people(
            behaviors, start=_start(context, given), others_known=known, unread=unread, settings=Settings(**values), domain=given["domain"],
            archive=given["archive"], resume=given["resume"], jobs=given["jobs"], models=models, budget=budget,
            prices=given["prices"], observe=observe,
        )  # fmt: skip



def _people(context: click.Context, given: dict[str, Any]) -> tuple[list[Behavior], list[Behavior], dict[str, str]]:
    """Who is refined, who else is known, and whose files could not be read (with the reason)."""
    from personaevo.refine.reading import read, read_people

    behavior, people = given["behavior"], given["people"]
    if behavior is None and people is None:
        raise click.UsageError("expected --behavior FILE (one person) or --people FOLDER|INDEX.json (many)", context)
    if given["dialogues"] is not None and people is None:
        raise click.UsageError("--dialogues belongs to the index of --people", context)
    unread: dict[str, str] = {}
    many = list(read_people(people, given["dialogues"], unread)) if people is not None else []
    return ([read(behavior)], many, unread) if behavior is not None else (many, [], unread)


def _start(context: click.Context, given: dict[str, Any]) -> Start:
    from personaevo.refine.starts import from_text, read_profile, start_of

    profile, text = given["profile"], given["text"]
    if profile is not None and text is not None:
        raise click.UsageError("the profile is given twice: as PROFILE and by --text; leave one out", context)
    if profile is None and text is None:
        return start_of(_WORDS[0])
    if text is not None:
        if not text.strip():
            raise click.UsageError("--text: expected words, got none; the word nothing as PROFILE starts from nothing", context)
        return from_text(text)
    return start_of(profile) if profile in _WORDS else read_profile(profile)


def _show(done: Refinement, *, domain: str, embedded: bool) -> None:
    from personaevo.inspect import spending_text
    from personaevo.refine.summary_text import person_text, summary_text
    from personaevo.text import one_line

    show(summary_text(done.summary))
    for one in done.results if len(done.results) <= 2 else ():
        show(f"\n{person_text(one)}")
    for one in done.results if len(done.results) > 2 else ():
        if one.state == "failed":
            say(f"{one.person}: {one.reason}")
    if done.spending:
        show(f"\nWhat models did and cost, in all:\n\n{spending_text(done.spending)}")
    if embedded:
        show(f"\n{NOTE}")
    if done.archive is not None:
        file, name = shlex.quote(one_line(str(done.archive))), program_name()
        show(f"\nArchive: {file} ({done.seconds:.0f} s). Try next:")
        person = shlex.quote(one_line(next((one for one in done.results if one.state == "done"), done.results[0]).person))
        words = [f"archive profiles {file}", f"archive profiles {file} -- {person}"]
        if any(one.role == "user" and one.accepted for one in done.results):
            words.append(f"search --domain {domain} --profiles {file}")
        show("\n".join(f"  {name} {line}" for line in words))


def _as_object(done: Refinement) -> dict[str, Any]:
    from personaevo.inspect import spending_object

    people = [
        {
            "person": one.person, "role": one.role, "state": one.state, "reason": one.reason, "stop": one.stop, "accepted": one.accepted,
            "in_sample": one.in_sample, "fit_only": one.fit_only, "notes": list(one.notes), "digest": one.digest,
            "scores": {name: outcome.value for name, outcome in one.outcomes.items()},
            "leak": one.outcomes["refined"].leak if one.outcomes else None,
            "recognized": one.outcomes["refined"].recognized if one.outcomes else None,
            "profile": None if one.profile is None else {"id": one.profile.id, **one.profile.to_dict()},
        }
        for one in done.results
    ]  # fmt: skip
    found = done.summary.re_identification
    return {
        "re_identification": {"mean": found.mean, "low": found.low, "high": found.high}, "share_of_room": done.summary.share_of_room.mean,
        "archive": None if done.archive is None else str(done.archive), "settings": done.settings.model_dump(mode="json"),
        "seconds": round(done.seconds, 3), "summary": done.summary.to_dict(), "models": spending_object(done.spending), "people": people,
    }  # fmt: skip
