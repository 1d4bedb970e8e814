"""Initial profiles: from attributes of a person (age, Big Five, values, …), text or a persona; and profiles in files.

The wording of attributes is content (``fitness/refine/attributes.toml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from personaevo import content
from personaevo.errors import ConfigError
from personaevo.text import one_line

MAX_ATTRIBUTES = 200
_BANDS = 5
_SHOWN = 60

_Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One attribute that the content knows.

    Attributes:
        scale: the kind of scale; "" for facts.
        levels: sentences from the lowest to the highest level.
        values: of a fact the sentence of each known value; ``say`` is the sentence for other values.
        range: the range that numbers of a fact must have.
    """

    section: str
    scale: str = ""
    levels: tuple[str, ...] = ()
    say: str = ""
    values: Mapping[str, str] | None = None
    range: _Range | None = None


def attribute_sentences(attributes: Mapping[str, Any], scales: Mapping[str, Sequence[float]] | None = None) -> list[tuple[str, str]]:
    """Attributes as (section, sentence) pairs: known ones in the order of the content, then the others as given.

    Values may be numbers, texts, lists of those, or booleans; objects are flattened (``{"big_five": {"open": 4}}``). null and "" give no
    sentence, and neither does the middle of a value's scale. Traits and values take a number, or a word such as "low" or "very high".
    ``scales`` gives the ends of a kind's scale (``{"traits": (1, 7)}``); the content has the defaults.

    Raises:
        ConfigError: there are over 200 attributes, one has another type, or the numbers of a kind fit no scale.
    """
    given = list(_flat(attributes))
    if len(given) > MAX_ATTRIBUTES:
        raise ConfigError(f"attributes: expected at most {MAX_ATTRIBUTES}, got {len(given):,}; leave some out")
    ends = _scales(given, scales or {})
    known = _known()
    order = {name: index for index, name in enumerate(known)}
    given.sort(key=lambda pair: order.get(pair[0], len(order)))
    said = [_sentence(name, value, known.get(name), ends) for name, value in given]
    return list(dict.fromkeys((section, sentence) for section, sentence in said if sentence))


def _flat(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in attributes.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        elif value is None or isinstance(value, str | bool | int | float):
            if value is not None and value != "":
                yield _normal(name), value
        elif isinstance(value, list | tuple) and all(isinstance(one, str | int | float) for one in value):
            yield _normal(name), ", ".join(map(str, value))
        else:
            expected = "expected a number, a text, a list of those, or an object"
            raise ConfigError(f"attribute '{one_line(name)[:_SHOWN]}': {expected}, got a value of type {type(value).__name__}")


def _normal(name: str) -> str:
    return " ".join(re.sub(r"[_-]", " ", name).lower().split())


def _scales(given: Sequence[tuple[str, Any]], chosen: Mapping[str, Sequence[float]]) -> dict[str, _Range]:
    """The ends of each kind's scale: those given, else the first of the content's that the numbers fit."""
    known, found = _known(), {}
    offered = content.toml("fitness", "refine/attributes.toml")["scales"]
    unknown = next((kind for kind in chosen if kind not in offered), None)
    if unknown is not None:
        raise ConfigError(f"scale '{one_line(unknown)[:_SHOWN]}': expected one of {', '.join(offered)}")
    for kind, options in offered.items():
        of_kind = [value for name, value in given if name in known and known[name].scale == kind]
        numbers = [number for number in map(_number, of_kind) if number is not None]
        fitting = (chosen[kind],) if kind in chosen else [ends for ends in options if list(ends) != [0, 1] or min(numbers, default=1) < 1]
        scale = next((ends for ends in fitting if len(ends) == 2 and all(ends[0] <= number <= ends[1] for number in numbers)), None)
        if scale is None or not scale[0] < scale[1]:
            wanted = " or ".join(f"{ends[0]:g} to {ends[1]:g}" for ends in fitting if len(ends) == 2) or "two ends"
            raise ConfigError(f"{kind}: expected numbers on one scale ({wanted}), got {min(numbers):g} to {max(numbers):g}; give the scale"
                              if numbers else f"scale '{kind}': expected its two ends, the lower first")  # fmt: skip
        found[kind] = (float(scale[0]), float(scale[1]))
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _sentence(name: str, value: Any, kind: _Kind | None, ends: Mapping[str, _Range]) -> tuple[str, str]:
    """Section and sentence of one attribute; the sentence is "" if there is none."""
    table = content.toml("fitness", "refine/attributes.toml")
    number = _number(value)
    if kind is None:
        sentence = table["yes" if value else "no"] if isinstance(value, bool) else table["plain"]
        return "background", _filled(sentence, name, value)
    if kind.scale:
        low, high = ends[kind.scale]
        level = table["words"].get(_normal(str(value))) if number is None else min(_BANDS - 1, int((number - low) / (high - low) * _BANDS))
        return kind.section, _filled(table["plain"], name, value) if level is None else kind.levels[level]
    if kind.range and number is not None and not kind.range[0] <= number <= kind.range[1]:
        return kind.section, ""
    return kind.section, (kind.values or {}).get(str(value).strip().lower()) or _filled(kind.say, name, value)


def _filled(template: str, name: str, value: Any) -> str:
    said = f"{value:g}" if isinstance(value, float) else str(value).strip()
    slots = {"name": name, "value": said}
    return re.sub(r"\{(name|value)\}", lambda slot: slots[slot[1]], template)


@cache
def _known() -> dict[str, _Kind]:
    """All attributes of the content by name, in its order."""
    table = content.toml("fitness", "refine/attributes.toml")
    known: dict[str, _Kind] = {}
    for row in table["fact"]:
        ends = tuple(map(float, row["range"])) if "range" in row else None
        fact = _Kind(row["section"], say=row["say"], values=row.get("values", {}), range=(ends[0], ends[1]) if ends else None)
        known.update(dict.fromkeys([row["name"], *row.get("also", ())], fact))
    for row in table["trait"]:
        trait = _Kind(row["section"], "traits", tuple(row["levels"]))
        known.update(dict.fromkeys([row["name"], *row.get("also", ())], trait))
        known.update(dict.fromkeys(row.get("reversed", ()), _Kind(row["section"], "traits", tuple(reversed(row["levels"])))))
    value = table["value"]
    for name, thing in value["things"].items():
        known[name] = _Kind(value["section"], "values", tuple(level.replace("{thing}", thing) for level in value["levels"]))
    known.update({name: known[other] for name, other in value["also"].items()})
    return known
