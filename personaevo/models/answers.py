"""Structured answers: a schema as the servers want it, and a tolerant reading of what they send back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Answer = TypeVar("Answer", bound=BaseModel)

_FENCE = re.compile(r"```[a-zA-Z0-9]*\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
# A string, also one without an end, or a trailing comma; possessive: linear in time.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*[}\]])', re.DOTALL)
_NAMED, _NOTES = ("properties", "$defs"), ("default", "title")
_MOST_STARTS = 8  # places at which JSON is looked for, and fences
_DEEPEST = 200
LONGEST = 200_000  # characters of an answer that are looked at


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in the form that strict servers want: every object closed, every property required."""
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
    """What ``text`` says in the form of ``schema``: JSON, also inside a fence, with chatter around it, with trailing commas.

    Raises:
        ValueError: there is none, in words for the model that wrote it.
    """
    problem = ""
    for piece in _pieces(text[:LONGEST]):
        try:
            return schema.model_validate(piece)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            problem = problem or f"{place}: {first['msg'].lower()}"  # of the outermost piece, not of what is inside
    raise ValueError(problem or "it holds no JSON")


def _pieces(text: str) -> Iterator[Any]:
    """All JSON values that may be meant: the text, what is fenced, and what begins at a bracket."""
    for body in (text, *(match[1] for match in islice(_FENCE.finditer(text), _MOST_STARTS))):
        value = _loaded(body.strip())
        if value is not None:
            yield value
    for match in islice(_OPENING.finditer(text), _MOST_STARTS):
        value = _loaded(_balanced(text, match.start()))
        if value is not None:
            yield value


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
