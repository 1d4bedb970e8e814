"""Executors on running clusters: the workers of a Dask scheduler or of a Ray cluster.

Workers need this version of personaevo and, for untrusted programs, a sandbox that works there; each tests its sandbox before it takes
work.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from personaevo.errors import ConfigError

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
