"""Values that match a JSON schema."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from examples.model_server.requests import Json

WORDS = "amber brisk calm dusk early fern gentle harbor ivory juniper kindly lantern maple noon orchard plain river stone timber".split()
_FORMATS = {
    "date": "2031-05-14",
    "date-time": "2031-05-14T10:30:00Z",
    "time": "10:30:00Z",
    "email": "amber@example.org",
    "uri": "https://example.org/amber",
    "uuid": "0b6f3c1e-8a4d-4c57-9d2b-5f1e7a90c3d4",
}
# If a provider's schemas have no bounds, its client writes them into the description: "{maximum: 1, minimum: 0}".
_DESCRIBED = re.compile(r"\b((?:exclusive)?(?:Min|Max|min|max)imum|(?:min|max)(?:Items|Length)|multipleOf): (-?(?:0|[1-9]\d*)(?:\.\d+)?)")
_DEEP = 6  # depth from which only required properties are filled
_DEEPEST = 40  # a recursive schema that requires itself has no finite value
_SPEECH = ("reply", "text", "content", "message", "turn", "answer", "program", "source", "edits")


def filled(schema: Mapping[str, Any], dice: random.Random) -> Any:
    """A small value that matches a JSON schema, equal for equal dice.

    Supported are types, const, enum, bounds of numbers, strings and arrays, nested objects, ``$ref`` within the schema, anyOf, oneOf and
    allOf; patterns are not.
    """
    return _value(schema, schema, dice, 0)


def fitted(schema: Mapping[str, Any], text: str, dice: random.Random) -> Any:
    """``text`` as a value of the schema.

    A JSON object is used as it is. Otherwise the schema is filled, and the text replaces the property with a reply's name, if there is
    one. If any object is allowed, it becomes ``{"text": text}``.
    """
    with suppress(ValueError):
        parsed = json.loads(text)
        if isinstance(parsed, dict):
            return parsed
    value = filled(schema, dice)
    if value == {}:
        return {"text": text}
    properties = _resolved(schema, schema).get("properties", {})
    for name in _SPEECH if isinstance(value, dict) else ():
        one = properties.get(name)
        free = isinstance(one, dict) and one.get("type") == "string" and not {"enum", "const", "pattern", "format"} & one.keys()
        if free and one.get("minLength", 0) <= len(text) <= one.get("maxLength", len(text)):
            return {**value, name: text}
    return value


def _resolved(given: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with its references followed and its allOf merged."""
    schema: Mapping[str, Any] = given if isinstance(given, dict) else {}
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        target: Any = root
        for step in str(schema["$ref"]).lstrip("#/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key, {}) if step and isinstance(target, dict) else target
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    for part in schema.get("allOf", ()):
        schema = {**schema, **_resolved(part, root)}
    described = {name: json.loads(number) for name, number in _DESCRIBED.findall(str(schema.get("description", "")))}
    return {**described, **schema}


def _value(schema: Any, root: Mapping[str, Any], dice: random.Random, depth: int) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _value(_option(options, root, dice, depth), root, dice, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = "null" if depth >= _DEEP and "null" in kind else next((name for name in kind if name != "null"), "null")
    make = _MAKERS.get(kind)
    return make(schema, root, dice, depth) if make and depth < _DEEPEST else None


def _option(options: Sequence[Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> Any:
    plain = [option for option in options if _resolved(option, root).get("type") not in ("object", "array", None)]
    some = [option for option in options if _resolved(option, root).get("type") != "null"]
    return dice.choice((plain if depth >= _DEEP else some) or list(options))


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> Json:
    properties = schema.get("properties", {})
    names = [name for name in properties if depth < _DEEP or name in schema.get("required", ())]
    value = {name: _value(properties[name], root, dice, depth + 1) for name in names}
    others = schema.get("additionalProperties")
    if isinstance(others, dict) and not properties and depth < _DEEP:
        names = dice.sample(WORDS, max(2, schema.get("minProperties", 0)))
        value = {name: _value(others, root, dice, depth + 1) for name in names}
    return value


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], dice: random.Random, depth: int) -> list[Any]:
    first = [_value(item, root, dice, depth + 1) for item in schema.get("prefixItems", ())]
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    items = schema.get("items")
    wanted = least if depth >= _DEEP else min(most, max(least, 1) + dice.randrange(2))
    if not isinstance(items, dict):
        return first
    rest = [_value(items, root, dice, depth + 1) for _ in range(int(wanted) - len(first))]
    for _ in range(100):
        if not schema.get("uniqueItems") or len({json.dumps(item, sort_keys=True) for item in rest}) == len(rest):
            break
        rest = [_value(items, root, dice, depth + 1) for _ in rest]
    return first + rest


def _string(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = " ".join(dice.sample(WORDS, 3))
    while len(text) < schema.get("minLength", 0):
        text += f" {dice.choice(WORDS)}"
    return text[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> float:
    low, high = _bounds(schema, 0.001)
    return round(low + (high - low) * (0.1 + 0.8 * dice.random()), 6) if high > low else low


def _integer(schema: Mapping[str, Any], _root: Mapping[str, Any], dice: random.Random, _depth: int) -> int:
    low, high = _bounds(schema, 1)
    step = int(schema.get("multipleOf", 1))
    first, last = -(-low // step), high // step
    return int(step * dice.randint(int(first), int(max(first, last))))


def _bounds(schema: Mapping[str, Any], inside: float) -> tuple[float, float]:
    """Lowest and highest number; ``inside`` is the distance from an exclusive bound."""
    low = max((schema[key] + off for key, off in (("minimum", 0), ("exclusiveMinimum", inside)) if key in schema), default=None)
    high = min((schema[key] - off for key, off in (("maximum", 0), ("exclusiveMaximum", inside)) if key in schema), default=None)
    if low is None:
        low = 0 if high is None or high >= 1 else high - 10
    return low, (low + 10 if high is None else high)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], random.Random, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _integer,
    "boolean": lambda _schema, _root, dice, _depth: dice.random() < 0.5,
}
