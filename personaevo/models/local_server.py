"""A model's file on this machine, served: llama.cpp's own server, at an address of the loopback interface.

The server is a process of its own: what breaks in it (memory, an instruction that the processor lacks) breaks no search.
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
from typing import IO, Any, Protocol

from personaevo import gguf
from personaevo.errors import ModelSetupError, ModelUnavailableError
from personaevo.model_spec import ModelSpec

NOT_INSTALLED = "models from files need another package: pip install 'personaevo[local]'"
SECONDS = 1_800.0  # for one answer: its work goes on all the time, and to ask again would only begin it anew
_LONG_CONTEXT = frozenset({"mutator", "reflector", "analyst", "refiner"})  # these read programs and whole dialogues
_CONTEXT, _LONG = 4_096, 16_384  # tokens of one call, prompt and answer together
_MOST_SLOTS = 8
_WORKING_BYTES = 300 * 2**20  # beside weights, keys and values
_SERVER = Path(__file__).with_name("local_child.py")
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is served: calls at a time, tokens of context for each, threads."""

    path: Path
    slots: int
    context: int
    threads: int


class Running(Protocol):
    """A server that answers at ``address`` (without ``/v1``) to whoever knows the ``key``."""

    address: str
    key: str

    def ended(self) -> str | None:
        """Why it answers no more, None while it does."""
        ...

    def stop(self) -> None:
        """Ends it at once. Never raises."""
        ...


Serve = Callable[[Plan, threading.Event], Running]  # the event: it is not wanted any more


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slots(at_once: int) -> int:
    """How many calls of a model are made at a time: one for each processor, at most eight. More share the same processors."""
    return max(1, min(at_once, processors(), _MOST_SLOTS))


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("xllamacpp") is not None


class LocalServer:
    """One file's server for all roles; started when first asked. ``roles`` decide how much context a call has.

    ``serve`` raises ModelSetupError if the file cannot be served.
    """

    def __init__(self, spec: ModelSpec, roles: Sequence[str], at_once: int, serve: Serve) -> None:
        self._spec, self._roles, self._serve = spec, roles, serve
        self.slots = at_once
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._refused: ModelSetupError | None = None
        self._stopping = threading.Event()

    def running(self) -> Running:
        """The server, once it answers.

        Raises:
            ModelSetupError: it cannot be started; not tried again. ModelUnavailableError: it was stopped, or has ended.
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
        """Ends it, also while it loads."""
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


def plan(path: Path, roles: Sequence[str], at_once: int) -> Plan:
    """How the file is served.

    Raises:
        ModelSetupError: its header is damaged or holds no chat template, or there is not enough memory.
    """
    try:
        found = gguf.header(path)
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
            f"out of memory: it needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; close something, or give a smaller model"
        )
    return Plan(path, at_once, context, processors())


def memory() -> int | None:
    """Bytes of memory that can be had, swap included; None if this machine does not say."""
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


def serve(plan: Plan, stopping: threading.Event) -> Running:
    """A server in a process of its own, once the model is loaded.

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
    """Started by a thread that lives as long: the kernel ends the process with the thread that it was started by."""
    made: list[subprocess.Popen[bytes] | OSError] = []
    ready = threading.Event()

    def stand_by() -> None:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-u", str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            made.append(error)
            ready.set()
            return
        made.append(process)
        ready.set()
        process.wait()

    threading.Thread(target=stand_by, name="local model", daemon=True).start()
    ready.wait()
    if isinstance(made[0], OSError):
        raise ModelSetupError(f"the process for it cannot be started: {made[0].strerror}")
    return made[0]


def _first_line(process: subprocess.Popen[bytes], asked: Mapping[str, Any], stopping: threading.Event) -> dict[str, str]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], _LOOK_SECONDS)[0]:
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
        return "out of memory while loading; close something, or give a smaller model"
    if answer:
        return "the file cannot be loaded: it is damaged, or of a kind that this llama.cpp does not know; get it again, or update xllamacpp"
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
