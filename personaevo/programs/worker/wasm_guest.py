"""Run programs inside WebAssembly. This module is loaded once, and the interpreter's memory is then the snapshot from which every run
starts. The guest has no system interface except the two functions of the channel."""

from __future__ import annotations

import gc
import importlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Sequence

from . import run

_SIZES = range(1, 513)  # of the objects that CPython's own allocator serves


class GuestLink(run.Link):
    """The guest's end of the channel. Frames are passed as text, one character a byte, as lists of bytes would be passed one by one."""

    def __init__(self, send: Callable[[str], None], receive: Callable[[], str]) -> None:
        self.pass_out, self.pass_in, self.token = send, receive, b""

    def send(self, kind: bytes, body: bytes | str) -> None:
        data = self.token + kind + (body.encode() if isinstance(body, str) else body)
        self.pass_out(data.decode("latin-1"))

    def receive(self) -> bytes:
        return self.pass_in().encode("latin-1")


class DiscardedOutput(io.TextIOBase):
    """Standard output and error of programs, which are discarded."""

    def write(self, text: str) -> int:
        return len(text)


def prepare(modules: Sequence[str], seed: int) -> list[object]:
    """Load the modules, and make the guest behave like the other tiers. Guests with different seeds have different memory addresses while
    the result is kept."""
    for module in modules:
        importlib.import_module(module)
    run.without_chance()
    run.FILENAME = "<program\ud800>"  # no file can have this name, which the parser would open to show the line of an error
    warnings.simplefilter("ignore")
    sys.path.clear()
    sys.meta_path[:] = sys.meta_path[:2]
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = DiscardedOutput()  # type: ignore[assignment, misc]
    gc.set_threshold(20_000)
    gc.collect()
    gc.freeze()
    return [kept for _ in range(seed) for kept in (object(), float(seed), *map(bytes, _SIZES))]  # the first two are smaller than any bytes


def run_program(send: Callable[[str], None], receive: Callable[[], str], limits: str) -> None:
    """Run the requested program, and answer."""
    known = json.loads(limits)
    run.run_program(GuestLink(send, receive), known, run.empty_module(known["modules"]))


def order() -> int:
    """Two bits of a hash, on which the order of small sets depends: hashes of short texts differ between guests in few bits."""
    return hash("a") & 3
