"""Retries with exponential backoff and jitter; the server's own waiting time is respected."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from personaevo.chat import ChatModel, Message, Reply
from personaevo.errors import ModelUnavailableError, ReplyError
from personaevo.models.refusals import TransientError

_UNREACHABLE_ATTEMPTS, _EMPTY_ATTEMPTS = 4, 3
EMPTY = "empty reply"  # the server works, but gives no answer to this question


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a question is asked, the first and the longest pause in seconds, and the longest waiting time that a server may request.

    A pause is uniform between 0 and ``first_pause`` · 2^k ("full jitter", Brooker 2015), at most ``longest_pause``.
    """

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 20.0
    longest_requested: float = 120.0


class RetryingModel:
    """A model with retries after TransientErrors. ``note(error)`` is called after each failed attempt, and may raise to end the retries. No
    retries once ``stopping`` is set."""

    def __init__(self, model: ChatModel, policy: RetryPolicy, note: Callable[[TransientError], None], stopping: threading.Event) -> None:
        self._model, self._policy, self._note, self._stopping = model, policy, note, stopping
        self._random = random.Random()  # for pauses only: no result depends on it

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        """The model's answer.

        Raises:
            ModelUnavailableError: all attempts failed, or the server cannot be reached. ReplyError: every answer was without text. Other
                errors of the model pass through.
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
        policy = self._policy
        fewer = _EMPTY_ATTEMPTS if error.kind == EMPTY else _UNREACHABLE_ATTEMPTS if error.unreachable else policy.attempts
        most = min(fewer, policy.attempts)
        if failed >= most or (error.after or 0.0) > policy.longest_requested:
            if error.kind == EMPTY:
                raise ReplyError(f"{error} ({failed} attempts)") from None
            wish = f"; it asks to wait {error.after:.0f} s" if error.after else ""
            raise ModelUnavailableError(f"{error} ({failed} attempts{wish})") from error
        pause = self._random.uniform(0.0, min(policy.longest_pause, policy.first_pause * 2 ** (failed - 1)))
        if self._stopping.wait(max(pause, (error.after or 0.0) * self._random.uniform(1.0, 1.1))):
            raise ModelUnavailableError(f"{error} (not asked again: the search is ending)") from error
