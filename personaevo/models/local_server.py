"""Serve a model file on this machine with llama.cpp's server, at a loopback address.

The server runs in its own process, so that a crash (out of memory, an unsupported instruction) does not end the search.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Protocol

from personaevo import model_spec
from personaevo.errors import ModelSetupError, ModelUnavailableError
from personaevo.model_spec import ModelSpec

NOT_INSTALLED = "models from files need an optional package: pip install 'personaevo[local]'"
SECONDS = 1_800.0  # for one answer: a slow answer makes progress, and a retry would start again
_LONG_CONTEXT = frozenset({"mutator", "reflector", "analyst", "refiner"})  # roles that read programs and whole dialogues
_CONTEXT, _LONG = 4_096, 16_384  # tokens of one call, prompt and answer together
_MOST_SLOTS = 8
_WORKING_BYTES = 300 * 2**20  # in addition to weights and key-value cache
_SERVER = Path(__file__).with_name("local_child.py")
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """Settings of a server: the file, concurrent calls, tokens of context for each, threads."""

    path: Path
    slots: int
    context: int
    threads: int


class RunningServer(Protocol):
    """A server at ``address`` (without ``/v1``) that answers requests with the ``key``."""

    address: str
    key: str

    def ended(self) -> str | None:
        """Why it has ended, None while it runs."""
        ...

    def stop(self) -> None:
        """End it at once. Never raises."""
        ...


Serve = Callable[[ServerPlan, threading.Event], RunningServer]  # the event is set when the server is no longer needed


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slots(at_once: int) -> int:
    """The number of concurrent calls of a model: one for each processor, at most eight."""
    return max(1, min(at_once, processors(), _MOST_SLOTS))


def installed() -> bool:
    """Whether the package of the extra ``local`` is installed."""
    return find_spec("xllamacpp") is not None


class LocalServer:
    """The server of one file for all roles, started at first use. ``roles`` determine the context of a call.

    ``serve`` raises ModelSetupError if the file cannot be served.
    """

    def __init__(self, spec: ModelSpec, roles: Sequence[str], at_once: int, serve: Serve) -> None:
        self._spec, self._roles, self._serve = spec, roles, serve
        self.slots = at_once
        self._lock = threading.Lock()
        self._running: RunningServer | None = None
        self._refused: ModelSetupError | None = None
        self._stopping = threading.Event()

    def running(self) -> RunningServer:
        """The running server, started if necessary.

        Raises:
            ModelSetupError: it cannot be started; this is not retried. ModelUnavailableError: it was stopped, or has ended.
        """
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._stopping.is_set():
                raise ModelUnavailableError(f"{self._spec}: stopped")
            if self._running is None:
                self._start()
            assert self._running is not None
            why = self._running.ended()
            if why is not None:
                raise ModelUnavailableError(f"{self._spec}: {why}")
            return self._running

    def stop(self) -> None:
        """End the server, even while it loads."""
        self._stopping.set()
        with self._lock:
            if self._running is not None:
                self._running.stop()

    def _start(self) -> None:
        assert self._spec.path is not None
        try:
            self._running = self._serve(plan(self._spec.path, self._roles, self.slots), self._stopping)
        except ModelSetupError as error:
            self._refused = ModelSetupError(f"{self._spec}: {error}")
            raise self._refused from None


def plan(path: Path, roles: Sequence[str], at_once: int) -> ServerPlan:
    """Choose the server's settings for a file.

    Raises:
        ModelSetupError: its header is damaged or has no chat template, or there is not enough memory.
    """
    try:
        found = model_spec.header(path)
    except ValueError as error:
        raise ModelSetupError(f"the file is damaged, or of a kind that is not known: {error}") from None
    if not found.chat:
        raise ModelSetupError("the file has no chat template; give an instruct model")
    wanted = _LONG if _LONG_CONTEXT & set(roles) else _CONTEXT
    context = min(wanted, found.context or wanted)
    needed = path.stat().st_size + at_once * context * found.bytes_per_token + _WORKING_BYTES
    free = memory()
    if free is not None and needed > free:
        raise ModelSetupError(
            f"out of memory: it needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "end other programs, or give a smaller model"
        )
    return ServerPlan(path, at_once, context, processors())


def memory() -> int | None:
    """Bytes of available memory, swap included; None if unknown."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return sizes["MemAvailable"] + sizes.get("SwapFree", 0) if "MemAvailable" in sizes else None
    return None


# --- the process


class _Process:
    """A started server."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, key: str) -> None:
        self._process, self.address, self.key = process, address, key

    def ended(self) -> str | None:
        code = self._process.poll()
        return None if code is None else f"the model's process has ended ({_cause(code)})"

    def stop(self) -> None:
        _kill(self._process)


def serve(plan: ServerPlan, stopping: threading.Event) -> RunningServer:
    """Start a server in its own process, and return it when the model is loaded.

    Raises:
        ModelSetupError: the extra is not installed, or the file cannot be loaded. ModelUnavailableError: stopped meanwhile.
    """
    if not installed():
        raise ModelSetupError(NOT_INSTALLED)
    key = secrets.token_hex(16)
    asked = {"path": str(plan.path), "slots": plan.slots, "context": plan.context, "threads": plan.threads, "key": key}
    with tempfile.TemporaryFile() as log:
        process = _started(log)
        try:
            answer = _first_line(process, asked, stopping)
        except BaseException:
            _kill(process)
            raise
        if "address" in answer:
            return _Process(process, answer["address"], key)
        _kill(process)
        log.seek(0)
        raise ModelSetupError(_problem(answer, log.read().decode("utf-8", "replace"), process.returncode))


def _started(log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the process from a thread that lives as long: the kernel ends the process with the thread that started it."""
    made: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()

    def start_and_wait() -> None:
        command = [sys.executable, "-P", "-u", str(_SERVER)]
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        except OSError as error:
            made.put(error)
        else:
            made.put(process)
            process.wait()

    threading.Thread(target=start_and_wait, name="local model", daemon=True).start()
    process = made.get()
    if isinstance(process, OSError):
        raise ModelSetupError(f"the process for it cannot be started: {process.strerror}")
    return process


def _first_line(process: subprocess.Popen[bytes], asked: Mapping[str, Any], stopping: threading.Event) -> dict[str, str]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            if stopping.is_set():
                raise ModelUnavailableError("stopped while it was loaded")
        answer = json.loads(process.stdout.readline() or b"{}")
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _problem(answer: Mapping[str, str], log: str, code: int | None) -> str:
    said = log.lower()
    if "chat template" in said or "chat-template" in said:
        return "its chat template cannot be used; give an instruct model"
    if any(word in said for word in ("bad_alloc", "failed to allocate", "out of memory", "unable to allocate")):
        return "out of memory while loading; end other programs, or give a smaller model"
    if answer:
        return "the file cannot be loaded: it is damaged, or not supported by this llama.cpp; download it again, or update xllamacpp"
    return f"the process that loads it has ended ({_cause(code)})"


def _cause(code: int | None) -> str:
    causes = {-9: "killed: out of memory?", -4: "an instruction that this processor does not have"}
    return causes.get(code or 0, f"code {code}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
