"""Answers kept in memory, for what is asked outside of a search."""

from __future__ import annotations

from personaevo.records import ModelCall, Reply


class Kept:
    """A ``Store`` that lasts as long as the process."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def get(self, key: str) -> Reply | None:
        """The answer kept under a key."""
        return self._replies.get(key)

    def put(self, call: ModelCall) -> None:
        """Keep an answer."""
        self._replies[call.key] = call.reply
