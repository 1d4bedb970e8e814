"""The exception tree. A message says what was given, what was expected and what to do."""

from __future__ import annotations

from typing import Any


class PersonaevoError(Exception):
    """Base of every error that personaevo raises on purpose; its text is one line for a person to read."""


class ConfigError(PersonaevoError):
    """A setting is unknown, of the wrong type or out of range."""


class InputError(PersonaevoError):
    """A file that the user gave is missing, empty or not of the expected form."""


class ContentError(PersonaevoError):
    """Content (a domain, a feature table, a wording file, a reference) is missing or inconsistent."""


class ReferenceDataError(PersonaevoError):
    """A reference is too small or does not fit the installed feature set."""


class ProgramError(PersonaevoError):
    """A persona program is not valid Python or breaks the program contract."""


class SandboxError(PersonaevoError):
    """The sandbox itself cannot run (the machine's fault, not the program's)."""


class WeakSandboxWarning(UserWarning):
    """Programs run where they could do harm, because the user chose so."""


class PeopleWarning(UserWarning):
    """Something that a score needs of people is assumed, because their dialogues do not show it."""


class DialoguesWarning(UserWarning):
    """Some of the dialogues given were left out, or they are not by people although they are used as such."""


class ProfilesWarning(UserWarning):
    """Refined profiles are not all used, or could be of people who are held out."""


class WorkerError(PersonaevoError):
    """Worker processes are lost again and again (the machine's fault)."""


class ModelError(PersonaevoError):
    """A chat model gave nothing that can be used; names the role, the model and the address."""


class ModelSetupError(ModelError):
    """Asking again cannot help: the key, the model's name, the address or the request itself is refused."""


class ModelUnavailableError(ModelError):
    """The server does not answer, or is overloaded, and was asked often enough. A later try may succeed."""


class ReplyError(ModelError):
    """This one answer cannot be used: refused, empty, too long for the model, or not of the form asked for. ``usage`` is what it took
    (``records.Usage``), None if nothing was counted."""

    def __init__(self, message: str, usage: Any = None) -> None:
        super().__init__(message)
        self.usage = usage


class BudgetError(PersonaevoError):
    """The next call of a model could exceed what may be spent."""


class ArchiveError(PersonaevoError):
    """An archive cannot be opened, read or written."""


class ArchiveBusyError(ArchiveError):
    """Another process is writing the archive."""


class ArchiveVersionError(ArchiveError):
    """The archive was made by a newer version of personaevo."""
