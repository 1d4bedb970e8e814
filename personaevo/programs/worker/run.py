"""Run one program: read the request, load the program, answer its calls. Standard library only; independent of processes and isolation.

The request is two frames: JSON, and the compiled program if it is known; then comes a frame for each call. Answers are frames of (length,
token of the run, kind, body): C is the compiled program, if it was not known. The others are JSON: A the AXES, or F the error if the
program does not load; for each call R its records or E its error; M a question to the model, which the parent answers with a frame.
"""

from __future__ import annotations

import _random
import builtins
import json
import marshal
import os
import random
import struct
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

Limits = dict[str, Any]

FILENAME = "<program>"
MESSAGE = 300
DEEPEST = 20


class Link:
    """The child's end of the channel."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer, self.token = reader, writer, b""

    def send(self, kind: bytes, body: bytes | str) -> None:
        data = self.token + kind + (body.encode() if isinstance(body, str) else body)
        view = memoryview(struct.pack(">I", len(data)) + data)
        while view:
            view = view[os.write(self.writer, view) :]

    def receive(self) -> bytes:
        """The next frame from the parent."""
        return self.exactly(struct.unpack(">I", self.exactly(4))[0])

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = os.read(self.reader, min(size - len(data), 1 << 20))
            if not part:
                os._exit(1)
            data += part
        return bytes(data)


def run_program(link: Link, limits: Limits, module: types.ModuleType) -> None:
    """Run a program in an ``empty_module``."""
    request, known = json.loads(link.receive()), link.receive()
    link.token = request["token"].encode()
    try:
        load(marshal.loads(known) if known else compiled(request["source"], link), module)
        axes = plain(module.AXES, "AXES", limits)
    except BaseException as error:  # noqa: BLE001 - any exception of the program, SystemExit included, is its result
        link.send(b"F", json.dumps(describe(error, limits)))
        return
    link.send(b"A", axes)
    model = Model(link) if request["model"] else None
    while True:  # until the parent ends this process
        task, n, seed = json.loads(link.receive())
        random.seed(seed)  # the generator of the module's functions, which an earlier call has advanced
        try:
            body = plain(module.generate(task, n, random.Random(seed), model), "generate's result", limits)
        except BaseException as error:  # noqa: BLE001 - as above; the other calls still count
            link.send(b"E", json.dumps(describe(error, limits)))
        else:
            link.send(b"R", body)


class RefusedError(Exception):
    """A program or result that breaks the contract; reported without the name of the exception."""


class RefusedImportError(RefusedError, ImportError):
    """An import that is not allowed; programs may catch it."""


class ModelRefusedError(Exception):
    """The program's question to the model was not answered: a limit was reached, or it was not text."""


