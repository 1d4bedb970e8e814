"""What a worker needs travels to it once. Work names what it shares with other work by a digest of its content; a worker keeps what came.

The first work that shares something carries it. A worker that lacks it says so, and is sent it with that work; whatever else the same
worker could not do meanwhile is sent again as it was.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import platform
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from personaevo import __version__
from personaevo.errors import WorkerError

_KEPT = 8  # pieces of content that a process keeps; a roll-out names two, a draw of the final table one
_PROTOCOL = 5


class Shared:
    """A base of what many pieces of work have in common. It must not change once it was sent."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Something shared, pickled and compressed, and the digest of that."""

    digest: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A piece of work as it travels: ``work`` is pickled with digests in place of what is shared, ``shared`` holds the content of those
    digests, or None for what the worker is thought to have. ``stamp`` tells what the sender runs."""

    work: bytes
    shared: Mapping[str, bytes | None]
    stamp: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A piece of work ready to be sent, with all that it shares."""

    work: bytes
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """The answer of a worker (its machine and process) that does not have all that some work names."""

    worker: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a piece of work, pickled. It is unpacked when it is asked for: many wait for their turn, and as objects they would make
    every collection of garbage long."""

    data: bytes

    def value(self) -> Any:
        """What came of it."""
        return pickle.loads(self.data)


class Carried:
    """An object of the caller's, who may have defined its class in a script or a notebook, which no worker can import: it travels with the
    class (cloudpickle)."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __getstate__(self) -> bytes:
        import cloudpickle  # noqa: PLC0415 - few searches need it

        return cloudpickle.dumps(self.part)  # type: ignore[no-any-return]

    def __setstate__(self, state: bytes) -> None:
        self.part = pickle.loads(state)


class Outcome(Future[Any]):
    """A future of a value, or of an ``Answer`` whose value it gives."""

    def result(self, timeout: float | None = None) -> Any:
        """The value; waits for it. Raises what the work raised."""
        found = super().result(timeout)
        return found.value() if isinstance(found, Answer) else found


class Packer:
    """Packs pieces of work, and knows what was sent. Something shared is pickled once, however often it is sent."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[object, Content]] = {}  # by identity; holding the object keeps its identity its own
        self._sent: set[str] = set()
        self._given: set[tuple[str, str]] = set()  # worker and digest

    def pack(self, work: Any) -> Packed:
        """The work with its ``Shared`` parts, and functions with arguments of their own (``partial``), taken out."""
        file, contents = io.BytesIO(), dict[str, Content]()
        _Pickler(file, self._content, contents).dump(work)
        return Packed(file.getvalue(), tuple(contents.values()))

    def first(self, packed: Packed) -> Parcel:
        """What to send first: with what was never sent."""
        news = {one.digest for one in packed.contents} - self._sent
        self._sent |= news
        return _parcel(packed, news)

    def again(self, packed: Packed, worker: str, tries: int) -> Parcel:
        """What to send after ``tries``, when a worker lacked something: with all of it, unless that is on its way to the worker."""
        missing = {(worker, one.digest) for one in packed.contents} - self._given
        self._given |= missing
        return _parcel(packed, {one.digest for one in packed.contents} if missing or tries > 1 else set())

    def _content(self, part: object) -> Content:
        known = self._made.pop(id(part), None)
        if known is None:
            data = zlib.compress(pickle.dumps(part, _PROTOCOL), 1)
            known = part, Content(hashlib.blake2b(data, digest_size=16).hexdigest(), data)
        self._made[id(part)] = known
        while len(self._made) > _KEPT:
            del self._made[next(iter(self._made))]
        return known[1]


def _parcel(packed: Packed, carried: set[str]) -> Parcel:
    return Parcel(packed.work, {one.digest: one.data if one.digest in carried else None for one in packed.contents}, stamp())


class _Pickler(pickle.Pickler):
    """Writes digests in place of what is shared, and collects its content."""

    def __init__(self, file: io.BytesIO, content: Callable[[object], Content], contents: dict[str, Content]) -> None:
        super().__init__(file, _PROTOCOL)
        self._content, self._contents = content, contents

    def persistent_id(self, part: object) -> str | None:
        if not isinstance(part, (Shared, partial)):
            return None
        content = self._content(part)
        self._contents[content.digest] = content
        return content.digest


class _Unpickler(pickle.Unpickler):
    """Puts what is shared in the place of its digests."""

    def __init__(self, work: bytes, found: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(work))
        self._found = found

    def persistent_load(self, digest: str) -> Any:
        return self._found[digest]


_kept: dict[str, Any] = {}  # of this process, the latest last
_lock = threading.Lock()


def opened(function: Callable[[Any], Any], parcel: Parcel) -> Answer | Lacking:
    """What a worker does with a parcel: the ``Answer`` of ``function(work)``, or ``Lacking`` if it does not have all that the work names.

    Raises:
        WorkerError: the worker does not run what the sender runs.
    """
    if parcel.stamp != stamp():
        where = f"the worker on {platform.node()} runs {stamp()}, this search {parcel.stamp}"
        raise WorkerError(f"{where}: results could differ; install the same on every worker")
    found = _found(parcel.shared)
    if found is None:
        return Lacking(f"{platform.node()} {os.getpid()}")
    return Answer(pickle.dumps(function(_Unpickler(parcel.work, found).load()), _PROTOCOL))


def called(pair: tuple[Callable[[Any], Any], Any]) -> Any:
    """``function(work)`` for a function that is part of what is packed."""
    return pair[0](pair[1])


def stamp() -> str:
    """What this process runs: results depend on both."""
    return f"personaevo {__version__} under Python {'.'.join(platform.python_version_tuple()[:2])}"


def _found(shared: Mapping[str, bytes | None]) -> dict[str, Any] | None:
    """What the digests name, kept for the next work; None if anything is missing."""
    with _lock:
        found = {digest: _kept.pop(digest) for digest in list(shared) if digest in _kept}
        news = {digest: data for digest, data in shared.items() if digest not in found and data is not None}
        found |= {digest: pickle.loads(zlib.decompress(data)) for digest, data in news.items()}
        _kept.update(found)
        while len(_kept) > _KEPT:
            del _kept[next(iter(_kept))]
    return found if len(found) == len(shared) else None
