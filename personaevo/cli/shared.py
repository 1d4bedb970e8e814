"""Options, progress and helpers that several commands share."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from personaevo import content
from personaevo.cli.output import say
from personaevo.errors import DialoguesWarning, PeopleWarning, ProfilesWarning, WeakSandboxWarning

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
PARTS = 10  # lines of progress without a terminal


class _ArchiveFile(click.Path):
    """The file of an archive, or the name of a packaged archive."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return content.archive_file(os.fspath(value))


archive_file = click.argument("file", type=_ArchiveFile(), metavar="ARCHIVE")  # for commands that only read it
sandbox_option = click.option(
    "--sandbox", type=click.Choice(["kernel", "wasm", "weak"]),
    help="Sandbox in which programs run (default: kernel; see 'doctor'). Use weak only for programs whose author you trust.",
)  # fmt: skip
set_option = click.option(
    "--set", "settings", multiple=True, metavar="ROLE.KEY=VALUE",
    help="Request setting for the model of a role (repeatable): temperature, top_p, seed, max_tokens, reasoning_effort, or any field.",
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def models_of(given: Sequence[str], settings: Sequence[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Combine the models of ``--model ROLE=MODEL`` with those already ``known``, and apply ``--set ROLE.KEY=VALUE``. Addresses that come
    from the environment are printed on stderr.

    Raises:
        ConfigError: a setting cannot be used.
    """
    from personaevo.model_spec import parse, with_settings

    found = {**(known or {}), **_parsed_models(given)}
    for text in settings:
        name, equals, value = text.partition("=")
        role, _, key = name.partition(".")
        if not (equals and key and value):
            raise click.UsageError(f"--set {text}: expected ROLE.KEY=VALUE, such as user.temperature=0.7")
        if role not in found:
            raise click.UsageError(f"--set {text}: no model plays {role}; add --model {role}=MODEL")
        found[role] = with_settings(found[role], {key: value})
    for role, model in found.items():
        spec = parse(model)
        if spec.variable:
            say(f"{role}: {spec.provider}:{spec.name} at {spec.url}, as {spec.variable} says")
    return found


def _parsed_models(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        role, _, model = text.partition("=")
        if not role or not model:
            raise click.UsageError(f"--model {text}: expected ROLE=MODEL, such as user=openai:gpt-4o-mini")
        if found.setdefault(role, model) != model:
            raise click.UsageError(f"--model {role} is given twice; a role has one model; for several servers give {role}=NAME@URL,URL")
    return found


@dataclass
class CommandState:
    """State of one run of the command line."""

    debug: bool = False


def debuggable(command: F) -> F:
    """Add --debug, which prints tracebacks of errors."""

    def set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.ensure_object(CommandState).debug |= value

    option = click.option("--debug", is_flag=True, expose_value=False, is_eager=True, callback=set_debug, help="Show tracebacks.")
    return option(command)


def announce(tier: str) -> None:
    """Announce the slow one-time build of the WebAssembly Python for the wasm sandbox."""
    if tier == "wasm":
        from personaevo.programs import wasm

        if not wasm.missing() and not wasm.made():
            say("building the WebAssembly Python that programs run in: takes about a minute, only once")


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Print personaevo's warnings (such as a weak sandbox, or unused profiles) as one line each on stderr, also repeated ones."""
    with warnings.catch_warnings():
        for kind in (WeakSandboxWarning, PeopleWarning, DialoguesWarning, ProfilesWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_: say(f"Warning: {message}")
        yield


@contextmanager
def counted(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on stderr: a bar on a terminal, else a line for every tenth. Yields a function to call with (done, planned)."""
    from tqdm import tqdm

    live, last = sys.stderr.isatty(), 0
    with tqdm(unit=f" {unit}", dynamic_ncols=True, leave=False, file=sys.stderr, disable=not live) as bar:

        def observe(done: int, planned: int) -> None:
            nonlocal last
            bar.total = planned
            bar.update(done - bar.n)
            if not live and (part := done * PARTS // max(planned, 1)) > last:
                last = part
                say(f"{done}/{planned} {unit}")

        yield observe


def program_name() -> str:
    """Return how the user can run this program again: "personaevo" if it is on the path, else the path or module it was started by."""
    started = Path(sys.argv[0])
    if started.name != "personaevo":
        module = started.name == "__main__.py" and started.parent.name == "personaevo"
        return f"{Path(sys.executable).name} -m personaevo" if module else "personaevo"
    found = shutil.which("personaevo")
    if found and os.path.samefile(found, started):
        return "personaevo"
    return os.path.relpath(started) if started.is_absolute() else str(started)
