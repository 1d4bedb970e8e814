"""Transport of work to worker processes, and executors on clusters: data that several pieces of work share goes to each worker once.

Work refers to shared data by a digest of its content, and a worker caches the data that it received. The first piece of work with some
shared data carries it. A worker that lacks data answers so, and gets the work again with the data; other work that it could not do
meanwhile is sent again unchanged.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import platform
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from personaevo import __version__
from personaevo.errors import ConfigError, WorkerError

_KEPT = 8  # shared items that a process caches; a roll-out uses two, a draw of the final table one
_PROTOCOL = 5


class Shared:
    """Base of data that many pieces of work share. It must not change once sent."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Content:
    """Shared data, pickled and compressed, and its digest."""

    digest: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A piece of work as sent: ``work`` is pickled with digests in place of shared data, ``shared`` has the content for those digests, or
    None for data that the worker should have. ``stamp`` identifies the sender's version."""

    work: bytes
    shared: Mapping[str, bytes | None]
    stamp: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A piece of work ready to send, with all its shared data."""

    work: bytes
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """The answer of a worker (named by machine and process) that lacks shared data of the work."""

    worker: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A pickled result. It is unpickled on demand: many results wait at a time, and as objects they would slow down garbage collection."""

    data: bytes

    def value(self) -> Any:
        """The result."""
        return pickle.loads(self.data)


class Carried:
    """An object of the caller, pickled together with its class (cloudpickle): a script or notebook may define the class, where workers
    cannot import it."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __getstate__(self) -> bytes:
        import cloudpickle  # noqa: PLC0415 - few searches need it

        return cloudpickle.dumps(self.part)  # type: ignore[no-any-return]

    def __setstate__(self, state: bytes) -> None:
        self.part = pickle.loads(state)


class Outcome(Future[Any]):
    """A future of a value, or of an ``Answer``, which it unpickles."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the value. Raises the exception of the work."""
        found = super().result(timeout)
        return found.value() if isinstance(found, Answer) else found


