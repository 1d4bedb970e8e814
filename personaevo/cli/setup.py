"""Commands that prepare and check: ``personaevo domain``, ``personaevo reference`` and ``personaevo doctor``."""

from __future__ import annotations

import platform
import re
import shlex
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from personaevo import __version__, cache
from personaevo.cli.shared import PATH, announce, as_json, debuggable, program_name, sandbox_option, say, show, show_json, warnings_shown
from personaevo.text import one_line

if TYPE_CHECKING:
    from personaevo.records import Tier
    from personaevo.reference import Reference


_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@click.group()
def domain() -> None:
    """Create a domain of your own."""


@domain.command()
@click.argument("name")
@click.option("--to", type=PATH, default=Path(), metavar="FOLDER", help="Parent folder (default: the current one).")
@debuggable
def new(name: str, to: Path) -> None:
    """Write a working skeleton of a domain into a new folder NAME.

    It contains the definition, eight tasks and a README on what to change, and can be searched at once.
    """
    from personaevo import content
    from personaevo.errors import InputError

    _check_name(name)
    folder = to / name
    if folder.exists():
        raise InputError(f"{folder} exists: give another name, or another place with --to FOLDER")
    try:
        folder.mkdir()
        for file in sorted((content.root("seeds") / "new_domain").iterdir()):
            text = file.read_text(encoding="utf-8").replace("NEW_DOMAIN", name)
            (folder / file.name).write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    place = shlex.quote(str(folder) if len(folder.parts) > 1 else f"./{folder}")
    show(f"Wrote {folder}: domain.toml, tasks.jsonl, README.md. Change them, then search with people of your own:")
    show(f"  {program_name()} search --domain {place} --human DIALOGUES.jsonl")


def _check_name(name: str) -> None:
    from personaevo.definitions import domain_names
    from personaevo.errors import InputError

    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is not a domain name: expected a lower-case letter, then at most 39 letters, digits, '-' or '_'")
    if name in domain_names():
        raise InputError(f"domain '{name}' is installed: give another name")


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


_LIBRARIES = (
    "numpy", "scipy", "scikit-learn", "deap", "duckdb", "pydantic", "joblib", "click", "tqdm", "openai", "anthropic", "wasmtime",
    "componentize-py", "xllamacpp",
)  # fmt: skip
_TIERS = {
    "kernel": "--sandbox kernel",
    "wasm": "--sandbox wasm, after pip install 'personaevo[wasm]'",
    "weak": "--sandbox weak, for programs whose author you trust",
}


@click.command()
@sandbox_option
@as_json
@debuggable
@click.pass_context
def doctor(context: click.Context, sandbox: Tier | None, as_json: bool) -> None:
    """Test the sandbox on this machine and list versions; the exit code is 1 if a check fails."""
    from personaevo.programs.sandbox import self_test

    wanted: Tier = sandbox or "kernel"
    announce(wanted)
    checks = self_test(wanted)
    passed = all(check.ok for check in checks)
    tier = wanted if passed else "none"
    versions = {"personaevo": __version__, "python": platform.python_version(), "system": platform.platform(), **_installed()}
    count, size = cache.size()
    if as_json:
        found = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        cached = {"folder": str(cache.folder()), "starts": count, "bytes": size}
        show_json({"sandbox": {"tier": tier, "checks": found}, "versions": versions, "cache": cached})
    else:
        show(f"sandbox ({tier})")
        for check in checks:
            show(f"  {'ok    ' if check.ok else 'FAILED'}  {check.name:30} {one_line(check.detail)[:60]}")
        show("versions")
        for name, version in versions.items():
            show(f"  {name:14} {version or 'not installed'}")
        show(f"cache\n  {cache.folder()}: {count} prepared searches, {size / 2**20:.1f} MB (can be deleted at any time)")
    if not passed:
        others = "; ".join(words for name, words in _TIERS.items() if name != wanted)
        say(f"Error: the {wanted} sandbox does not work on this machine; others: {others}")
        context.exit(1)


def _installed() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions
