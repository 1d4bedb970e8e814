"""Initial profiles: from attributes of a person (age, Big Five, values, …), text or a persona; and profiles in files.

The wording of attributes is content (``fitness/refine/attributes.toml``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from personaevo import content
from personaevo.errors import ConfigError, InputError
from personaevo.programs.persona_text import sentences as dial_sentences
from personaevo.readers import files
from personaevo.readers.files import Row
from personaevo.records import Persona
from personaevo.refine.profile import SECTIONS, Claim, Profile, in_second_person, second_person_problem
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


StartWord = Literal["shrinkage", "population", "attributes", "nothing"]
Start = Profile | StartWord

MAX_CHARS = 100_000
_FILE = re.compile(r"\S+\.(?:json|md|txt)|[./~]\S*/\S+")  # a path, not a text
_TITLE = 60  # characters
_FIRST = next(iter(SECTIONS))  # section of text without a heading
_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]|\(?\d{1,2}[.)])\s+")
_MARKS = re.compile(r"^#{1,6}\s+|\*\*")
_TITLED = re.compile(r"#{1,6}\s.*|\*\*[^*]+\*\*:?")
_SENTENCES = re.compile(
    r"(?<=[.!?])(?<!\b[A-Za-z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!\betc\.)\s+"
    r"|(?<=[.!?][\"'\u201d\u2019)])\s+(?=[A-Z\"\u201c])"
)


def claims_of(text: str) -> Profile:
    """Split a text into claims, one for each sentence, unchanged.

    A heading line ("## Goals", "Goals:", "How you talk:") sets the section of the sentences after it. Sentences without a heading, and
    after a heading that matches no section, are background. List markers are removed.

    Raises:
        ConfigError: the text has over 100,000 characters.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"the text of a profile: expected at most {MAX_CHARS:,} characters, got {len(text):,}; shorten it")
    return _profile(_sentences(text))


def from_text(text: str) -> Profile:
    """Split a text into claims as ``claims_of`` does, each put into the second person."""
    sections = claims_of(text).sections
    return Profile(
        sections={name: tuple(Claim(text=in_second_person(claim.text)) for claim in claims) for name, claims in sections.items()}
    )


def from_attributes(given: Mapping[str, Any], scales: Mapping[str, Sequence[float]] | None = None) -> Profile:
    """Initial profile from known attributes of a person (see ``attribute_sentences``).

    Raises:
        ConfigError: an attribute has the wrong type or fits no scale.
    """
    return _profile(attribute_sentences(given, scales))


def from_persona(persona: Persona) -> Profile:
    """Initial profile from a persona of an archive.

    Its description becomes background and its policy communication, unless they have headings of their own. Dials are kept; sentences that
    only state a dial are left out.

    Raises:
        ConfigError: a dial is unknown or out of range, or a text has over 100,000 characters.
    """
    bare = Profile(dials=persona.dials)
    policy = persona.policy
    for sentence in dial_sentences():
        policy = policy.replace(sentence, "")
    said = from_text(f"{persona.description}\n{SECTIONS['communication'].heading}:\n{policy}")
    return said.with_dials(bare.dials)


def start_of(given: Profile | str | os.PathLike[str]) -> Start:
    """The initial profile that a caller means: a profile, one of the words of ``StartWord``, a file's name, or a text."""
    if isinstance(given, Profile):
        return given
    text = os.fspath(given)
    if text in get_args(StartWord):
        return cast(StartWord, text)
    if isinstance(given, os.PathLike) or _FILE.fullmatch(text):
        return read_profile(text)
    if not text.strip():
        raise ConfigError('the profile to start from: expected words, got none; give "nothing" to start from nothing')
    return from_text(text)


def _profile(said: Iterable[tuple[str, str]]) -> Profile:
    """The profile of (section, sentence) pairs."""
    found: dict[str, list[Claim]] = {name: [] for name in SECTIONS}
    for section, sentence in said:
        found[section].append(Claim(text=sentence))
    return Profile(sections={name: tuple(claims) for name, claims in found.items()})


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    section = _FIRST
    for line in text.splitlines():
        rest = _BULLET.sub("", line).strip()
        bare = _MARKS.sub("", rest).strip()
        name, colon, after = bare.partition(":")
        named = _headings().get(" ".join(name.lower().split()))
        titled = not after.strip() and len(bare) <= _TITLE and (_TITLED.fullmatch(rest) or (colon and second_person_problem(name)))
        if titled or (named and (colon or not after)):
            section, bare = named or _FIRST, after.strip()
        yield from ((section, part) for part in _SENTENCES.split(bare) if any(map(str.isalnum, part)))


@cache
def _headings() -> dict[str, str]:
    """Headings in lower case, with the section that each stands for."""
    return {
        name.lower(): section.name for section in SECTIONS.values() for name in (section.name, section.heading, *section.also)
    }


# --- in files


def read_profile(path: str | Path) -> Profile:
    """Read the profile in a file.

    The file holds one of: a profile as ``write_profile`` writes it (``{"sections": {"goals": ["You want …"]}, "dials": {…}}``), the
    attributes of a person (``{"attributes": {…}}``, with ``scales`` where needed), one persona (as ``sample --json`` prints it), or text.

    Raises:
        InputError: the file cannot be read, or holds none of these.
    """
    return read_whole(path)[0]


def read_whole(path: str | Path) -> tuple[Profile, Mapping[str, Any]]:
    """Read a profile as ``read_profile`` does, with all fields of its file (none if it is text). Raises as ``read_profile``."""
    path = Path(path)
    data = files.read_bytes(path)
    try:
        if not data.lstrip().startswith((b"{", b"[")):
            return from_text(data.decode("utf-8")), {}
        row = Row(files.parse(data, path, ""), "")
        return _from_json(row, path), files.fields(row, path)
    except ConfigError as error:
        raise files.fault(path, "", str(error)) from None
    except UnicodeDecodeError as error:
        raise files.fault(path, "", f"expected UTF-8 text, got the byte 0x{data[error.start]:02x} at offset {error.start}") from None


def _from_json(row: Row, path: Path) -> Profile:
    values = files.fields(row, path)
    if "sections" in values:
        return files.record(Profile, values, row, path)
    if isinstance(values.get("attributes"), dict):
        scales = values.get("scales") or {}
        pairs = isinstance(scales, dict) and all(isinstance(ends, list) and len(ends) == 2 for ends in scales.values())
        if not pairs or not all(type(end) in (int, float) for ends in scales.values() for end in ends):
            raise files.fault(path, "", f"field 'scales': expected {{\"traits\": [1, 5]}} or the like, got {files.short(scales)}")
        return from_attributes(values["attributes"], scales)
    if "description" in values or "policy" in values:
        return from_persona(files.record(Persona, {"id": "given", "description": "", **values}, row, path))
    if isinstance(values.get("personas"), list) and len(values["personas"]) == 1:
        return _from_json(files.entries(row, "personas", path)[0], path)
    if "dials" in values:
        return files.record(Profile, values, row, path)
    expected = "expected a profile (sections, dials), the attributes of a person (attributes) or one persona (description, policy)"
    raise files.fault(path, "", f"{expected}, got the keys {files.short(sorted(values)[:8])}")


def write_profile(path: str | Path, profile: Profile, fields: Mapping[str, Any] | None = None) -> None:
    """Write the profile as JSON, with further ``fields``; ``read_profile`` returns an equal profile.

    Raises:
        InputError: the file cannot be written.
    """
    text = json.dumps({"id": profile.id, **(fields or {}), **profile.to_dict()}, ensure_ascii=False, indent=1)
    draft = Path(f"{path}.new")  # if the disk is full, the existing file stays
    try:
        draft.write_text(f"{text}\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path}: the profile cannot be written: {error.strerror or error}") from None
