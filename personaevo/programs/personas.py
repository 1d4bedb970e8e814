"""Decode, compare and check the output of a program, and build axes and personas from it. The output may be forged by the program."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personaevo import definitions, injection
from personaevo.errors import ProgramError
from personaevo.programs.channel import SPOOFED, Frame
from personaevo.programs.persona_text import describe_dials, rules
from personaevo.records import Axis, Persona
from personaevo.text import one_line

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


MAX_AXES = 24
MAX_NAME = 80
MAX_TEXT = 2_000
MAX_POLICY = 8_000
_AXIS_KEYS = ("name", "definition", "low", "high", "who", "dials")
_PERSONA_KEYS = ("id", "description", "behaviors", "dials", "policy")


@dataclass(frozen=True, slots=True)
class DialTable:
    """The dials that a program may set.

    ``ranges`` maps a dial to its lowest and highest allowed value; None allows every name and every finite value.
    """

    ranges: Mapping[str, tuple[float, float]] | None = None


def axes(raw: object, dials: DialTable) -> tuple[Axis, ...]:
    """Check a program's AXES.

    At most 24 dicts with a unique ``name`` and optionally ``definition``, ``low``, ``high`` (texts), ``who`` (a phrase for each end, for
    the program's own use) and ``dials`` (dial → [value at level 0, value at level 1], both within the dial's range). A text that addresses
    the judge, the mutator or a model is refused (see ``injection``). Raises ProgramError, naming index and field.
    """
    items = _list(raw, "AXES")
    if len(items) > MAX_AXES:
        raise ProgramError(f"AXES has {len(items)} entries; at most {MAX_AXES} are allowed: keep those that differ most")
    found = tuple(_axis(item, f"AXES[{index}]", dials) for index, item in enumerate(items))
    _unique([axis.name for axis in found], "AXES", "name")
    return found


def build(records: object, n: int, axes: Sequence[Axis], dials: DialTable) -> tuple[Persona | None, ...]:
    """Check what ``generate`` returned and complete it.

    ``records`` must be a list of exactly ``n`` entries: None for a member that failed (not for all), else a dict with a ``description``
    and optionally ``id`` (default "p0", "p1", …; unique), ``behaviors`` (axis → level in 0..1), ``dials`` (dial → value in its range) and
    ``policy``. Dials are derived from the behaviors, linearly between an axis's two values, as the mean where several axes set the same
    dial; values that the persona sets itself take precedence. A value out of range is refused and not clamped: clamping would evaluate a
    persona that the program did not propose. A missing or blank policy is composed (see ``compose_policy``). A text that addresses the
    judge, the mutator or a model is refused (see ``injection``). Raises ProgramError, naming index and field.
    """
    items = _list(records, "generate's result")
    if len(items) != n:
        raise ProgramError(f"generate returned {len(items)} personas; exactly n = {n} are expected")
    if n and all(item is None for item in items):
        raise ProgramError("generate returned no persona, only None: every member failed")
    by_name = {axis.name: axis for axis in axes}
    personas = tuple(None if item is None else _persona(item, index, by_name, dials) for index, item in enumerate(items))
    _unique([persona.id for persona in personas if persona is not None], "personas", "id")
    return personas


def compose_policy(behaviors: Mapping[str, float], values: Mapping[str, float], axes: Sequence[Axis] = (), description: str = "") -> str:
    """Compose the policy of a persona that has none, of at most 120 words together with the description.

    First, for each axis without dials, the text of the nearer end (none in the middle third) if it fits in the word limit; then a
    paragraph from the dials that agrees with the description (see ``persona_text``), in the words that remain. May be "".
    """
    lines: list[str] = []
    words_left = rules().most_words - len(description.split())
    for axis in axes:
        level = behaviors.get(axis.name, 0.5)
        text = (axis.low if level < 1 / 3 else axis.high if level > 2 / 3 else "").strip() if not axis.dials else ""
        if text and len(text.split()) <= words_left:
            lines.append(text)
            words_left -= len(text.split())
    return "\n".join(filter(None, [*lines, describe_dials(values, words_left, description)]))


def _axis(raw: object, where: str, dials: DialTable) -> Axis:
    item = _dict(raw, where, _AXIS_KEYS)
    if "name" not in item:
        raise ProgramError(f"{where}.name is missing; expected a unique name")
    ends = {}
    for dial, pair in _dict(item.get("dials", {}), f"{where}.dials").items():
        place = f"{where}.dials[{dial!r}]"
        values = _list(pair, place)
        if len(values) != 2:
            raise ProgramError(f"{place}: expected [value at level 0, value at level 1], got {len(values)} values")
        ends[dial] = (_dial(values[0], dial, f"{place}[0]", dials), _dial(values[1], dial, f"{place}[1]", dials))
    texts = {key: _checked_text(item.get(key, ""), f"{where}.{key}", MAX_TEXT) for key in ("definition", "low", "high")}
    who = _list(item.get("who", ["", ""]), f"{where}.who")
    if len(who) != 2:
        raise ProgramError(f"{where}.who: expected [who is at level 0, who is at level 1], got {len(who)} values")
    low, high = (_checked_text(text, f"{where}.who[{index}]", MAX_NAME) for index, text in enumerate(who))
    return Axis(name=_named(item["name"], f"{where}.name"), dials=ends, who=(low, high), **texts)


def _persona(raw: object, index: int, axes: Mapping[str, Axis], dials: DialTable) -> Persona:
    where = f"personas[{index}]"
    item = _dict(raw, where, _PERSONA_KEYS)
    if "description" not in item:
        raise ProgramError(f"{where}.description is missing; expected who this user is, in a sentence or two")
    description = _checked_text(item["description"], f"{where}.description", MAX_TEXT)
    if not description.strip():
        raise ProgramError(f"{where}.description is blank; expected who this user is, in a sentence or two")
    behaviors = {}
    for name, level in _dict(item.get("behaviors", {}), f"{where}.behaviors").items():
        place = f"{where}.behaviors[{name!r}]"
        if name not in axes:
            raise ProgramError(f"{place}: no such axis; expected one of {_some(axes)}")
        behaviors[name] = _number(level, place, 0.0, 1.0)
    own = _dict(item.get("dials", {}), f"{where}.dials")
    values = _derived_dials(behaviors, axes)
    values |= {dial: _dial(value, dial, f"{where}.dials[{dial!r}]", dials) for dial, value in own.items()}
    policy = _checked_text(item.get("policy", ""), f"{where}.policy", MAX_POLICY)
    policy = policy if policy.strip() else _composed(behaviors, values, axes, description, where)
    name = _named(item.get("id", f"p{index}"), f"{where}.id")
    return Persona(id=name, description=description, behaviors=behaviors, dials=values, policy=policy)


def _composed(
    behaviors: Mapping[str, float], values: Mapping[str, float], axes: Mapping[str, Axis], description: str, where: str
) -> str:
    policy = compose_policy(behaviors, values, tuple(axes.values()), description)
    if len(policy) > MAX_POLICY:  # a text without blanks is one word
        raise ProgramError(
            f"{where}: the policy composed from its axes has {len(policy):,} characters; "
            f"at most {MAX_POLICY:,} are allowed: shorten low and high"
        )
    return policy


def _derived_dials(behaviors: Mapping[str, float], axes: Mapping[str, Axis]) -> dict[str, float]:
    """The dials that follow from levels on axes, in the order of the axes."""
    found: dict[str, list[float]] = {}
    for name, axis in axes.items():
        if name in behaviors:
            for dial, (start, end) in axis.dials.items():
                found.setdefault(dial, []).append(start + behaviors[name] * (end - start))
    return {dial: math.fsum(values) / len(values) for dial, values in found.items()}


def _dial(value: object, dial: str, where: str, dials: DialTable) -> float:
    if dials.ranges is None:
        return _number(value, where, -math.inf, math.inf)
    if dial not in dials.ranges:
        raise ProgramError(f"{where}: no such dial; expected one of {_some(dials.ranges)}")
    return _number(value, where, *dials.ranges[dial])


def _number(value: object, where: str, low: float, high: float) -> float:
    expected = "a finite number" if math.isinf(low) else f"a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProgramError(f"{where}: expected {expected}, got {_kind(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ProgramError(f"{where}: expected {expected}, got an integer too large for a float") from error
    if not math.isfinite(number) or not low <= number <= high:
        raise ProgramError(f"{where}: expected {expected}, got {number!r}")
    return number


def _text(value: object, where: str, longest: int) -> str:
    if not isinstance(value, str):
        raise ProgramError(f"{where}: expected text, got {_kind(value)}")
    if len(value) > longest:
        raise ProgramError(f"{where}: {len(value):,} characters; at most {longest:,} are allowed: shorten it")
    if "\0" in value:
        raise ProgramError(f"{where}: contains a NUL character; remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ProgramError(f"{where}: contains half a surrogate pair, which is not text; remove it") from None
    return value


def _checked_text(value: object, where: str, longest: int) -> str:
    """A text that describes a person and does not address a reader."""
    text = _text(value, where, longest)
    flag = injection.find(text)
    if flag is not None:
        raise ProgramError(
            f"{where}: '{flag.excerpt}' is not about a person (pattern '{flag.pattern}': {flag.why}); "
            "write who this user is and how they behave, and address nobody"
        )
    return text


def _named(value: object, where: str) -> str:
    name = _checked_text(value, where, MAX_NAME)
    if not name.strip():
        raise ProgramError(f"{where}: expected a name, got blank text")
    return name


def _dict(value: object, where: str, keys: Sequence[str] | None = None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ProgramError(f"{where}: expected a dict, got {_kind(value)}")
    for key in value:
        _text(key, f"a key of {where}", MAX_NAME)
        if keys is not None and key not in keys:
            raise ProgramError(f"{where}: unknown key {key!r}; expected {', '.join(keys)}")
    return value


def _list(value: object, where: str) -> list[object]:
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, list):
        raise ProgramError(f"{where}: expected a list, got {_kind(value)}")
    return value


def _unique(names: Sequence[str], where: str, key: str) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            raise ProgramError(f"{where}[{index}].{key}: {name!r} is already the {key} of {where}[{first[name]}]; make it unique")
        first[name] = index


def _some(names: Mapping[str, object]) -> str:
    listed = ", ".join(map(one_line, list(names)[:MAX_AXES]))
    return (listed or "none: there are none") + (", …" if len(names) > MAX_AXES else "")


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def dial_table() -> DialTable:
    """The dials that programs may set, with their ranges: the listed dials and those of typing."""
    known = (*definitions.dials().values(), *definitions.typing_dials().values())
    return DialTable({dial.name: (dial.low, dial.high) for dial in known})