class Model:
    """The program's interface to the model: text in, text out. The parent asks the model, counts, and may refuse."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def complete(self, prompt: object, system: object = None) -> str:
        """The model's text. Raises ModelRefusedError when one of the program's limits is reached."""
        if not isinstance(prompt, str) or not isinstance(system, (str, type(None))):
            raise ModelRefusedError("complete(prompt, system=None) takes text")
        self._link.send(b"M", json.dumps([prompt, system]))
        reply = json.loads(self._link.receive())
        if "refused" in reply:
            raise ModelRefusedError(reply["refused"])
        return str(reply["text"])


def without_chance() -> None:
    """Make generators created without a seed all start alike, as there is no source of entropy. (Copies are created so, then set.)"""
    new, seed = _random.Random.__new__, random.Random.seed

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, 0 if a is None else a, version)

    random.Random.__new__ = staticmethod(lambda cls, *_, **__: new(cls, 0))  # type: ignore[method-assign, call-arg]
    random.Random.seed = seeded  # type: ignore[method-assign]
    random.seed = random._inst.seed


def compiled(source: str, link: Link) -> types.CodeType:
    """Compile the program and send the result to the parent for the next child, as compiling takes as long as running."""
    try:
        code = compile(source, FILENAME, "exec", dont_inherit=True)
    except (MemoryError, RecursionError):  # the parser's errors
        raise RefusedError("rule: the program is nested too deeply; use loops or tables") from None
    link.send(b"C", marshal.dumps(code))
    return code


def empty_module(allowed: list[str]) -> types.ModuleType:
    """A module for a program, made before the fork: making it in a child would copy the memory pages of all builtins."""
    module = types.ModuleType("program")
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": importer(frozenset(allowed))}
    return module


def load(code: types.CodeType, module: types.ModuleType) -> None:
    """Execute the program in the module. It is in ``sys.modules``, where dataclasses and enums look up their module."""
    sys.modules["program"] = module
    exec(code, module.__dict__)
    if not hasattr(module, "AXES"):
        raise RefusedError("rule: the program defines no AXES")
    if not callable(getattr(module, "generate", None)):
        raise RefusedError("rule: the program defines no function generate(task, n, rng, model)")


def importer(allowed: frozenset[str]) -> Callable[..., object]:
    """The program's ``import``: gives a clear and repeatable error for modules that are not allowed. Not a security boundary."""

    def limited_import(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> object:
        if level or name.split(".", maxsplit=1)[0] not in allowed:
            listed = ", ".join(sorted(allowed - {"__future__"}))
            raise RefusedImportError(f"rule: import of {name or 'a relative module'} is refused; importable are {listed}")
        return __import__(name, globals, locals, fromlist, level)

    return limited_import


def plain(value: object, what: str, limits: Limits) -> str:
    """``value`` as JSON text, with sorted keys so that equal results have equal texts."""
    if not isinstance(value, (list, tuple)):
        raise RefusedError(f"{what}: expected a list, got a value of type {type(value).__name__}")
    large = f"output limit of {limits['output_mb']:g} MB: {what} is larger as JSON"
    if survey(value, what, (), limits["output_bytes"]) < 0:  # before encoding, which takes several times the memory
        raise RefusedError(large)
    try:
        text = json.dumps(value, allow_nan=False, sort_keys=True)
    except ValueError as error:  # e.g. an integer of too many digits
        raise RefusedError(f"{what} is not plain JSON: {error}") from None
    if len(text) > limits["output_bytes"]:
        raise RefusedError(large)
    return text


def survey(value: object, what: str, path: tuple[object, ...], left: int) -> int:
    """Subtract the value's size as JSON from ``left`` characters; stops when the result is negative. Raises RefusedError at the first
    part that JSON cannot represent."""
    left -= 2
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, str):
        left -= len(value)
    elif isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif not (value is None or isinstance(value, (int, float))):
        raise RefusedError(f"{what} is not plain JSON: {spell(path)} is of type {type(value).__name__}")
    elif isinstance(value, float) and value - value != 0:
        raise RefusedError(f"{what} is not plain JSON: {spell(path)} is {value}")
    if len(path) > DEEPEST:
        raise RefusedError(f"{what} is not plain JSON: it is nested too deeply")
    for key, part in parts:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise RefusedError(f"{what} is not plain JSON: {spell(path)} has a key of type {type(key).__name__}, not text")
            left -= len(key)
        left = survey(part, what, (*path, key), left)
        if left < 0:
            break
    return left


def spell(path: tuple[object, ...]) -> str:
    return "".join(f"[{key!r:.40}]" for key in path)


def describe(error: BaseException, limits: Limits) -> str:
    """An exception of the program as one line, with its line number in the program if there is one."""
    if isinstance(error, MemoryError):
        return f"memory limit of {limits['memory_mb']:g} MB"
    refused = isinstance(error, RefusedError)
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error).strip().partition("\n")[0][:MESSAGE]
    except BaseException:  # noqa: BLE001 - __str__ is the program's code too
        text = "(its text cannot be had)"
    place = f", line {line} of the program" if line else ""
    kind = "" if refused else type(error).__name__
    return f"{kind}{': ' * bool(kind and text)}{text}{place}"
