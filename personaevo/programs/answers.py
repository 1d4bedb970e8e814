"""Decode, compare and check the output of a program, and build axes and personas from it. The output may be forged by the program."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from personaevo.errors import ProgramError
from personaevo.programs.channel import SPOOFED, Frame

_LONGEST_REASON = 500
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True, slots=True)
class ChildOutput:
    """The output of one child: the compiled program, its AXES, a frame for each call in the order made, the error if the program did not
    load, and the reason if the child stopped early."""

    code: bytes = b""
    axes: bytes = b""
    calls: tuple[Frame, ...] = ()
    load_error: str | None = None
    stopped: str | None = None


def difference(first: ChildOutput, second: ChildOutput, order: Sequence[int]) -> str:
    """Describe the first difference of the second run, which made the calls in ``order``, from the first; "" if there is none."""
    if second.load_error is not None:
        return f"it loaded once and then failed with {second.load_error}"
    if second.calls and first.axes != second.axes:
        return f"AXES{_where(first.axes, second.axes)} when the program was loaded again"
    for index, again in zip(order, second.calls, strict=False):
        before = first.calls[index]
        if before.kind != again.kind:
            told = ["succeeded" if one.kind == b"R" else f"failed with {text(one.body)}" for one in (before, again)]
            return f"call {index} {told[0]} and then {told[1]}"
        if again.kind == b"R" and before.body != again.body:
            place = _where(before.body, again.body)
            return f"call {index} gave other personas when repeated in another process (personas{place})"
    return ""


def decode(body: bytes, what: str) -> Any:
    """Parse JSON from the child, which the program itself may have written. Raises ProgramError."""

    def refuse(name: str) -> None:
        raise ValueError(f"it contains {name}")

    try:
        return json.loads(body, parse_constant=refuse)
    except RecursionError as error:
        raise ProgramError(f"{what} is not plain JSON: it is nested too deeply") from error
    except ValueError as error:
        raise ProgramError(f"{what} is not plain JSON: {error}") from error


def text(body: bytes) -> str:
    """The child's error message as one line without memory addresses, so that it can be stored and compared."""
    try:
        words = json.loads(body)
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, str):
        return SPOOFED
    words = "".join(character if character.isprintable() else " " for character in words)
    return _ADDRESS.sub("0x…", words)[:_LONGEST_REASON]


def _where(first: bytes, second: bytes) -> str:
    """The path to the first difference of two results, and both values."""
    try:
        return _compare(decode(first, ""), decode(second, ""))
    except (ProgramError, RecursionError):  # not JSON, or nested too deeply to be compared part by part
        return " differ"


def _compare(first: Any, second: Any) -> str:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return next((f"[{key!r}]{_compare(first[key], second[key])}" for key in first if first[key] != second[key]), " differ")
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True))
        return next((f"[{index}]{_compare(one, two)}" for index, (one, two) in pairs if one != two), " differ")
    return f" was {json.dumps(first)[:60]} and then {json.dumps(second)[:60]}"
