"""The top-level command, and error handling: every error is one line on stderr and an exit code.

0: success; 1: an error that personaevo reports; 2: a wrong command line; 128 + signal: interrupted (130 for Ctrl-C).
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from personaevo import __version__, text
from personaevo.cli.archive import archive
from personaevo.cli.models import calibrate, models
from personaevo.cli.refine import refine
from personaevo.cli.sample import sample, stress
from personaevo.cli.search import search
from personaevo.cli.setup import doctor, domain, reference
from personaevo.cli.shared import CommandState, program_name, say, say_lines
from personaevo.errors import PersonaevoError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="personaevo")
def app() -> None:
    """Evolve persona programs: programs that write simulated users who behave like real people."""


for _command in (search, sample, stress, calibrate, refine, archive, reference, domain, models, doctor):
    app.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. Core dumps are disabled, as the process may hold API keys."""
    text.close_process()
    warnings.showwarning = _warn
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error is one line on stderr."""
    shared = CommandState()
    for stream in (sys.stdout, sys.stderr):  # on terminals without UTF-8, an unknown character is not an error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = app.main(list(arguments), prog_name=program_name(), standalone_mode=False, obj=shared)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):  # the latter while modules are loaded or on the way out
        say("Interrupted.")
        return 130
    except BrokenPipeError:
        _discard_output()
        return 1
    except Exception as error:  # noqa: BLE001  (the last handler: users get a line, developers use --debug)
        if isinstance(error, OSError):
            _discard_output()  # the file that cannot be written may be stdout
        if shared.debug and not isinstance(error, click.UsageError):
            say_lines("".join(traceback.format_exception(error)).rstrip())
        say(f"Error: {_line(error)}")
        return error.exit_code if isinstance(error, click.ClickException) else 1


def _line(error: Exception) -> str:
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx is not None else program_name()
        message = error.format_message()
        return f"{message if message.endswith(('.', '?')) else message + '.'} See '{command} --help'"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, PersonaevoError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{(error.strerror or str(error) or type(error).__name__).lower()}"
    return f"unexpected {type(error).__name__}: {error}. Run the command again with --debug and report the output"


def _warn(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None, line: str | None = None
) -> None:
    say(f"Warning: {message} ({category.__name__})")


def _discard_output() -> None:
    """Redirect stdout to nowhere: the interpreter must not fail again on buffered output when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
