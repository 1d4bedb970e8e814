"""``personaevo refine``: refine profiles of real people against their behavior."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.shared import PATH, Interrupts, as_json, counted, debuggable, models_of, program_name, say, set_option, show, show_json
from personaevo.errors import BudgetError, ModelUnavailableError

if TYPE_CHECKING:
    from personaevo.refine.items.behavior import Behavior
    from personaevo.refine.loop.initial_profile import Start
    from personaevo.refine.loop.run import Refinement

NOTE = "Role-plays are those of the embedded engine; they say nothing about people played by language models."
_COUNT, _SAMPLES = click.IntRange(min=1), click.IntRange(2, 10_000)
_MODEL = "Model of a role (repeatable): user, analyst or refiner = openai:NAME or anthropic:NAME, @URL for your own server, or local:FILE."
_MEASURE = "Additional measures of a model's text (repeatable; pip install 'personaevo[embeddings]')."
_WORDS = ("shrinkage", "population", "attributes", "nothing")


@click.command()
@click.argument("profile", required=False, metavar="[PROFILE]")
@click.option("--text", metavar="TEXT", help="The first profile as text, in place of PROFILE.")
@click.option("--behavior", type=PATH, metavar="FILE", help="Behavior of one person: dialogues, texts or sessions of actions.")
@click.option("--people", type=PATH, metavar="FOLDER|INDEX.json", help="Many people: a file each, or an index; with --behavior the others.")
@click.option("--dialogues", type=PATH, metavar="FILE", help="The dialogues of the index (default: the file next to it).")
@click.option("--domain", default="charity", show_default=True, metavar="NAME|FOLDER", help="Domain whose tasks and wording are used.")
@click.option("--archive", type=PATH, metavar="FILE", help="DuckDB file that stores all results.")
@click.option("--resume", is_flag=True, help="Continue the refinement in --archive with the same settings.")
@click.option("--rounds", type=click.IntRange(1, 100), metavar="N", help="Number of updates to try in sequence (default: 3).")
@click.option("--samples", type=_SAMPLES, metavar="K", help="Role-plays per score (default: 10; model: 4).")
@click.option("--leaks", type=click.Choice(["warn", "redact", "reject"]), help="Action on text copied from the person (default: redact).")
@click.option("--measure", "measures", multiple=True, type=click.Choice(["cosine", "bert_score"]), help=_MEASURE)
@click.option("--form", type=click.Choice(["free", "states", "partner", "latent", "measured"]), help="How models analyze (default: free).")
@click.option("--paper", is_flag=True, default=None, help="The published protocol: in-sample, accept every version, return the last.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Random seed, also of the split (default: 0).")
@click.option("--jobs", type=_COUNT, metavar="N", help="Worker processes (default: one per processor); results do not depend on it.")
@click.option("--model", "models", multiple=True, metavar="ROLE=MODEL", help=_MODEL)
@set_option
@click.option("--max-usd", type=click.FloatRange(min=0), metavar="X", help="Stop before models cost more than X US dollars in total.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before models use more than N input and output tokens.")
@click.option("--max-calls", type=click.IntRange(min=0), metavar="N", help="Stop before models are called more than N times.")
@click.option("--prices", type=PATH, metavar="FILE", help="Prices that override the built-in ones (see archive/prices.toml).")
@click.option("-o", "--out", type=PATH, metavar="FOLDER", help="Write each refined profile to a file in this folder.")
@as_json
@debuggable
@click.pass_context
def refine(context: click.Context, /, out: Path | None, as_json: bool, **given: Any) -> None:
    """Refine profiles of real people against their behavior.

    PROFILE is a file (a profile, attributes, a persona as printed by 'sample --json', or text), or one of four words: shrinkage (the
    statistical estimate from the behavior; the default), population (the average of the others), attributes (the person's own), or
    nothing. An update is accepted only if it improves by more than chance, either on behavior that it was not made from or on the estimate
    of the person. At the end the profile is scored on held-out behavior.
    """
    from personaevo.refine.loop.refined_profiles import open_folder, write_profiles

    if out is not None:
        open_folder(out)  # report a folder that cannot be written before the work
    with Interrupts() as interrupts:
        try:
            done = _refined(context, given)
        except KeyboardInterrupt:
            say(f"Interrupted. {_saved(given['archive'])}")
            context.exit(interrupts.exit_code)
        except (BudgetError, ModelUnavailableError) as error:
            say(f"Stopped: {error}. {_saved(given['archive'])}")
            context.exit(1)
    if out is not None:
        written = write_profiles(done.results, out, given["domain"])
        say(f"{len(written)} profile{'s are' if len(written) != 1 else ' is'} in {out}")
    if as_json:
        show_json(_as_object(done))
    else:
        _show(done, domain=shlex.quote(given["domain"]), embedded=not given["models"])
    if all(one.state == "failed" for one in done.results):
        context.exit(1)


def _saved(archive: Path | None) -> str:
    return f"Finished people are in {archive}: continue with --resume." if archive else "Nothing was saved: use --archive to save results."


def _refined(context: click.Context, given: dict[str, Any]) -> Refinement:
    from personaevo.models import Budget
    from personaevo.refine.loop.run import refine_people
    from personaevo.refine.records import Settings

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
    """The people to refine, the other known people, and the unreadable files with the reason by name."""
    from personaevo.refine.items.reading import read, read_people

    behavior, people = given["behavior"], given["people"]
    if behavior is None and people is None:
        raise click.UsageError("expected --behavior FILE (one person) or --people FOLDER|INDEX.json (many)", context)
    if given["dialogues"] is not None and people is None:
        raise click.UsageError("--dialogues needs --people INDEX.json", context)
    unread: dict[str, str] = {}
    many = list(read_people(people, given["dialogues"], unread)) if people is not None else []
    return ([read(behavior)], many, unread) if behavior is not None else (many, [], unread)


def _start(context: click.Context, given: dict[str, Any]) -> Start:
    from personaevo.refine.loop.initial_profile import from_text, read_profile, start_of

    profile, text = given["profile"], given["text"]
    if profile is not None and text is not None:
        raise click.UsageError("the profile is given twice: as PROFILE and by --text; leave one out", context)
    if profile is None and text is None:
        return start_of(_WORDS[0])
    if text is not None:
        if not text.strip():
            raise click.UsageError("--text: expected words, got none; to start from an empty profile give PROFILE nothing", context)
        return from_text(text)
    return start_of(profile) if profile in _WORDS else read_profile(profile)


def _show(done: Refinement, *, domain: str, embedded: bool) -> None:
    from personaevo.refine.loop.summary import person_text, summary_text
    from personaevo.text import one_line
    from personaevo.views.tables import spending_text

    show(summary_text(done.summary))
    for one in done.results if len(done.results) <= 2 else ():
        show(f"\n{person_text(one)}")
    for one in done.results if len(done.results) > 2 else ():
        if one.state == "failed":
            say(f"{one.person}: {one.reason}")
    if done.spending:
        show(f"\nCalls and costs of models:\n\n{spending_text(done.spending)}")
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
    from personaevo.views.tables import spending_object

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