class Packer:
    """Packs pieces of work, and records which shared data was sent. Shared data is pickled once."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[object, Content]] = {}  # by id(); holding the object keeps its id unique
        self._sent: set[str] = set()
        self._given: set[tuple[str, str]] = set()  # worker and digest

    def pack(self, work: Any) -> Packed:
        """The work without its ``Shared`` parts and ``partial`` functions, which become shared data."""
        file, contents = io.BytesIO(), dict[str, Content]()
        _Pickler(file, self._content, contents).dump(work)
        return Packed(file.getvalue(), tuple(contents.values()))

    def first(self, packed: Packed) -> Parcel:
        """The first parcel, with the shared data that was never sent."""
        news = {one.digest for one in packed.contents} - self._sent
        self._sent |= news
        return self._parcel(packed, news)

    def again(self, packed: Packed, worker: str, tries: int) -> Parcel:
        """The parcel to send after ``tries``, when a worker lacked data: with all data, unless that is already on its way to the worker."""
        missing = {(worker, one.digest) for one in packed.contents} - self._given
        self._given |= missing
        return self._parcel(packed, {one.digest for one in packed.contents} if missing or tries > 1 else set())

    def _parcel(self, packed: Packed, carried: set[str]) -> Parcel:
        shared = {one.digest: one.data if one.digest in carried else None for one in packed.contents}
        return Parcel(packed.work, shared, stamp())

    def _content(self, part: object) -> Content:
        known = self._made.pop(id(part), None)
        if known is None:
            data = zlib.compress(pickle.dumps(part, _PROTOCOL), 1)
            known = part, Content(hashlib.blake2b(data, digest_size=16).hexdigest(), data)
        self._made[id(part)] = known
        while len(self._made) > _KEPT:
            del self._made[next(iter(self._made))]
        return known[1]


class _Pickler(pickle.Pickler):
    """Writes digests in place of shared data, and collects the data."""

    def __init__(self, file: io.BytesIO, content: Callable[[object], Content], contents: dict[str, Content]) -> None:
        super().__init__(file, _PROTOCOL)
        self._content, self._contents = content, contents

    def reducer_override(self, part: Any) -> Any:  # not persistent_id, which Python calls for every number and text too
        if not isinstance(part, (Shared, partial)):
            return NotImplemented
        content = self._content(part)
        self._contents[content.digest] = content
        return _shared_part, (content.digest,)


def _shared_part(digest: str) -> Any:
    """Stands in a parcel for the shared data with this digest. ``_Unpickler`` replaces it."""
    raise WorkerError(f"the shared data {digest} is read outside a parcel")


class _Unpickler(pickle.Unpickler):
    """Restores shared data from digests."""

    def __init__(self, work: bytes, found: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(work))
        self._found = found

    def find_class(self, module: str, name: str) -> Any:
        return self._found.__getitem__ if name == _shared_part.__name__ and module == __name__ else super().find_class(module, name)


_kept: dict[str, Any] = {}  # of this process, the latest last
_lock = threading.Lock()


def opened(function: Callable[[Any], Any], parcel: Parcel) -> Answer | Lacking:
    """Run a parcel in a worker: the ``Answer`` of ``function(work)``, or ``Lacking`` if shared data is missing.

    Raises:
        WorkerError: the worker runs another version than the sender.
    """
    if parcel.stamp != stamp():
        where = f"the worker on {platform.node()} runs {stamp()}, this search {parcel.stamp}"
        raise WorkerError(f"{where}: results could differ; install the same on every worker")
    found = _found(parcel.shared)
    if found is None:
        return Lacking(f"{platform.node()} {os.getpid()}")
    return Answer(pickle.dumps(function(_Unpickler(parcel.work, found).load()), _PROTOCOL))


def called(pair: tuple[Callable[[Any], Any], Any]) -> Any:
    """``function(work)`` for a function that was packed with the work."""
    return pair[0](pair[1])


def stamp() -> str:
    """The versions of personaevo and Python, on which results depend."""
    return f"personaevo {__version__} under Python {'.'.join(platform.python_version_tuple()[:2])}"


def _found(shared: Mapping[str, bytes | None]) -> dict[str, Any] | None:
    """The shared data of the digests, cached for the next work; None if any is missing."""
    with _lock:
        found = {digest: _kept.pop(digest) for digest in list(shared) if digest in _kept}
        news = {digest: data for digest, data in shared.items() if digest not in found and data is not None}
        found |= {digest: pickle.loads(zlib.decompress(data)) for digest, data in news.items()}
        _kept.update(found)
        while len(_kept) > _KEPT:
            del _kept[next(iter(_kept))]
    return found if len(found) == len(shared) else None


_EXTRA = {"dask": "distributed", "ray": "ray"}  # the module that a backend needs
_ANSWER_SECONDS = 10.0


@contextmanager
def executor(backend: str, scheduler: str | None) -> Iterator[Executor | None]:
    """The executor of a backend, for the duration of the block; None for "loky", whose processes a search starts itself.

    ``scheduler`` is the address of a Dask scheduler ("tcp://host:8786") or of a Ray cluster ("ray://host:10001", "auto"). Without an
    address, workers start on this machine.

    Raises:
        ConfigError: there is no such backend, it is not installed, or nothing answers at the address.
    """
    if backend == "loky":
        if scheduler is not None:
            raise ConfigError(f"scheduler {scheduler!r:.100}: loky has none; give --backend dask or ray with it, or leave it out")
        yield None
        return
    if backend not in _EXTRA:
        raise ConfigError(f"backend {backend!r:.40}: expected loky, {' or '.join(_EXTRA)}")
    try:
        library = import_module(_EXTRA[backend])
    except ImportError:
        raise ConfigError(f"backend {backend} is not installed: pip install 'personaevo[{backend}]'") from None
    with (_dask if backend == "dask" else _ray)(library, scheduler) as made:
        yield made


@contextmanager
def _dask(distributed: Any, scheduler: str | None) -> Iterator[Executor]:
    try:
        if scheduler:
            client = distributed.Client(scheduler, timeout=_ANSWER_SECONDS, set_as_default=False)
        else:
            client = distributed.Client(threads_per_worker=1, processes=True, dashboard_address=":0", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler at {scheduler}: {str(error)[:200]}; start one with: dask scheduler") from None
    with client:
        yield client.get_executor(pure=False, retries=0)


@contextmanager
def _ray(ray: Any, scheduler: str | None) -> Iterator[Executor]:
    """An executor of the cluster that this process is connected to; connects to one first if necessary."""
    own = not ray.is_initialized()
    if own:
        _connect(ray, scheduler)
    try:
        yield _RayExecutor(ray)
    finally:
        if own:
            ray.shutdown()


def _connect(ray: Any, scheduler: str | None) -> None:
    try:
        _check_answers(scheduler)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no Ray cluster at {scheduler}: {error}; start one with: ray start --head") from None
    settings = {"address": "local", "include_dashboard": False} if scheduler is None else {"address": scheduler}
    try:
        ray.init(log_to_driver=False, configure_logging=False, **settings)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        advice = "start one with: ray start --head; one that asks for a token needs RAY_AUTH_TOKEN here too"
        raise ConfigError(f"no Ray cluster at {scheduler}: {reason}; {advice}") from None


def _check_answers(scheduler: str | None) -> None:
    """Check that a server listens there: Ray itself would retry for minutes, then exit this process. Raises OSError or ValueError."""
    if scheduler is None or scheduler in {"auto", "local"}:
        return
    host, colon, port = scheduler.removeprefix("ray://").rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16):
        raise ValueError("expected ray://HOST:10001, HOST:6379 or auto")
    socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()


class _RayExecutor(Executor):
    """Runs each call as a Ray task on one processor; Ray does not retry."""

    def __init__(self, ray: Any) -> None:
        self._run = ray.remote(num_cpus=1, max_retries=0)(lambda function, args, named: function(*args, **named))

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        found: Future[Any] = self._run.remote(function, args, named).future()
        return found
