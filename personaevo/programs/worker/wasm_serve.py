"""The fork server of the WebAssembly tier. It holds one instance of the guest that never runs anything itself: each child inherits it,
memory and all, and runs its one program in it. The one module that needs wasmtime."""

from __future__ import annotations

import json
import os
from pathlib import Path

from wasmtime import Config, Engine, Store, WasmtimeError
from wasmtime.component import Component, Func, Instance, Linker

from . import serve
from .harden import CHANNEL
from .run import Limits, Link

NESTED, DENIED = 70, 71  # exit statuses of children whose program trapped
_ROOM = 1 << 30  # bytes
IMPORTS = {"send", "receive"}


def engine() -> Engine:
    """The same for translating and running. Machine code for the oldest processor, so that the same bits come out on all."""
    config = Config()
    config.target = f"{os.uname().machine}-unknown-linux-gnu"
    config.cranelift_nan_canonicalization = True
    return Engine(config)


def translate(source: str, target: str) -> int:
    """Compile a guest to machine code; what tells the order in which it keeps sets."""
    Path(target).write_bytes(Component.from_file(engine(), source).serialize())
    return Guest(target, _ROOM).order()


class Guest:
    """An instance that has its memory and the channel, and nothing else."""

    def __init__(self, path: str, memory_bytes: int) -> None:
        component = Component.deserialize_file(made := engine(), path)
        if set(component.type.imports(made)) != IMPORTS:  # no file, socket, clock or source of chance
            raise RuntimeError(f"the guest {path} asks for more than its channel")
        self.link = Link(CHANNEL, CHANNEL)
        self.store = Store(made)
        self.store.set_limits(memory_size=memory_bytes)
        self.instance = self._instance(component, made)
        self.entry = self._exported("run")

    def _instance(self, component: Component, made: Engine) -> Instance:
        linker = Linker(made)
        with linker.root() as root:
            root.add_func("send", lambda _, frame: self.link.send(b"", frame.encode("latin-1")))
            root.add_func("receive", lambda _: self.link.receive().decode("latin-1"))
        return linker.instantiate(self.store, component)

    def _exported(self, name: str) -> Func:
        function = self.instance.get_func(self.store, name)
        assert function is not None, "the guest exports it"
        return function

    def order(self) -> int:
        """See ``wasm_guest.order``."""
        return int(self._exported("order")(self.store))

    def run(self, link: Link, limits: Limits) -> None:
        """In the child. Ends it if the program traps: the instance is of no use then."""
        self.link = link
        try:
            self.entry(self.store, json.dumps(limits))
        except WasmtimeError as error:
            os._exit(NESTED if "call stack exhausted" in str(error) else DENIED)


def begin(limits: Limits) -> serve.Runner:
    """Make the guest. What it has reserved is addresses, most of them without memory, and does not count against the children's limit."""
    guest = Guest(f"{limits['guests']}/{limits['hash_seed']}.cwasm", limits["memory_bytes"])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits["memory_bytes"] += pages * os.sysconf("SC_PAGE_SIZE")
    return guest.run


def main() -> None:
    serve.main(begin)
