"""Pools that run the work of a search: the interface, and threads for searches that wait for models."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakKeyDictionary

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import ShutdownExecutorError

from personaevo.errors import WorkerError
from personaevo.executors import Lacking, Outcome, Packed, Packer, Parcel, called, opened
from personaevo.text import close_process

Value = TypeVar("Value")
_POLL_SECONDS = 1.0


class WorkerPool(AbstractContextManager["WorkerPool"], Protocol):
    """Runs functions of one argument, in processes (``Workers``) or in threads (``ThreadPool``). A context manager: leaving it stops it."""

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """Start ``function(work)``."""
        ...

    def result(self, future: Future[Any]) -> Any:
        """Wait for the result of a submitted call."""
        ...

    def map(self, function: Callable[[Any], Any], works: Sequence[Any]) -> list[Any]:
        """The results of ``function(work)`` for all works, in order."""
        ...

    def stop(self, *, kill: bool) -> None:
        """Stop the workers; with ``kill`` without finishing their work."""
        ...


class ThreadPool:
    """A thread pool for candidates (``directors`` threads), and one for their dialogues (``players``), which run at the same time.

    A waiting caller calls ``meanwhile`` about once a second.
    """

    def __init__(self, directors: int, players: int, meanwhile: Callable[[], None]) -> None:
        self.players = ThreadPoolExecutor(players, "player")
        self._directors = ThreadPoolExecutor(directors, "director")
        self._meanwhile = meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(kill=kind is not None)

    def submit(self, function: Callable[[Any], Value], work: Any) -> Future[Value]:
        """Run ``function(work)`` in a thread, in the caller's context (``contextvars``)."""
        return self._directors.submit(copy_context().run, function, work)

    def map(self, function: Callable[[Any], Value], works: Sequence[Any]) -> list[Value]:
        """The results of ``function(work)`` for all works, in order."""
        return [self.result(future) for future in [self.submit(function, work) for work in works]]

    def result(self, future: Future[Value]) -> Value:
        """Wait for the future's result."""
        self.wait(future)
        return future.result()

    def wait(self, future: Future[Any]) -> None:
        """Wait for any future, calling ``meanwhile``."""
        while not wait([future], timeout=_POLL_SECONDS).done:
            self._meanwhile()

    def stop(self, *, kill: bool) -> None:
        """Wait for the threads to end; with ``kill`` drop work that has not begun."""
        for pool in (self._directors, self.players):
            pool.shutdown(wait=True, cancel_futures=kill)


_IDLE_SECONDS = 300
_WATCH_SECONDS = 1.0
LOST_TWICE = "a worker process was lost twice (killed, or out of memory): free some memory, or use fewer --jobs"
_LOST = {"KilledWorker", "WorkerCrashedError", "NodeDiedError", "OwnerDiedError", "FutureCancelledError"}  # as Dask and Ray say it


