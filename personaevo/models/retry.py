"""Asking again: with growing pauses of random length, as long as the server asks for, and never where it cannot help."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from personaevo.errors import ModelUnavailableError, ReplyError
from personaevo.models.refusals import TransientError
from personaevo.records import ChatModel, Message, Reply

_UNREACHABLE_ATTEMPTS, _EMPTY_ATTEMPTS = 4, 3
EMPTY = "empty reply"  # the server is well, and this question has no answer


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
    """A model that is asked again where that may help; ``note(error)`` hears of each failed attempt, and may end them by an error of its
    own. No more once ``stopping`` is set."""

    def __init__(self, model: ChatModel, patience: Patience, note: Callable[[TransientError], None], stopping: threading.Event) -> None:
        self._model, self._patience, self._note, self._stopping = model, patience, note, stopping
        self._random = random.Random()  # of pauses only: no result depends on it

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer.

        Raises:
            ModelUnavailableError: no attempt was answered, or nothing is there. ReplyError: it was, without a text each time. Other errors
                of the model go through.
        """
        failed = 0
        while True:
            try:
                return self._model.reply(messages, schema=schema, sample=sample)
            except TransientError as error:
                failed += 1
                self._note(error)
                self._pause(error, failed)

    def _pause(self, error: TransientError, failed: int) -> None:
        patience = self._patience
        fewer = _EMPTY_ATTEMPTS if error.kind == EMPTY else _UNREACHABLE_ATTEMPTS if error.unreachable else patience.attempts
        most = min(fewer, patience.attempts)
        if failed >= most or (error.after or 0.0) > patience.longest_wish:
            if error.kind == EMPTY:
                raise ReplyError(f"{error} ({failed} attempts)") from None
            wish = f"; it asks to wait {error.after:.0f} s" if error.after else ""
            raise ModelUnavailableError(f"{error} ({failed} attempts{wish})") from error
        pause = self._random.uniform(0.0, min(patience.longest_pause, patience.first_pause * 2 ** (failed - 1)))
        if self._stopping.wait(max(pause, (error.after or 0.0) * self._random.uniform(1.0, 1.1))):
            raise ModelUnavailableError(f"{error} (not asked again: the search is ending)") from error
