"""What a hostile program is: its name, its category and its source, with placeholders for what the range plants."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

# Every program starts with this: ways past the import check, which is no wall.
PRELUDE = '''\
import enum, collections
sys = enum.sys
os = sys.modules["os"]
AXES = []

def room():
    """Free descriptors under a limit on their number."""
    for fd in (0, 1, 2):
        try:
            os.close(fd)
        except OSError:
            pass

def door(name):
    """Any module of the standard library, whether it is loaded or not."""
    if name not in sys.modules:
        finder = sys.modules["_frozen_importlib_external"].PathFinder
        folder = os.path.dirname(os.__file__)
        sys.path += [folder, folder + "/lib-dynload"]
        if finder not in sys.meta_path:
            sys.meta_path.append(finder)
        enum.__builtins__["__import__"](name)
    return sys.modules[name]

def native():
    """The C library."""
    return door("ctypes").CDLL(None, use_errno=True)

def each(action, *items):
    """Try the action on each item; an item that resists does not protect the next."""
    for item in items:
        try:
            action(item)
        except OSError:
            pass

'''
SYSCALLS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        "truncate": 76, "clone": 56, "getrandom": 318, "ioprio_set": 251, "tgkill": 234, "execveat": 322, "perf_event_open": 298,
        "add_key": 248, "kcmp": 312, "userfaultfd": 323, "memfd_create": 319,
    },
    "aarch64": {
        "truncate": 45, "clone": 220, "getrandom": 278, "ioprio_set": 30, "tgkill": 131, "execveat": 281, "perf_event_open": 241,
        "add_key": 217, "kcmp": 272, "userfaultfd": 282, "memfd_create": 279,
    },
}  # fmt: skip
MACHINE = platform.machine()


@dataclass(frozen=True, slots=True)
class Attack:
    """A hostile program.

    ``source`` is a ``string.Template`` of planted things (``Range.plants``). ``root`` says that it needs root even where
    nothing stops it; ``machine`` that it holds machine code or numbers of one architecture.
    """

    name: str
    category: str
    source: str
    root: bool = False
    machine: str = ""

    def text(self, plants: Mapping[str, object]) -> str:
        """The program, aimed at what is planted. Raises KeyError for an unknown placeholder."""
        numbers = {f"nr_{name}": number for name, number in SYSCALLS.get(MACHINE, {}).items()}
        return Template(self.source).substitute(numbers, **plants)


def acts(category: str, bodies: Mapping[str, str], *, before: str = "", root: bool = False, machine: str = "") -> list[Attack]:
    """Programs whose ``generate`` runs a body (of ``attack(task, n, rng, model)``) and says what it returns in every description."""
    return [Attack(name, category, _acting(before, body), root, machine) for name, body in bodies.items()]


def gives(category: str, values: Mapping[str, str], *, before: str = "") -> list[Attack]:
    """Programs whose ``generate`` returns the value of an expression."""
    return [
        Attack(name, category, f"{PRELUDE}{before}\ndef generate(task, n, rng, model=None):\n    return {value}\n")
        for name, value in values.items()
    ]


def _acting(before: str, body: str) -> str:
    lines = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return (
        f"{PRELUDE}{textwrap.dedent(before)}\ndef attack(task, n, rng, model):\n{lines}\n\n"
        "def generate(task, n, rng, model=None):\n"
        "    return [{'description': 'said ' + str(attack(task, n, rng, model))}] + [{'description': 'said more'}] * (n - 1)\n"
    )
