"""Asking again: with growing pauses of random length, as long as the server asks for, and never where it cannot help."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from personaevo.errors import ModelUnavailableError
from personaevo.models.adapter import TransientError
from personaevo.records import ChatModel, Message, Reply

_UNREACHABLE_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one question is asked, the first and the longest pause in seconds, and the longest pause that a server may ask for.

    A pause is uniform between 0 and ``first_pause`` · 2^k ("full jitter", Brooker 2015), at most ``longest_pause``.
    """

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 20.0
    longest_wish: float = 120.0


class Retrying:
    """A model that is asked again where that may help; ``note(kind)`` hears of each failed attempt. No more once ``stopping`` is set."""

    def __init__(self, model: ChatModel, patience: Patience, note: Callable[[str], None], stopping: threading.Event) -> None:
        self._model, self._patience, self._note, self._stopping = model, patience, note, stopping
        self._random = random.Random()  # of pauses only: no result depends on it

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer.

        Raises:
            ModelUnavailableError: no attempt was answered, or nothing is there. Other errors of the model go through.
        """
        failed = 0
        while True:
            try:
                return self._model.reply(messages, schema=schema, sample=sample)
            except TransientError as error:
                failed += 1
                self._note(error.kind)
                self._pause(error, failed)

    def _pause(self, error: TransientError, failed: int) -> None:
        patience = self._patience
        most = min(_UNREACHABLE_ATTEMPTS, patience.attempts) if error.unreachable else patience.attempts
        if failed >= most or (error.after or 0.0) > patience.longest_wish:
            wish = f"; it asks to wait {error.after:.0f} s" if error.after else ""
            raise ModelUnavailableError(f"{error} ({failed} attempts{wish})") from error
        pause = self._random.uniform(0.0, min(patience.longest_pause, patience.first_pause * 2 ** (failed - 1)))
        if self._stopping.wait(max(pause, (error.after or 0.0) * self._random.uniform(1.0, 1.1))):
            raise ModelUnavailableError(f"{error} (not asked again: the search is ending)") from error
