"""``personaevo reference``: build and show references, measurements of dialogues of real people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo.cli.output import show, show_json
from personaevo.cli.shared import PATH, as_json, debuggable, warnings_shown
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.reference import Reference


@click.group()
def reference() -> None:
    """Measure dialogues of real people, and show the measurements."""


@reference.command()
@click.argument("given", type=PATH, nargs=-1, required=True, metavar="FILE...")
@click.option("--domain", required=True, metavar="NAME", help="Domain of the dialogues.")
@click.option("--corpus", metavar="NAME", help="Name of the corpus (default: the first file's name).")
@click.option("--license", required=True, metavar="NAME", help="License of the dialogues.")
@click.option("-o", "--out", required=True, type=PATH, metavar="FILE", help="File to write, .jsonl.")
@click.option("--roles", multiple=True, metavar="NAME=user|assistant|nobody", help="Side of a role named NAME (repeatable).")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@debuggable
def build(given: tuple[Path, ...], domain: str, corpus: str | None, license: str, out: Path, roles: tuple[str, ...], force: bool) -> None:
    """Measure dialogues in files or folders (JSON, JSON lines, CSV, Parquet) and write a reference of numbers without texts."""
    from personaevo import readers
    from personaevo.errors import InputError
    from personaevo.reference import build as build_reference
    from personaevo.reference import save

    if out.exists() and not force:
        raise InputError(f"{out} exists: add --force to replace it, or give another --out")
    parted = [one.rpartition("=") for one in roles]  # a name may contain "="
    if not all(equals for _, equals, _ in parted):
        raise click.UsageError("--roles: expected NAME=user, NAME=assistant or NAME=nobody")
    with warnings_shown():
        logs = readers.read_logs(given, {name: side for name, _, side in parted})
    corpus = corpus or given[0].resolve().name + (f" and {len(given) - 1} more" if len(given) > 1 else "")
    made = build_reference(logs.dialogues, domain=domain, corpus=corpus, license=license, notes=logs.notes)
    save(made, out)
    show(_text(made))
    show(f"\nWrote {out}. Use it with: search --human {out}")


@reference.command("show")
@click.argument("what", metavar="FILE|DOMAIN")
@as_json
@debuggable
def show_reference(what: str, as_json: bool) -> None:
    """Show a reference: mean and standard deviation of each feature, counts, license, and text properties that were lost."""
    from personaevo.reference import load, packaged

    path = Path(what)
    found = load(path) if path.is_file() or path.suffix else packaged(what)
    if as_json:
        show_json(_object(found))
    else:
        show(_text(found))


def _object(found: Reference) -> dict[str, Any]:
    means, deviations = found.values.mean(axis=0), found.values.std(axis=0, ddof=1)
    return {
        "domain": found.domain,
        "corpus": found.corpus,
        "license": found.license,
        "kind": found.kind,
        "losses": list(found.losses),
        "counts": found.counts.model_dump(),
        "notes": list(found.notes),
        "agreement": None if found.agreement is None else found.agreement.model_dump(),
        "features": {
            name: {"mean": float(mean), "sd": float(sd)} for name, mean, sd in zip(found.names, means, deviations, strict=True)
        },
    }


def _agreement(found: Reference) -> str:
    """The consistency of the people, and its source."""
    known = found.agreement
    if known is None:
        return "not known: the dialogues do not show how similar two dialogues of one person are"
    if known.kind == "retest":
        how = f"measured on {known.people:,} people with several"
    else:
        whose = f"{known.people:,} dialogues" if found.counts.people is None else f"the dialogues of {known.people:,} people"
        how = f"estimated from the halves of {whose}"
    return f"{known.value:.3f} (95 %: {known.low:.3f} to {known.high:.3f}) between two dialogues of one person, {how}"


def _text(found: Reference) -> str:
    shown, counts = _object(found), found.counts
    people = "people not recorded" if counts.people is None else f"{counts.people:,} {'people' if found.kind == 'human' else 'tasks'}"
    dropped = f" ({counts.dropped:,} left out: fewer than two user turns)" if counts.dropped else ""
    lines = [
        f"domain   {one_line(found.domain)}, user's side by {'people' if found.kind == 'human' else 'a model'}",
        f"corpus   {one_line(found.corpus)}; license {one_line(found.license)}",
        f"holds    {counts.dialogues:,} dialogues{dropped}, {people}",
        f"lost     {', '.join(found.losses) or 'nothing'} (properties that the text lacks)",
        f"agrees   {_agreement(found)}",
        *(f"note     {one_line(note)}" for note in found.notes),
        "",
        f"{'feature':26}{'mean':>10}{'sd':>10}",
    ]
    return "\n".join(lines + [f"{name:26}{figure['mean']:>10.3f}{figure['sd']:>10.3f}" for name, figure in shown["features"].items()])
