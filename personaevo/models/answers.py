"""Structured output (schemas that servers accept, tolerant parsing), and wrappers of chat models: caching, costs, offline replay."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Form = TypeVar("Form", bound=BaseModel)

_OPENING = re.compile(r"[{\[]")
# A string, also one without an end, or a trailing comma; possessive: linear in time.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[}\]])', re.DOTALL)
_NAMED, _NOTES = ("properties", "$defs"), ("default", "title")
_MOST_WORK = 1_000_000  # characters between brackets that are parsed, from the end on
_MOST_VALUES = 200  # JSON values that are collected
_DEEPEST = 200
LONGEST = 200_000  # characters of an answer that are parsed


@lru_cache(maxsize=64)
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in strict form: every object closed, every property required. The result is cached and must not be
    changed."""
    closed: dict[str, Any] = _closed(model.model_json_schema())
    return closed


def _closed(node: Any, *, named: bool = False) -> Any:
    """``named``: the keys are property names, not keywords of JSON Schema."""
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


def parse(text: str, schema: type[Form]) -> Form:
    """Find and validate the JSON value of ``schema`` in ``text``, also inside a fence, with prose and brackets around it, or with trailing
    commas. Of several valid values the last is used: those before it are drafts.

    Raises:
        ValueError: there is none; the message is written for the model.
    """
    problem = ""
    for piece in _pieces(text[-LONGEST:]):
        try:
            return schema.model_validate(piece)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            problem = problem or f"{place}: {first['msg'].lower()}"  # of the outermost value, not of one inside it
    raise ValueError(problem or "it holds no JSON")


def _pieces(text: str) -> Iterator[Any]:
    """The JSON values in a text, the most likely first: the whole text if it is JSON, then the outermost values from last to first, then
    values inside others."""
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
    outer = list(accumulate((end for _, end, _ in reversed(found)), max, initial=-1))  # the farthest end of the values that begin earlier
    for (_, end, value), reach in zip(found, reversed(outer[:-1]), strict=True):
        if reach >= end:
            inside.append(value)
        else:
            yield value
    yield from inside


def _loaded(text: str) -> Any:
    """The value, None if it is not JSON even without trailing commas. NaN and infinities become None; lone surrogates become "?"."""
    for form in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            value = json.loads(
                form, parse_constant=lambda name: None, parse_float=lambda text: number if math.isfinite(number := float(text)) else None
            )
            return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) if "\\u" in form else value
        except (ValueError, RecursionError):
            continue
    return None


def _balanced(text: str, start: int) -> str:
    """The text from an opening bracket to the matching one; "" if there is none, or the nesting is too deep."""
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
