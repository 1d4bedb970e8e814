"""Output, options and helpers that commands share.

Results go to stdout, everything else to stderr. All text is made safe for a terminal here, as it may come from elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import click

from personaevo import content
from personaevo.errors import DialoguesWarning, PeopleWarning, ProfilesWarning, WeakSandboxWarning
from personaevo.text import one_line, plain, without_secrets

if TYPE_CHECKING:
    from rich.console import RenderableType

    from personaevo.models import Planned

_MIN_WIDTH = 40  # characters; narrower terminals are treated as this wide
_NAMES_OF_SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL")


def say(text: str) -> None:
    """Print one line to stderr."""
    click.echo(one_line(_redacted(text)), err=True)


def say_lines(text: str) -> None:
    """Print several lines to stderr."""
    click.echo(plain(_redacted(text)), err=True)


def show(text: str) -> None:
    """Print a result to stdout. Callers make stored text ``one_line`` where it must not add lines."""
    click.echo(plain(text))


def show_view(view: RenderableType) -> None:
    """Print a rich renderable to stdout, as wide as the terminal (else ``COLUMNS``, or 80), colored on a terminal without ``NO_COLOR``.

    No text in it is read as markup, and all of it is made ``plain``.
    """
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    console.width = max(console.width, _MIN_WIDTH)
    safe = [Segment(plain(segment.text), segment.style) for segment in console.render(view)]
    with console.capture() as captured:
        console.print(Segments(safe), end="", crop=False)
    sys.stdout.write(captured.get())


def show_json(value: Any) -> None:
    """Print one JSON object to stdout in printable ASCII, which is safe for terminals and pipes."""
    text = json.dumps(value, indent=2, allow_nan=False)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def _redacted(text: str) -> str:
    """Remove passwords in addresses, and values of environment variables such as API_KEY or FOO_TOKEN."""
    return without_secrets(text, [value for name, value in os.environ.items() if _NAMES_OF_SECRETS.search(name.upper())])


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """A context manager for the main thread. The first of SIGINT, SIGTERM and SIGHUP raises KeyboardInterrupt; further ones are ignored
    until the process ends. A signal that was ignored before (``nohup``) stays ignored.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for Ctrl-C."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._first)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.received is None:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _first(self, number: int, frame: FrameType | None) -> NoReturn:
        self.received = number
        threading.excepthook = lambda _: None  # errors of pool threads that are stopped at work are of no use
        for other in self._before:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt


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


_MAX_NAME = 40  # characters of a model's name


def show_planned(rows: Sequence[Planned], dialogues: int, *, as_json: bool) -> None:
    """Print a table with a row for each role that a model plays, or one JSON object."""
    usd = sum(one.usd or 0.0 for one in rows)
    if as_json:
        planned = [
            {"role": one.role, "model": one.model, "calls": one.calls, "input_tokens": one.usage.input_tokens,
             "output_tokens": one.usage.output_tokens, "usd": one.usd}
            for one in rows
        ]  # fmt: skip
        show_json({"dialogues": dialogues, "planned": planned, "usd": usd})
        return
    if not rows:
        show(f"{dialogues:,} dialogues; no role is played by a model: no calls, no costs.")
        return
    names = [one_line(one.model).split("#")[0] for one in rows]  # without the digest of a file
    names = [name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…" for name in names]
    width = max(len("model"), *map(len, names)) + 2
    show(f"{'role':12}{'model':{width}}{'calls':>8}{'tokens in':>14}{'tokens out':>12}{'US $':>10}")
    for one, name in zip(rows, names, strict=True):
        price = "no price" if one.usd is None else f"{one.usd:,.2f}"
        figures = f"{one.calls:8,}{one.usage.input_tokens:14,}{one.usage.output_tokens:12,}{price:>10}"
        show(f"{one.role:12}{name:{width}}{figures}")
    cost = f"about {usd:,.2f} US dollars" if any(one.usd is not None for one in rows) else "no prices are known"
    show(f"\n{dialogues:,} dialogues, {cost}: estimated from typical dialogues of the domain at four characters per token; no model was "
         "called.")  # fmt: skip