class LostError(Exception):
    """The worker that had a piece of work is gone; the work can be submitted again. Internal to the package."""


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _initialize(parent: int) -> None:
    """Initialize a worker. It ignores Ctrl-C, on which the parent stops its workers in order, and exits if the parent is killed."""

    def exit_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    close_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, daemon=True).start()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started inside the block never receive Ctrl-C, even before their initializer runs; this process receives it afterwards."""
    resource_tracker.ensure_running()  # else it starts inside the block, and unblocks the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Sending:
    """A submitted piece of work, how often it was sent, and its outcome."""

    function: Callable[[Any], Any]
    packed: Packed
    tries: int = 0
    outcome: Outcome = field(default_factory=Outcome)


class Workers:
    """A ``WorkerPool`` of processes: a context manager around the ``given`` executor, which is not shut down here, or one of loky (which
    needs no ``__main__`` guard and works in notebooks). Thread-safe."""

    def __init__(self, jobs: int | None, given: Executor | None = None) -> None:
        self.jobs = jobs or processors()
        self._given = given
        self._executor: Any = None
        self._of: WeakKeyDictionary[Future[Any], Any] = WeakKeyDictionary()  # the executor of a future
        self._lock = threading.RLock()
        self._packer = Packer()
        self._sender = ThreadPoolExecutor(1, "sender")  # for resending: an executor's own thread, which delivers answers, must not submit
        self._over = self._worked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        self._sender.shutdown(wait=False, cancel_futures=True)
        self.stop(kill=kind is not None and self._worked)  # loky prints a traceback if it is killed with work not begun

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """Run ``function(work)`` in a worker; with one job, at once in this process. Get the outcome with ``result``."""
        self._worked = True
        return self._submit(function, work)

    def _submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._given is None and self.jobs == 1:
            done: Future[Any] = Future()
            done.set_result(function(work))
            return done
        if isinstance(function, partial):  # its arguments are shared by all its work
            function, work = called, (function, work)
        with self._lock:
            sending = _Sending(function, self._packer.pack(work))
            self._send(sending, self._packer.first(sending.packed))
        return sending.outcome

    def _send(self, sending: _Sending, parcel: Parcel) -> None:
        sending.tries += 1
        sent = self._begun(partial(opened, sending.function), parcel)
        self._of[sending.outcome] = self._executor
        sent.add_done_callback(partial(self._answered, sending))

    def _answered(self, sending: _Sending, sent: Future[Any]) -> None:
        """Handle an answer, in the thread that delivers it. Must not take the lock, since its holder may wait for this thread."""
        try:
            found = sent.result()
        except BaseException as error:  # noqa: BLE001 - raised by ``result``, in the caller's thread
            sending.outcome.set_exception(error)
            return
        if not isinstance(found, Lacking):
            sending.outcome.set_result(found)
            return
        with suppress(RuntimeError):  # shut down: the outcome is not needed
            self._sender.submit(self._send_again, sending, found.worker)

    def _send_again(self, sending: _Sending, worker: str) -> None:
        try:
            with self._lock:
                if not self._over:
                    self._send(sending, self._packer.again(sending.packed, worker, sending.tries))
        except Exception as error:  # noqa: BLE001 - raised by ``result``, in the caller's thread
            sending.outcome.set_exception(error)

    def _begun(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._given is not None:
            try:
                return self._given.submit(function, work)
            except (BrokenExecutor, RuntimeError) as error:
                raise WorkerError(f"the given executor takes no more work: {str(error)[:200]}; give one that runs") from None
        try:
            return self._sent(function, work)
        except BrokenExecutor:  # a worker was lost since; the futures of its work report that themselves
            self.stop(kill=True)
        except ShutdownExecutorError:  # another search in this process shut it down
            self._executor = None
        return self._sent(function, work)

    def warm_up(self, function: Callable[[Any], Any], work: Any) -> None:
        """Start the worker processes and run ``function(work)`` in them, without waiting; does nothing for a given executor."""
        if self._given is None and self.jobs > 1:
            for _ in range(self.jobs):
                self._submit(function, work)

    def result(self, future: Future[Any]) -> Any:
        """Wait for the future's result.

        Raises:
            LostError: its worker is lost. An executor that cannot continue is shut down; the next ``submit`` starts another.
            WorkerError: the worker runs another version than this process.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            with self._lock:
                if self._executor is self._of.get(future):  # not one started since
                    self.stop(kill=True)
            raise LostError from error
        except Exception as error:
            if type(error).__name__ in _LOST:
                raise LostError from error
            if "No module named 'personaevo" in str(error):
                raise WorkerError("a worker has no personaevo, or another one: install the same version on every worker") from None
            raise

    def twice(self, function: Callable[[Any], Any], work: Any) -> Any:
        """The result of ``function(work)``, tried once more if its worker is lost.

        Raises:
            WorkerError: the second worker is lost as well.
        """
        return self.map(function, [work])[0]

    def map(self, function: Callable[[Any], Any], works: Sequence[Any]) -> list[Any]:
        """The results of ``function(work)`` for all works, in order. Work of a lost worker is done once more, one piece at a time.

        Raises:
            WorkerError: a worker is lost again.
        """
        found: list[Any] = []
        for work, future in zip(works, [self.submit(function, work) for work in works], strict=True):
            try:
                found.append(self.result(future))
            except LostError:
                try:
                    found.append(self.result(self.submit(function, work)))
                except LostError:
                    raise WorkerError(LOST_TWICE) from None
        return found

    def _sent(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._executor is None:
            # not loky's reusable executor, of which a process has one: two concurrent searches would stop each other's workers
            self._executor = ProcessPoolExecutor(self.jobs, timeout=_IDLE_SECONDS, initializer=_initialize, initargs=(os.getpid(),))
        with _interrupts_held():
            future: Future[Any] = self._executor.submit(function, work)
        return future

    def stop(self, *, kill: bool) -> None:
        """Stop the worker processes, at once with ``kill``; the next ``submit`` starts new ones."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=True, kill_workers=kill)
                self._executor = None
