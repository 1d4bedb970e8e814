"""Answers of models in the archive: what was paid for once is not paid for again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from personaevo.archive.database import Database
from personaevo.archive.rows import Row
from personaevo.records import ModelCall, Reply, Usage

_ANSWER = (
    'SELECT "text", cut, refusal, estimated, input_tokens, output_tokens, cached_tokens, cost FROM model_calls WHERE "key" = ? LIMIT 1'
)
_SUMS = (
    'SELECT "role", count(*), sum(input_tokens)::BIGINT, sum(cached_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cost), sum(seconds), '
    'count(*) FILTER (WHERE estimated) FROM model_calls WHERE run = ? GROUP BY "role" ORDER BY "role"'
)


class Calls:
    """A ``Store`` over an archive. Answers are put and got from any thread; the archive's own thread writes them down (``flush``)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._side = database.side()
        self._lock = threading.Lock()
        self._known = {str(key) for (key,) in database.execute('SELECT "key" FROM model_calls')}
        self._waiting: dict[str, ModelCall] = {}

    def get(self, key: str) -> Reply | None:
        """The answer kept under a key."""
        with self._lock:
            if key in self._waiting:
                return self._waiting[key].reply
            if key not in self._known:
                return None
            text, cut, refusal, estimated, *tokens, cost = self._side(_ANSWER, [key])[0]
            read, written, cached = map(int, tokens)
            used = Usage(read, written, cached, bool(estimated))
            return Reply(str(text), usage=used, cost=float(cost), cut=bool(cut), refusal=refusal or "")

    def put(self, call: ModelCall) -> None:
        """Keep an answer; it is written with the next ``flush``."""
        with self._lock:
            if call.key not in self._known:
                self._waiting[call.key] = call

    def flush(self, run_id: int) -> None:
        """Write down what was put since. Raises ArchiveError if that cannot be done; it is kept for the next time then."""
        with self._lock:
            calls = list(self._waiting.values())
        if not calls:
            return
        with self._database.transaction():
            self._database.insert("model_calls", [_row(run_id, call) for call in calls])
        with self._lock:
            for call in calls:
                self._known.add(call.key)
                del self._waiting[call.key]

    def sums(self, run_id: int) -> Mapping[str, tuple[Any, ...]]:
        """Of each role: calls, tokens in, cached and out, US dollars, seconds, and calls of which the tokens are estimated."""
        return {str(role): tuple(sums) for role, *sums in self._database.execute(_SUMS, [run_id])}


class Recording:
    """A ``Store`` that takes answers from the calls of another archive, and keeps those it gave in its own."""

    def __init__(self, own: Calls, other: Calls) -> None:
        self._own, self._other = own, other

    def get(self, key: str) -> Reply | None:
        """The answer of either."""
        found = self._own.get(key)
        if found is None and (found := self._other.get(key)) is not None:
            found = replace(found, cost=0.0)  # it was paid for elsewhere
            self._own.put(ModelCall(key, "recording", "recording", None, found, 0.0))
        return found

    def put(self, call: ModelCall) -> None:
        """Keep an answer in its own."""
        self._own.put(call)


def _row(run_id: int, call: ModelCall) -> Row:
    reply, used = call.reply, call.reply.usage
    return {
        "key": call.key, "run": run_id, "role": call.role, "model": call.model, "candidate": call.candidate, "text": reply.text,
        "cut": reply.cut, "refusal": reply.refusal or None, "input_tokens": used.input_tokens, "cached_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens, "cost": reply.cost, "seconds": call.seconds, "estimated": used.estimated,
    }  # fmt: skip
