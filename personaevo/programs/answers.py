"""What the two runs of a program answered: read with distrust, and compared."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from personaevo.errors import ProgramError
from personaevo.programs.channel import SPOOFED, Answer

_LONGEST_REASON = 500
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True, slots=True)
class Answers:
    """What one child answered: the compiled program, the AXES, the calls in the order asked, and why it answered no more."""

    code: bytes = b""
    axes: bytes = b""
    calls: tuple[Answer, ...] = ()
    load_error: str | None = None
    stopped: str | None = None


def difference(first: Answers, second: Answers, order: Sequence[int]) -> str:
    """How the second run, which made the calls in ``order``, contradicts the first; "" if it does not."""
    if second.load_error is not None:
        return f"it loaded once and then failed with {second.load_error}"
    if second.calls and first.axes != second.axes:
        return f"AXES{_where(first.axes, second.axes)} when the program was loaded again"
    for index, again in zip(order, second.calls, strict=False):
        before = first.calls[index]
        if before.kind != again.kind:
            return f"call {index} {_came(before)} and then {_came(again)}"
        if again.kind == b"R" and before.body != again.body:
            place = _where(before.body, again.body)
            return f"call {index} gave other personas when repeated in another process (personas{place})"
    return ""


def decode(body: bytes, what: str) -> Any:
    """JSON from the child, which may have been written by the program itself: nothing about it is trusted. Raises ProgramError."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ProgramError(f"{what} is not plain JSON: it is nested too deeply") from error
    except ValueError as error:
        raise ProgramError(f"{what} is not plain JSON: {error}") from error


def text(body: bytes) -> str:
    """The child's own words for what went wrong, fit to be stored and compared: one line without addresses."""
    try:
        words = json.loads(body)
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, str):
        return SPOOFED
    words = "".join(character if character.isprintable() else " " for character in words)
    return _ADDRESS.sub("0x…", words)[:_LONGEST_REASON]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it contains {name}")


def _came(answer: Answer) -> str:
    return "succeeded" if answer.kind == b"R" else f"failed with {text(answer.body)}"


def _where(first: bytes, second: bytes) -> str:
    """The first place where two results differ, and both values."""
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
