"""Worker processes: roll-outs are submitted, futures come back. One job means this process; results are the same.

Any ``concurrent.futures.Executor`` may take the place of the processes that are started here: a Dask client's, a Ray cluster's
(``personaevo.backends``), one's own. What a worker gets is a function of this package and its argument, both pickled, and once whatever
they share with other work (``personaevo.shipping``).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import ShutdownExecutorError

from personaevo.errors import WorkerError
from personaevo.secrecy import close_process
from personaevo.shipping import Lacking, Outcome, Packed, Packer, Parcel, called, opened

_IDLE_SECONDS = 300
_WATCH_SECONDS = 1.0
LOST_TWICE = "a worker process was lost twice (killed, or out of memory): free some memory, or use fewer --jobs"
_LOST = {"KilledWorker", "WorkerCrashedError", "NodeDiedError", "OwnerDiedError", "FutureCancelledError"}  # as Dask and Ray say it


class LostError(Exception):
    """The worker that had a piece of work is gone. The work can be given to another; never seen outside of the package."""


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(parent: int) -> None:
    """A worker's start. Ctrl-C is for the parent, which ends its workers in order; if the parent is killed, they end by themselves."""
    close_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, not even before their initializer has run; this one sees it afterwards."""
    resource_tracker.ensure_running()  # or it would be started inside, and let the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class _Sending:
    """A piece of work under way, how often it was sent, and what is told of it."""

    function: Callable[[Any], Any]
    packed: Packed
    tries: int = 0
    outcome: Outcome = field(default_factory=Outcome)


class Workers:
    """A context manager around an executor: the one that is ``given``, which is not ended here, or loky's (needs no ``__main__`` guard,
    works in notebooks). Several threads may submit."""

    def __init__(self, jobs: int | None, given: Executor | None = None) -> None:
        self.jobs = jobs or processors()
        self._given = given
        self._executor: Any = None
        self._of: WeakKeyDictionary[Future[Any], Any] = WeakKeyDictionary()  # the executor that a future is of
        self._lock = threading.RLock()
        self._packer = Packer()
        self._sender = ThreadPoolExecutor(1, "sender")  # sends again; an executor's own thread, which brings an answer, must not submit
        self._over = self._worked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        self._sender.shutdown(wait=False, cancel_futures=True)
        self.stop(kill=kind is not None and self._worked)  # loky writes a traceback where it is killed with work that it has not begun

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """Runs ``function(work)`` somewhere; with one job, here and now. Its outcome is that of ``result``."""
        self._worked = True
        return self._submit(function, work)

    def _submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._given is None and self.jobs == 1:
            done: Future[Any] = Future()
            done.set_result(function(work))
            return done
        if isinstance(function, partial):  # its arguments are what all its work shares
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
        """Takes in an answer, in whichever thread brings it. It must not wait for the lock, whose holder may wait for this thread."""
        try:
            found = sent.result()
        except BaseException as error:  # noqa: BLE001 - raised by ``result``, in the thread that asks
            sending.outcome.set_exception(error)
            return
        if not isinstance(found, Lacking):
            sending.outcome.set_result(found)
            return
        with suppress(RuntimeError):  # it is over: nobody waits for the outcome
            self._sender.submit(self._send_again, sending, found.worker)

    def _send_again(self, sending: _Sending, worker: str) -> None:
        try:
            with self._lock:
                if not self._over:
                    self._send(sending, self._packer.again(sending.packed, worker, sending.tries))
        except Exception as error:  # noqa: BLE001 - raised by ``result``, in the thread that asks
            sending.outcome.set_exception(error)

    def _begun(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._given is not None:
            return self._handed(self._given, function, work)
        try:
            return self._sent(function, work)
        except BrokenExecutor:  # a worker was lost since; what was under way says so itself
            self.stop(kill=True)
            return self._sent(function, work)
        except ShutdownExecutorError:  # loky's executor is one per process: another search in this process ended it
            self._executor = None
            return self._sent(function, work)

    def warm_up(self, function: Callable[[Any], Any], work: Any) -> None:
        """Starts the worker processes and runs ``function(work)`` in them, without waiting; does nothing for a given executor."""
        if self._given is None and self.jobs > 1:
            for _ in range(self.jobs):
                self._submit(function, work)

    def result(self, future: Future[Any]) -> Any:
        """The future's result, when it is there.

        Raises:
            LostError: its worker is lost. Where the executor cannot go on then, it is ended; the next ``submit`` starts another.
            WorkerError: the worker does not run what this process does.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            with self._lock:
                if self._executor is self._of.get(future):  # not another one that was started since
                    self.stop(kill=True)
            raise LostError from error
        except Exception as error:
            if type(error).__name__ in _LOST:
                raise LostError from error
            if "No module named 'personaevo" in str(error):
                raise WorkerError("a worker has no personaevo, or another one: install the same version on every worker") from None
            raise

    def twice(self, function: Callable[[Any], Any], work: Any) -> Any:
        """The result of ``function(work)``, tried once more where its worker was lost.

        Raises:
            WorkerError: it was lost again.
        """
        for _ in range(2):
            with suppress(LostError):
                return self.result(self.submit(function, work))
        raise WorkerError(LOST_TWICE)

    def map(self, function: Callable[[Any], Any], works: Sequence[Any]) -> list[Any]:
        """The results of ``function(work)`` for all works, in order. What a lost worker spoiled is done once more, each alone.

        Raises:
            WorkerError: workers were lost again.
        """
        found: list[Any] = []
        for work, future in zip(works, [self.submit(function, work) for work in works], strict=True):
            try:
                found.append(self.result(future))
            except LostError:
                found.append(self._again(function, work))
        return found

    def _again(self, function: Callable[[Any], Any], work: Any) -> Any:
        try:
            return self.result(self.submit(function, work))
        except LostError:
            raise WorkerError(LOST_TWICE) from None

    def _handed(self, given: Executor, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        try:
            return given.submit(function, work)
        except (BrokenExecutor, RuntimeError) as error:
            raise WorkerError(f"the executor that was given takes no more work: {str(error)[:200]}; give one that runs") from None

    def _sent(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        if self._executor is None:
            # not loky's reusable one, which is the same for a whole process: two searches at a time would end each other's workers
            self._executor = ProcessPoolExecutor(self.jobs, timeout=_IDLE_SECONDS, initializer=_begin, initargs=(os.getpid(),))
        with _interrupts_held():
            future: Future[Any] = self._executor.submit(function, work)
        return future

    def stop(self, *, kill: bool) -> None:
        """Ends the worker processes, at once if ``kill``; the next ``submit`` starts new ones."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=True, kill_workers=kill)
                self._executor = None
