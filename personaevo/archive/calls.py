"""Side tables of an archive: answers of models, calibrations, and refined profiles."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from personaevo.archive.database import Database
from personaevo.archive.rows import Row
from personaevo.chat import ModelCall, Reply, Usage

_ANSWER = (
    'SELECT "text", cut, refusal, estimated, input_tokens, output_tokens, cached_tokens, cost FROM model_calls WHERE "key" = ? LIMIT 1'
)
_SUMS = (
    'SELECT "role", count(*), sum(input_tokens)::BIGINT, sum(cached_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cost), sum(seconds), '
    'count(*) FILTER (WHERE estimated) FROM model_calls WHERE run = ? GROUP BY "role" ORDER BY "role"'
)


class ModelCallStore:
    """A ``Store`` of model answers in an archive, so that no answer is paid for twice. ``get`` and ``put`` are thread-safe; the archive's
    own thread writes to the file (``flush``)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._side = database.side()
        self._lock = threading.Lock()
        self._known = {str(key) for (key,) in database.execute('SELECT "key" FROM model_calls')}
        self._waiting: dict[str, ModelCall] = {}

    def get(self, key: str) -> Reply | None:
        """Return the answer stored under a key; None if there is none."""
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
        """Add an answer; it is written with the next ``flush``."""
        with self._lock:
            if call.key not in self._known:
                self._waiting[call.key] = call

    def flush(self, run_id: int) -> None:
        """Write the answers added since. Raises ArchiveError if that cannot be done; the next ``flush`` tries again."""
        with self._lock:
            calls = list(self._waiting.values())
        if not calls:
            return
        rows: list[Row] = []
        for call in calls:
            reply, used = call.reply, call.reply.usage
            rows.append({
                "key": call.key, "run": run_id, "role": call.role, "model": call.model, "candidate": call.candidate, "text": reply.text,
                "cut": reply.cut, "refusal": reply.refusal or None, "input_tokens": used.input_tokens, "cached_tokens": used.cached_tokens,
                "output_tokens": used.output_tokens, "cost": reply.cost, "seconds": call.seconds, "estimated": used.estimated,
            })  # fmt: skip
        with self._database.transaction():
            self._database.insert("model_calls", rows)
        with self._lock:
            for call in calls:
                self._known.add(call.key)
                del self._waiting[call.key]

    def sums(self, run_id: int) -> Mapping[str, tuple[Any, ...]]:
        """Sum by role: calls, input, cached and output tokens, US dollars, seconds, and calls whose tokens are estimated."""
        return {str(role): tuple(sums) for role, *sums in self._database.execute(_SUMS, [run_id])}


class ReplayStore:
    """A ``Store`` that replays the answers of another archive, and adds those it used to its own."""

    def __init__(self, own: ModelCallStore, other: ModelCallStore) -> None:
        self._own, self._other = own, other

    def get(self, key: str) -> Reply | None:
        """Return the answer from its own archive, or else from the other."""
        found = self._own.get(key)
        if found is None and (found := self._other.get(key)) is not None:
            found = replace(found, cost=0.0)  # it was paid for elsewhere
            self._own.put(ModelCall(key, "recording", "recording", None, found, 0.0))
        return found

    def put(self, call: ModelCall) -> None:
        """Add an answer to its own archive."""
        self._own.put(call)
