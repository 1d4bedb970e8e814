"""Structured answers: a schema as the servers want it, and a tolerant reading of what they send back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Answer = TypeVar("Answer", bound=BaseModel)

_FENCE = re.compile(r"```[a-zA-Z0-9]*\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*")', re.DOTALL)
_MOST_STARTS = 8  # places at which JSON is looked for
LONGEST = 200_000  # characters of an answer that are looked at


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in the form that strict servers want: every object closed, every property required."""
    closed: dict[str, Any] = _closed(model.model_json_schema())
    return closed


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    notes = ("default", "title")  # unless they are properties of that name
    made = {key: _closed(value) for key, value in node.items() if key not in notes or isinstance(value, dict)}
    if node.get("type") == "object" and "properties" in node:
        made |= {"additionalProperties": False, "required": list(node["properties"])}
    return made


def parse(text: str, schema: type[Answer]) -> Answer:
    """What ``text`` says in the form of ``schema``: JSON, also inside a fence, with chatter around it, with trailing commas.

    Raises:
        ValueError: there is none, in words for the model that wrote it.
    """
    problem = "it holds no JSON"
    for piece in _pieces(text[:LONGEST]):
        try:
            return schema.model_validate(piece)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            problem = f"{place}: {first['msg'].lower()}"
    raise ValueError(problem)


def _pieces(text: str) -> Iterator[Any]:
    """All JSON values that may be meant: the text, what is fenced, and what begins at a bracket."""
    for body in (text, *(match[1] for match in _FENCE.finditer(text))):
        value = _loaded(body.strip())
        if value is not None:
            yield value
    for match in islice(_OPENING.finditer(text), _MOST_STARTS):
        value = _loaded(_balanced(text, match.start()))
        if value is not None:
            yield value


def _loaded(text: str) -> Any:
    """The value, None if it is not JSON even without trailing commas. NaN and the like are none."""
    for form in (text, _without_trailing_commas(text)):
        try:
            return json.loads(form, parse_constant=lambda name: None)
        except (ValueError, RecursionError):
            continue
    return None


def _without_trailing_commas(text: str) -> str:
    parts = _STRINGS.split(text)
    return "".join(part if index % 2 else _TRAILING_COMMA.sub(r"\1", part) for index, part in enumerate(parts))


def _balanced(text: str, start: int) -> str:
    """From an opening bracket to the one that closes it; to the end if none does."""
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
    return text[start:]
