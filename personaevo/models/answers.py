"""Structured answers: a schema as the servers want it, and a tolerant reading of what they send back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Answer = TypeVar("Answer", bound=BaseModel)

_OPENING = re.compile(r"[{\[]")
# A string, also one without an end, or a trailing comma; possessive: linear in time.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[}\]])', re.DOTALL)
_NAMED, _NOTES = ("properties", "$defs"), ("default", "title")
_MOST_WORK = 1_000_000  # characters between brackets that are looked at, from the end on
_MOST_VALUES = 200  # that are found there
_DEEPEST = 200
LONGEST = 200_000  # characters of an answer that are looked at


@lru_cache(maxsize=64)
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in the form that strict servers want: every object closed, every property required. It is
    the same object for the same model: not to be changed."""
    closed: dict[str, Any] = _closed(model.model_json_schema())
    return closed


def _closed(node: Any, *, named: bool = False) -> Any:
    """``named``: the keys are names that a model gave, not words of JSON Schema."""
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {name: _closed(part) for name, part in node.items()}
    made = {key: _closed(value, named=key in _NAMED) for key, value in node.items() if key not in _NOTES}
    if node.get("type") == "object" and "properties" in node:
        made |= {"additionalProperties": False, "required": list(node["properties"])}
    return made


def parse(text: str, schema: type[Answer]) -> Answer:
    """What ``text`` says in the form of ``schema``: JSON, also inside a fence, with prose and brackets around it, with trailing commas. Of
    several values the last that has the form counts: what stands before it are drafts.

    Raises:
        ValueError: there is none, in words for the model that wrote it.
    """
    problem = ""
    for piece in _pieces(text[-LONGEST:]):
        try:
            return schema.model_validate(piece)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            problem = problem or f"{place}: {first['msg'].lower()}"  # of the outermost piece, not of what is inside
    raise ValueError(problem or "it holds no JSON")


def _pieces(text: str) -> Iterator[Any]:
    """The JSON values in a text, the likeliest first: the whole text if it is one, then the outermost values from the last to the first,
    then those inside others."""
    whole = _loaded(text.strip())
    if whole is not None:
        yield whole
    found: list[tuple[int, int, Any]] = []  # by start, the last one first
    looked_at = 0
    for start in (match.start() for match in reversed(list(_OPENING.finditer(text)))):
        piece = _balanced(text, start)
        looked_at += len(piece) or len(text) - start
        if looked_at > _MOST_WORK:
            break
        value = _loaded(piece)
        if value is not None:
            found.append((start, start + len(piece), value))
        if len(found) == _MOST_VALUES:
            break
    inside: list[Any] = []
    outer = list(accumulate((end for _, end, _ in reversed(found)), max, initial=-1))  # the farthest end of those that begin before
    for (_, end, value), reach in zip(found, reversed(outer[:-1]), strict=True):
        if reach >= end:
            inside.append(value)
        else:
            yield value
    yield from inside


def _loaded(text: str) -> Any:
    """The value, None if it is not JSON even without trailing commas. NaN and the like are none; half characters become "?"."""
    for form in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            value = json.loads(form, parse_constant=lambda name: None, parse_float=_finite)
            return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) if "\\u" in form else value
        except (ValueError, RecursionError):
            continue
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _balanced(text: str, start: int) -> str:
    """From an opening bracket to the one that closes it; empty if none does, or what is between is nested too deeply."""
    depth, inside, escaped = 0, False, False
    for index in range(start, len(text)):
        char = text[index]
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        inside = char == '"'
        depth += (char in "{[") - (char in "}]")
        if depth == 0:
            return text[start : index + 1]
        if depth > _DEEPEST:
            break
    return ""
