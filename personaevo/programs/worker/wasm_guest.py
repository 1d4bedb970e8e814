"""Inside WebAssembly: loaded once into the interpreter, whose memory is then the snapshot that every run begins with. What the program
could ask of the system is not there: all that leads out are the two functions of the channel."""

from __future__ import annotations

import gc
import importlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Sequence

from . import run

_SIZES = range(1, 513)  # those that CPython's own allocator serves


class GuestLink(run.Link):
    """The channel, which the host holds. Frames are text, one character a byte: lists of bytes cross the border one by one."""

    def __init__(self, send: Callable[[str], None], receive: Callable[[], str]) -> None:
        self.pass_out, self.pass_in, self.token = send, receive, b""

    def send(self, kind: bytes, body: bytes | str) -> None:
        data = self.token + kind + (body.encode() if isinstance(body, str) else body)
        self.pass_out(data.decode("latin-1"))

    def receive(self) -> bytes:
        return self.pass_in().encode("latin-1")


class Nowhere(io.TextIOBase):
    """Where output goes."""

    def write(self, text: str) -> int:
        return len(text)


def prepare(modules: Sequence[str], seed: int) -> list[object]:
    """Load the modules, and make it the same as elsewhere for what is missing here. Guests with different seeds have different addresses;
    the result is to be kept for that."""
    for module in modules:
        importlib.import_module(module)
    run.without_chance()
    run.FILENAME = "<program\ud800>"  # no file can have this name: the parser would look for it to show the line of an error
    warnings.simplefilter("ignore")
    sys.path.clear()
    sys.meta_path[:] = sys.meta_path[:2]
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Nowhere()  # type: ignore[assignment, misc]
    gc.set_threshold(20_000)
    gc.collect()
    gc.freeze()
    return [kept for _ in range(seed) for kept in (object(), float(seed), *map(bytes, _SIZES))]  # the first two are smaller than any bytes


def run_program(send: Callable[[str], None], receive: Callable[[], str], limits: str) -> None:
    """Run the program that is asked for, and answer."""
    run.run_program(GuestLink(send, receive), json.loads(limits))


def order() -> int:
    """The last bits of a hash, on which the order of small sets depends: short texts differ from guest to guest in few bits."""
    return hash("a") & 3
