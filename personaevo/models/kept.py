"""A store of answers in memory, for model calls outside of a search."""

from __future__ import annotations

from personaevo.chat import ModelCall, Reply


class MemoryStore:
    """A ``Store`` in memory, which lasts as long as the process."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def get(self, key: str) -> Reply | None:
        """The answer stored under a key; None if there is none."""
        return self._replies.get(key)

    def put(self, call: ModelCall) -> None:
        """Store an answer."""
        self._replies[call.key] = call.reply
