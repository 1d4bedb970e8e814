"""The fork server of the WebAssembly tier. It holds an instance of the guest in which it runs nothing: each child inherits the instance
with its memory, and runs its one program in it. The only module that needs wasmtime."""

from __future__ import annotations

import json
import os
from pathlib import Path

from wasmtime import Config, Engine, Store, WasmtimeError
from wasmtime.component import Component, Func, Linker

from . import serve
from .harden import CHANNEL
from .run import Limits, Link

NESTED, DENIED = 70, 71  # exit statuses of children whose program trapped
_MEMORY = 1 << 30  # bytes, to build a guest
IMPORTS = {"send", "receive"}


def engine() -> Engine:
    """The engine for both translating and running. Compiles for the oldest processors, so that results are the same on all."""
    config = Config()
    config.target = f"{os.uname().machine}-unknown-linux-gnu"
    config.cranelift_nan_canonicalization = True
    return Engine(config)


def translate(source: str, target: str) -> int:
    """Compile a guest to machine code; returns the number that identifies its order of sets."""
    Path(target).write_bytes(Component.from_file(engine(), source).serialize())
    return Guest(target, _MEMORY).order()


class Guest:
    """An instance of the guest, with its memory and the channel only."""

    def __init__(self, path: str, memory_bytes: int) -> None:
        component = Component.deserialize_file(made := engine(), path)
        if set(component.type.imports(made)) != IMPORTS:  # no file, socket, clock or source of chance
            raise RuntimeError(f"the guest {path} asks for more than its channel")
        self.link = Link(CHANNEL, CHANNEL)
        self.store = Store(made)
        self.store.set_limits(memory_size=memory_bytes)
        linker = Linker(made)
        with linker.root() as root:
            root.add_func("send", lambda _, frame: self.link.send(b"", frame.encode("latin-1")))
            root.add_func("receive", lambda _: self.link.receive().decode("latin-1"))
        self.instance = linker.instantiate(self.store, component)
        self.entry = self._exported("run")

    def _exported(self, name: str) -> Func:
        function = self.instance.get_func(self.store, name)
        assert function is not None, "the guest exports it"
        return function

    def order(self) -> int:
        """See ``wasm_guest.order``."""
        return int(self._exported("order")(self.store))

    def run(self, link: Link, limits: Limits) -> None:
        """Run the program in the child. Ends the process if the program traps, as the instance cannot be used after that."""
        self.link = link
        try:
            self.entry(self.store, json.dumps(limits))
        except WasmtimeError as error:
            os._exit(NESTED if "call stack exhausted" in str(error) else DENIED)


def begin(limits: Limits) -> serve.Runner:
    """Load the guest. It reserves addresses, most of them without memory, which must not count against the children's limit."""
    guest = Guest(f"{limits['guests']}/{limits['hash_seed']}.cwasm", limits["memory_bytes"])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits["memory_bytes"] += pages * os.sysconf("SC_PAGE_SIZE")
    return guest.run


def main() -> None:
    serve.main(begin)
