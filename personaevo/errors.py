"""The exception tree, and suppression of warnings. A message says what was given, what was expected and what to do."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class PersonaevoError(Exception):
    """Base of every error that personaevo raises on purpose; its text is one line for a person to read."""


class ConfigError(PersonaevoError):
    """A setting is unknown, of the wrong type or out of range."""


class InputError(PersonaevoError):
    """A file that the user gave is missing, empty or not of the expected form."""


class ContentError(PersonaevoError):
    """Content (a domain, a feature table, a phrase file, a reference) is missing or inconsistent."""


class ReferenceDataError(PersonaevoError):
    """A reference is too small or does not fit the installed feature set."""


class ProgramError(PersonaevoError):
    """A persona program is not valid Python or breaks the program contract."""


class SandboxError(PersonaevoError):
    """The sandbox itself cannot run: a problem of the machine, not of the program."""


class WeakSandboxWarning(UserWarning):
    """The user chose a sandbox in which programs could do harm."""


class PeopleWarning(UserWarning):
    """A score uses an assumption about people, because their dialogues do not show the quantity."""


class DialoguesWarning(UserWarning):
    """Some of the given dialogues were left out, or dialogues of models are used as those of people."""


class ProfilesWarning(UserWarning):
    """Some refined profiles are not used, or may describe held-out people."""


class WorkerError(PersonaevoError):
    """Worker processes are lost repeatedly: a problem of the machine."""


class ModelError(PersonaevoError):
    """A chat model gave no usable answer; the message names the role, the model and the address."""


class ModelSetupError(ModelError):
    """A retry cannot help: the key, the model's name, the address or the request itself is refused."""


class ModelUnavailableError(ModelError):
    """The server does not answer or is overloaded, and all retries are used. A later attempt may succeed."""


class ReplyError(ModelError):
    """This answer cannot be used: refused, empty, cut off, or not of the requested form. ``usage`` is its ``chat.Usage``, None if nothing
    was counted."""

    def __init__(self, message: str, usage: Any = None) -> None:
        super().__init__(message)
        self.usage = usage


class BudgetError(PersonaevoError):
    """The next call of a model could exceed the budget."""


class ArchiveError(PersonaevoError):
    """An archive cannot be opened, read or written."""


class ArchiveBusyError(ArchiveError):
    """Another process is writing the archive."""


class ArchiveVersionError(ArchiveError):
    """The archive was made by a newer version of personaevo."""


# catch_warnings replaces a process-wide list: with two threads inside, the filters could stay changed.
_quiet_lock = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings inside the block; one thread at a time."""
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
